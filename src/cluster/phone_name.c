/* Names of phones as people type them. Source: formats-and-protocols.md 8 (names of files), 10. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "cluster/phones_internal.h"

#define PREFIX_LEN 3
#define MAC_DIGITS 12

/* Devices that are named after their MAC address; what stands behind other prefixes is free. */
static bool has_mac(const char *name)
{
	return strncasecmp(name, "SEP", PREFIX_LEN) == 0 || strncasecmp(name, "ATA", PREFIX_LEN) == 0;
}

/* As such a device asks for its files: in capitals. */
static void fold(const char *name, char *out)
{
	size_t i = 0;

	for (; name[i]; i++)
		out[i] = (char)toupper((unsigned char)name[i]);
	out[i] = '\0';
}

static int check_mac(const char *name, struct err *e)
{
	const char *digits = name + PREFIX_LEN;
	size_t n = strspn(digits, "0123456789ABCDEF");
	char shown[100];

	if (n == MAC_DIGITS && !digits[n])
		return 0;
	text_escape(shown, sizeof(shown), view_str(name));
	if (!digits[n])
		return err_set(e, ERR_USAGE, "'%.60s' is no phone's name: behind %.3s stand the 12 hex digits of its MAC address, "
			       "and here are %zu", shown, name, n);
	return err_set(e, ERR_USAGE, "'%.60s' is no phone's name: behind %.3s stand the 12 hex digits of its MAC address and nothing "
		       "else; here are %zu and then something else", shown, name, n);
}

int phone_name_check(const char *name, struct err *e)
{
	if (has_mac(name))
		return check_mac(name, e);
	if (text_is_device_name(name))
		return 0;
	return err_set(e, ERR_USAGE, "a phone's name is three capital letters and 1 to 60 of A-Z a-z 0-9 . _ - (SEP001122334455)");
}

int phones_name(struct cluster *c, const char *typed, char name[STORE_NAME_SIZE], struct store_device *d, bool *found,
		struct err *e)
{
	if (strlen(typed) >= STORE_NAME_SIZE)
		return phone_name_check(typed, e);
	/* A record may be older than the rule: it can still be named as it is. */
	strcpy(name, typed);
	int rc = store_device_get(c->store, name, d, found, e);
	if (rc || *found || !has_mac(typed))
		return rc;
	fold(typed, name);
	return strcmp(name, typed) == 0 ? 0 : store_device_get(c->store, name, d, found, e);
}
