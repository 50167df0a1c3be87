#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cmd/ctl_client/ctl_client.h"
#include "cmd/ctl_client/place.h"
#include "cmd/ctl_client/terminal.h"
#include "pki/token.h"

enum { OPT_CA_CERT = CMD_LONG, OPT_CA_KEY, OPT_MAKE_CA, OPT_CA_NAME, OPT_NAME, OPT_UNIT, OPT_ORG, OPT_KEY_BITS };

static const struct cmd_opt opts[] = {
	TOKEN_OPTS,
	{ OPT_CA_CERT, "ca-cert", "FILE", "certificate of the token CA, PEM" },
	{ OPT_CA_KEY, "ca-key", "FILE", "its private key, PEM" },
	{ OPT_MAKE_CA, "make-ca", NULL, "make the token CA when neither file is there yet" },
	{ OPT_CA_NAME, "ca-name", "CN", "common name of a CA that is made (Ringfence Token CA)" },
	{ OPT_NAME, "name", "CN", "common name of the token (SAST-ADN with 8 hex digits and 8 blanks)" },
	{ OPT_UNIT, "unit", "OU", "its organisational unit (IPCBU)" },
	{ OPT_ORG, "org", "O", "its organisation (Cisco Systems, Inc.)" },
	{ OPT_KEY_BITS, "key-bits", "N", "size of its RSA key: 1024, 2048 or 4096 (2048)" },
	{ 'o', "output", "FILE", "write the token's certificate there too, PEM: for Phone-SAST-trust" },
	{ 0 },
};

struct job {
	struct token_options options;
	const char *ca_cert, *ca_key, *ca_name, *output;
	bool make_ca;
	struct token_request request;
};

static int set_bits(const struct cmd *c, struct job *j, const char *value)
{
	uint64_t bits;

	if (!text_number(value, 1024, 4096, &bits) || (bits != 1024 && bits != 2048 && bits != 4096))
		return cmd_usage_error(c, "--key-bits: '%s': 1024, 2048 or 4096", value);
	j->request.key_bits = (unsigned)bits;
	return 0;
}

static int take(const struct cmd *c, struct job *j, int key, const char *value)
{
	switch (key) {
	case OPT_CA_CERT:
		j->ca_cert = value;
		break;
	case OPT_CA_KEY:
		j->ca_key = value;
		break;
	case OPT_MAKE_CA:
		j->make_ca = true;
		break;
	case OPT_CA_NAME:
		j->ca_name = value;
		break;
	case OPT_NAME:
		j->request.cn = value;
		break;
	case OPT_UNIT:
		j->request.ou = value;
		break;
	case OPT_ORG:
		j->request.o = value;
		break;
	case 'o':
		j->output = value;
		break;
	case OPT_KEY_BITS:
		return set_bits(c, j, value);
	default:
		token_option(&j->options, key, value);
	}
	return 0;
}

/* Made only where neither file is: one without the other is a CA that somebody is about to lose. */
static int get_ca(const struct job *j, struct token_ca *ca, bool *made, struct err *e)
{
	bool none = access(j->ca_cert, F_OK) < 0 && errno == ENOENT && access(j->ca_key, F_OK) < 0 && errno == ENOENT;

	*made = false;
	if (!none)
		return token_ca_load(j->ca_cert, j->ca_key, ca, e);
	if (!j->make_ca)
		return err_set(e, ERR_USAGE, "%s: there is no token CA yet: --make-ca makes one", j->ca_cert);
	int rc = token_ca_make(j->ca_name, &clock_system, &random_system, ca, e);
	if (!rc)
		rc = token_ca_save(ca, j->ca_cert, j->ca_key, e);
	*made = rc == 0;
	return rc;
}

static int write_cert(const char *file, const struct cert *cert, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	int rc = cert_to_pem(cert, &pem, e);

	return rc ? rc : file_replace(AT_FDCWD, file, view_str(pem), 0644, e);
}

/* What can be known before is looked at before; then what was made goes again when the next step fails. */
static int make(const struct job *j, struct token_place *place, struct token_ca *ca, struct token_identity *t, struct err *e)
{
	int rc = token_make(place->s, ca, &j->request, &clock_system, &random_system, t, e);

	if (rc || !j->output)
		return rc;
	rc = write_cert(j->output, t->cert, e);
	if (rc)
		token_take_back(t);
	return rc;
}

static int perform(const struct job *j, struct token_place *place, struct token_ca *ca, struct token_identity *t,
		   struct err *e)
{
	bool made = false;
	int rc = j->output ? file_check_replace(AT_FDCWD, j->output, e) : 0;

	if (!rc)
		rc = token_place_open(&j->options, true, true, place, e);
	if (!rc)
		rc = token_check_empty(place->s, e); /* a CA for no token helps nobody */
	if (!rc)
		rc = get_ca(j, ca, &made, e);
	if (!rc)
		rc = make(j, place, ca, t, e);
	if (rc && made) {
		unlink(j->ca_cert);
		unlink(j->ca_key);
	} else if (made) {
		printf("The token CA is made: %s and %s. Whoever has its key can make tokens: keep it off this machine.\n",
		       j->ca_cert, j->ca_key);
	}
	return rc;
}

static int init_token(const struct cmd *c, const struct job *j)
{
	struct token_place place = { 0 };
	struct token_ca ca = { 0 };
	struct token_identity t = { 0 };
	struct err e = ERR_INIT;
	struct shown label;
	char serial[64];
	int rc = perform(j, &place, &ca, &t, &e);

	if (!rc) {
		text_hex(serial, sizeof(serial), cert_serial(t.cert), ':', true);
		printf("The token holds the key and certificate of %s, serial %s.\n", shown(&label, t.label), serial);
		if (j->output)
			printf("For phones that ask TVS, upload %s as Phone-SAST-trust before this token signs.\n", j->output);
	}
	token_identity_clear(&t);
	token_ca_clear(&ca);
	token_place_clear(&place);
	return rc ? cmd_error(c, CMD_NO, "%s", e.text) : CMD_OK;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct job j = { 0 };
	int key;

	while ((key = cmd_opt_next(&args)) > 0) {
		int status = take(c, &j, key, args.value);

		if (status)
			return status;
	}
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[0]);
	if (!j.ca_cert || !j.ca_key)
		return cmd_usage_error(c, "%s FILE is missing", j.ca_cert ? "--ca-key" : "--ca-cert");
	return init_token(c, &j);
}

const struct cmd cmd_ctl_client_init_token = {
	.name = "ctl-client init-token",
	.summary = "make the key and certificate of a token, on the token",
	.usage = "--ca-cert FILE --ca-key FILE [--make-ca] [--token URI] [-o FILE] [OPTION...]",
	.opts = opts,
	.more = "The key is made on the token and never leaves it. The token itself is formatted, and gets its PIN, with its own\n"
		"program. Two tokens are needed for mixed mode; make a third one as a spare.\n"
		"Exit status: 0 made, 1 not made (and nothing left on the token), 3 wrong command line.",
	.run = run,
};

/* --- export --- */

static const struct cmd_opt export_opts[] = {
	TOKEN_OPTS,
	{ 'o', "output", "FILE", "where the certificate goes, PEM" },
	{ 0 },
};

static int run_export(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct token_options options = { 0 };
	struct token_place place = { 0 };
	struct token_identity t = { 0 };
	struct err e = ERR_INIT;
	const char *output = NULL;
	int key;

	while ((key = cmd_opt_next(&args)) > 0)
		if (!token_option(&options, key, args.value))
			output = args.value;
	if (key < 0)
		return args.exit;
	if (args.argc || !output)
		return args.argc ? cmd_usage_error(c, "'%s' is not expected", args.argv[0])
				 : cmd_usage_error(c, "-o FILE is missing");
	int rc = token_place_open(&options, false, true, &place, &e);
	struct pkcs11_want w = place.uri ? pkcs11_want_of(place.uri) : (struct pkcs11_want){ 0 };
	if (!rc)
		rc = token_find(place.s, &w, &t, &e);
	if (!rc)
		rc = write_cert(output, t.cert, &e);
	token_identity_clear(&t);
	token_place_clear(&place);
	return rc ? cmd_error(c, CMD_NO, "%s", e.text) : CMD_OK;
}

const struct cmd cmd_ctl_client_export = {
	.name = "ctl-client export",
	.summary = "write a token's certificate to a file, for Phone-SAST-trust",
	.usage = "[--token URI] -o FILE",
	.opts = export_opts,
	.more = "Exit status: 0 written, 1 not, 3 wrong command line.",
	.run = run_export,
};
