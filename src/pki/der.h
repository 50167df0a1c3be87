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
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0, /* constructed */
	DER_CONTEXT_3 = 0xa3,
	DER_CONTEXT_PRIMITIVE_0 = 0x80,
	DER_CONTEXT_PRIMITIVE_6 = 0x86,
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

/*
 * Writing. der_wrap: what was written to w since it was `from` octets long becomes the contents of an element, with its
 * minimal length; so elements are written from the inside out. Failures stay in w.
 */
bool der_wrap(struct wr *w, uint8_t tag, size_t from);
bool der_put(struct wr *w, uint8_t tag, struct view contents);

/* der_put_unsigned: an INTEGER from a magnitude, whose leading zeros do not count. */
bool der_put_unsigned(struct wr *w, struct view magnitude);

/* der_put_time: UTCTime to 2049, GeneralizedTime after that (RFC 5280 4.1.2.5). False also for what neither can hold. */
bool der_put_time(struct wr *w, int64_t unix_s);
