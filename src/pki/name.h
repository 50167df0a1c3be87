#pragma once

#include "base/bytes.h"

/*
 * Distinguished-name strings and serial numbers of trust lists. A name is opaque octets up to its NUL; comparing
 * tries octets, then a normalised set. Source: formats-and-protocols.md 1.11, 1.12.
 */
enum name_form {
	NAME_FORM_A, /* CUCM: CN=..;OU=..;O=..;L=..;ST=..;C=.. , fixed order, other attributes dropped */
	NAME_FORM_B, /* CTL client: cn="..";ou=..;o=".. cut at the comma, for token certificates */
	NAME_FORM_C, /* other tools: CN=..,O=..,OU=.. in DER order, RFC 4514 escapes */
};

#define NAME_MAX_LEN 1024 /* octets of a name string with its NUL, the longest we write */

/*
 * name_from_der: the string of a DER Name (the subject or issuer field of a certificate), with NUL.
 * Errors: ERR_PROTO not a Name; ERR_LIMIT longer than size.
 */
int name_from_der(struct view der, enum name_form form, char *out, size_t size, struct err *e) MUST_CHECK;

/* name_same: are two name strings of trust lists the same name? A NUL and what follows it is ignored in both. */
bool name_same(struct view a, struct view b);

/* name_matches_der: does the string name this DER Name, in any of the three forms or normalised? */
bool name_matches_der(struct view name, struct view der);

/* name_get: value of the first attribute type ("CN", any case) in a name string, unquoted and unescaped; false when
 * there is none or out is too small. */
bool name_get(struct view name, const char *type, char *out, size_t size);

/*
 * name_key: the normalised form that name_same compares, reduced to CN OU O L ST C when reduced is set: sorted
 * TYPE=value pairs. Equal keys mean equal names, so an index can hash it. Returns its length, 0 when out is too small.
 */
size_t name_key(struct view name, bool reduced, char *out, size_t size);

/* Leading zero octets removed; one 00 stays for the number zero. */
struct view serial_strip(struct view serial);
bool serial_same(struct view a, struct view b);            /* both from trust lists */
bool serial_matches_cert(struct view tlv, struct view der); /* also when the trust list has it byte-reversed */
