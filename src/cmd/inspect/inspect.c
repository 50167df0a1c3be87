#include "cmd/inspect/inspect.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "format/show.h"

const char *inspect_status_name(enum inspect_status s)
{
	switch (s) {
	case INSPECT_VERIFIED: return "verified";
	case INSPECT_INTACT: return "intact";
	case INSPECT_UNVERIFIED: return "unverified";
	default: return "malformed";
	}
}

static int exit_status(enum inspect_status s)
{
	switch (s) {
	case INSPECT_VERIFIED: return CMD_OK;
	case INSPECT_BROKEN: return CMD_MALFORMED;
	default: return CMD_NO;
	}
}

static void verdict(struct inspection *in, enum inspect_status s, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void verdict(struct inspection *in, enum inspect_status s, const char *fmt, ...)
{
	va_list ap;

	in->status = s;
	va_start(ap, fmt);
	vsnprintf(in->text, sizeof(in->text), fmt, ap);
	va_end(ap);
}

static void broken(struct inspection *in, const struct err *e)
{
	in->rule = e->rule;
	if (e->rule && e->offset >= 0)
		verdict(in, INSPECT_BROKEN, "Malformed: rule %s, at octet %ld: %s.", e->rule, e->offset, e->text);
	else if (e->rule)
		verdict(in, INSPECT_BROKEN, "Malformed: rule %s: %s.", e->rule, e->text);
	else
		verdict(in, INSPECT_BROKEN, "Malformed: %s.", e->text);
}

/* Well-formed, but no trusted signer: say what was missing. own: what the file itself proves. */
static void not_verified(struct inspection *in, const struct trust *t, enum inspect_status s, const char *own, int err,
			 const struct err *e)
{
	if (t->n == 0)
		verdict(in, s, "%s Name a trust list or a certificate that you trust with --trust or --cert.", own);
	else if (err == ERR_AUTH)
		verdict(in, s, "%s None of the lists and certificates given with --trust and --cert is its signer.", own);
	else
		verdict(in, s, "%s A trusted signer has this serial number, but its key did not sign the file: %s.", own, e->text);
}

static void judge_list(struct inspection *in, const struct trust *t)
{
	struct err e = ERR_INIT;
	char who[600], own[600], subject[300];

	if (list_parse(in->file, LIST_CTL, &in->list, &e)) {
		broken(in, &e);
		return;
	}
	if (list_type_of(in->list) == LIST_ITL) { /* once more, for warnings that fit */
		list_free(in->list);
		in->list = NULL;
		if (list_parse(in->file, LIST_ITL, &in->list, &e)) {
			broken(in, &e);
			return;
		}
	}
	if (list_verify_self(in->list, &e)) {
		broken(in, &e);
		return;
	}
	int err = trust_verify(t, FUNCTION_BIT(FUNCTION_SAST), in->file, &in->list->header, who, sizeof(who), &e);
	if (!err) {
		verdict(in, INSPECT_VERIFIED, "Verified: signed by %s.", who);
		return;
	}
	text_escape(subject, sizeof(subject), tlv_text(in->list->records[in->list->signer].subject));
	snprintf(own, sizeof(own),
		 "Intact, but not verified: the list is signed by its own record %d, %s. Anybody can make such a list, and "
		 "the listing's last line says no more than that.",
		 in->list->signer + 1, subject);
	not_verified(in, t, INSPECT_INTACT, own, err, &e);
}

/* Is the FILENAME inside the name the file has here? Folders are left out of the comparison. */
static void judge_name(struct inspection *in)
{
	struct view name = tlv_text(in->header.file_name);
	const char *slash = strrchr(in->path, '/');
	const char *here = slash ? slash + 1 : in->path;
	char inside[200];

	if (!in->header.file_name.p) {
		snprintf(in->note, sizeof(in->note), "the header has no FILENAME; a phone cannot tell which file was signed");
		return;
	}
	struct view base = name;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == '/')
			base = (struct view){name.p + i + 1, name.len - i - 1};
	if (strcmp(in->path, "-") == 0 || view_eq(base, view_str(here)))
		return;
	text_escape(inside, sizeof(inside), name);
	snprintf(in->note, sizeof(in->note), "it was signed as '%s' and lies here as '%.150s'", inside, here);
}

static void judge_signed(struct inspection *in, const struct trust *t)
{
	struct err e = ERR_INIT;
	char who[600];

	if (!in->has_header) {
		tlv_header_read(in->file, &in->header, &e) ? broken(in, &e) : (void)0;
		return;
	}
	judge_name(in);
	int err = t->n ? trust_verify(t, SGN_FUNCTIONS, in->file, &in->header, who, sizeof(who), &e) : ERR_AUTH;
	if (!err) {
		verdict(in, INSPECT_VERIFIED, "Verified: signed by %s.", who);
	} else if (err == ERR_AUTH) {
		not_verified(in, t, INSPECT_UNVERIFIED, "Well-formed, but not verified: the signature could not be checked.", err,
			     &e);
	} else {
		in->rule = "signature";
		verdict(in, INSPECT_BROKEN, "Damaged or forged: %s.", e.text);
	}
}

/* What else it may be, by its first octets. */
static const char *guess(struct view v)
{
	static const struct {
		const char *start, *what;
	} known[] = {
		{"<?xml", "an XML file without a signature"}, {"<", "an XML file without a signature"},
		{"-----BEGIN", "a PEM file (certificate or key)"}, {"\x1f\x8b", "a gzip archive"}, {"\x30\x82", "a DER file (certificate?)"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].start);
		if (v.len >= n && memcmp(v.p, known[i].start, n) == 0)
			return known[i].what;
	}
	return NULL;
}

static void judge_unknown(struct inspection *in)
{
	struct tlv_header h;
	struct err e = ERR_INIT;
	const char *what = guess(in->file);

	if (tlv_header_read(in->file, &h, &e) == 0) {
		verdict(in, INSPECT_BROKEN, "Neither a trust list nor a signed file.");
		return;
	}
	in->rule = e.rule;
	if (what)
		verdict(in, INSPECT_BROKEN, "Neither a trust list nor a signed file: it looks like %s.", what);
	else
		verdict(in, INSPECT_BROKEN, "Neither a trust list nor a signed file: rule %s: %s.", e.rule ? e.rule : "-", e.text);
}

static void judge(struct inspection *in, const struct trust *t)
{
	in->kind = file_kind(in->file);
	in->has_header = tlv_header_read(in->file, &in->header, NULL) == 0;
	switch (in->kind) {
	case FILE_TRUST_LIST:
		judge_list(in, t);
		return;
	case FILE_SGN:
	case FILE_ENC_SGN:
		judge_signed(in, t);
		return;
	case FILE_FIRMWARE:
		verdict(in, INSPECT_UNVERIFIED, "Firmware or a package: its header is Cisco's own and documented nowhere, so its signature is not checked. 'ringfence sgn strip --no-verify' takes the header off.");
		return;
	case FILE_EMPTY:
		in->rule = "file-too-short";
		verdict(in, INSPECT_BROKEN, "The file is empty.");
		return;
	case FILE_UNKNOWN:
		judge_unknown(in);
	}
}

static void print_signed_at(const struct tlv_header *h)
{
	time_t when = (time_t)h->timestamp;
	char date[64] = "";
	struct tm tm;

	printf("Digest %s", digest_name((enum digest)h->digest));
	if (h->has_signer_version)
		printf(", signer version %u.%u", h->signer_version[0], h->signer_version[1]);
	if (h->has_timestamp && gmtime_r(&when, &tm) && strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm))
		printf(", signed %s", date);
	printf(".\n");
}

static void print_listing(const struct inspection *in)
{
	struct show_options o = {.modified_s = in->modified_s};
	size_t payload = 0;

	if (in->list) {
		o.type = list_type_of(in->list);
		o.verified = in->list->signer >= 0;
		show_list(stdout, in->list, &o);
		printf("\n");
		print_signed_at(&in->list->header);
		return;
	}
	printf("%s: %s, %zu octets", in->path, file_kind_name(in->kind), in->file.len);
	if (in->kind != FILE_TRUST_LIST && in->kind != FILE_UNKNOWN && tlv_header_strip(in->file, &payload, NULL) == 0)
		printf(": header %zu, payload %zu", payload, in->file.len - payload);
	printf("\n");
	if (in->has_header && in->kind != FILE_TRUST_LIST) {
		printf("\n");
		show_header(stdout, in->file, &in->header, true);
		printf("\n");
		print_signed_at(&in->header);
	}
}

static void print_text(const struct inspection *in)
{
	print_listing(in);
	for (size_t i = 0; in->list && i < in->list->n_warnings; i++)
		printf("Warning: %s.\n", in->list->warnings[i]);
	if (in->list && in->list->sig_reversed)
		printf("Warning: the signature holds only with its octets reversed.\n");
	if (in->note[0])
		printf("Warning: %s.\n", in->note);
	printf("%s\n", in->text);
}

enum { OPT_TRUST = CMD_LONG, OPT_CERT, OPT_JSON };

const struct cmd_opt inspect_opts[] = {
	{OPT_TRUST, "trust", "FILE", "a trust list whose signers are trusted; may be given again"},
	{OPT_CERT, "cert", "PEM", "a certificate that is trusted as signer; may be given again"},
	{OPT_JSON, "json", NULL, "print a JSON object instead of the listing"},
	{0},
};

static int read_options(struct cmd_args *a, struct trust *t, bool *json)
{
	struct err e = ERR_INIT;
	int err = 0;

	for (int key; (key = cmd_opt_next(a));) {
		switch (key) {
		case OPT_TRUST: err = trust_add_list(t, a->value, &e); break;
		case OPT_CERT: err = trust_add_cert(t, a->value, &e); break;
		case OPT_JSON: *json = true; break;
		default: return -1;
		}
		if (err) {
			a->exit = cmd_error(a->cmd, CMD_USAGE, "%s", e.text);
			return -1;
		}
	}
	if (a->argc == 1)
		return 0;
	a->exit = cmd_usage_error(a->cmd, a->argc ? "one file at a time" : "which file?");
	return -1;
}

static int inspect_file(const struct cmd *c, const char *path, const struct trust *t, bool json)
{
	struct inspection in = {.path = path, .modified_s = time(NULL)};
	struct err e = ERR_INIT;
	struct stat st;

	if (offline_read(path, &in.file, &e))
		return cmd_error(c, CMD_USAGE, "%s", e.text);
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0)
		in.modified_s = st.st_mtime;
	judge(&in, t);
	int status = exit_status(in.status);
	if (!json)
		print_text(&in);
	else if (inspect_json(&in, &e))
		status = cmd_error(c, CMD_USAGE, "%s", e.text);
	list_free(in.list);
	offline_free(in.file);
	return status;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct trust t = {0};
	bool json = false;

	int status = read_options(&a, &t, &json) ? a.exit : inspect_file(c, a.argv[0], &t, json);
	trust_clear(&t);
	return status;
}

const struct cmd cmd_inspect = {
	.name = "inspect",
	.summary = "show and verify a trust list, a signed or an encrypted file",
	.usage = "FILE [--trust FILE]... [--cert PEM]... [--json]",
	.opts = inspect_opts,
	.more = "A trust list is verified when a SAST record of a --trust list signed it, a signed file when a TFTP or\n"
		"CCM+TFTP record did, either when a --cert certificate did. That a list verifies with itself proves nothing.\n\n"
		"exit status: 0 verified, 1 intact but not verified, 2 malformed or damaged, 3 wrong usage",
	.run = run,
};
