#include "store/unit.h"

#include "base/text.h"

const struct store_unit_row store_units[] = {
	{STORE_UNIT_TOMCAT, "tomcat"},
	{STORE_UNIT_TOMCAT_ECDSA, "tomcat-ECDSA"},
	{STORE_UNIT_IPSEC, "ipsec"},
	{STORE_UNIT_ITLRECOVERY, "ITLRecovery"},
	{STORE_UNIT_CALLMANAGER_ECDSA, "CallManager-ECDSA"},
	{STORE_UNIT_CALLMANAGER, "CallManager"},
	{STORE_UNIT_CAPF, "CAPF"},
	{STORE_UNIT_TVS, "TVS"},
	{STORE_UNIT_AUTHZ, "AUTHZ"},
	{STORE_TRUST_TOMCAT, "tomcat-trust"},
	{STORE_TRUST_IPSEC, "ipsec-trust"},
	{STORE_TRUST_CALLMANAGER, "CallManager-trust"},
	{STORE_TRUST_CAPF, "CAPF-trust"},
	{STORE_TRUST_TVS, "TVS-trust"},
	{STORE_TRUST_PHONE, "Phone-trust"},
	{STORE_TRUST_PHONE_VPN, "Phone-VPN-trust"},
	{STORE_TRUST_PHONE_SAST, "Phone-SAST-trust"},
	{STORE_TRUST_PHONE_CTL, "Phone-CTL-trust"},
	{STORE_TRUST_PHONE_CTL_ASA, "Phone-CTL-ASA-trust"},
	{STORE_TRUST_PHONE_EDGE, "Phone-Edge-trust"},
	{STORE_TRUST_DIRECTORY, "directory-trust"},
	{STORE_TRUST_USERLICENSING, "userlicensing-trust"},
	{STORE_UNIT_NONE, NULL},
};

static const char *const role_names[] = {
	[STORE_ROLE_SAST] = "SAST",
	[STORE_ROLE_CALLMANAGER] = "CallManager",
	[STORE_ROLE_CALLMANAGER_TFTP] = "CallManagerTFTP",
	[STORE_ROLE_TFTP] = "TFTP",
	[STORE_ROLE_CAPF] = "CAPF",
	[STORE_ROLE_SRST] = "SRST",
	[STORE_ROLE_FIREWALL] = "Firewall",
	[STORE_ROLE_APPLICATION_SERVER] = "Application Server",
	[STORE_ROLE_CERTIFICATE_AUTHORITY] = "Certificate Authority",
	[STORE_ROLE_AUTHENTICATION] = "Authentication and Authorization",
	[STORE_ROLE_SIGNALING] = "Signaling and Call Control",
	[STORE_ROLE_PROVISIONING] = "Provisioning Service",
	[STORE_ROLE_DATA] = "Data Service",
	[STORE_ROLE_NETWORK_ELEMENT] = "Network Element",
	[STORE_ROLE_VPN] = "Virtual Private Network",
	[STORE_ROLE_SERVICEABILITY] = "Serviceability",
	[STORE_ROLE_UNKNOWN] = "Unknown",
	[STORE_ROLE_CALLMANAGER_ECDSA] = "CallManager-ECDSA",
	[STORE_ROLE_TVS] = "TVS",
};

const char *store_unit_name(enum store_unit unit)
{
	for (const struct store_unit_row *u = store_units; u->name; u++)
		if (u->unit == unit)
			return u->name;
	return NULL;
}

enum store_unit store_unit_from_name(const char *name)
{
	for (const struct store_unit_row *u = store_units; u->name; u++)
		if (text_same(u->name, name))
			return u->unit;
	return STORE_UNIT_NONE;
}

bool store_unit_is_trust(enum store_unit unit)
{
	return unit >= STORE_TRUST_TOMCAT;
}

const char *store_role_name(unsigned role)
{
	return role < sizeof(role_names) / sizeof(role_names[0]) ? role_names[role] : NULL;
}
