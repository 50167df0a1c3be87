#include "cmd/enc/enc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "cmd/offline.h"
#include "format/enc.h"

struct options {
	struct trust trust;
	const char *key, *out;
	bool force;
	bool no_verify;
};

enum { OPT_KEY = CMD_LONG, OPT_TRUST, OPT_CERT, OPT_FORCE, OPT_NO_VERIFY };

static const struct cmd_opt opts[] = {
	{OPT_KEY, "key", "PEM", "the phone's private key"},
	{OPT_TRUST, "trust", "FILE", "a trust list whose TFTP and CCM+TFTP records are trusted; may be given again"},
	{OPT_CERT, "cert", "PEM", "a certificate that is trusted as signer; may be given again"},
	{OPT_NO_VERIFY, "no-verify", NULL, "do not look at the signature"},
	{OPT_FORCE, "force", NULL, "replace OUT when it exists"},
	{'o', "output", "OUT", "where to write the plain file, which only you can then read; default FILE\nwithout .enc.sgn"},
	{0},
};

static int default_out(const char *path, char *out, size_t size, struct err *e)
{
	size_t n = strlen(path), k = strlen(".enc.sgn");

	if (!text_ends(path, ".enc.sgn") || n == k || path[n - k - 1] == '/')
		return err_set(e, ERR_USAGE, "%s does not end in .enc.sgn: say with -o where to write", path);
	if ((size_t)snprintf(out, size, "%.*s", (int)(n - k), path) >= size)
		return err_set(e, ERR_USAGE, "the name of the file is too long");
	return 0;
}

/* Signature first (5.3), so that nobody but the trusted signer gets an answer out of the key. */
static int open_file(const struct options *o, struct view file, EVP_PKEY *key, uint8_t **plain, size_t *len, struct err *e)
{
	struct tlv_header h;
	char who[600];

	if (file_kind(file) != FILE_ENC_SGN)
		return err_set(e, ERR_PROTO, "it is no encrypted configuration, but: %s", file_kind_name(file_kind(file)));
	int rc = tlv_header_read(file, &h, e);
	if (!rc && !o->no_verify)
		rc = trust_verify(&o->trust, SGN_FUNCTIONS, file, &h, who, sizeof(who), e);
	return rc ? rc : enc_decrypt(file, key, plain, len, e);
}

static int status_of(int rc)
{
	switch (rc) {
	case ERR_AUTH: return CMD_NO;
	case ERR_PROTO:
	case ERR_CRYPTO: return CMD_MALFORMED;
	default: return CMD_USAGE;
	}
}

static int decrypt(const struct cmd *c, const char *path, const struct options *o)
{
	struct view file = {0};
	EVP_PKEY *key = NULL;
	struct err e = ERR_INIT;
	uint8_t *plain = NULL;
	size_t len = 0;
	char def[4096];
	const char *out = o->out ? o->out : def;

	int rc = o->out ? 0 : default_out(path, def, sizeof(def), &e);
	if (!rc)
		rc = offline_check_out(path, out, o->force, &e);
	if (!rc)
		rc = pem_key_load(o->key, &key, &e);
	if (!rc)
		rc = offline_read(path, &file, &e);
	if (!rc && (rc = open_file(o, file, key, &plain, &len, &e)))
		err_prefix(&e, "%s: nothing written", path);
	if (!rc)
		rc = file_replace(AT_FDCWD, out, (struct view){plain, len}, 0600, &e);
	if (!rc)
		printf("%s: %zu octets\n", out, len);
	secret_free(plain, plain ? len + 1 : 0);
	offline_free(file);
	EVP_PKEY_free(key);
	return rc ? cmd_error(c, status_of(rc), "%s", e.text) : CMD_OK;
}

static int read_options(struct cmd_args *a, struct options *o)
{
	struct err e = ERR_INIT;
	int rc = 0;

	for (int key; (key = cmd_opt_next(a));) {
		switch (key) {
		case OPT_KEY: o->key = a->value; break;
		case OPT_TRUST: rc = trust_add_list(&o->trust, a->value, &e); break;
		case OPT_CERT: rc = trust_add_cert(&o->trust, a->value, &e); break;
		case OPT_FORCE: o->force = true; break;
		case OPT_NO_VERIFY: o->no_verify = true; break;
		case 'o': o->out = a->value; break;
		default: return a->exit;
		}
		if (rc)
			return cmd_error(a->cmd, CMD_USAGE, "%s", e.text);
	}
	if (a->argc != 1)
		return cmd_usage_error(a->cmd, a->argc ? "one file at a time" : "which file?");
	if (!o->key)
		return cmd_usage_error(a->cmd, "--key is needed");
	if (!o->trust.n && !o->no_verify)
		return cmd_usage_error(a->cmd, "the signature is verified first: say whom you trust with --trust or --cert, or --no-verify");
	return -1;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {0};

	int status = read_options(&a, &o);
	if (status < 0)
		status = decrypt(c, a.argv[0], &o);
	trust_clear(&o.trust);
	return status;
}

const struct cmd cmd_enc_decrypt = {
	.name = "enc decrypt",
	.summary = "verify an encrypted configuration and write the plain file",
	.usage = "FILE --key PEM --trust FILE|--cert PEM... [-o OUT] [--force]\nFILE --key PEM --no-verify [-o OUT] [--force]",
	.opts = opts,
	.more = "FILE is never changed or removed.\n\n"
		"exit status: 0 written, 1 nobody that is trusted signed it, or it is not for this key, 2 malformed, or the\n"
		"signature does not hold, 3 wrong usage",
	.run = run,
};
