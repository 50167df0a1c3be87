#include "cmd/tvs/tvs.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "net/fetch.h"
#include "net/tls_client.h"
#include "phone/decide.h"

enum option { OPT_SERVER = CMD_LONG, OPT_TRUST, OPT_DEVICE, OPT_TLS10, OPT_ISSUER, OPT_SERIAL, OPT_OUT, OPT_JSON };

struct options {
	char host[PHONE_HOST_MAX];
	uint16_t port;
	const char *device, *issuer, *serial, *out;
	bool tls10, json;
};

/* One question, from the command line to the answer. */
struct asking {
	const struct cmd *cmd;
	struct options o;
	struct traits_table *table;
	struct phone phone;        /* only its two lists count: they say which server may answer */
	struct cert *cert;         /* verify */
	uint8_t *file;             /* query: the signed file whose header names the signer */
	size_t file_len;
	uint8_t serial[64];
	struct tvs_msg ask;
	struct wr frame;
	uint8_t *answer;           /* the frame that came */
	size_t answer_len;
	struct decision server;
	char why[256];
};

static void clear(struct asking *a)
{
	phone_clear(&a->phone);
	traits_free(a->table);
	cert_unref(a->cert);
	free(a->file);
	free(a->answer);
	wr_clear(&a->frame);
}

/* ---- the conversation ---- */

static struct view connected(void *ctx, const struct cert *server)
{
	struct asking *a = ctx;

	phone_decide_tvs_server(&a->phone, server, &a->server);
	return a->server.verdict == VERDICT_ACCEPT ? wr_view_all(&a->frame) : (struct view){0};
}

static void ended(void *ctx, struct view message, const char *why)
{
	struct asking *a = ctx;

	a->answer = message.p ? malloc(message.len) : NULL;
	if (a->answer) {
		memcpy(a->answer, message.p, message.len);
		a->answer_len = message.len;
	} else if (a->server.kind == OFFER_TVS && a->server.verdict != VERDICT_ACCEPT) {
		snprintf(a->why, sizeof a->why, "%s: it is not asked", reason_text(a->server.reason));
	} else {
		snprintf(a->why, sizeof a->why, "%s", why);
	}
}

static int converse(struct asking *a, struct err *e)
{
	const struct tls_client_handler h = {connected, tls_client_tvs_len, ended, a};
	struct event_base *base = event_base_new();
	struct tls_client *client = NULL;
	struct sockaddr_storage to;
	SSL_CTX *ctx = NULL;
	socklen_t len;
	int rc;

	signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an answer, not the end */
	if (!base)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = net_address(a->o.host, a->o.port, SOCK_STREAM, &to, &len, e)) ||
	    (rc = tls_client_new(a->o.tls10, &ctx, e)) ||
	    (rc = tls_client_start(base, ctx, (struct sockaddr *)&to, len, &h, &client, e)))
		goto out;
	event_base_dispatch(base);
	if (!a->answer)
		rc = err_set(e, ERR_CLOSED, "%s port %u: %s", a->o.host, a->o.port, a->why);
out:
	SSL_CTX_free(ctx);
	event_base_free(base);
	return rc;
}

/* ---- the answer ---- */

static void role_names(uint32_t roles, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned f = 0; f < 32; f++) {
		const char *name = function_name(f);

		if (!(roles & TVS_ROLE(f)))
			continue;
		if (name)
			used = text_append(out, size, used, "%s%s", used ? ", " : "", name);
		else
			used = text_append(out, size, used, "%s%u", used ? ", " : "", f);
	}
}

static void answer_text(const struct tvs_msg *m, const struct cert *c)
{
	char roles[256];

	role_names(m->roles, roles, sizeof roles);
	printf("status: %u (%s)\n", m->status, m->status == TVS_STATUS_OK ? "trusted" : "not trusted");
	if (m->roles)
		printf("roles:  %s\n", roles);
	if (m->has_ttl)
		printf("ttl:    %u seconds\n", m->ttl_s);
	if (c)
		printf("subject: %s\nissuer:  %s\n", cert_subject(c), cert_issuer(c));
}

static void answer_json(const struct tvs_msg *m, const struct cert *c)
{
	json_t *roles = json_array(), *o;

	for (unsigned f = 0; f < 32; f++)
		if (m->roles & TVS_ROLE(f))
			json_array_append_new(roles, json_integer(f));
	o = json_pack("{s:i, s:b, s:o}", "status", m->status, "trusted", m->status == TVS_STATUS_OK, "roles", roles);
	if (m->has_ttl)
		json_object_set_new(o, "ttl", json_integer(m->ttl_s));
	if (c)
		json_object_set_new(o, "subject", json_string(cert_subject(c)));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* The certificate of a query's answer must be the one that was asked for. */
static int answered_cert(const struct asking *a, const struct tvs_msg *m, struct cert **c, struct err *e)
{
	int rc = cert_from_der(m->certificate, c, e);

	if (rc)
		return rc;
	if (serial_matches_cert(a->ask.serial, cert_serial(*c)) && name_matches_der(a->ask.issuer, cert_issuer_der(*c)))
		return 0;
	return err_set(e, ERR_AUTH, "the server answered with another certificate: %s", cert_subject(*c));
}

static int write_cert(const struct asking *a, const struct cert *c, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	int rc;

	if (!a->o.out || !c)
		return 0;
	rc = cert_to_pem(c, &pem, e);
	return rc ? rc : file_replace(AT_FDCWD, a->o.out, view_str(pem), 0644, e);
}

static int report(const struct asking *a)
{
	bool query = a->ask.type == TVS_QUERY_REQUEST;
	struct cert *c = NULL;
	struct tvs_msg m;
	struct err e = ERR_INIT;
	int status = CMD_OK;

	if (tvs_msg_read((struct view){a->answer, a->answer_len}, &m, &e) ||
	    m.type != (query ? TVS_QUERY_RESPONSE : TVS_VERIFY_RESPONSE) || m.session != a->ask.session)
		return cmd_error(a->cmd, CMD_NO, "the answer does not fit the question: %s",
				 e.code ? e.text : "another type or session");
	if (query && m.status == TVS_STATUS_OK && (answered_cert(a, &m, &c, &e) || write_cert(a, c, &e)))
		status = cmd_error(a->cmd, CMD_NO, "%s", e.text);
	else if (a->o.json)
		answer_json(&m, c);
	else
		answer_text(&m, c);
	cert_unref(c);
	return status ? status : m.status == TVS_STATUS_OK ? CMD_OK : CMD_NO;
}

/* ---- the question ---- */

static int add_trust(struct asking *a, const char *path, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;
	int rc = file_read(AT_FDCWD, path, TLV_FILE_MAX, &data, &len, e);

	if (!rc)
		rc = list_parse((struct view){data, len}, LIST_ITL, &l, e);
	if (!rc)
		rc = list_verify_self(l, e);
	if (rc) {
		list_free(l);
		err_prefix(e, "%s", path);
		return rc;
	}
	phone_install_take(&a->phone, list_type_of(l), l);
	return 0;
}

/* verify: the certificate. query: the signer that the header of a signed file names. */
static int add_subject(struct asking *a, const char *path, struct err *e)
{
	struct tlv_header h;
	int rc;

	if (a->ask.type == TVS_VERIFY_REQUEST) {
		rc = cert_load(AT_FDCWD, path, &a->cert, e);
		if (!rc)
			a->ask.certificate = cert_der(a->cert);
		return rc;
	}
	rc = file_read(AT_FDCWD, path, TLV_FILE_MAX, &a->file, &a->file_len, e);
	if (!rc)
		rc = tlv_header_read((struct view){a->file, a->file_len}, &h, e);
	if (rc) {
		err_prefix(e, "%s", path);
		return rc;
	}
	a->ask.subject = h.signer_name;
	a->ask.issuer = h.ca_name;
	a->ask.serial = h.serial;
	return 0;
}

static int add_identity(struct asking *a, struct err *e)
{
	size_t len;

	if (!text_unhex(a->o.serial, a->serial, sizeof a->serial, &len) || !len)
		return err_set(e, ERR_USAGE, "'%s' is no serial number in hex", a->o.serial);
	a->ask.issuer = (struct view){(const uint8_t *)a->o.issuer, strlen(a->o.issuer) + 1};
	a->ask.serial = (struct view){a->serial, len};
	return 0;
}

static int option(struct asking *a, int key, const char *v, struct err *e)
{
	switch (key) {
	case OPT_SERVER:
		if (!net_host_port(v, a->o.host, sizeof a->o.host, &a->o.port))
			return err_set(e, ERR_USAGE, "'%s' is no HOST or HOST:PORT", v);
		return 0;
	case OPT_TRUST:
		return add_trust(a, v, e);
	case OPT_DEVICE:
		a->o.device = v;
		return 0;
	case OPT_TLS10:
		a->o.tls10 = true;
		return 0;
	case OPT_ISSUER:
		a->o.issuer = v;
		return 0;
	case OPT_SERIAL:
		a->o.serial = v;
		return 0;
	case OPT_OUT:
		a->o.out = v;
		return 0;
	default:
		a->o.json = true;
		return 0;
	}
}

static int exit_of(const struct asking *a, int rc, const struct err *e)
{
	if (rc == ERR_USAGE)
		return cmd_usage_error(a->cmd, "%s", e->text);
	return cmd_error(a->cmd, rc == ERR_PROTO || rc == ERR_CRYPTO ? CMD_MALFORMED : CMD_NO, "%s", e->text);
}

/* Options and operand; > 0: the command ends with this exit status minus 1. */
static int command_line(struct asking *a, int argc, char **argv, struct err *e)
{
	struct cmd_args args = {.cmd = a->cmd, .argc = argc, .argv = argv};
	bool identity;
	int key, rc;

	while ((key = cmd_opt_next(&args)) > 0)
		if ((rc = option(a, key, args.value, e)))
			return rc;
	if (key < 0)
		return args.exit + 1;
	identity = a->o.issuer && a->o.serial;
	if (!*a->o.host || (!a->phone.ctl && !a->phone.itl))
		return err_set(e, ERR_USAGE, "--server and --trust are needed");
	if (args.argc != !identity || (!identity && (a->o.issuer || a->o.serial)))
		return err_set(e, ERR_USAGE, a->ask.type == TVS_VERIFY_REQUEST ? "name one certificate"
			       : "name one signed file, or --issuer and --serial");
	return identity ? add_identity(a, e) : add_subject(a, args.argv[0], e);
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct asking a = {.cmd = c, .o = {.port = TVS_PORT, .device = "CP-0000-SEP000000000000"}};
	struct err e = ERR_INIT;
	int rc, status;

	a.ask.type = strstr(c->name, "query") ? TVS_QUERY_REQUEST : TVS_VERIFY_REQUEST;
	a.ask.session = 1001;
	wr_init(&a.frame, TVS_FRAME_MAX);
	rc = traits_parse(traits_builtin(), "models.conf", &a.table, &e);
	if (!rc) {
		phone_init(&a.phone, "", "8861", traits_find(a.table, "8861")); /* takes RSA and EC servers */
		rc = command_line(&a, argc, argv, &e);
	}
	if (rc > 0) {
		clear(&a);
		return rc - 1;
	}
	a.ask.device = view_str(a.o.device);
	if (!rc)
		rc = tvs_msg_write(&a.ask, &a.frame, &e);
	if (!rc)
		rc = converse(&a, &e);
	status = rc ? exit_of(&a, rc, &e) : report(&a);
	clear(&a);
	return status;
}

static const struct cmd_opt verify_opts[] = {
	{OPT_SERVER, "server", "HOST[:PORT]", "the trust verification server; port 2445"},
	{OPT_TRUST, "trust", "FILE", "CTL or ITL that names this server; both may be given"},
	{OPT_DEVICE, "device", "NAME", "name to give; CP-0000-SEP000000000000"},
	{OPT_TLS10, "tls1.0", NULL, "TLS 1.0 with AES256-SHA only, as 7900 phones"},
	{OPT_JSON, "json", NULL, "the answer as JSON"},
	{0},
};

static const struct cmd_opt query_opts[] = {
	{OPT_SERVER, "server", "HOST[:PORT]", "the trust verification server; port 2445"},
	{OPT_TRUST, "trust", "FILE", "CTL or ITL that names this server; both may be given"},
	{OPT_ISSUER, "issuer", "NAME", "with --serial instead of a file: CN=..;OU=..;O=.."},
	{OPT_SERIAL, "serial", "HEX", "serial number of the certificate"},
	{OPT_OUT, "out", "PEM", "write the certificate that is answered"},
	{OPT_DEVICE, "device", "NAME", "name to give; CP-0000-SEP000000000000"},
	{OPT_TLS10, "tls1.0", NULL, "TLS 1.0 with AES256-SHA only, as 7900 phones"},
	{OPT_JSON, "json", NULL, "the answer as JSON"},
	{0},
};

#define STATUS "Exit status: 0 trusted; 1 not trusted, or no server that may be asked; 2 a malformed input; 3 usage."

static const struct cmd cmd_tvs_verify = {
	.name = "tvs verify",
	.summary = "ask whether exactly this certificate is trusted",
	.usage = "--server HOST[:PORT] --trust FILE [OPTION...] CERTIFICATE",
	.opts = verify_opts,
	.more = STATUS,
	.run = run,
};

static const struct cmd cmd_tvs_query = {
	.name = "tvs query",
	.summary = "ask for the certificate that signed a file",
	.usage = "--server HOST[:PORT] --trust FILE [OPTION...] SIGNED-FILE\n"
		 "--server HOST[:PORT] --trust FILE --issuer NAME --serial HEX [OPTION...]",
	.opts = query_opts,
	.more = STATUS,
	.run = run,
};

static const struct cmd *const subs[] = {&cmd_tvs_verify, &cmd_tvs_query, NULL};

const struct cmd cmd_tvs = {
	.name = "tvs",
	.summary = "ask a trust verification server, as a phone does",
	.usage = "COMMAND [OPTION...]",
	.subs = subs,
};
