#include "pki/name.h"

#include <string.h>

#include <openssl/objects.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/name_internal.h"

/* What Ringfence never writes and yet understands: form A without escapes, as CUCM may have it. */
#define FORM_A_RAW ((enum name_form)3)

#define MAX_ENTRIES 64 /* attributes of one name */

/* Short names of form C (formats-and-protocols.md 1.12); the first six are those of form A, in its order. */
static const struct attribute {
	int nid;
	const char *type;
} attributes[] = {
	{NID_commonName, "CN"},
	{NID_organizationalUnitName, "OU"},
	{NID_organizationName, "O"},
	{NID_localityName, "L"},
	{NID_stateOrProvinceName, "ST"},
	{NID_countryName, "C"},
	{NID_streetAddress, "STREET"},
	{NID_domainComponent, "DC"},
	{NID_userId, "UID"},
};

#define N_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))
#define N_FORM_A 6

/* Text under construction in the caller's buffer; once it is full nothing more is taken. */
struct sink {
	char *p;
	size_t size;
	size_t used;
	bool full;
};

static void put(struct sink *s, char c)
{
	if (s->used + 1 >= s->size) {
		s->full = true;
		return;
	}
	s->p[s->used++] = c;
	s->p[s->used] = '\0';
}

static void put_str(struct sink *s, const char *text)
{
	for (; *text; text++)
		put(s, *text);
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void put_escaped(struct sink *s, struct view value, const char *set)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = (char)value.p[i];
		if (is_one_of(c, set))
			put(s, '\\');
		put(s, c);
	}
}

/* RFC 4514 2.4, as the peers apply it. */
static void put_value_c(struct sink *s, struct view value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = (char)value.p[i];
		bool edge_blank = c == ' ' && (i == 0 || i + 1 == value.len);
		if (c == '\0') {
			put_str(s, "\\00");
			continue;
		}
		if (is_one_of(c, ",+\"<>;\\") || edge_blank || (c == '#' && i == 0))
			put(s, '\\');
		put(s, c);
	}
}

/* Windows quotes what has blanks at an end or one of these; the CTL client then cut the text at the comma. */
static void put_value_b(struct sink *s, struct view value)
{
	bool quoted = value.len && (value.p[0] == ' ' || value.p[value.len - 1] == ' ');

	for (size_t i = 0; i < value.len && !quoted; i++)
		quoted = is_one_of((char)value.p[i], ",+=\"\n<>#;");
	if (quoted)
		put(s, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = (char)value.p[i];
		if (c == ',')
			return;
		if (c == '"')
			put(s, c);
		put(s, c);
	}
	if (quoted)
		put(s, '"');
}

static void put_value(struct sink *s, enum name_form form, struct view value)
{
	if (form == NAME_FORM_A)
		put_escaped(s, value, ";,\"\\");
	else if (form == NAME_FORM_B)
		put_value_b(s, value);
	else if (form == NAME_FORM_C)
		put_value_c(s, value);
	else
		put_escaped(s, value, "");
}

static void put_type(struct sink *s, enum name_form form, const char *type)
{
	for (; *type; type++)
		put(s, form == NAME_FORM_B && *type >= 'A' && *type <= 'Z' ? (char)(*type - 'A' + 'a') : *type);
	put(s, '=');
}

static int put_entry(struct sink *s, enum name_form form, const char *type, const X509_NAME_ENTRY *entry, struct err *e)
{
	uint8_t *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

	if (len < 0)
		return err_openssl(e, ERR_PROTO, "name: a value is not text");
	if (form != NAME_FORM_C && memchr(utf8, '\0', (size_t)len)) {
		OPENSSL_free(utf8);
		return err_rule(e, "name-nul", -1, "name: the value of %s has a NUL inside", type);
	}
	put_type(s, form, type);
	put_value(s, form, (struct view){utf8, (size_t)len});
	OPENSSL_free(utf8);
	return 0;
}

/* Forms A and B: the six types in fixed order, everything else dropped. */
static int write_fixed(struct sink *s, enum name_form form, const X509_NAME *name, struct err *e)
{
	for (size_t i = 0; i < N_FORM_A; i++) {
		int at = -1;
		while ((at = X509_NAME_get_index_by_NID(name, attributes[i].nid, at)) >= 0) {
			if (s->used)
				put(s, ';');
			int r = put_entry(s, form, attributes[i].type, X509_NAME_get_entry(name, at), e);
			if (r)
				return r;
		}
	}
	return 0;
}

static const char *type_of(const X509_NAME_ENTRY *entry, char *dotted, size_t size)
{
	const ASN1_OBJECT *obj = X509_NAME_ENTRY_get_object(entry);
	int nid = OBJ_obj2nid(obj);

	for (size_t i = 0; i < N_ATTRIBUTES; i++) {
		if (attributes[i].nid == nid)
			return attributes[i].type;
	}
	int len = OBJ_obj2txt(dotted, (int)size, obj, 1);
	return len > 0 && (size_t)len < size ? dotted : NULL;
}

/* Form C: every attribute, in the order of the certificate. */
static int write_all(struct sink *s, const X509_NAME *name, struct err *e)
{
	char dotted[128];
	int rdn = -1;

	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		const char *type = type_of(entry, dotted, sizeof(dotted));
		if (!type)
			return err_rule(e, "name-der", -1, "name: attribute type too long");
		if (i)
			put(s, X509_NAME_ENTRY_set(entry) == rdn ? '+' : ',');
		rdn = X509_NAME_ENTRY_set(entry);
		int r = put_entry(s, NAME_FORM_C, type, entry, e);
		if (r)
			return r;
	}
	return 0;
}

int name_from_x509(const X509_NAME *name, enum name_form form, char *out, size_t size, struct err *e)
{
	char text[NAME_MAX_LEN] = "";
	struct sink s = {.p = text, .size = size < sizeof(text) ? size : sizeof(text)};

	if (X509_NAME_entry_count(name) > MAX_ENTRIES)
		return err_set(e, ERR_LIMIT, "name: more than %d attributes", MAX_ENTRIES);
	int r = form == NAME_FORM_C ? write_all(&s, name, e) : write_fixed(&s, form, name, e);
	if (r)
		return r;
	if (s.full || size == 0)
		return err_set(e, ERR_LIMIT, "name: longer than %zu octets", size);
	memcpy(out, text, s.used + 1);
	return 0;
}

static X509_NAME *decode(struct view der, struct err *e)
{
	const uint8_t *p = der.p;
	X509_NAME *name = der.len <= INT32_MAX ? d2i_X509_NAME(NULL, &p, (long)der.len) : NULL;

	if (!name) {
		err_openssl(e, ERR_PROTO, "name: not a distinguished name");
		return NULL;
	}
	if (p != der.p + der.len) {
		X509_NAME_free(name);
		err_rule(e, "name-der", -1, "name: octets behind the distinguished name");
		return NULL;
	}
	return name;
}

int name_from_der(struct view der, enum name_form form, char *out, size_t size, struct err *e)
{
	AUTO(auto_x509_name) X509_NAME *name = decode(der, e);

	return name ? name_from_x509(name, form, out, size, e) : ERR_PROTO;
}

static struct view cut_at_nul(struct view v)
{
	const uint8_t *nul = v.len ? memchr(v.p, '\0', v.len) : NULL;

	if (nul)
		v.len = (size_t)(nul - v.p);
	return v;
}

/* One TYPE=value of a name string, normalised. The text is "TYPE=value"; value points behind the '='. */
struct pair {
	char text[NAME_KEY_MAX];
	size_t len;
	char *value;
};

static void trim_into(struct sink *out, const char *text, size_t len)
{
	while (len && text[0] == ' ') {
		text++;
		len--;
	}
	while (len && text[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		put(out, text[i]);
}

/*
 * Read up to the next separator outside quotes and escapes. A quote that is never closed ends with the string.
 * Out: type and value without quotes and escapes, as they stand; false when the pair does not fit.
 */
static bool scan_piece(struct rd *r, struct sink *type, struct sink *value, bool *has_type)
{
	bool quoted = false;
	bool escaped = false;
	uint8_t c;

	*has_type = false;
	while (r->left && rd_u8(r, &c)) {
		if (escaped) {
			escaped = false;
		} else if (c == '\\') {
			escaped = true;
			continue;
		} else if (c == '"') {
			quoted = !quoted;
			continue;
		} else if (!quoted && (c == ';' || c == ',')) {
			break;
		} else if (!quoted && c == '=' && !*has_type) {
			*has_type = true;
			memcpy(type->p, value->p, value->used);
			type->used = value->used;
			value->used = 0;
			continue;
		}
		put(value, (char)c);
	}
	return !type->full && !value->full;
}

static void upper(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] >= 'a' && s[i] <= 'z')
			s[i] = (char)(s[i] - 'a' + 'A');
	}
}

/* Returns 1 with the next pair, 0 at the end, -1 when a pair is too long to be looked at. Empty pieces are skipped. */
static int next_pair(struct rd *r, struct pair *p)
{
	char type_text[NAME_KEY_MAX];
	char value_text[NAME_KEY_MAX];
	bool has_type;

	while (r->left) {
		struct sink type = {.p = type_text, .size = sizeof(type_text)};
		struct sink value = {.p = value_text, .size = sizeof(value_text)};
		struct sink out = {.p = p->text, .size = sizeof(p->text)};
		if (!scan_piece(r, &type, &value, &has_type))
			return -1;
		trim_into(&out, type_text, type.used);
		upper(p->text, out.used);
		put(&out, '=');
		p->value = p->text + out.used;
		trim_into(&out, value_text, value.used);
		if (out.full)
			return -1;
		p->len = out.used;
		if (p->len > 1)
			return 1;
	}
	return 0;
}

static bool is_form_a_type(const struct pair *p)
{
	size_t len = (size_t)(p->value - p->text) - 1;

	for (size_t i = 0; i < N_FORM_A; i++) {
		if (strlen(attributes[i].type) == len && memcmp(attributes[i].type, p->text, len) == 0)
			return true;
	}
	return false;
}

/* Where a new pair belongs among the NUL-separated, sorted ones. */
static size_t sorted_place(const char *keys, size_t used, const char *pair)
{
	size_t at = 0;

	while (at < used && strcmp(keys + at, pair) <= 0)
		at += strlen(keys + at) + 1;
	return at;
}

size_t name_key(struct view name, bool reduced, char *out, size_t size)
{
	struct view text = cut_at_nul(name);
	struct pair p;
	struct rd r;
	size_t used = 0;
	int got;

	rd_init(&r, text.p, text.len);
	while ((got = next_pair(&r, &p)) > 0) {
		if (reduced && !is_form_a_type(&p))
			continue;
		if (p.len + 1 > size - used)
			return 0;
		size_t at = sorted_place(out, used, p.text);
		memmove(out + at + p.len + 1, out + at, used - at);
		memcpy(out + at, p.text, p.len + 1);
		used += p.len + 1;
	}
	return got < 0 ? 0 : used;
}

static bool same_key(struct view a, struct view b, bool reduced)
{
	char ka[NAME_KEY_MAX];
	char kb[NAME_KEY_MAX];
	size_t na = name_key(a, reduced, ka, sizeof(ka));
	size_t nb = name_key(b, reduced, kb, sizeof(kb));

	return na && na == nb && memcmp(ka, kb, na) == 0;
}

bool name_same(struct view a, struct view b)
{
	a = cut_at_nul(a);
	b = cut_at_nul(b);
	return view_eq(a, b) || same_key(a, b, false);
}

bool name_matches_der(struct view name, struct view der)
{
	static const enum name_form forms[] = {NAME_FORM_A, NAME_FORM_C, NAME_FORM_B, FORM_A_RAW};
	AUTO(auto_x509_name) X509_NAME *decoded = decode(der, NULL);
	char text[NAME_MAX_LEN];

	name = cut_at_nul(name);
	for (size_t i = 0; decoded && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (name_from_x509(decoded, forms[i], text, sizeof(text), NULL))
			continue;
		if (view_eq(name, view_str(text)) || same_key(name, view_str(text), true))
			return true;
	}
	return false;
}

bool name_get(struct view name, const char *type, char *out, size_t size)
{
	struct view text = cut_at_nul(name);
	struct pair p;
	struct rd r;

	rd_init(&r, text.p, text.len);
	while (next_pair(&r, &p) > 0) {
		p.value[-1] = '\0';
		if (!text_same(p.text, type))
			continue;
		size_t len = p.len - (size_t)(p.value - p.text);
		if (len >= size)
			return false;
		memcpy(out, p.value, len);
		out[len] = '\0';
		return true;
	}
	return false;
}
