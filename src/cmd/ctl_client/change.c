#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/ctl_client/ctl_client.h"
#include "cmd/ctl_client/plan.h"
#include "cmd/ctl_client/terminal.h"

/* `set-cluster` and `update`: what the wizard does, without its questions. */

enum { OPT_YES = CMD_LONG, OPT_DRY_RUN, OPT_REMOVE };

static const struct cmd_opt opts[] = {
	SERVER_OPTS,
	TOKEN_OPT_MODULE_LINE,
	{ TOKEN_OPT_TOKEN, "token", "URI", "a token: pkcs11:... (RFC 7512); once for each that the CTL is to have. Without it:\n"
					   "those that are there" },
	{ TOKEN_OPT_PIN_FILE, "pin-file", "FILE", "its first line is the PIN of the token named before it; the only one is for all\n"
						  "(the URI's pin-source, RINGFENCE_PIN, or the terminal)" },
	{ OPT_REMOVE, "remove-token", "CN", "take a token that is lost out of the CTL, by its common name" },
	{ OPT_YES, "yes", NULL, "go on although phones may be concerned" },
	{ OPT_DRY_RUN, "dry-run", NULL, "show the entries of the CTL, or why there is none; sign and store nothing" },
	{ 0 },
};

struct job {
	struct ctl_server_options server;
	struct token_options tokens[PLAN_TOKENS_MAX]; /* one for each --token */
	size_t n_tokens;
	const char *module, *pin_file;                /* pin_file: the last one */
	size_t n_pin_files;
	bool pin_file_alone;                          /* one that stands behind no --token of its own */
	const char *remove[PLAN_TOKENS_MAX];
	size_t n_remove;
	bool yes, dry_run;

	struct ctl_server s;
	struct plan plan;
	struct ctl_token found[CTL_TOKENS_MAX];
	size_t n_found;
};

static void job_clear(struct job *j)
{
	plan_clear(&j->plan);
	for (size_t i = 0; i < j->n_found; i++)
		ctl_token_clear(&j->found[i]);
	ctl_server_clear(&j->s);
	free(j);
}

static void take_pin_file(struct job *j, const char *file)
{
	struct token_options *last = j->n_tokens ? &j->tokens[j->n_tokens - 1] : NULL;

	j->pin_file = file;
	j->n_pin_files++;
	if (last && !last->pin_file)
		last->pin_file = file;
	else
		j->pin_file_alone = true;
}

static int take(const struct cmd *c, struct job *j, int key, const char *value)
{
	if (key == OPT_YES)
		j->yes = true;
	else if (key == OPT_DRY_RUN)
		j->dry_run = true;
	else if ((key == OPT_REMOVE && j->n_remove == PLAN_TOKENS_MAX) ||
		 (key == TOKEN_OPT_TOKEN && j->n_tokens == PLAN_TOKENS_MAX))
		return cmd_usage_error(c, "a CTL has at most %d tokens", PLAN_TOKENS_MAX);
	else if (key == OPT_REMOVE)
		j->remove[j->n_remove++] = value;
	else if (key == TOKEN_OPT_MODULE)
		j->module = value;
	else if (key == TOKEN_OPT_PIN_FILE)
		take_pin_file(j, value);
	else if (key == TOKEN_OPT_TOKEN)
		j->tokens[j->n_tokens++] = (struct token_options){.uri = value};
	else
		ctl_server_option(&j->server, key, value);
	return 0;
}

/* The only PIN is for all tokens; of several it must be plain whose each is. */
static int check_options(const struct cmd *c, struct job *j)
{
	if (!j->server.server)
		return cmd_usage_error(c, "--server HOST[:PORT] is missing");
	if (!j->server.user)
		return cmd_usage_error(c, "--user NAME is missing");
	if (j->n_pin_files > 1 && j->pin_file_alone)
		return cmd_usage_error(c, "of several --pin-file each stands behind the --token that it is for");
	for (size_t i = 0; i < j->n_tokens && j->n_pin_files == 1; i++)
		j->tokens[i].pin_file = j->pin_file;
	return 0;
}

/* --- tokens --- */

/* What tells two certificates apart, in a URI. Of the URI that was given the part with the PIN is not repeated. */
static int several(const struct token_options *o, const struct ctl_token list[], size_t n, struct err *e)
{
	const struct ctl_token *a = &list[0], *b = &list[1];
	struct shown uri, one, two;
	char id[2][2 * PKCS11_ID_MAX + 1], cut[512];

	snprintf(cut, sizeof(cut), "%.*s", (int)strcspn(o->uri, "?"), o->uri);
	if (strcmp(a->uri, b->uri) != 0)
		return err_set(e, ERR_USAGE, "%s: %zu certificates match, on the tokens %s and %s: add serial= or token=", shown(&uri, cut),
			       n, shown(&one, a->label), shown(&two, b->label));
	text_hex(id[0], sizeof(id[0]), (struct view){a->id, a->id_len}, '\0', false);
	text_hex(id[1], sizeof(id[1]), (struct view){b->id, b->id_len}, '\0', false);
	return err_set(e, ERR_USAGE, "%s: %zu certificates match, such as %s (id %s) and %s (id %s): add object= or id=", shown(&uri, cut),
		       n, shown(&one, a->object), id[0], shown(&two, b->object), id[1]);
}

static int none(const struct token_options *o, struct err *e)
{
	if (!o->uri)
		return err_set(e, ERR_IO, "no security token is there");
	return err_set(e, ERR_IO, "%.*s: no such token is there, or it holds no certificate for a CTL with its key",
		       (int)strcspn(o->uri, "?"), o->uri);
}

/* The one that a URI names, or all that are there. */
static int find_tokens(struct job *j, const struct token_options *o, struct err *e)
{
	struct token_options with = *o;
	struct ctl_token list[CTL_TOKENS_MAX];
	size_t n = 0;

	with.module = j->module;
	int rc = ctl_tokens_scan(&with, list, &n, e);
	if (!rc && n == 0)
		rc = none(o, e);
	if (!rc && o->uri && n > 1)
		rc = several(o, list, n, e);
	for (size_t i = 0; i < n; i++) {
		if (rc || j->n_found == CTL_TOKENS_MAX)
			ctl_token_clear(&list[i]);
		else
			j->found[j->n_found++] = list[i];
	}
	return rc;
}

static int find_all(struct job *j, struct err *e)
{
	int rc = 0;

	if (!j->n_tokens)
		return find_tokens(j, &(struct token_options){.pin_file = j->pin_file}, e);
	for (size_t i = 0; i < j->n_tokens && !rc; i++)
		rc = find_tokens(j, &j->tokens[i], e);
	return rc;
}

static int remove_tokens(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->n_remove; i++) {
		size_t at;

		if (!plan_find_token(&j->plan, j->remove[i], &at))
			return err_set(e, ERR_USAGE, "--remove-token %s: the CTL has no such token", j->remove[i]);
		plan_remove(&j->plan, at);
	}
	return 0;
}

static bool is_removed(const struct job *j, const struct cert *cert)
{
	for (size_t i = 0; i < j->n_remove; i++)
		if (plan_same_cn(cert_cn(cert), j->remove[i]))
			return true;
	return false;
}

/* What was named is added; what only happens to be there just for a first CTL. */
static int choose(struct job *j, struct err *e)
{
	struct plan *p = &j->plan;
	const struct ctl_token *signer = NULL;
	int rc = remove_tokens(j, e);

	for (size_t i = 0; i < j->n_found && !rc; i++) {
		if (is_removed(j, j->found[i].cert) || (p->view.ctl && !j->n_tokens && !plan_knows(p, j->found[i].cert)))
			continue;
		rc = plan_add(p, &j->found[i], e);
	}
	/* The last one, as the CTL client signs with the one that was inserted last; with a CTL, of those that it knows. */
	for (size_t i = 0; i < j->n_found; i++)
		if (!p->view.ctl || plan_knows(p, j->found[i].cert))
			signer = &j->found[i];
	if (!rc && !signer)
		rc = err_set(e, ERR_AUTH, TOKEN_CTL_NOT_IN_CTL);
	return rc ? rc : plan_signer(p, signer, e);
}

/* --- storing --- */

static bool goes_on(const struct job *j, const struct notes *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		fprintf(stderr, "%s\n", warnings->text[i]);
	return j->yes || (isatty(STDIN_FILENO) && terminal_yes("Do you want to continue? (y/n):"));
}

static int store(struct job *j, struct err *e)
{
	struct ctl_server_stored r = {0};
	int rc = plan_store(&j->plan, &j->s, false, &r, e);

	if (!rc && !r.stored) {
		bool on = goes_on(j, &r.texts);
		ctl_server_stored_clear(&r);
		rc = on ? plan_store(&j->plan, &j->s, true, &r, e) :
			  err_set(e, ERR_USAGE, "nothing was changed (--yes goes on all the same)");
	}
	if (!rc)
		plan_finished(&j->plan, &r, stdout);
	ctl_server_stored_clear(&r);
	return rc;
}

static int perform(struct job *j, enum ctlp_change change, struct err *e)
{
	struct ctl_server_view view = {0};
	int rc = find_all(j, e);

	if (!rc)
		rc = ctl_server_init(&j->s, &j->server, NULL, NULL, e);
	if (!rc)
		rc = ctl_server_look(&j->s, &view, e);
	if (!rc)
		rc = plan_check_change(&view, change, e);
	if (!rc)
		rc = plan_start_take(&j->plan, &view, change, e);
	ctl_server_view_clear(&view);
	if (!rc)
		rc = choose(j, e);
	if (!rc)
		rc = plan_compose(&j->plan, e);
	if (!rc)
		rc = plan_check(&j->plan, e);
	if (!rc && j->dry_run) {
		plan_print(&j->plan, stdout);
		return 0;
	}
	if (!rc)
		rc = plan_sign(&j->plan, e);
	return rc ? rc : store(j, e);
}

static int run_change(const struct cmd *c, struct job *j, enum ctlp_change change)
{
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	int rc = perform(j, change, &e);
	return rc ? cmd_error(c, CMD_NO, "%s", e.text) : CMD_OK;
}

static int run_words(const struct cmd *c, struct job *j, int n, char **words)
{
	bool update = strcmp(c->name, "ctl-client update") == 0;
	const char *word = n ? words[0] : "";
	enum ctlp_change change = CTLP_CHANGE_UPDATE;

	if (!n)
		return cmd_usage_error(c, update ? "CTLFile is missing" : "mixed-mode or non-secure-mode is missing");
	if (update && !text_same(word, "CTLFile"))
		return cmd_usage_error(c, "'%s' is not CTLFile", word);
	if (!update && text_same(word, "mixed-mode"))
		change = CTLP_CHANGE_MIXED;
	else if (!update && text_same(word, "non-secure-mode"))
		change = CTLP_CHANGE_NON_SECURE;
	else if (!update)
		return cmd_usage_error(c, "'%s' is neither mixed-mode nor non-secure-mode", word);
	if (n > 1)
		return cmd_usage_error(c, "'%s' is not expected", words[1]);
	int status = check_options(c, j);
	return status ? status : run_change(c, j, change);
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct job *j = calloc(1, sizeof(*j));
	int key = 0, status = 0;

	if (!j)
		return cmd_error(c, CMD_NO, "out of memory");
	while (!status && (key = cmd_opt_next(&args)) > 0)
		status = take(c, j, key, args.value);
	if (!status)
		status = key < 0 ? args.exit : run_words(c, j, args.argc, args.argv);
	job_clear(j);
	return status;
}

#define USAGE "--server HOST[:PORT] --user NAME [--password-file FILE]\n"                                              \
	      " [--trust FILE | --fingerprint SHA256] [--module FILE] [--token URI [--pin-file FILE]]...\n"              \
	      " [--remove-token CN]... [--yes] [--dry-run]"
#define MORE                                                                                                           \
	"The token that signs must be in the CTL that the cluster has, or the cluster has none; a CTL has at least two\n"  \
	"tokens. Of several, the last one that may sign does.\n"                                                        \
	"Exit status: 0 done, 1 not done, 3 wrong command line."

const struct cmd cmd_ctl_client_set_cluster = {
	.name = "ctl-client set-cluster",
	.summary = "set the cluster to mixed or non-secure mode, with a CTL that a token signs",
	.usage = "mixed-mode|non-secure-mode " USAGE,
	.opts = opts,
	.more = MORE,
	.run = run,
};

const struct cmd cmd_ctl_client_update = {
	.name = "ctl-client update",
	.summary = "make the CTL anew and sign it with a token; add tokens to it",
	.usage = "CTLFile " USAGE,
	.opts = opts,
	.more = MORE,
	.run = run,
};
