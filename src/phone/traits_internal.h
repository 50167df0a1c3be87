#pragma once

#include <stddef.h>

/* dist/models.conf, made a C array by embed.py. */
extern const unsigned char traits_data[];
extern const size_t traits_data_len;
