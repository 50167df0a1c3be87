#include "cmd/tlv/tlv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "cluster/compose.h"
#include "cmd/offline.h"

/* A record as the command line gives it: ROLE=PEM[,dns=NAME][,ip=ADDRESS]. */
struct wanted {
	uint16_t function;
	struct cert *cert;
	const char *dns;     /* NULL: the certificate's CN */
	bool has_ip;
	uint8_t ip[4];
};

struct build {
	enum list_type type;
	bool has_type;
	enum compose_generation generation;
	enum digest digest;
	enum name_form names;
	bool signer_version;
	const char *signer_path, *out, *file_name;
	uint64_t timestamp;
	struct wanted wanted[LIST_MAX_RECORDS];
	size_t n_wanted;
	struct pem_signer signer;
	struct record_spec records[LIST_MAX_RECORDS];
	size_t n_records;
};

static const uint8_t version_1_1[] = {1, 1};

/* Take ",dns=..." or ",ip=..." off the end of word; false when there is neither. */
static bool take_suffix(char *word, struct wanted *w, struct err *e, int *err)
{
	char *comma = strrchr(word, ',');

	if (!comma)
		return false;
	if (text_starts(comma, ",dns=")) {
		w->dns = comma + 5;
	} else if (text_starts(comma, ",ip=")) {
		w->has_ip = true;
		if (inet_pton(AF_INET, comma + 4, w->ip) != 1)
			*err = err_set(e, ERR_USAGE, "'%s' is no IPv4 address", comma + 4);
	} else {
		return false;
	}
	*comma = '\0';
	return true;
}

/* word is the command line's own memory, which is cut up. */
static int add_record(struct build *b, char *word, struct err *e)
{
	char *equals = strchr(word, '=');
	struct wanted w = {0};
	int err = 0;

	if (!equals || !option_role(word, (size_t)(equals - word), &w.function))
		return err_set(e, ERR_USAGE, "--record '%s': ROLE=PEM is wanted, with SAST, CCM, CCM+TFTP, TFTP, CAPF, APP-SERVER or TVS as role",
			       word);
	if (b->n_wanted == LIST_MAX_RECORDS - 1)
		return err_set(e, ERR_LIMIT, "more than %d records", LIST_MAX_RECORDS - 1);
	while (!err && take_suffix(equals + 1, &w, e, &err))
		;
	if (!err)
		err = cert_load(AT_FDCWD, equals + 1, &w.cert, e);
	if (!err)
		b->wanted[b->n_wanted++] = w;
	return err;
}

/* A list without a SAST record of its signer could never be verified: it gets one, in front. */
static bool has_signer(const struct build *b)
{
	for (size_t i = 0; i < b->n_wanted; i++)
		if (b->wanted[i].function == FUNCTION_SAST && cert_same(b->wanted[i].cert, b->signer.cert))
			return true;
	return false;
}

static void put_record(struct build *b, uint16_t function, const struct cert *c, const struct wanted *w)
{
	bool hash_only = b->type == LIST_ITL && (function == FUNCTION_TVS || function == FUNCTION_CAPF) &&
			 compose_itl_style(b->generation) == RECORD_HASH_ONLY;
	struct record_spec *rec = &b->records[b->n_records++];

	*rec = (struct record_spec){
		.style = hash_only ? RECORD_HASH_ONLY : RECORD_FULL,
		.function = function,
		.cert = c,
		.hash = DIGEST_SHA1,
	};
	if (b->type == LIST_ITL)
		return;
	rec->dns_name = w && w->dns ? w->dns : cert_cn(c);
	rec->has_ip = true;
	if (w && w->has_ip)
		memcpy(rec->ip, w->ip, sizeof(rec->ip));
}

static void compose_records(struct build *b)
{
	b->n_records = 0;
	if (!has_signer(b)) {
		put_record(b, FUNCTION_SAST, b->signer.cert, NULL);
		fprintf(stderr, "ringfence tlv build: record 1 is the signer, %s, as SAST, which no --record named\n",
			cert_subject(b->signer.cert));
	}
	for (size_t i = 0; i < b->n_wanted; i++)
		put_record(b, b->wanted[i].function, b->wanted[i].cert, &b->wanted[i]);
}

/* No list of that many is made without a word. */
static void warn_sast(const struct build *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->n_records; i++)
		n += b->records[i].function == FUNCTION_SAST;
	if (n > LIST_MAX_SAST)
		fprintf(stderr, "ringfence tlv build: %u records are SAST; some phone models are only known to work with %d\n", n,
			LIST_MAX_SAST);
}

static int build_list(struct build *b, uint8_t **data, size_t *len, struct err *e)
{
	struct list_spec spec = {
		.type = b->type,
		.names = b->names,
		.digest = b->digest,
		.signer_version = b->signer_version ? version_1_1 : NULL,
		.signer = b->signer.cert,
		.timestamp = (uint32_t)b->timestamp,
		.file_name = b->file_name,
		.records = b->records,
		.n_records = b->n_records,
	};
	struct list_signer signer = pem_signer_of(&b->signer);

	return list_build(&spec, &signer, data, len, e);
}

static int make(const struct cmd *c, struct build *b)
{
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;

	int err = pem_signer_load(b->signer_path, &b->signer, &e);
	if (!err) {
		compose_records(b);
		err = build_list(b, &data, &len, &e);
	}
	if (!err && len > LIST_PHONE_LIMIT)
		err = err_set(&e, ERR_LIMIT, "the list would have %zu octets; phones do not load more than %d", len, LIST_PHONE_LIMIT);
	if (!err)
		err = file_replace(AT_FDCWD, b->out, (struct view){data, len}, 0644, &e);
	free(data);
	if (err)
		return cmd_error(c, err == ERR_USAGE || err == ERR_IO ? CMD_USAGE : CMD_NO, "%s", e.text);
	if (len > COMPOSE_WARN_OCTETS)
		fprintf(stderr, "ringfence tlv build: %zu octets is large; lists of that size are known to be slow or refused on old phones\n", len);
	warn_sast(b);
	printf("%s: %s, %zu octets, %zu records\n", b->out, list_type_name(b->type), len, b->n_records);
	return CMD_OK;
}

enum {
	OPT_TYPE = CMD_LONG, OPT_SIGNER, OPT_RECORD, OPT_GENERATION, OPT_DIGEST, OPT_NAMES, OPT_SIGNER_VERSION, OPT_NAME,
	OPT_TIMESTAMP
};

static const struct cmd_opt opts[] = {
	{OPT_TYPE, "type", "ctl|itl", "what it is to be"},
	{OPT_SIGNER, "signer", "PEM", "file with the private key that signs, and its certificate"},
	{OPT_RECORD, "record", "ROLE=PEM", "a record, in this order: SAST, CCM, CCM+TFTP, TFTP, CAPF, APP-SERVER or TVS\n"
					   "and a certificate; in a CTL ROLE=PEM,dns=NAME,ip=ADDRESS says where it is"},
	{OPT_GENERATION, "generation", "G", "as CUCM 8.0, 10.0, 10.5(2), 11.5 or 12.0 (default) writes it: up to 10.5(2)\n"
					    "an ITL has only hashes of TVS and CAPF certificates"},
	{OPT_DIGEST, "digest", "sha1|sha512", "of the signature; default sha1, which every phone knows"},
	{OPT_NAMES, "names", "A|C", "form of names: A CN=..;OU=.. as CUCM (default), C CN=..,O=.. as other tools"},
	{OPT_SIGNER_VERSION, "signer-version", "1.1", "let phones use EC keys; default is to say nothing"},
	{OPT_NAME, "name", "NAME", "FILENAME inside; default CTLFile.tlv or ITLFile.tlv, also for one phone's list"},
	{OPT_TIMESTAMP, "timestamp", "SECONDS", "signing time, in seconds since 1970; default now"},
	{'o', "output", "FILE", "where to write it; replaced whole or not at all"},
	{0},
};

static int option(const struct cmd *c, struct build *b, int key, const char *value)
{
	struct err e = ERR_INIT;

	switch (key) {
	case OPT_TYPE:
		b->has_type = true;
		b->type = text_same(value, "itl") ? LIST_ITL : LIST_CTL;
		return text_same(value, "ctl") || text_same(value, "itl") ? 0 : cmd_usage_error(c, "--type is ctl or itl");
	case OPT_SIGNER: b->signer_path = value; return 0;
	case OPT_RECORD: return add_record(b, (char *)(uintptr_t)value, &e) ? cmd_error(c, CMD_USAGE, "%s", e.text) : 0;
	case OPT_GENERATION:
		return compose_generation_find(value, &b->generation) ? 0 : cmd_usage_error(c, "--generation is 8.0, 10.0, 10.5(2), 11.5 or 12.0");
	case OPT_DIGEST: return option_digest(value, &b->digest) ? 0 : cmd_usage_error(c, "--digest is sha1 or sha512");
	case OPT_NAMES: return option_names(value, &b->names) ? 0 : cmd_usage_error(c, "--names is A or C");
	case OPT_SIGNER_VERSION:
		b->signer_version = true;
		return text_same(value, "1.1") ? 0 : cmd_usage_error(c, "--signer-version is 1.1; leave the option out for the older one");
	case OPT_NAME: b->file_name = value; return 0;
	case OPT_TIMESTAMP:
		return text_number(value, 0, UINT32_MAX, &b->timestamp) ? 0 : cmd_usage_error(c, "--timestamp is a number of seconds");
	default: b->out = value; return 0;
	}
}

static int check(const struct cmd *c, const struct build *b, int n_operands)
{
	if (n_operands)
		return cmd_usage_error(c, "certificates are given with --record");
	if (!b->has_type)
		return cmd_usage_error(c, "--type ctl or --type itl is needed");
	if (!b->signer_path)
		return cmd_usage_error(c, "--signer is needed");
	if (!b->out)
		return cmd_usage_error(c, "-o is needed");
	return CMD_OK;
}

static int run_build(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct build *b = calloc(1, sizeof(*b));
	int status = 0;

	if (!b)
		return cmd_error(c, CMD_NO, "out of memory");
	b->generation = COMPOSE_DEFAULT;
	b->digest = DIGEST_SHA1;
	b->timestamp = (uint64_t)time(NULL);
	for (int key; !status && (key = cmd_opt_next(&a));) {
		if (key < 0)
			goto out;
		status = option(c, b, key, a.value);
	}
	if (!status)
		status = check(c, b, a.argc);
	if (!status)
		status = make(c, b);
	a.exit = status;
out:
	for (size_t i = 0; i < b->n_wanted; i++)
		cert_unref(b->wanted[i].cert);
	pem_signer_clear(&b->signer);
	free(b);
	return a.exit;
}

static const struct cmd build_cmd = {
	.name = "tlv build",
	.summary = "write and sign a CTL or an ITL",
	.usage = "--type ctl|itl --signer PEM --record ROLE=PEM... [--generation G] [--digest sha1|sha512]\n"
		 "        [--names A|C] [--signer-version 1.1] [--name NAME] [--timestamp SECONDS] -o FILE",
	.opts = opts,
	.more = "exit status: 0 written, 1 it could not be signed, 3 wrong usage; nothing is written unless the new list verifies",
	.run = run_build,
};

static const struct cmd *const subs[] = {&build_cmd, NULL};

const struct cmd cmd_tlv = {
	.name = "tlv",
	.summary = "build a trust list",
	.usage = "build OPTION...",
	.subs = subs,
};
