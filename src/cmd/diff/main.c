#include "cmd/diff/diff.h"

#include <stdlib.h>

#include "base/text.h"

/* A phone that can do what any model can: what it refuses, every phone refuses. --model asks the table instead. */
static const struct traits capable = {
	.family = "any",
	.asks_tvs = TRAIT_YES,
	.sha512 = TRAIT_YES,
	.ec = TRAIT_YES,
	.list_limit = LIST_PHONE_LIMIT,
	.max_sast = LIST_MAX_SAST_CTL,
};

/* Would a phone that holds a, and nothing else, take b? */
static void decide(const struct diff_input *a, const struct diff_input *b, const struct traits *traits, struct decision *d)
{
	struct phone p;

	phone_init(&p, "SEP000000000000", traits->family, traits);
	snprintf(p.tvs[0].host, sizeof(p.tvs[0].host), "tvs"); /* there is one to ask; nobody does */
	p.n_tvs = 1;
	if (a->type == LIST_CTL)
		p.ctl = a->list;
	else
		p.itl = a->list;
	phone_decide_list(&p, b->type, b->file, d);
	p.ctl = p.itl = NULL; /* a's */
	phone_clear(&p);
}

static void words_of(const struct decision *d, const struct diff_input *a, char *out, size_t size)
{
	char subject[300];

	if (d->verdict == VERDICT_ACCEPT && d->record >= 0) {
		text_escape(subject, sizeof(subject), tlv_text(a->list->records[d->record].subject));
		snprintf(out, size, "yes: record %d (SAST) of %s signed it, %s", d->record + 1, a->path, subject);
	} else if (d->verdict == VERDICT_ACCEPT) {
		snprintf(out, size, "yes: %s", reason_text(d->reason));
	} else if (d->verdict == VERDICT_ASK_TVS) {
		snprintf(out, size, "not by itself: no SAST record of %s signed it. Only when TVS confirms the signer", a->path);
	} else if (d->reason == REASON_NO_TVS_RECORD) {
		snprintf(out, size, "not by itself: no SAST record of %s signed it, and it names no TVS server. Only a phone that "
			 "also holds an ITL asks TVS, and takes it when TVS confirms the signer", a->path);
	} else {
		snprintf(out, size, "no: %s", d->detail[0] ? d->detail : reason_text(d->reason));
	}
}

static void print_input(const struct diff_input *in)
{
	const struct tlv_header *h = &in->list->header;

	printf("%s: %s, %zu octets, %zu records, %s, signed by ", in->path, list_type_name(in->type), in->file.len,
	       in->list->n_records, digest_name((enum digest)h->digest));
	view_print(stdout, tlv_text(h->signer_name));
	printf("\n");
}

static void print_record(char sign, const struct trust_list *l, int i)
{
	const struct tlv_record *rec = &l->records[i];
	const char *role = role_name(rec->function);
	char serial[3 * 32];

	printf("%c record %d: ", sign, i + 1);
	if (role)
		printf("%s ", role);
	else
		printf("function %u ", rec->function);
	view_print(stdout, rec->subject.p ? tlv_text(rec->subject) : tlv_text(rec->dns_name));
	if (rec->serial.p) {
		text_hex(serial, sizeof(serial), rec->serial, ':', true);
		printf(" serial %s", serial);
	}
	printf("\n");
}

static void print_changes(const struct diff *d, const struct trust_list *a, const struct trust_list *b)
{
	int last = -2;

	for (size_t i = 0; i < d->n_changes; i++) {
		const struct diff_change *c = &d->changes[i];
		switch (c->kind) {
		case DIFF_REMOVED: print_record('-', a, c->a); break;
		case DIFF_ADDED: print_record('+', b, c->b); break;
		case DIFF_FIELD:
			if (c->a != last && c->a < 0)
				printf("~ header\n");
			else if (c->a != last)
				print_record('~', a, c->a);
			last = c->a;
			printf("    %s: %s -> %s\n", c->field, c->from, c->to);
		}
	}
	if (d->moved)
		printf("~ the records stand in another order\n");
	if (d->same_file)
		printf("the files are the same\n");
	else if (d->n_changes == 0 && !d->moved)
		printf("the same records and header; signed again\n");
}

static int load(const char *path, struct diff_input *in, struct err *e)
{
	int err = offline_read(path, &in->file, e);

	in->path = path;
	if (!err)
		err = list_parse(in->file, LIST_CTL, &in->list, e);
	if (err && err != ERR_IO)
		err_prefix(e, "%s", path);
	if (!err)
		in->type = list_type_of(in->list);
	return err;
}

static void clear(struct diff_input *in)
{
	list_free(in->list);
	offline_free(in->file);
}

enum { OPT_JSON = CMD_LONG, OPT_MODEL };

static const struct cmd_opt opts[] = {
	{OPT_JSON, "json", NULL, "print a JSON object"},
	{OPT_MODEL, "model", "MODEL", "a phone of this model (7975, 8861 ...) and what is known of it,\ninstead of one that can do everything"},
	{0},
};

struct options {
	bool json;
	const char *model;
};

static int compare(const struct cmd *c, const struct diff_input *a, struct diff_input *b, const struct options *o)
{
	struct diff *d = calloc(1, sizeof(*d));
	struct traits_table *table = NULL;
	struct decision taken = {0};
	struct err e = ERR_INIT;
	char words[900];

	if (!d || (o->model && traits_parse(traits_builtin(), "models", &table, &e))) {
		free(d);
		return cmd_error(c, CMD_USAGE, "%s", d ? e.text : "out of memory");
	}
	decide(a, b, o->model ? traits_find(table, o->model) : &capable, &taken);
	diff_lists(a->list, b->list, d);
	words_of(&taken, a, words, sizeof(words));
	int status = taken.verdict == VERDICT_ACCEPT ? CMD_OK : CMD_NO;
	if (status != CMD_OK && list_verify_self(b->list, NULL))
		status = CMD_MALFORMED;
	if (!o->json) {
		print_input(a);
		print_input(b);
		print_changes(d, a->list, b->list);
		printf("Does a phone that holds %s take %s? %s%s\n", a->path, b->path, words,
		       taken.assumed ? " (nobody knows for sure of this model)" : "");
	} else if (diff_json(a, b, d, &taken, words, &e)) {
		status = cmd_error(c, CMD_USAGE, "%s", e.text);
	}
	traits_free(table);
	free(d);
	return status;
}

static int run_files(const struct cmd *c, char **paths, const struct options *o)
{
	struct diff_input a = {0}, b = {0};
	struct err e = ERR_INIT;
	int status;

	int err = load(paths[0], &a, &e);
	if (!err)
		err = load(paths[1], &b, &e);
	if (!err && (err = list_verify_self(a.list, &e)))
		err_prefix(&e, "%s: no phone can hold this list", a.path);
	if (err == ERR_IO)
		status = cmd_error(c, CMD_USAGE, "%s", e.text);
	else if (err)
		status = cmd_error(c, CMD_MALFORMED, "%s", e.text);
	else
		status = compare(c, &a, &b, o);
	clear(&a);
	clear(&b);
	return status;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {0};

	for (int key; (key = cmd_opt_next(&a));) {
		switch (key) {
		case OPT_JSON: o.json = true; break;
		case OPT_MODEL: o.model = a.value; break;
		default: return a.exit;
		}
	}
	if (a.argc != 2)
		return cmd_usage_error(c, "two trust lists are needed: the one a phone holds, and the new one");
	return run_files(c, a.argv, &o);
}

const struct cmd cmd_diff = {
	.name = "diff",
	.summary = "what changed between two trust lists, and whether a phone takes the new one",
	.usage = "A.tlv B.tlv [--model MODEL] [--json]",
	.opts = opts,
	.more = "The phone holds A and no other list. It takes B when a SAST record of A signed it; otherwise it asks TVS,\n"
		"which this command does not.\n\n"
		"exit status: 0 it takes B, 1 it does not by itself, 2 a list is malformed or damaged, 3 wrong usage",
	.run = run,
};
