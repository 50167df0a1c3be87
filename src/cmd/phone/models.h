#pragma once

#include "phone/traits.h"

/* models_load: the model table of `path`, or the one that was compiled in when path is NULL. */
int models_load(const char *path, struct traits_table **t, struct err *e) MUST_CHECK;
