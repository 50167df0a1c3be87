#include "cmd/ctl_client/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cmd/ctl_client/terminal.h"
#include "cmd/passphrase.h"
#include "net/tls_dialog.h"
#include "proto/ctl_provider_client.h"

#define PASSWORD_VARIABLE "RINGFENCE_PASSWORD"
#define B(tag) CTLP_BIT(CTLP_TAG_##tag)

bool ctl_server_option(struct ctl_server_options *o, int key, const char *value)
{
	switch (key) {
	case SERVER_OPT_SERVER: o->server = value; return true;
	case SERVER_OPT_USER: o->user = value; return true;
	case SERVER_OPT_PASSWORD: o->password_file = value; return true;
	case SERVER_OPT_TRUST: o->trust = value; return true;
	case SERVER_OPT_FINGERPRINT: o->fingerprint = value; return true;
	default: return false;
	}
}

/* --- who and where --- */

/* HOST, HOST:PORT, IPv4, IPv6, [IPv6]:PORT */
static int take_host(struct ctl_server *s, const char *text, struct err *e)
{
	const char *colon = strrchr(text, ':'), *end = text + strlen(text);
	uint64_t port = CTL_SERVER_PORT;

	if (*text == '[') {
		text++;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return err_set(e, ERR_USAGE, "an IPv6 address is closed with ']'");
		colon = end[1] ? end + 1 : NULL;
	} else if (colon && strchr(text, ':') != colon) {
		colon = NULL; /* an IPv6 address without brackets has no port */
	} else if (colon) {
		end = colon;
	}
	if (colon && !text_number(colon + 1, 1, 65535, &port))
		return err_set(e, ERR_USAGE, "'%s' is no port", colon + 1);
	size_t len = (size_t)(end - text);
	if (len == 0 || len >= sizeof(s->host))
		return err_set(e, ERR_USAGE, "the name of the server is missing");
	memcpy(s->host, text, len);
	s->host[len] = '\0';
	s->port = (uint16_t)port;
	return 0;
}

static int take_user(struct ctl_server *s, const char *user, struct err *e)
{
	if (!*user || strlen(user) >= sizeof(s->user))
		return err_set(e, ERR_USAGE, "a user name has 1 to %zu characters", sizeof(s->user) - 1);
	memcpy(s->user, user, strlen(user) + 1);
	return 0;
}

/* Wiped where it stands, so that neither a child nor whoever reads /proc later finds it. */
static int from_environment(char *value, char **password, struct err *e)
{
	size_t n = strlen(value);
	char *p = n < PASSPHRASE_MAX ? secret_new(PASSPHRASE_MAX) : NULL;

	if (p)
		memcpy(p, value, n + 1);
	secret_wipe(value, n);
	unsetenv(PASSWORD_VARIABLE);
	if (!p)
		return err_set(e, ERR_LIMIT, PASSWORD_VARIABLE " is too long");
	*password = p;
	return 0;
}

static int take_password(struct ctl_server *s, const char *file, struct err *e)
{
	static const struct passphrase_ask how = {.what = "password", .prompt = "Password: ", .option = "--password-file"};
	char *variable = getenv(PASSWORD_VARIABLE);
	int rc;

	if (!file && variable)
		rc = from_environment(variable, &s->password, e);
	else
		rc = passphrase_get(&how, file, &s->password, e);
	if (!rc && (strlen(s->password) > CTLP_PASSWORD_MAX || !*s->password))
		rc = err_set(e, ERR_USAGE, "a password has 1 to %d characters", CTLP_PASSWORD_MAX);
	return rc;
}

static int take_trust(struct ctl_server *s, const struct ctl_server_options *o, struct err *e)
{
	struct cert *cert = NULL;
	size_t len = 0;

	if (o->fingerprint) {
		if (!text_unhex(o->fingerprint, s->sha256, sizeof(s->sha256), &len) || len != sizeof(s->sha256))
			return err_set(e, ERR_USAGE, "--fingerprint takes a SHA-256: 64 hexadecimal digits");
		s->trusted = true;
	}
	if (!o->trust)
		return 0;
	int rc = cert_load(AT_FDCWD, o->trust, &cert, e);
	if (rc)
		return rc;
	bool other = s->trusted && memcmp(s->sha256, cert_sha256(cert), 32) != 0;
	memcpy(s->sha256, cert_sha256(cert), 32);
	cert_unref(cert);
	s->trusted = true;
	return other ? err_set(e, ERR_USAGE, "--trust and --fingerprint are two different certificates") : 0;
}

int ctl_server_init(struct ctl_server *s, const struct ctl_server_options *o, ctl_server_ask *ask, void *ctx, struct err *e)
{
	char text[300];
	int rc = take_trust(s, o, e);

	if (!rc && !o->server)
		rc = ask(ctx, "Hostname or IP Address[:Port]: ", text, sizeof(text), e);
	if (!rc)
		rc = take_host(s, o->server ? o->server : text, e);
	if (!rc && !o->user)
		rc = ask(ctx, "Username: ", text, sizeof(text), e);
	if (!rc)
		rc = take_user(s, o->user ? o->user : text, e);
	return rc ? rc : take_password(s, o->password_file, e);
}

void ctl_server_clear(struct ctl_server *s)
{
	secret_free(s->password, PASSPHRASE_MAX);
	s->password = NULL;
}

/* --- is it the right one? --- */

static int check_server(struct ctl_server *s, const struct cert *cert, struct err *e)
{
	struct shown subject;
	char hex[100];

	text_hex(hex, sizeof(hex), (struct view){cert_sha256(cert), 32}, ':', true);
	if (s->trusted && memcmp(s->sha256, cert_sha256(cert), 32) == 0)
		return 0;
	if (s->trusted)
		return err_set(e, ERR_AUTH, "%s shows another certificate than the one that is trusted: SHA-256 %s. Nothing was sent",
			       s->host, hex);
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_AUTH, "nothing says that %s is the right server: --trust FILE or --fingerprint SHA256 ('show "
			       "account' on the node prints it)", s->host);
	printf("%s shows this certificate:\n  %s\n  SHA-256 %s\nCompare it with what 'show account' prints on the node.\n", s->host,
	       shown(&subject, cert_subject(cert)), hex);
	if (!terminal_yes("Is it the same? (y/n): "))
		return err_set(e, ERR_AUTH, "the server is not trusted: nothing was sent");
	memcpy(s->sha256, cert_sha256(cert), 32);
	s->trusted = true;
	return 0;
}

/* --- messages --- */

struct talk {
	struct tls_dialog *d;
	struct ctlp_client client;
	struct wr in;             /* the answer, which m views */
	struct ctlp_msg m;
};

static void talk_free(struct talk *t)
{
	if (!t)
		return;
	tls_dialog_close(t->d);
	wr_clear(&t->in);
	free(t);
}

/* What the server says may be shown: no control characters but line feeds; those above 0x7f are two octets in UTF-8. */
static void say(struct view v, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < v.len && n + 1 < size; i++) {
		bool control = (v.p[i] < 0x20 && v.p[i] != '\n') || v.p[i] == 0x7f ||
			       (i && v.p[i - 1] == 0xc2 && v.p[i] >= 0x80 && v.p[i] < 0xa0);

		if (control && v.p[i] >= 0x80)
			n--;
		out[n++] = control ? '?' : (char)v.p[i];
	}
	out[n] = '\0';
}

static int refused(const struct ctlp_msg *m, struct err *e)
{
	char text[CTLP_TEXT_MAX + 1];

	say(m->texts[0], text, sizeof(text));
	if (m->reason == CTLP_REASON_CREDENTIALS || m->reason == CTLP_REASON_BUSY || m->reason == CTLP_REASON_SESSION)
		return err_set(e, ERR_AUTH, "%s", text);
	return err_set(e, m->reason == CTLP_REASON_FAILED ? ERR_IO : ERR_USAGE, "%s", text);
}

static int send_msg(struct talk *t, const struct ctlp_msg *m, struct err *e)
{
	struct wr out;

	wr_init(&out, CTLP_FRAME_MAX);
	int rc = ctlp_client_ask(&t->client, m, &out, e);
	if (!rc)
		rc = tls_dialog_send(t->d, wr_view_all(&out), e);
	if (out.p)
		secret_wipe(out.p, out.len);
	wr_clear(&out);
	return rc;
}

/* The answer is in t->m. */
static int receive_msg(struct talk *t, struct err *e)
{
	size_t used;

	wr_clear(&t->in);
	wr_init(&t->in, CTLP_FRAME_MAX);
	for (;;) {
		struct err why = ERR_INIT;
		int rc = ctlp_client_take(&t->client, wr_view_all(&t->in), &used, &t->m, &why);

		if (rc != ERR_AGAIN)
			return rc ? err_set(e, rc, "%s", why.text) : t->m.type == CTLP_REFUSED ? refused(&t->m, e) : 0;
		rc = tls_dialog_receive(t->d, &t->in, e);
		if (rc)
			return rc;
	}
}

static int ask(struct talk *t, const struct ctlp_msg *m, struct err *e)
{
	int rc = send_msg(t, m, e);

	return rc ? rc : receive_msg(t, e);
}

static int begin(struct ctl_server *s, struct talk **out, struct err *e)
{
	struct talk *t = calloc(1, sizeof(*t));
	AUTO(auto_free) struct ctlp_msg *m = calloc(1, sizeof(*m));
	int rc = t && m ? 0 : err_set(e, ERR_NOMEM, "out of memory");

	if (!rc) {
		wr_init(&t->in, CTLP_FRAME_MAX);
		m->type = CTLP_LOGIN;
		m->has = B(USER) | B(PASSWORD);
		m->user = view_str(s->user);
		m->password = view_str(s->password);
		rc = tls_dialog_open(s->host, s->port, &t->d, e);
	}
	if (!rc)
		rc = check_server(s, tls_dialog_server(t->d), e);
	if (!rc)
		rc = ask(t, m, e);
	if (rc) {
		talk_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

/* --- the two pieces of work --- */

void ctl_server_view_clear(struct ctl_server_view *v)
{
	token_ctl_state_free(v->state);
	list_free(v->ctl);
	*v = (struct ctl_server_view){0};
}

int ctl_server_look(struct ctl_server *s, struct ctl_server_view *v, struct err *e)
{
	static const struct ctlp_msg get_state = {.type = CTLP_GET_STATE}, get_ctl = {.type = CTLP_GET_CTL};
	struct ctl_server_view got = {0};
	struct talk *t = NULL;
	int rc = begin(s, &t, e);

	if (!rc)
		rc = ask(t, &get_state, e);
	if (!rc)
		rc = token_ctl_read_state(&t->m, &got.state, e);
	if (!rc)
		rc = ask(t, &get_ctl, e);
	if (!rc && t->m.ctl.len)
		rc = list_parse(t->m.ctl, LIST_CTL, &got.ctl, e);
	talk_free(t);
	if (rc)
		ctl_server_view_clear(&got);
	else
		*v = got;
	return rc;
}

void ctl_server_stored_clear(struct ctl_server_stored *r)
{
	notes_clear(&r->texts);
	notes_clear(&r->nodes);
}

static int take_stored(const struct ctlp_msg *m, struct ctl_server_stored *r, struct err *e)
{
	char text[CTLP_TEXT_MAX + 1];
	int rc = 0;

	r->stored = m->type == CTLP_STORED;
	for (size_t i = 0; i < m->n_texts && !rc; i++) {
		say(m->texts[i], text, sizeof(text));
		rc = notes_add(&r->texts, e, "%s", text);
	}
	for (size_t i = 0; i < m->n_nodes && !rc; i++) {
		say(m->nodes[i].name, text, sizeof(text));
		rc = notes_add(&r->nodes, e, "%s", text);
	}
	return rc;
}

/* A director that was restarted in between knows neither the login nor what its predecessor has done. */
static bool is_in_doubt(const struct ctlp_msg *m, int rc)
{
	if (m->type == CTLP_REFUSED)
		return m->reason == CTLP_REASON_SESSION;
	return rc == ERR_CLOSED || rc == ERR_IO;
}

int ctl_server_store(struct ctl_server *s, const struct ctl_server_store *what, struct ctl_server_stored *r, struct err *e)
{
	AUTO(auto_free) struct ctlp_msg *m = calloc(1, sizeof(*m));
	struct talk *t = NULL;
	int rc = m ? begin(s, &t, e) : err_set(e, ERR_NOMEM, "out of memory");

	s->in_doubt = false;
	if (rc)
		return rc;
	m->type = CTLP_STORE;
	m->has = B(CHANGE) | B(GENERATION) | B(CTL) | (what->sha1_signature.p ? B(SHA1_SIGNATURE) : 0) |
		 (what->accepted ? B(ACCEPTED) : 0);
	m->change = (uint8_t)what->change;
	m->generation = what->generation;
	m->ctl = what->ctl;
	m->sha1_signature = what->sha1_signature;
	rc = ask(t, m, e);
	s->in_doubt = rc && is_in_doubt(&t->m, rc);
	if (!rc)
		rc = take_stored(&t->m, r, e);
	talk_free(t);
	return rc;
}
