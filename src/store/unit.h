#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Certificate units and trust stores: rows of typecertificateservice. Numbers are in databases and never change.
 * The own units are in the order in which `show cert list own` prints them. Source: behaviour.md 1.5, 2.1.
 */
enum store_unit {
	STORE_UNIT_NONE = 0, /* in filters: any */
	STORE_UNIT_TOMCAT = 1,
	STORE_UNIT_TOMCAT_ECDSA = 2,
	STORE_UNIT_IPSEC = 3,
	STORE_UNIT_ITLRECOVERY = 4,
	STORE_UNIT_CALLMANAGER_ECDSA = 5,
	STORE_UNIT_CALLMANAGER = 6,
	STORE_UNIT_CAPF = 7,
	STORE_UNIT_TVS = 8,
	STORE_UNIT_AUTHZ = 9,
	STORE_TRUST_TOMCAT = 16,
	STORE_TRUST_IPSEC = 17,
	STORE_TRUST_CALLMANAGER = 18,
	STORE_TRUST_CAPF = 19,
	STORE_TRUST_TVS = 20,
	STORE_TRUST_PHONE = 21,
	STORE_TRUST_PHONE_VPN = 22,
	STORE_TRUST_PHONE_SAST = 23,
	STORE_TRUST_PHONE_CTL = 24,
	STORE_TRUST_PHONE_CTL_ASA = 25,
	STORE_TRUST_PHONE_EDGE = 26,
	STORE_TRUST_DIRECTORY = 27,
	STORE_TRUST_USERLICENSING = 28,
};

#define STORE_UNIT_BIT(unit) (UINT32_C(1) << (unit))

struct store_unit_row {
	enum store_unit unit;
	const char *name; /* "CallManager", "CallManager-trust" */
};
extern const struct store_unit_row store_units[]; /* by number; ends with a NULL name */

const char *store_unit_name(enum store_unit unit);       /* NULL for an unknown number */
enum store_unit store_unit_from_name(const char *name);  /* case does not matter; STORE_UNIT_NONE when unknown */
bool store_unit_is_trust(enum store_unit unit);

/*
 * Trust roles: rows of typetrustrole. 0 to 4, 7 and 21 are the functions of trust list records and TVS answers.
 * Source: behaviour.md 2.1, formats-and-protocols.md 2.2.
 */
enum store_role {
	STORE_ROLE_SAST = 0,
	STORE_ROLE_CALLMANAGER = 1,
	STORE_ROLE_CALLMANAGER_TFTP = 2,
	STORE_ROLE_TFTP = 3,
	STORE_ROLE_CAPF = 4,
	STORE_ROLE_SRST = 5,
	STORE_ROLE_FIREWALL = 6,
	STORE_ROLE_APPLICATION_SERVER = 7,
	STORE_ROLE_CERTIFICATE_AUTHORITY = 8,
	STORE_ROLE_AUTHENTICATION = 9, /* "Authentication and Authorization" */
	STORE_ROLE_SIGNALING = 10,
	STORE_ROLE_PROVISIONING = 11,
	STORE_ROLE_DATA = 12,
	STORE_ROLE_NETWORK_ELEMENT = 13,
	STORE_ROLE_VPN = 14,
	STORE_ROLE_SERVICEABILITY = 15,
	STORE_ROLE_UNKNOWN = 16,
	STORE_ROLE_CALLMANAGER_ECDSA = 17,
	STORE_ROLE_TVS = 21,
};

#define STORE_ROLE_BIT(role) (UINT32_C(1) << (role))
const char *store_role_name(unsigned role); /* NULL for an unknown number */
