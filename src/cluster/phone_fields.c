/* The fields of a phone by name and text. Source: behaviour.md 5.1, 6. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cluster/phones_internal.h"

static const char *const bool_names[] = { "False", "True", NULL };
static const char *const rsa_names[] = { "512", "1024", "2048", "3072", "4096", NULL };
static const char *const ec_names[] = { "256", "384", "521", NULL };

enum kind { TEXT, WORD, BITS, BOOL, TIME };

static const struct {
	const char *name;
	enum kind kind;
	const char *const *values;
} fields[PHONE_N_FIELDS] = {
	[PHONE_DESCRIPTION] = { "Description", TEXT, NULL },
	[PHONE_MODEL] = { "Model", TEXT, NULL },
	[PHONE_POOL] = { "Device Pool", TEXT, NULL },
	[PHONE_GROUP] = { "CallManager Group", TEXT, NULL },
	[PHONE_SECURITY] = { "Device Security Mode", WORD, device_security_names },
	[PHONE_TRANSPORT] = { "Transport Type", WORD, device_transport_names },
	[PHONE_ENCRYPT_CONFIG] = { "TFTP Encrypted Config", BOOL, bool_names },
	[PHONE_OPERATION] = { "Certificate Operation", WORD, device_operation_names },
	[PHONE_AUTH] = { "Authentication Mode", WORD, device_auth_names },
	[PHONE_KEY_ORDER] = { "Key Order", WORD, device_key_order_names },
	[PHONE_RSA_BITS] = { "RSA Key Size", BITS, rsa_names },
	[PHONE_EC_BITS] = { "EC Key Size", BITS, ec_names },
	[PHONE_COMPLETE_BY] = { "Operation Completes By", TIME, NULL },
};

const char *phone_field_name(enum phone_field f)
{
	return f < PHONE_N_FIELDS ? fields[f].name : NULL;
}

bool phone_field_find(const char *name, enum phone_field *f)
{
	for (enum phone_field i = 0; i < PHONE_N_FIELDS; i++)
		if (text_same(fields[i].name, name)) {
			*f = i;
			return true;
		}
	return false;
}

const char *const *phone_field_values(enum phone_field f)
{
	return fields[f].values;
}

static char *text_of(struct store_device *d, enum phone_field f)
{
	switch (f) {
	case PHONE_DESCRIPTION:
		return d->description;
	case PHONE_MODEL:
		return d->model;
	case PHONE_POOL:
		return d->pool;
	default:
		return d->group;
	}
}

static unsigned word_of(const struct store_device *d, enum phone_field f)
{
	switch (f) {
	case PHONE_SECURITY:
		return d->security;
	case PHONE_TRANSPORT:
		return d->transport;
	case PHONE_OPERATION:
		return d->operation;
	case PHONE_AUTH:
		return d->auth;
	default:
		return d->key_order;
	}
}

static void set_word(struct store_device *d, enum phone_field f, unsigned value)
{
	switch (f) {
	case PHONE_SECURITY:
		d->security = value;
		break;
	case PHONE_TRANSPORT:
		d->transport = value;
		break;
	case PHONE_OPERATION:
		d->operation = value;
		break;
	case PHONE_AUTH:
		d->auth = value;
		break;
	default:
		d->key_order = value;
		break;
	}
}

void phone_field_text(const struct store_device *d, enum phone_field f, char *out, size_t size)
{
	struct tm tm;
	time_t when = (time_t)d->complete_by;

	switch (fields[f].kind) {
	case TEXT:
		snprintf(out, size, "%s", text_of((struct store_device *)d, f));
		break;
	case WORD:
		snprintf(out, size, "%s", fields[f].values[word_of(d, f)]);
		break;
	case BITS:
		snprintf(out, size, "%u", f == PHONE_RSA_BITS ? d->rsa_bits : d->ec_bits);
		break;
	case BOOL:
		snprintf(out, size, "%s", bool_names[d->encrypt_config]);
		break;
	case TIME:
		if (!when || !localtime_r(&when, &tm) || !strftime(out, size, "%Y:%m:%d:%H:%M", &tm))
			out[0] = '\0';
		break;
	}
}

static int set_text(struct store_device *d, enum phone_field f, const char *value, struct err *e)
{
	if (strlen(value) >= STORE_NAME_SIZE)
		return err_set(e, ERR_USAGE, "%s: at most %d octets", fields[f].name, STORE_NAME_SIZE - 1);
	strcpy(text_of(d, f), value);
	return 0;
}

static int find_value(enum phone_field f, const char *value, unsigned *at, struct err *e)
{
	char allowed[256] = "";
	size_t used = 0;

	for (unsigned i = 0; fields[f].values[i]; i++) {
		if (text_same(fields[f].values[i], value)) {
			*at = i;
			return 0;
		}
		used = text_append(allowed, sizeof(allowed), used, "%s'%s'", used ? ", " : "", fields[f].values[i]);
	}
	return err_set(e, ERR_USAGE, "%s cannot be '%.60s'; it is one of: %s", fields[f].name, value, allowed);
}

/* As AXL has it, but with minutes last, which is what it means (behaviour.md 5.1). Local time. */
static int set_time(struct store_device *d, const char *value, struct err *e)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *end = strptime(value, "%Y:%m:%d:%H:%M", &tm);
	int day = tm.tm_mday;
	time_t when = end && *end == '\0' ? mktime(&tm) : -1;

	if (!*value)
		when = 0;
	else if (when <= 0 || tm.tm_mday != day)
		return err_set(e, ERR_USAGE, "Operation Completes By cannot be '%.60s'; it is a time such as 2026:10:25:17:30", value);
	d->complete_by = when;
	return 0;
}

int phone_field_set(struct store_device *d, enum phone_field f, const char *value, struct err *e)
{
	uint64_t number;
	unsigned at;
	int rc;

	if (fields[f].kind == TEXT)
		return set_text(d, f, value, e);
	if (fields[f].kind == TIME)
		return set_time(d, value, e);
	rc = find_value(f, value, &at, e);
	if (rc)
		return rc;
	if (fields[f].kind == WORD)
		set_word(d, f, at);
	else if (fields[f].kind == BOOL)
		d->encrypt_config = at == 1;
	else if (text_number(fields[f].values[at], 0, UINT32_MAX, &number))
		*(f == PHONE_RSA_BITS ? &d->rsa_bits : &d->ec_bits) = (unsigned)number;
	return 0;
}
