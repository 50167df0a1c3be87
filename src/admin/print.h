#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "cluster/notes.h"
#include "pki/cert.h"
#include "store/device.h"

/* What several commands print. */
#define PRINT_TIME_MAX 64

/* print_time: "Fri Mar 06 19:45:13 CET 2015", local time, as `show ctl` has it. */
const char *print_time(int64_t when_s, char out[PRINT_TIME_MAX]);

/* print_duration: "3 days, 02:07:41". */
const char *print_duration(int64_t s, char out[PRINT_TIME_MAX]);

/* print_json: with a newline behind it; j is taken, and may be NULL when memory ran out while it was made. */
int print_json(FILE *out, json_t *j, struct err *e) MUST_CHECK;

/* print_safe: a sentence of ours that may quote strangers, from certificates: nothing of them may steer a terminal. */
void print_safe(FILE *out, const char *text);

/* print_notes: a sentence a line, as print_safe. */
void print_notes(FILE *out, const struct notes *n);

/*
 * print_cert: the block that `show cert own` prints, after Java's toString of a certificate.
 * Source: behaviour.md 1.5; seed 000, "Certificate File Data".
 */
int print_cert(FILE *out, const struct cert *c, struct err *e) MUST_CHECK;

/* print_cert_json: a new reference, NULL when out of memory. */
json_t *print_cert_json(const struct cert *c);

/* print_phone_json: everything of its record; likewise. */
json_t *print_phone_json(const struct store_device *d);
