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
 * name_from_der: the string of a DER Name (the subject or issuer field of a certificate), with NUL. Forms A and C
 * escape what would divide the string, so that it reads back as the same name; form B cuts at a comma, as it does.
 * Errors: ERR_PROTO not a Name, "name-nul" (forms A, B) a NUL inside a value; ERR_LIMIT longer than size or
 *         NAME_MAX_LEN, or more than 64 attributes.
 */
int name_from_der(struct view der, enum name_form form, char *out, size_t size, struct err *e) MUST_CHECK;

/* name_same: are two name strings of trust lists the same name? A NUL and what follows it is ignored in both. */
bool name_same(struct view a, struct view b);

/* name_matches_der: does the string name this DER Name, in any of the three forms (form A also unescaped) or
 * normalised and reduced to CN OU O L ST C? A name alone never decides trust (1.13). */
bool name_matches_der(struct view name, struct view der);

/* name_get: value of the first attribute type ("CN", any case) in a name string, unquoted, unescaped and trimmed;
 * false when there is none or out is too small. */
bool name_get(struct view name, const char *type, char *out, size_t size);

/*
 * name_key: the normalised form that name_same compares, reduced to CN OU O L ST C when reduced is set: sorted
 * TYPE=value pairs, each with a NUL behind it. Equal keys mean equal names, so an index can hash it.
 * Returns its length; 0 when out is too small, or when nothing is left of the name.
 */
#define NAME_KEY_MAX 2048 /* octets that hold the key of every name Ringfence writes, and then some */
size_t name_key(struct view name, bool reduced, char *out, size_t size);

/* Serial numbers of trust lists and certificates (src/pki/serial.c). An empty one that is there (p not NULL) is zero,
 * as the peers write it; an absent one equals nothing. */
struct view serial_strip(struct view serial);   /* leading zero octets removed; one 00 stays for the number zero */
bool serial_same(struct view a, struct view b); /* both from trust lists */
bool serial_matches_cert(struct view tlv, struct view cert); /* also when the trust list has it byte-reversed */
