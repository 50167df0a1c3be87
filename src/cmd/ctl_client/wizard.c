#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cmd/ctl_client/ctl_client.h"
#include "cmd/ctl_client/plan.h"
#include "cmd/ctl_client/terminal.h"
#include "cmd/passphrase.h"

/*
 * The CTL client's pages, one after the other, as questions: server, what to do, tokens, entries, password, servers.
 * Source: seeds 000 (steps 11 to 19) and 004 (steps 2 to 7).
 */

static const struct cmd_opt opts[] = {
	SERVER_OPTS,
	TOKEN_OPT_MODULE_LINE,
	{ TOKEN_OPT_PIN_FILE, "pin-file", "FILE", "its first line is the password of the token that signs" },
	{ 0 },
};

#define SIGN_TRIES 3 /* wrong passwords, before the wizard ends; the token counts for itself */

struct wizard {
	struct ctl_server_options options;
	struct token_options tokens;
	struct ctl_server s;
	struct plan plan;
	struct ctl_token used[PLAN_TOKENS_MAX]; /* of those in the plan that were inserted, in this order */
	size_t n_used;
};

static void wizard_clear(struct wizard *w)
{
	plan_clear(&w->plan);
	for (size_t i = 0; i < w->n_used; i++)
		ctl_token_clear(&w->used[i]);
	ctl_server_clear(&w->s);
}

/* --- questions --- */

static int cancelled(struct err *e)
{
	return err_set(e, ERR_USAGE, "cancelled: nothing was changed");
}

/* One line, without its end. Errors: the input has ended. */
static int ask(void *ctx, const char *prompt, char *out, size_t size, struct err *e)
{
	(void)ctx;
	return terminal_ask(prompt, out, size) ? 0 : cancelled(e);
}

/* One of these letters, in either case. */
static int ask_letter(const char *prompt, const char *letters, char *letter, struct err *e)
{
	char line[64];

	for (;;) {
		int rc = ask(NULL, prompt, line, sizeof(line), e);

		if (rc)
			return rc;
		if (line[0] && !line[1] && strchr(letters, line[0] | 0x20)) {
			*letter = (char)(line[0] | 0x20);
			return 0;
		}
		printf("Please answer with one of: %s\n", letters);
	}
}

/* "Ok", or the end. */
static int ask_ok(const char *text, struct err *e)
{
	char line[64];

	printf("%s\n", text);
	int rc = ask(NULL, "[Enter] Ok, [q] Cancel: ", line, sizeof(line), e);
	return rc ? rc : (line[0] | 0x20) == 'q' ? cancelled(e) : 0;
}

/* --- tokens --- */

static void print_token(const struct ctl_token *t)
{
	time_t from = (time_t)cert_not_before(t->cert), to = (time_t)cert_not_after(t->cert);
	struct shown label, subject, issuer;
	char serial[128], begin[64], end[64];
	struct tm tm;

	text_hex(serial, sizeof(serial), cert_serial(t->cert), ':', true);
	strftime(begin, sizeof(begin), "%m/%d/%Y %H:%M:%S", gmtime_r(&from, &tm));
	strftime(end, sizeof(end), "%m/%d/%Y %H:%M:%S", gmtime_r(&to, &tm));
	printf("Security Token Information\n  Token         %s\n  Subject Name  %s\n  Issuer Name   %s\n  Serial No     %s\n"
	       "  Valid From    %s\n  Valid To      %s\n",
	       shown(&label, t->label), shown(&subject, cert_subject(t->cert)), shown(&issuer, cert_issuer(t->cert)), serial,
	       begin, end);
}

static int pick(const struct ctl_token *list, size_t n, size_t *at, struct err *e)
{
	struct shown label, subject;
	char line[64];
	uint64_t number;

	*at = 0;
	if (n == 1)
		return 0;
	for (size_t i = 0; i < n; i++)
		printf("  %zu) %s  %s\n", i + 1, shown(&label, list[i].label), shown(&subject, cert_subject(list[i].cert)));
	for (;;) {
		int rc = ask(NULL, "Which of them? ", line, sizeof(line), e);

		if (rc)
			return rc;
		if (text_number(line, 1, n, &number)) {
			*at = (size_t)number - 1;
			return 0;
		}
	}
}

/*
 * Of the tokens that are there one that is of use now: that the CTL names, or, to be added, one that the next CTL has not.
 * Out: *t, the caller's. Errors: ERR_AUTH none is, with the words of the CTL client.
 */
static int look(struct wizard *w, bool to_sign, struct ctl_token *t, struct err *e)
{
	struct ctl_token list[CTL_TOKENS_MAX], use[CTL_TOKENS_MAX];
	size_t n = 0, n_use = 0, at = 0;
	int rc = ctl_tokens_scan(&w->tokens, list, &n, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool fits = to_sign && w->plan.view.ctl ? plan_knows(&w->plan, list[i].cert) :
							  !plan_has(&w->plan, list[i].cert);
		if (fits)
			use[n_use++] = list[i];
		else
			ctl_token_clear(&list[i]);
	}
	if (n_use)
		rc = pick(use, n_use, &at, e);
	else if (n && to_sign)
		rc = err_set(e, ERR_AUTH, TOKEN_CTL_NOT_IN_CTL);
	else
		rc = err_set(e, ERR_AUTH, n ? "The Security Token you have inserted is in the CTL Entries already." :
					      "No Security Token is inserted.");
	for (size_t i = 0; i < n_use; i++) {
		if (!rc && i == at)
			*t = use[i];
		else
			ctl_token_clear(&use[i]);
	}
	return rc;
}

/* Ask for a token until one is there that is of use. */
static int insert(struct wizard *w, const char *text, bool to_sign, struct ctl_token *t, struct err *e)
{
	for (;;) {
		struct err why = ERR_INIT;
		int rc = ask_ok(text, e);

		if (rc)
			return rc;
		rc = look(w, to_sign, t, &why);
		if (rc != ERR_AUTH)
			return rc ? err_set(e, rc, "%s", why.text) : 0;
		printf("%s\n", why.text);
		if (strcmp(why.text, TOKEN_CTL_NOT_IN_CTL) == 0)
			text = "";
	}
}

/* Takes the token; of no room for it the administrator is told. */
static int use_token(struct wizard *w, struct ctl_token *t, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = plan_add(&w->plan, t, &why);

	if (!rc) {
		w->used[w->n_used++] = *t;
		return 0;
	}
	ctl_token_clear(t);
	if (rc != ERR_LIMIT)
		return err_set(e, rc, "%s", why.text);
	printf("%s\n", why.text);
	return 0;
}

static int add_token(struct wizard *w, struct ctl_token *t, struct err *e)
{
	char letter;

	print_token(t);
	int rc = ask_letter("[a] Add, [c] Cancel: ", "ac", &letter, e);
	if (!rc && letter == 'a')
		return use_token(w, t, e);
	ctl_token_clear(t);
	return rc;
}

/* The token that was used to configure the CTL in force, or the first one of a new CTL. */
static int first_token(struct wizard *w, struct err *e)
{
	struct ctl_token t = {0};
	int rc = insert(w, "Please insert a Security Token. Click Ok when done.", true, &t, e);

	if (rc)
		return rc;
	if (!w->plan.view.ctl)
		return add_token(w, &t, e);
	print_token(&t);
	rc = use_token(w, &t, e);
	if (rc)
		return rc;
	char letter;
	rc = ask_letter("[n] Next, [c] Cancel: ", "nc", &letter, e);
	return rc ? rc : letter == 'c' ? cancelled(e) : 0;
}

static int further_token(struct wizard *w, struct err *e)
{
	struct ctl_token t = {0};
	struct err why = ERR_INIT;
	int rc = plan_has_room(&w->plan, &why);

	if (rc == ERR_LIMIT) {
		printf("%s\n", why.text);
		return 0;
	}
	if (rc)
		return err_set(e, rc, "%s", why.text);
	rc = insert(w, "Please remove the Security Token that is inserted and insert another one. Click Ok when done.", false, &t, e);
	return rc ? rc : add_token(w, &t, e);
}

static void forget(struct wizard *w, const struct cert *cert)
{
	for (size_t i = 0; i < w->n_used; i++) {
		if (!cert_same(w->used[i].cert, cert))
			continue;
		ctl_token_clear(&w->used[i]);
		w->n_used--;
		memmove(&w->used[i], &w->used[i + 1], (w->n_used - i) * sizeof(w->used[0]));
		w->used[w->n_used] = (struct ctl_token){0};
		return;
	}
}

/* One that is lost; the token that signs cannot go. */
static int delete_token(struct wizard *w, struct err *e)
{
	struct compose_tokens *list = &w->plan.tokens;
	struct shown subject;
	char line[64];
	uint64_t number;

	for (size_t i = 0; i < list->n; i++)
		printf("  %zu) %s\n", i + 1, shown(&subject, cert_subject(list->certs[i])));
	int rc = ask(NULL, "Delete which of them? ", line, sizeof(line), e);
	if (rc)
		return rc;
	if (!text_number(line, 1, list->n, &number))
		return 0;
	if (w->plan.view.ctl && cert_same(list->certs[number - 1], w->used[0].cert)) {
		puts("This token signs the CTL File: it cannot be deleted.");
		return 0;
	}
	forget(w, list->certs[number - 1]);
	plan_remove(&w->plan, (size_t)number - 1);
	return 0;
}

/* --- pages --- */

static int choose_change(const struct ctl_server_view *view, enum ctlp_change *change, struct err *e)
{
	char letter;

	puts("Set Cisco Unified CallManager Cluster:\n"
	     "  1) Set Cisco Unified CallManager Cluster to Mixed Mode\n"
	     "  2) Set Cisco Unified CallManager Cluster to Non-Secure Mode\n"
	     "  3) Update CTL File");
	for (;;) {
		struct err why = ERR_INIT;
		int rc = ask_letter("Which? ", "123", &letter, e);

		if (rc)
			return rc;
		*change = letter == '1' ? CTLP_CHANGE_MIXED : letter == '2' ? CTLP_CHANGE_NON_SECURE : CTLP_CHANGE_UPDATE;
		if (plan_check_change(view, *change, &why) == 0)
			return 0;
		printf("%s\n", why.text);
	}
}

static int start(struct wizard *w, struct err *e)
{
	struct ctl_server_view view = {0};
	enum ctlp_change change = CTLP_CHANGE_UPDATE;

	puts("Cisco CTL Client For IP Telephony Solutions\nCisco Unified Communications Manager Server");
	int rc = ctl_server_init(&w->s, &w->options, ask, NULL, e);
	if (!rc)
		rc = ctl_server_look(&w->s, &view, e);
	if (!rc && view.state->in.mixed && !view.ctl)
		rc = ask_ok(TOKEN_CTL_NO_FILE, e);
	if (!rc)
		rc = choose_change(&view, &change, e);
	if (!rc)
		rc = plan_start_take(&w->plan, &view, change, e);
	ctl_server_view_clear(&view);
	return rc;
}

/* With a CTL the token that it names signs; a new one the token that was added last, as in seed 000. */
static int finish(struct wizard *w, struct err *e)
{
	const struct ctl_token *signer = &w->used[w->plan.view.ctl ? 0 : w->n_used - 1];
	int rc = plan_signer(&w->plan, signer, e);

	if (!rc)
		rc = plan_compose(&w->plan, e); /* which names the signer */
	return rc ? rc : plan_check(&w->plan, e);
}

static int entries(struct wizard *w, struct err *e)
{
	for (;;) {
		struct err why = ERR_INIT;
		char letter;
		int rc = 0;

		/* A cancelled first token leaves nothing to compose. */
		while (!rc && w->n_used == 0)
			rc = first_token(w, e);
		if (!rc)
			rc = plan_compose(&w->plan, e);
		if (rc)
			return rc;
		plan_print(&w->plan, stdout);
		rc = ask_letter("[a] Add Tokens, [d] Delete Token, [f] Finish, [c] Cancel: ", "adfc", &letter, e);
		if (rc || letter == 'c')
			return rc ? rc : cancelled(e);
		if (letter == 'a' && (rc = further_token(w, e)))
			return rc;
		if (letter == 'd' && (rc = delete_token(w, e)))
			return rc;
		if (letter == 'f' && finish(w, &why) == 0)
			return 0;
		if (letter == 'f')
			printf("%s\n", why.text);
	}
}

static bool is_wrong_pin(const struct err *e)
{
	return pkcs11_is(e, PKCS11_PIN_INCORRECT) || (e->rule && strcmp(e->rule, PASSPHRASE_EMPTY) == 0);
}

static int sign(struct wizard *w, struct err *e)
{
	struct shown label;

	printf("The CTL File is signed by %s.\n", shown(&label, w->plan.signer->label));
	for (int tries = 1;; tries++) {
		struct err why = ERR_INIT;
		int rc = plan_sign(&w->plan, &why);

		if (!rc)
			return 0;
		if (is_wrong_pin(&why) && tries < SIGN_TRIES && !w->tokens.pin_file) {
			printf("%s\n", why.text);
			continue;
		}
		if (!pkcs11_is(&why, PKCS11_REMOVED) && !pkcs11_is(&why, PKCS11_SESSION_LOST))
			return err_set(e, rc, "%s. Nothing was changed", why.text);
		printf("%s\n", why.text);
		rc = ask_ok("Please insert the Security Token that signs the CTL File. Click Ok when done.", e);
		if (rc)
			return rc;
	}
}

static int store(struct wizard *w, struct ctl_server_stored *r, struct err *e)
{
	char letter = 'y';
	int rc = plan_store(&w->plan, &w->s, false, r, e);

	if (rc || r->stored)
		return rc;
	for (size_t i = 0; i < r->texts.n; i++)
		printf("%s\n", r->texts.text[i]);
	ctl_server_stored_clear(r);
	rc = ask_letter("Do you want to continue? (y/n):", "yn", &letter, e);
	if (rc || letter == 'n')
		return rc ? rc : cancelled(e);
	return plan_store(&w->plan, &w->s, true, r, e);
}

static int perform(struct wizard *w, struct err *e)
{
	struct ctl_server_stored r = {0};
	int rc = start(w, e);

	if (!rc)
		rc = entries(w, e);
	if (!rc)
		rc = sign(w, e);
	if (!rc)
		rc = store(w, &r, e);
	if (!rc)
		plan_finished(&w->plan, &r, stdout);
	ctl_server_stored_clear(&r);
	return rc;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct wizard w = { 0 };
	struct err e = ERR_INIT;
	int key;

	while ((key = cmd_opt_next(&args)) > 0)
		if (!token_option(&w.tokens, key, args.value) && !ctl_server_option(&w.options, key, args.value))
			return CMD_USAGE;
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[0]);
	signal(SIGPIPE, SIG_IGN);
	int rc = perform(&w, &e);
	wizard_clear(&w);
	return rc ? cmd_error(c, CMD_NO, "%s", e.text) : CMD_OK;
}

const struct cmd cmd_ctl_client_wizard = {
	.name = "ctl-client wizard",
	.summary = "the CTL client's pages as questions: security mode, tokens, CTL",
	.usage = "[--server HOST[:PORT]] [--user NAME] [--trust FILE | --fingerprint SHA256]\n"
		 " [--module FILE] [--pin-file FILE]",
	.opts = opts,
	.more = "Exit status: 0 done, 1 not done, 3 wrong command line.",
	.run = run,
};
