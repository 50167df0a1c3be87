#include "cmd/capf/capf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "cmd/capf/run.h"
#include "cmd/passphrase.h"
#include "net/fetch.h"

enum option {
	OPT_SERVER = CMD_LONG, OPT_TRUST, OPT_ANY_SERVER, OPT_DEVICE, OPT_STRING, OPT_STRING_FILE, OPT_CERT, OPT_KEY,
	OPT_CERT_TYPE, OPT_SUDI_CERT, OPT_SUDI_KEY, OPT_VERSION, OPT_TIMEOUT, OPT_TLS10, OPT_JSON,
	OPT_KEY_OUT, OPT_CERT_OUT, OPT_USE_KEY, OPT_REMOVE,
};

static void clear(struct capf_run *r)
{
	capf_session_clear(&r->session);
	phone_clear(&r->phone);
	traits_free(r->table);
	trust_clear(&r->servers);
	cert_unref(r->cert);
	cert_unref(r->sudi);
	EVP_PKEY_free(r->key);
	EVP_PKEY_free(r->sudi_key);
	EVP_PKEY_free(r->use_key);
	secret_free(r->string, PASSPHRASE_MAX);
}

/* ---- the command line ---- */

/* A trust list begins with its version, which no certificate does, in PEM or DER. */
static int add_trust(struct capf_run *r, const char *path, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;
	int rc = file_read(AT_FDCWD, path, TLV_FILE_MAX, &data, &len, e);

	if (rc)
		return rc;
	if (!len || data[0] != HEADER_VERSION)
		return trust_add_cert(&r->servers, path, e);
	rc = offline_list(path, &l, e);
	if (!rc)
		phone_install_take(&r->phone, list_type_of(l), l);
	return rc;
}

static int server(struct capf_run *r, const char *v, struct err *e)
{
	if (!net_host_port(v, r->o.host, sizeof r->o.host, &r->o.port))
		return err_set(e, ERR_USAGE, "'%s' is no HOST or HOST:PORT", v);
	return 0;
}

static int cert_type(struct capf_run *r, const char *v, struct err *e)
{
	if (strcmp(v, "lsc") && strcmp(v, "mic"))
		return err_set(e, ERR_USAGE, "--cert-type is lsc or mic, not '%s'", v);
	r->session.cert_type = r->me.cert_type = v[0] == 'l' ? CAPF_CERT_LSC : CAPF_CERT_MIC;
	return 0;
}

static int number(const char *option, const char *v, uint64_t min, uint64_t max, uint64_t *n, struct err *e)
{
	if (!text_number(v, min, max, n))
		return err_set(e, ERR_USAGE, "%s is a number from %u to %u, not '%s'", option, (unsigned)min, (unsigned)max, v);
	return 0;
}

static int add_remove(struct capf_run *r, const char *v, struct err *e)
{
	if (r->o.n_remove == CAPF_REMOVE_MAX)
		return err_set(e, ERR_USAGE, "--remove names at most %d files", CAPF_REMOVE_MAX);
	r->o.remove[r->o.n_remove++] = v;
	return 0;
}

static int option(struct capf_run *r, int key, const char *v, struct err *e)
{
	uint64_t n = 0;
	int rc;

	switch (key) {
	case OPT_SERVER: return server(r, v, e);
	case OPT_TRUST: return add_trust(r, v, e);
	case OPT_ANY_SERVER: r->o.any_server = true; return 0;
	case OPT_DEVICE: r->me.device = r->session.device = v; return 0;
	case OPT_STRING: r->o.ask_string = true; return 0;
	case OPT_STRING_FILE: r->o.string_file = v; return 0;
	case OPT_CERT: return cert_load(AT_FDCWD, v, &r->cert, e);
	case OPT_KEY: r->o.key = v; return 0;
	case OPT_CERT_TYPE: return cert_type(r, v, e);
	case OPT_SUDI_CERT: return cert_load(AT_FDCWD, v, &r->sudi, e);
	case OPT_SUDI_KEY: r->o.sudi_key = v; return 0;
	case OPT_KEY_OUT: r->session.key_out = v; return 0;
	case OPT_CERT_OUT: r->session.cert_out = v; return 0;
	case OPT_USE_KEY: r->o.use_key = v; return 0;
	case OPT_REMOVE: return add_remove(r, v, e);
	case OPT_VERSION:
		rc = number("--version", v, 2, 3, &n, e);
		r->me.version = (uint8_t)n;
		return rc;
	case OPT_TIMEOUT:
		rc = number("--timeout", v, 1, 86400, &n, e);
		r->o.timeout_s = (unsigned)n;
		return rc;
	case OPT_TLS10: r->o.tls10 = true; return 0;
	default: r->o.json = true; return 0;
	}
}

/* ---- what goes together ---- */

static int check_enroll(const struct capf_run *r, struct err *e)
{
	const struct capf_session *s = &r->session;

	if (!s->cert_out || !s->key_out == !r->o.use_key)
		return err_set(e, ERR_USAGE, "--cert-out is needed, and --key-out or --use-key");
	if (s->key_out && strcmp(s->key_out, s->cert_out) == 0)
		return err_set(e, ERR_USAGE, "--key-out and --cert-out are one file");
	return 0;
}

static int check(const struct capf_run *r, struct err *e)
{
	bool lists = r->phone.ctl || r->phone.itl || r->servers.n;

	if (!*r->o.host || !r->me.device)
		return err_set(e, ERR_USAGE, "--server and --device are needed");
	if (!*r->me.device || strlen(r->me.device) > CAPF_DEVICE_MAX)
		return err_set(e, ERR_USAGE, "a device name has 1 to %d octets", CAPF_DEVICE_MAX);
	if (lists == r->o.any_server)
		return err_set(e, ERR_USAGE, lists ? "--insecure-any-server and --trust exclude each other"
			       : "--trust is needed: a CTL, an ITL or the certificate of the CAPF server");
	if (r->o.ask_string && r->o.string_file)
		return err_set(e, ERR_USAGE, "--string asks, --string-file does not: one of them");
	if (!r->sudi != !r->o.sudi_key)
		return err_set(e, ERR_USAGE, "--sudi-cert and --sudi-key belong together");
	if (r->session.op == CAPF_OP_FETCH && !r->cert)
		return err_set(e, ERR_USAGE, "--cert is needed: what the server fetches");
	if (r->o.key ? !r->cert : r->cert && r->session.op != CAPF_OP_FETCH)
		return err_set(e, ERR_USAGE, "--cert and --key belong together");
	return r->session.op == CAPF_OP_ENROLL ? check_enroll(r, e) : 0;
}

/* ---- files ---- */

/* A key that is in use must not be lost to a renewal that fails. */
static int refuse_existing(const char *path, struct err *e)
{
	if (!path)
		return 0;
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_USAGE, "%s exists: give another name", path);
	return errno == ENOENT ? 0 : err_sys(e, ERR_IO, "%s", path);
}

/* The key of c; path NULL: there is none. */
static int pair(const char *path, const struct cert *c, EVP_PKEY **key, struct err *e)
{
	int rc = path ? pem_key_load(path, key, e) : 0;

	if (!rc && *key && X509_check_private_key(cert_x509(c), *key) != 1)
		rc = err_set(e, ERR_USAGE, "%s: the key does not belong to the certificate %s", path, cert_subject(c));
	return rc;
}

static int load(struct capf_run *r, struct err *e)
{
	const struct passphrase_ask how = {"authentication string", "Authentication string: ", "--string-file", false};
	int rc = refuse_existing(r->session.key_out, e);

	if (!rc)
		rc = refuse_existing(r->session.cert_out, e);
	if (!rc)
		rc = pair(r->o.key, r->cert, &r->key, e);
	if (!rc)
		rc = pair(r->o.sudi_key, r->sudi, &r->sudi_key, e);
	if (!rc && r->o.use_key)
		rc = pem_key_load(r->o.use_key, &r->use_key, e);
	if (!rc && (r->o.ask_string || r->o.string_file))
		rc = passphrase_get(&how, r->o.string_file, &r->string, e);
	if (!rc && r->string && strlen(r->string) > CAPF_PASSWORD_MAX)
		rc = err_set(e, ERR_USAGE, "an authentication string has at most %d octets", CAPF_PASSWORD_MAX);
	return rc;
}

static void identity(struct capf_run *r)
{
	r->me.password = r->string;
	if (r->key) {
		r->me.cert = r->cert;
		r->me.key = r->key;
	}
	r->me.sudi = r->sudi;
	r->me.sudi_key = r->sudi_key;
	r->session.cert = r->cert;
	r->session.given_key = r->use_key;
}

/* Options; > 0: the command ends with this exit status minus 1. */
static int command_line(struct capf_run *r, int argc, char **argv, struct err *e)
{
	struct cmd_args args = {.cmd = r->cmd, .argc = argc, .argv = argv};
	int key, rc;

	while ((key = cmd_opt_next(&args)) > 0)
		if ((rc = option(r, key, args.value, e)))
			return rc;
	if (key < 0)
		return args.exit + 1;
	if (args.argc)
		return err_set(e, ERR_USAGE, "'%s' is not expected", args.argv[0]);
	return check(r, e);
}

static int exit_of(const struct capf_run *r, int rc, const struct err *e)
{
	if (rc == ERR_USAGE)
		return cmd_usage_error(r->cmd, "%s", e->text);
	return cmd_error(r->cmd, rc == ERR_PROTO || rc == ERR_CRYPTO ? CMD_MALFORMED : CMD_NO, "%s", e->text);
}

static int run_op(const struct cmd *c, enum capf_op op, int argc, char **argv)
{
	struct capf_run r = {.cmd = c, .o = {.port = CAPF_PORT}, .me = {.version = CAPF_VERSION, .cert_type = CAPF_CERT_LSC},
			     .session = {.op = op, .cert_type = CAPF_CERT_LSC}};
	struct err e = ERR_INIT;
	int rc = traits_parse(traits_builtin(), "models.conf", &r.table, &e);
	int status;

	if (!rc) {
		phone_init(&r.phone, "", "8861", traits_find(r.table, "8861")); /* takes RSA and EC servers */
		rc = command_line(&r, argc, argv, &e);
	}
	if (!rc)
		rc = load(&r, &e);
	if (!rc) {
		identity(&r);
		rc = capf_connect(&r, &e);
	}
	status = rc > 0 ? rc - 1 : rc ? exit_of(&r, rc, &e) : capf_report(&r);
	clear(&r);
	return status;
}

static int run_enroll(const struct cmd *c, int argc, char **argv)
{
	return run_op(c, CAPF_OP_ENROLL, argc, argv);
}

static int run_fetch(const struct cmd *c, int argc, char **argv)
{
	return run_op(c, CAPF_OP_FETCH, argc, argv);
}

static int run_delete(const struct cmd *c, int argc, char **argv)
{
	return run_op(c, CAPF_OP_DELETE, argc, argv);
}

#define WHOM_AND_WHO                                                                                                   \
	{OPT_SERVER, "server", "HOST[:PORT]", "the CAPF server; port 3804"},                                           \
	{OPT_TRUST, "trust", "FILE", "CTL or ITL that names this server, or its certificate;\nmay be given again"},    \
	{OPT_ANY_SERVER, "insecure-any-server", NULL, "talk to whoever answers, string and all"},                      \
	{OPT_DEVICE, "device", "NAME", "whose phone this is: SEP001122334455"},                                        \
	{OPT_STRING, "string", NULL, "ask for the authentication string on the terminal"},                             \
	{OPT_STRING_FILE, "string-file", "FILE", "it is the first line of FILE; - is standard input"}

#define PROOFS                                                                                                         \
	{OPT_CERT_TYPE, "cert-type", "TYPE", "what --cert is: lsc (as without this option) or mic"},                   \
	{OPT_SUDI_CERT, "sudi-cert", "PEM", "SUDI certificate, shown along"},                                          \
	{OPT_SUDI_KEY, "sudi-key", "PEM", "its key (RSA)"}

#define CONNECTION                                                                                                     \
	{OPT_VERSION, "version", "2|3", "version of CAPF that the phone knows at most; 3"},                            \
	{OPT_TIMEOUT, "timeout", "SECONDS", "how long each answer may take; 10"},                                      \
	{OPT_TLS10, "tls1.0", NULL, "TLS 1.0 with AES256-SHA only, as 7900 phones"},                                   \
	{OPT_JSON, "json", NULL, "the outcome as JSON"}

#define CERT_AND_KEY                                                                                                   \
	{OPT_CERT, "cert", "PEM", "authenticate with this certificate"},                                               \
	{OPT_KEY, "key", "PEM", "its key"}

static const struct cmd_opt enroll_opts[] = {
	WHOM_AND_WHO, CERT_AND_KEY, PROOFS,
	{OPT_KEY_OUT, "key-out", "FILE", "where the new key goes; must not exist"},
	{OPT_CERT_OUT, "cert-out", "FILE", "where the new certificate goes; must not exist"},
	{OPT_USE_KEY, "use-key", "PEM", "a certificate for this key instead of a new one"},
	CONNECTION, {0},
};

static const struct cmd_opt fetch_opts[] = {
	WHOM_AND_WHO,
	{OPT_CERT, "cert", "PEM", "the certificate that the server is to have"},
	{OPT_KEY, "key", "PEM", "its key: authenticate with that certificate too"},
	PROOFS, CONNECTION, {0},
};

static const struct cmd_opt delete_opts[] = {
	WHOM_AND_WHO, CERT_AND_KEY, PROOFS,
	{OPT_REMOVE, "remove", "FILE", "remove FILE when the server has taken the answer;\nmay be given again"},
	CONNECTION, {0},
};

#define STATUS "Exit status: 0 done; 1 refused, nothing scheduled, or no server that may be asked; 2 a malformed input; 3 usage."

static const struct cmd cmd_enroll = {
	.name = "capf enroll",
	.summary = "get a certificate (LSC): make the key that the server asks for",
	.usage = "--server HOST[:PORT] --trust FILE --device NAME --key-out FILE --cert-out FILE [OPTION...]\n"
		 "--server HOST[:PORT] --trust FILE --device NAME --use-key PEM --cert-out FILE [OPTION...]",
	.opts = enroll_opts,
	.more = STATUS,
	.run = run_enroll,
};

static const struct cmd cmd_fetch = {
	.name = "capf fetch",
	.summary = "let the server fetch the phone's certificate (Troubleshoot)",
	.usage = "--server HOST[:PORT] --trust FILE --device NAME --cert PEM [OPTION...]",
	.opts = fetch_opts,
	.more = STATUS,
	.run = run_fetch,
};

static const struct cmd cmd_delete = {
	.name = "capf delete",
	.summary = "confirm to the server that the certificate is deleted",
	.usage = "--server HOST[:PORT] --trust FILE --device NAME [--remove FILE] [OPTION...]",
	.opts = delete_opts,
	.more = STATUS,
	.run = run_delete,
};

static const struct cmd *const subs[] = {&cmd_enroll, &cmd_fetch, &cmd_delete, NULL};

const struct cmd cmd_capf = {
	.name = "capf",
	.summary = "do what a CAPF server has scheduled for a phone, as a phone does",
	.usage = "enroll|fetch|delete --server HOST[:PORT] --trust FILE --device NAME [OPTION...]",
	.subs = subs,
};
