#include "proto/provision.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Whether s ends in suffix, without regard to case, and has something before it. */
static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s);
	size_t k = strlen(suffix);

	return n > k && strcasecmp(s + n - k, suffix) == 0;
}

bool provision_is_firmware(const char *name)
{
	static const char *const suffixes[] = {".loads", ".sbn", ".sb2", ".bin", ".zz", ".cop", ".cop.sgn", ".cop.sha512"};

	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (has_suffix(name, suffixes[i]))
			return true;
	return false;
}

const char *provision_kind_name(enum provision_kind kind)
{
	static const char *const names[] = {
		[PROVISION_REFUSED] = "refused", [PROVISION_CTL] = "ctl",
		[PROVISION_ITL] = "itl", [PROVISION_EXT_ITL] = "ext-itl",
		[PROVISION_SIGNED] = "signed", [PROVISION_ENC_SIGNED] = "encrypted",
		[PROVISION_PLAIN] = "plain",
	};

	return (size_t)kind < COUNT(names) ? names[kind] : "unknown";
}

static bool is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Why name cannot be a name here, or NULL. name has lost its leading slashes. */
static const char *why_refused(struct view name)
{
	if (!name.len)
		return "the name is empty";
	if (name.len > PROVISION_NAME_MAX)
		return "the name is too long";
	if (name.len >= 2 && is_letter(name.p[0]) && name.p[1] == ':')
		return "drive names are not served";
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.p[i];
		bool begins = i == 0 || name.p[i - 1] == '/';

		if (c < 0x20 || c == 0x7f)
			return "the name has a control character";
		if (c == '\\')
			return "the name has a backslash";
		if (c == '.' && begins)
			return "parts of a name that begin with a dot are not served";
		if (c == '/' && (begins || i == name.len - 1))
			return "the name has an empty part";
	}
	return NULL;
}

/* Copy the device out of <prefix><device>.tlv; false when name is not of that form. */
static bool device_of(const char *name, const char *prefix, char device[PROVISION_DEVICE_MAX + 1])
{
	size_t skip = strlen(prefix);
	size_t n = strlen(name);
	char upper[PROVISION_DEVICE_MAX + 1];

	if (strncasecmp(name, prefix, skip) != 0 || !has_suffix(name, ".tlv") || n - skip < 4)
		return false;
	n -= skip + 4;
	if (n > PROVISION_DEVICE_MAX)
		return false;
	/*
	 * An old manual has device names in lower case (formats-and-protocols.md 8.2): the three letters decide either
	 * way.
	 */
	memcpy(upper, name + skip, n);
	upper[n] = '\0';
	for (size_t i = 0; i < 3 && i < n; i++)
		if (upper[i] >= 'a' && upper[i] <= 'z')
			upper[i] = (char)(upper[i] - 'a' + 'A');
	if (!text_is_device_name(upper))
		return false;
	memcpy(device, name + skip, n);
	device[n] = '\0';
	return true;
}

static enum provision_kind list_kind(struct provision *p)
{
	if (text_same(p->name, "CTLFile.tlv") || device_of(p->name, "CTL", p->device))
		return PROVISION_CTL;
	if (text_same(p->name, "ITLFile.tlv") || device_of(p->name, "ITL", p->device))
		return PROVISION_ITL;
	if (device_of(p->name, "ext_ITL", p->device))
		return PROVISION_EXT_ITL;
	return PROVISION_PLAIN;
}

static void set_base(struct provision *p, const char *suffix)
{
	size_t n = strlen(p->name) - strlen(suffix);

	memcpy(p->base, p->name, n);
	p->base[n] = '\0';
}

static enum provision_kind file_kind(struct provision *p, enum provision_transport transport)
{
	if (!has_suffix(p->name, ".sgn") || provision_is_firmware(p->name))
		return PROVISION_PLAIN;
	if (has_suffix(p->name, ".enc.sgn")) {
		set_base(p, ".enc.sgn");
		return PROVISION_ENC_SIGNED;
	}
	set_base(p, ".sgn");
	/* What is signed already, by its maker or by hand, is not signed again: x.loads.sgn, x.xml.sgn.sgn. */
	if (provision_is_firmware(p->base) || has_suffix(p->base, ".sgn")) {
		p->base[0] = '\0';
		return PROVISION_PLAIN;
	}
	if (transport == PROVISION_HTTPS && strncasecmp(p->base, "SEP", 3) == 0 && has_suffix(p->base, ".xml") &&
	    !strchr(p->base, '/')) {
		memcpy(p->name, p->base, sizeof(p->name));
		p->base[0] = '\0';
		return PROVISION_PLAIN;
	}
	return PROVISION_SIGNED;
}

void provision_parse(struct view name, enum provision_transport transport, struct provision *p)
{
	*p = (struct provision){.kind = PROVISION_REFUSED};
	while (name.len && name.p[0] == '/') {
		name.p++;
		name.len--;
	}
	p->reason = why_refused(name);
	if (p->reason)
		return;
	memcpy(p->name, name.p, name.len);
	p->name[name.len] = '\0';
	p->kind = list_kind(p);
	if (p->kind == PROVISION_PLAIN)
		p->kind = file_kind(p, transport);
}

/* One octet of the name, from one or three of the target. */
static bool url_octet(struct rd *r, uint8_t *c)
{
	uint8_t high, low;

	if (!rd_u8(r, c))
		return false;
	if (*c != '%')
		return true;
	if (!rd_u8(r, &high) || !rd_u8(r, &low) || text_hex_digit((char)high) < 0 || text_hex_digit((char)low) < 0)
		return false;
	*c = (uint8_t)(text_hex_digit((char)high) << 4 | text_hex_digit((char)low));
	return true;
}

int provision_decode_url(struct view target, char *out, size_t size, size_t *len, struct err *e)
{
	const uint8_t *query = target.len ? memchr(target.p, '?', target.len) : NULL;
	struct rd r;
	size_t n = 0;
	uint8_t c;

	rd_init(&r, target.p, query ? (size_t)(query - target.p) : target.len);
	if (!rd_peek_u8(&r, &c) || c != '/')
		return err_rule(e, "url-form", 0, "the request target is not a path");
	while (r.left) {
		long at = (long)rd_offset(&r);

		if (!url_octet(&r, &c))
			return err_rule(e, "url-escape", at, "the path has a percent sign without two hex digits");
		if (c < 0x20 || c == 0x7f)
			return err_rule(e, "url-octet", at, "the path has a control character");
		if (n + 1 >= size)
			return err_set(e, ERR_LIMIT, "the path is longer than %zu octets", size - 1);
		out[n++] = (char)c;
	}
	out[n] = '\0';
	*len = n;
	return 0;
}
