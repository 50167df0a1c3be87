#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * Text from and for people. All outputs are NUL-terminated and cut to size;
 * the return value is the length without the NUL that a large enough buffer
 * would have got, as snprintf does.
 */

/* Hex of v. sep is put between octets ('\0' for none); upper chooses A-F. */
size_t text_hex(char *out, size_t size, struct view v, char sep, bool upper);

/* The reverse of text_hex: separators ':' and ' ' are skipped. False when a digit is wrong or out is too small. */
bool text_unhex(const char *s, uint8_t *out, size_t size, size_t *len);

/* Of one hexadecimal digit in either case: 0 to 15; -1 for anything else. */
int text_hex_digit(char c);

/* Make v printable: control characters and octets that are not valid UTF-8 become \xNN, '\\' becomes "\\\\". */
size_t text_escape(char *out, size_t size, struct view v);

/* Of sentences with strangers' words in them: as text_escape, but line feeds and backslashes stay as they are. */
size_t text_printable(char *out, size_t size, struct view v);

/* How many characters are in UTF-8 text; SIZE_MAX when it is none, or holds control characters. */
size_t text_characters(const char *s);

/* Compare without regard to ASCII case. */
bool text_same(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/*
 * A device name as phones have it (SEP001122334455, CSFalice): three capital
 * letters, then 1 to 60 of A-Z a-z 0-9 . _ -
 * Source: formats-and-protocols.md 10, security notes.
 */
bool text_is_device_name(const char *s);

/* snprintf into out + used; returns the new length used, never beyond size - 1. */
size_t text_append(char *out, size_t size, size_t used, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A whole decimal number within [min, max]; nothing before or after it. */
bool text_number(const char *s, uint64_t min, uint64_t max, uint64_t *v);

/* text_distance: how many letters must be inserted, removed or changed to make b of a, whatever their case.
 * Of a b that is longer: TEXT_DISTANCE_MAX. */
#define TEXT_DISTANCE_MAX 64
unsigned text_distance(const char *a, const char *b);
