#include "server/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "pki/keystore.h"
#include "server/config_keystore.h"
#include "server/program.h"

/*
 * exception: design.md 9 (inih): Debian's build tells the handler no line number and reports only the first line that
 * it cannot read, takes an indented key for the rest of the value before it, and passes over an empty section; an
 * administrator is owed every mistake with its line. The lines of this file are simpler than that.
 */
#define CONFIG_MAX (256 * 1024) /* octets of the file */
#define LINE_MAX_LEN 4096

const struct listen_kind listen_kinds[LISTEN_COUNT] = {
	[LISTEN_TFTP] = {"tftp", "Cisco Tftp", 69, 6969, true, true, false},
	[LISTEN_HTTP] = {"http", "Cisco Tftp", 6970, 6970, false, true, false},
	[LISTEN_HTTPS] = {"https", "Cisco Tftp", 6971, 6971, false, true, false},
	[LISTEN_TVS] = {"tvs", "Cisco Trust Verification Service", 2445, 2445, false, true, false},
	[LISTEN_CAPF] = {"capf", "Cisco Certificate Authority Proxy Function", 3804, 3804, false, true, false},
	[LISTEN_CTL_PROVIDER] = {"ctl-provider", "Cisco CTL Provider", 2444, 2444, false, true, false},
	[LISTEN_WEB] = {"web", "Cisco Tomcat", 8443, 8443, false, false, false},
	[LISTEN_LEGACY_TVS] = {"legacy-tvs", "Cisco Trust Verification Service", 0, 0, false, true, true},
	[LISTEN_LEGACY_CAPF] = {"legacy-capf", "Cisco Certificate Authority Proxy Function", 0, 0, false, true, true},
	[LISTEN_LEGACY_HTTPS] = {"legacy-https", "Cisco Tftp", 0, 0, false, true, true},
};

uint32_t config_legacy(const struct config *c)
{
	uint32_t got = 0;

	for (int s = 0; s < LISTEN_COUNT; s++)
		if (listen_kinds[s].legacy && c->listen[s].n)
			got |= LISTEN_BIT(s);
	return got;
}

bool config_contradicts(const struct config *c)
{
	static const char unit[] = "CallManager";

	return c->callcontrol.adapter && *c->keystore.token &&
	       keystore_split_has_unit(c->keystore.units, unit, sizeof(unit) - 1);
}

void config_default(struct config *c, bool loopback)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->provisioning, sizeof(c->provisioning), "provisioning");
	snprintf(c->store_url, sizeof(c->store_url), "sqlite:store.sqlite3");
	for (int s = 0; s < LISTEN_COUNT; s++) {
		const struct listen_kind *k = &listen_kinds[s];
		struct listen_addr *a = &c->listen[s].addrs[0];
		if (!k->port)
			continue;
		c->listen[s].n = 1;
		a->any = !loopback;
		a->family = loopback ? AF_INET : AF_UNSPEC;
		a->port = loopback ? k->loopback_port : k->port;
		a->ip.v4.s_addr = loopback ? htonl(INADDR_LOOPBACK) : 0;
	}
}

/* --- addresses --- */

void listen_addr_text(const struct listen_addr *a, char *out, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "*";

	if (a->family != AF_UNSPEC)
		inet_ntop(a->family, &a->ip, ip, sizeof(ip));
	snprintf(out, size, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, a->port);
}

static int parse_addr(const char *s, struct listen_addr *a, struct err *e)
{
	static const char *const allowed = "allowed are ADDR:PORT with ADDR *, an IPv4 address or an IPv6 address in "
					   "[brackets], and PORT 1 to 65535";
	const char *colon = strrchr(s, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t port;

	if (!colon || (size_t)(colon - s) >= sizeof(host))
		return err_set(e, ERR_USAGE, "\"%s\" is not an address with a port; %s", s, allowed);
	if (!text_number(colon + 1, 1, 65535, &port))
		return err_set(e, ERR_USAGE, "\"%s\" is not a port; %s", colon + 1, allowed);
	memcpy(host, s, (size_t)(colon - s));
	host[colon - s] = '\0';

	struct listen_addr got = {.port = (uint16_t)port};
	size_t len = strlen(host);
	if (strcmp(host, "*") == 0) {
		got.family = AF_UNSPEC;
		got.any = true;
	} else if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		got.family = AF_INET6;
		if (inet_pton(AF_INET6, host + 1, &got.ip.v6) != 1)
			return err_set(e, ERR_USAGE, "\"%s\" is not an IPv6 address; %s", host + 1, allowed);
		got.any = IN6_IS_ADDR_UNSPECIFIED(&got.ip.v6);
	} else {
		got.family = AF_INET;
		if (inet_pton(AF_INET, host, &got.ip.v4) != 1)
			return err_set(e, ERR_USAGE, "\"%s\" is not an IPv4 address; %s", host, allowed);
		got.any = got.ip.v4.s_addr == 0;
	}
	*a = got;
	return 0;
}

/* Would the kernel refuse one after it has bound the other? */
static bool overlap(const struct listen_addr *a, const struct listen_addr *b)
{
	if (a->port != b->port)
		return false;
	if (a->family == AF_UNSPEC || b->family == AF_UNSPEC)
		return true;
	if (a->family != b->family)
		return false;
	if (a->any || b->any)
		return true;
	return memcmp(&a->ip, &b->ip, a->family == AF_INET ? sizeof(a->ip.v4) : sizeof(a->ip.v6)) == 0;
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	for (size_t n = strlen(s); n && strchr(" \t\r", s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

static int parse_listen(char *value, struct listen_set *set, struct err *e)
{
	struct listen_set got = {0};
	char *save = NULL;

	if (!*trim(value)) {
		*set = got;
		return 0;
	}
	size_t len = strlen(value);
	if (value[0] == ',' || value[len - 1] == ',' || strstr(value, ",,"))
		return err_set(e, ERR_USAGE, "an address is missing beside a comma");
	for (char *part = strtok_r(value, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		struct listen_addr a = {0};
		int rc;
		if (got.n == CONFIG_MAX_ADDRS)
			return err_set(e, ERR_USAGE, "more than %d addresses", CONFIG_MAX_ADDRS);
		if ((rc = parse_addr(trim(part), &a, e)) < 0)
			return rc;
		for (size_t i = 0; i < got.n; i++)
			if (overlap(&got.addrs[i], &a))
				return err_set(e, ERR_USAGE, "\"%s\" is named twice, or part of another address here",
					       trim(part));
		got.addrs[got.n++] = a;
	}
	*set = got;
	return 0;
}

/* Two listeners of one transport on one address. Returns the other one's index, or -1. */
static int listen_conflict(const struct config *c, int service)
{
	const struct listen_set *a = &c->listen[service];

	for (int s = 0; s < LISTEN_COUNT; s++) {
		const struct listen_set *b = &c->listen[s];
		if (s == service || listen_kinds[s].udp != listen_kinds[service].udp)
			continue;
		for (size_t i = 0; i < a->n; i++)
			for (size_t j = 0; j < b->n; j++)
				if (overlap(&a->addrs[i], &b->addrs[j]))
					return s;
	}
	return -1;
}

static int listen_by_key(const char *key)
{
	for (int s = 0; s < LISTEN_COUNT; s++)
		if (strcmp(listen_kinds[s].key, key) == 0)
			return s;
	return -1;
}

static const char *listen_keys(char *out, size_t size)
{
	size_t used = 0;

	for (int s = 0; s < LISTEN_COUNT; s++)
		used = text_append(out, size, used, "%s%s", s ? ", " : "", listen_kinds[s].key);
	return out;
}

int config_set_listen(struct config *c, const char *setting, struct err *e)
{
	const char *eq = strchr(setting, '=');
	char keys[256], key[32], value[LINE_MAX_LEN];
	struct listen_set set;
	int rc, s = -1;

	if (eq && (size_t)(eq - setting) < sizeof(key) && strlen(eq + 1) < sizeof(value)) {
		memcpy(key, setting, (size_t)(eq - setting));
		key[eq - setting] = '\0';
		s = listen_by_key(key);
	}
	if (s < 0)
		return err_set(e, ERR_USAGE, "--listen %s: give KEY=ADDR:PORT with KEY one of %s", setting,
			       listen_keys(keys, sizeof(keys)));
	memcpy(value, eq + 1, strlen(eq + 1) + 1);
	if ((rc = parse_listen(value, &set, e)) < 0) {
		err_prefix(e, "--listen %s", key);
		return rc;
	}
	c->listen[s] = set;
	return 0;
}

/* --- the file --- */

enum section {
	SECTION_NONE, SECTION_NODE, SECTION_LISTEN, SECTION_PATHS, SECTION_STORE, SECTION_KEYSTORE, SECTION_CALLCONTROL,
	SECTION_UNKNOWN
};
static const char *const section_names[] = {"", "node", "listen", "paths", "store", "keystore", "callcontrol"};

#define SEEN_MAX 32
struct seen {
	enum section section;
	char key[32];
	int line;
};

struct parser {
	const char *file;
	const struct config_report *report;
	struct config *c;
	struct err *e;
	enum section section;
	struct seen seen[SEEN_MAX];
	size_t n_seen;
	int line;
	unsigned mistakes;
};

static void mistake(struct parser *p, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void mistake(struct parser *p, int line, const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->mistakes++;
	if (p->report)
		p->report->mistake(p->report->ctx, p->file, line, text);
	/* The first one stays. */
	(void)err_set(p->e, ERR_USAGE, "%s:%d: %s", p->file, line, text);
}

static int set_name(struct config *c, const char *v, struct err *e)
{
	size_t n = strlen(v);

	if (!n || n >= sizeof(c->node_name) || v[0] == '-' || v[0] == '.' ||
	    strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != n)
		return err_set(e, ERR_USAGE, "\"%s\" is not a node name; allowed are 1 to 255 letters, digits, "
			       "hyphens, dots and underscores, not beginning with a hyphen or a dot", v);
	memcpy(c->node_name, v, n + 1);
	return 0;
}

static int set_address(struct config *c, const char *v, struct err *e)
{
	struct in6_addr ip;

	if (inet_pton(AF_INET, v, &ip) != 1 && inet_pton(AF_INET6, v, &ip) != 1)
		return err_set(e, ERR_USAGE, "\"%s\" is not an address; allowed is one IPv4 or IPv6 address, without "
			       "a port", v);
	snprintf(c->node_address, sizeof(c->node_address), "%s", v);
	return 0;
}

static int set_provisioning(struct config *c, const char *v, struct err *e)
{
	if (!*v || strlen(v) >= sizeof(c->provisioning))
		return err_set(e, ERR_USAGE, "give the folder with the phones' files, absolute or relative to the data "
			       "folder, at most %zu octets", sizeof(c->provisioning) - 1);
	snprintf(c->provisioning, sizeof(c->provisioning), "%s", v);
	return 0;
}

static int set_url(struct config *c, const char *v, struct err *e)
{
	if ((!text_starts(v, "sqlite:") && !text_starts(v, "postgresql://")) || strlen(v) >= sizeof(c->store_url))
		return err_set(e, ERR_USAGE, "\"%s\" is not a store; allowed are sqlite:FILE and postgresql://...", v);
	snprintf(c->store_url, sizeof(c->store_url), "%s", v);
	return 0;
}

const char *const callcontrol_adapter_names[CALLCONTROL_N] = {"", "asterisk", "freeswitch", "kamailio", "files"};

static int set_adapter(struct config *c, const char *v, struct err *e)
{
	for (int a = 0; a < CALLCONTROL_N; a++)
		if (strcmp(callcontrol_adapter_names[a], v) == 0) {
			c->callcontrol.adapter = (enum callcontrol_adapter)a;
			return 0;
		}
	return err_set(e, ERR_USAGE, "\"%s\" is not an adapter; allowed are asterisk, freeswitch, kamailio, files, or nothing", v);
}

static int set_folder(struct config *c, const char *v, struct err *e)
{
	if (*v != '/' || strlen(v) >= sizeof(c->callcontrol.folder))
		return err_set(e, ERR_USAGE, "give an absolute folder of at most %zu octets, where the call control reads its key and "
			       "certificate", sizeof(c->callcontrol.folder) - 1);
	snprintf(c->callcontrol.folder, sizeof(c->callcontrol.folder), "%s", v);
	return 0;
}

static int set_group(struct config *c, const char *v, struct err *e)
{
	size_t n = strlen(v);

	if (n >= sizeof(c->callcontrol.group) ||
	    strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != n)
		return err_set(e, ERR_USAGE, "\"%s\" is not the name of a group", v);
	memcpy(c->callcontrol.group, v, n + 1);
	return 0;
}

static int set_command(char out[1024], const char *v, struct err *e)
{
	struct program_words words;
	int rc = strlen(v) < 1024 ? 0 : err_set(e, ERR_USAGE, "the command is longer than 1023 octets");

	if (rc == 0 && *v)
		rc = program_words(v, &words, e);
	if (rc == 0)
		snprintf(out, 1024, "%s", v);
	return rc;
}

static int set_reload(struct config *c, const char *v, struct err *e)
{
	return set_command(c->callcontrol.reload, v, e);
}

static int set_reset(struct config *c, const char *v, struct err *e)
{
	return set_command(c->callcontrol.reset, v, e);
}

static const struct setting {
	enum section section;
	const char *key;
	int (*set)(struct config *c, const char *v, struct err *e);
} settings[] = {
	{SECTION_NODE, "name", set_name},
	{SECTION_NODE, "address", set_address},
	{SECTION_PATHS, "provisioning", set_provisioning},
	{SECTION_STORE, "url", set_url},
	{SECTION_KEYSTORE, "token", config_keystore_token},
	{SECTION_KEYSTORE, "pin-file", config_keystore_pin_file},
	{SECTION_KEYSTORE, "units", config_keystore_units},
	{SECTION_KEYSTORE, "folders", config_keystore_folders},
	{SECTION_KEYSTORE, "sockets", config_keystore_sockets},
	{SECTION_CALLCONTROL, "adapter", set_adapter},
	{SECTION_CALLCONTROL, "folder", set_folder},
	{SECTION_CALLCONTROL, "group", set_group},
	{SECTION_CALLCONTROL, "reload", set_reload},
	{SECTION_CALLCONTROL, "reset-phone", set_reset},
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

int config_set_keystore(struct config *c, const char *key, const char *value, struct err *e)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (settings[i].section == SECTION_KEYSTORE && strcmp(settings[i].key, key) == 0)
			return settings[i].set(c, value, e);
	return err_set(e, ERR_BUG, "[keystore] has no %s", key);
}

static const char *keys_of(enum section s, char *out, size_t size)
{
	size_t used = 0;

	if (s == SECTION_LISTEN)
		return listen_keys(out, size);
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (settings[i].section == s)
			used = text_append(out, size, used, "%s%s", used ? ", " : "", settings[i].key);
	return out;
}

static struct seen *find_seen(struct parser *p, enum section s, const char *key)
{
	for (size_t i = 0; i < p->n_seen; i++)
		if (p->seen[i].section == s && strcmp(p->seen[i].key, key) == 0)
			return &p->seen[i];
	return NULL;
}

/* A listener of this file that takes an address of another one of this file, or of a default, is a mistake here. */
static void check_conflict(struct parser *p, int service)
{
	int other = listen_conflict(p->c, service);
	struct seen *before = other < 0 ? NULL : find_seen(p, SECTION_LISTEN, listen_kinds[other].key);

	if (other < 0)
		return;
	if (before)
		mistake(p, p->line, "%s has an address and port that %s has already (line %d); give one of them another "
			"port", listen_kinds[service].key, listen_kinds[other].key, before->line);
}

/* What the file does not mention keeps its default, which may collide with what it does mention. */
static void check_defaults(struct parser *p)
{
	for (int s = 0; s < LISTEN_COUNT; s++) {
		int other = find_seen(p, SECTION_LISTEN, listen_kinds[s].key) ? -1 : listen_conflict(p->c, s);
		struct seen *taken = other < 0 ? NULL : find_seen(p, SECTION_LISTEN, listen_kinds[other].key);
		if (taken)
			mistake(p, taken->line, "%s has the address and port that %s has when it is not mentioned; give "
				"one of them another port, or write \"%s =\" to switch it off", taken->key,
				listen_kinds[s].key, listen_kinds[s].key);
	}
}

static int set_value(struct parser *p, const char *key, char *value, bool *known, struct err *e)
{
	*known = true;
	if (p->section == SECTION_LISTEN) {
		int s = listen_by_key(key), rc;
		if (s >= 0) {
			if ((rc = parse_listen(value, &p->c->listen[s], e)) == 0)
				check_conflict(p, s);
			return rc;
		}
	}
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (settings[i].section == p->section && strcmp(settings[i].key, key) == 0)
			return settings[i].set(p->c, value, e);
	*known = false;
	return 0;
}

static void parse_key(struct parser *p, char *line, char *eq)
{
	struct err e = ERR_INIT;
	char keys[256];
	bool known;

	*eq = '\0';
	char *key = trim(line), *value = trim(eq + 1);
	if (p->section == SECTION_UNKNOWN)
		return; /* the section was the mistake */
	if (p->section == SECTION_NONE) {
		mistake(p, p->line, "\"%s\" stands before the first section; sections are [node], [listen], [paths], "
			"[store], [keystore] and [callcontrol]", key);
		return;
	}
	struct seen *before = find_seen(p, p->section, key);
	if (before) {
		mistake(p, p->line, "%s is set a second time (first in line %d)", key, before->line);
		return;
	}
	int rc = set_value(p, key, value, &known, &e);
	if (!known) {
		mistake(p, p->line, "unknown key \"%s\" in [%s]; allowed are %s", key, section_names[p->section],
			keys_of(p->section, keys, sizeof(keys)));
		return;
	}
	if (rc < 0)
		mistake(p, p->line, "%s: %s", key, e.text);
	/* There are fewer known keys than SEEN_MAX, and each comes here once. */
	struct seen *s = &p->seen[p->n_seen++];
	*s = (struct seen){.section = p->section, .line = p->line};
	snprintf(s->key, sizeof(s->key), "%s", key);
}

static void parse_section(struct parser *p, char *line)
{
	size_t n = strlen(line);

	p->section = SECTION_UNKNOWN;
	if (line[n - 1] != ']') {
		mistake(p, p->line, "a section is written [name]");
		return;
	}
	line[n - 1] = '\0';
	char *name = trim(line + 1);
	for (int s = SECTION_NODE; s < SECTION_UNKNOWN; s++)
		if (strcmp(section_names[s], name) == 0)
			p->section = (enum section)s;
	if (p->section == SECTION_UNKNOWN)
		mistake(p, p->line, "unknown section [%s]; allowed are [node], [listen], [paths], [store], [keystore] and "
			"[callcontrol]", name);
}

/* A comment begins a line with ; or #, or follows a blank and ; anywhere. */
static void cut_comment(char *s)
{
	if (*s == ';' || *s == '#')
		*s = '\0';
	for (char *c = s; (c = strchr(c, ';')); c++)
		if (c > s && (c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			return;
		}
}

static void parse_line(struct parser *p, struct view raw)
{
	char line[LINE_MAX_LEN];

	if (raw.len >= sizeof(line)) {
		mistake(p, p->line, "the line is longer than %d octets", LINE_MAX_LEN - 1);
		return;
	}
	if (raw.len && memchr(raw.p, '\0', raw.len)) {
		mistake(p, p->line, "the line has a NUL octet; this is not a text file");
		return;
	}
	if (raw.len)
		memcpy(line, raw.p, raw.len);
	line[raw.len] = '\0';

	char *s = trim(line);
	cut_comment(s);
	s = trim(s);
	char *eq = strchr(s, '=');
	if (!*s)
		return;
	if (*s == '[')
		parse_section(p, s);
	else if (eq && eq != s)
		parse_key(p, s, eq);
	else
		mistake(p, p->line, "\"%s\" is neither [section], key = value nor a comment (;)", s);
}

int config_parse(struct view text, const char *name, const struct config_report *report, struct config *c,
		 struct err *e)
{
	struct config got;
	struct err first = ERR_INIT;
	struct parser p = {.file = name, .report = report, .c = &got, .e = e ? e : &first};

	config_default(&got, false);
	for (const uint8_t *at = text.p, *end = text.p + text.len; at < end;) {
		const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));
		p.line++;
		parse_line(&p, (struct view){at, (size_t)((nl ? nl : end) - at)});
		at = nl ? nl + 1 : end;
	}
	check_defaults(&p);
	if (*got.callcontrol.reload && !got.callcontrol.adapter)
		mistake(&p, find_seen(&p, SECTION_CALLCONTROL, "reload")->line, "reload goes with an adapter, which has something to "
			"reload");
	if (got.callcontrol.adapter && !find_seen(&p, SECTION_CALLCONTROL, "folder"))
		mistake(&p, find_seen(&p, SECTION_CALLCONTROL, "adapter")->line, "the adapter needs a folder; write folder = ... in "
			"[callcontrol]");
	if (!find_seen(&p, SECTION_NODE, "name"))
		mistake(&p, p.line, "the node has no name; write name = ... in [node]");
	if (p.mistakes)
		return ERR_USAGE;
	*c = got;
	return 0;
}

int config_load(int data_dir, const struct config_report *report, struct config *c, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = 0;
	int rc = file_read(data_dir, CONFIG_FILE, CONFIG_MAX, &data, &len, e);

	if (rc == ERR_IO && e && e->sys_errno == ENOENT) {
		err_clear(e);
		e->sys_errno = ENOENT;
		return err_set(e, ERR_IO, "no " CONFIG_FILE " in the data folder; make a node with `ringfence init`");
	}
	if (rc < 0)
		return rc;
	return config_parse((struct view){data, len}, CONFIG_FILE, report, c, e);
}

/* --- writing --- */

static size_t append_listen(char *out, size_t size, size_t used, const struct config *c, int s)
{
	char text[80];

	used = text_append(out, size, used, "%s =", listen_kinds[s].key);
	for (size_t i = 0; i < c->listen[s].n; i++) {
		listen_addr_text(&c->listen[s].addrs[i], text, sizeof(text));
		used = text_append(out, size, used, "%s %s", i ? "," : "", text);
	}
	return text_append(out, size, used, "\n");
}

int config_write(int data_dir, const struct config *c, struct err *e)
{
	char out[32768];
	size_t used = 0;

	used = text_append(out, sizeof(out), used,
			   "; Only what is needed before the store can be read; everything else is a parameter in the store.\n"
			   "; ringfence.conf(5) explains it; `ringfence serve --check` checks it.\n"
			   "[node]\nname = %s\n", c->node_name);
	if (*c->node_address)
		used = text_append(out, sizeof(out), used, "address = %s\n", c->node_address);
	used = text_append(out, sizeof(out), used,
			   "\n; One key a line; several addresses are separated by commas; nothing behind the = is off.\n"
			   "; *:PORT is every IPv4 and IPv6 address of the machine, [::]:PORT every IPv6 address.\n"
			   "[listen]\n");
	for (int s = 0; s < LISTEN_COUNT; s++)
		used = append_listen(out, sizeof(out), used, c, s);
	used = text_append(out, sizeof(out), used,
			   "\n; The folder of the phones' files, relative to this one or absolute; may be an existing tftpboot.\n"
			   "[paths]\nprovisioning = %s\n\n[store]\nurl = %s\n", c->provisioning, c->store_url);
	used = config_keystore_write(out, sizeof(out), used, &c->keystore);
	if (used >= sizeof(out) - 1)
		return err_set(e, ERR_LIMIT, CONFIG_FILE " would be larger than %zu octets", sizeof(out));
	return file_replace(data_dir, CONFIG_FILE, (struct view){(const uint8_t *)out, used}, 0644, e);
}
