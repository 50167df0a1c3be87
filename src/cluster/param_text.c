/* Parameters whose values are words: periods, servers, e-mail addresses. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "cluster/param_internal.h"

#define HOST_MAX 253
#define EMAIL_MAX 254 /* RFC 5321 4.5.3.1 */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

bool param_period_s(const char *value, int64_t *seconds)
{
	static const struct { const char *unit; int64_t seconds; } units[] = {
		{ "hour", 3600 }, { "hours", 3600 }, { "day", 86400 }, { "days", 86400 },
	};
	char number[8];
	size_t n = strspn(value, DIGITS);
	uint64_t count;

	if (n == 0 || n >= sizeof(number) || value[n] != ' ')
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)n, value);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!text_same(units[i].unit, value + n + 1) || !text_number(number, 1, 1000000, &count))
			continue;
		*seconds = (int64_t)count * units[i].seconds;
		return true;
	}
	return false;
}

static bool is_period(const struct param_def *def, const char *value)
{
	int64_t s;

	return param_period_s(value, &s) && s >= (int64_t)def->min * 3600 && s <= (int64_t)def->max * 3600;
}

static bool is_host(const char *value, size_t len)
{
	uint8_t address[16];
	char host[HOST_MAX + 1];

	if (len == 0 || len > HOST_MAX)
		return false;
	memcpy(host, value, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, address) == 1)
		return true;
	return strspn(host, LETTERS DIGITS "-.") == len && host[0] != '-' && host[0] != '.';
}

/* What can stand in a command to an SMTP server and in a header without quotation: RFC 5322 3.2.3, dot-atom. */
static bool is_email(const char *value, size_t len)
{
	const char *at = memchr(value, '@', len);
	size_t local = at ? (size_t)(at - value) : 0;

	return local > 0 && len <= EMAIL_MAX && strspn(value, LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~.") == local &&
	       is_host(at + 1, len - local - 1) && !memchr(at, ':', len - local);
}

static bool are_emails(const struct param_def *def, const char *value)
{
	uint32_t n = 0;

	for (;; n++) {
		value += strspn(value, "; ");
		if (!*value)
			return n <= def->max;
		size_t len = strcspn(value, "; ");
		if (!is_email(value, len))
			return false;
		value += len;
	}
}

static bool is_text(const struct param_def *def, const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return strlen(value) <= def->max;
}

void param_allowed(const struct param_def *def, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	switch (def->type) {
	case PARAM_NUMBER:
		snprintf(out, size, "%u to %u", def->min, def->max);
		break;
	case PARAM_BOOL:
		snprintf(out, size, "True, False");
		break;
	case PARAM_CHOICE:
		for (size_t i = 0; def->choices[i]; i++)
			used = text_append(out, size, used, "%s'%s'", i ? ", " : "", def->choices[i]);
		break;
	case PARAM_URL:
		snprintf(out, size, "nothing, or https://... or http://... of up to %d characters", PARAM_URL_MAX);
		break;
	case PARAM_PERIOD:
		snprintf(out, size, "%u hours to %u days, as '12 hours' or '7 days'", def->min, def->max / 24);
		break;
	case PARAM_HOST:
		snprintf(out, size, "nothing, a host name, an IPv4 or an IPv6 address");
		break;
	case PARAM_EMAILS:
		if (def->max == 1)
			snprintf(out, size, "nothing, or an e-mail address");
		else
			snprintf(out, size, "nothing, or up to %u e-mail addresses separated by ';'", def->max);
		break;
	case PARAM_TEXT:
		snprintf(out, size, "up to %u printable ASCII characters", def->max);
		break;
	}
}

int param_check_text(const struct param_def *def, const char *value, struct err *e)
{
	char allowed[128];
	bool good = false;

	if (def->type == PARAM_PERIOD)
		good = is_period(def, value);
	else if (def->type == PARAM_HOST)
		good = !*value || is_host(value, strlen(value));
	else if (def->type == PARAM_EMAILS)
		good = are_emails(def, value);
	else
		good = is_text(def, value);
	if (good)
		return 0;
	param_allowed(def, allowed, sizeof(allowed));
	return err_set(e, ERR_USAGE, "%s cannot be '%s'; it is %s", def->name, value, allowed);
}
