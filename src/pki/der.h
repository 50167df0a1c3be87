#pragma once

#include "base/bytes.h"

/*
 * DER, as far as certificates, names and public keys need it: definite, minimal lengths, tags of one octet. As with
 * rd, a failed read leaves the reader failed, so that a parser checks once at its end. Source: X.690 8.1, 10.1.
 */
enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0,
};

bool der_any(struct rd *r, uint8_t *tag, struct rd *body);       /* whatever comes next */
bool der_open(struct rd *r, uint8_t tag, struct rd *body);       /* its contents */
bool der_view(struct rd *r, uint8_t tag, struct view *contents); /* its contents, borrowed */
bool der_whole(struct rd *r, uint8_t tag, struct view *element); /* head and contents, borrowed */
bool der_skip(struct rd *r, uint8_t tag);

/* der_unsigned: a non-negative INTEGER: its magnitude without the sign octet; one 00 for the number zero. */
bool der_unsigned(struct rd *r, struct view *magnitude);

/* der_bit_string: the octets of a BIT STRING that has whole octets only. */
bool der_bit_string(struct rd *r, struct view *octets);
