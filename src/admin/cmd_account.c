#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/administrator.h"
#include "store/administrator.h"

/* Accounts, in CUCM's words: `show account`, `set account name`, `set password user`, `delete account`. */

/* From a file of the client's its first line; otherwise what was typed, twice the same. */
static int get_password(struct command_run *r, char *out, struct err *e)
{
	struct view v = r->upload;

	if (!v.p) {
		const char *typed = command_answer(r, 0), *again = command_answer(r, 1);

		if (!typed || !again)
			return err_set(e, ERR_USAGE, "there is no terminal to ask for the password: give a file, or - for standard input");
		if (strcmp(typed, again) != 0)
			return err_set(e, ERR_USAGE, "the two passwords differ");
		v = view_str(typed);
	}
	const uint8_t *end = v.len ? memchr(v.p, '\n', v.len) : NULL;
	size_t len = end ? (size_t)(end - v.p) : v.len;
	if (len && v.p[len - 1] == '\r')
		len--;
	if (len > ADMINISTRATOR_PASSWORD_MAX || (len && memchr(v.p, 0, len)))
		return err_set(e, ERR_USAGE, "a password has at most %d characters", ADMINISTRATOR_PASSWORD_MAX);
	memcpy(out, v.p, len);
	out[len] = '\0';
	return 0;
}

int cmd_account_password_ask(struct command_run *r, struct err *e)
{
	(void)e;
	if (command_arg(r, 1))
		return 0;
	if (command_answers(r) == 0)
		command_question(r, true, "Password of %s: ", command_arg(r, 0));
	else if (command_answers(r) == 1)
		command_question(r, true, "The same again: ");
	return 0;
}

/* What the CTL client is to compare, or to be given: the certificate that the CTL Provider shows. */
static int print_fingerprint(struct command_run *r, struct err *e)
{
	struct cert *cert = NULL;
	char hex[100];
	int rc = cluster_own_cert(r->host->cluster, NULL, "tomcat", &cert, e);

	if (rc == 0 && cert) {
		text_hex(hex, sizeof(hex), (struct view){cert_sha256(cert), 32}, ':', true);
		fprintf(r->out, "The CTL Provider shows a certificate with this SHA-256:\n%s\n", hex);
	}
	cert_unref(cert);
	return rc;
}

static int rehearse(struct command_run *r, const char *what, bool there, struct err *e)
{
	struct store_administrator a;
	const char *name = command_arg(r, 0);
	bool found;
	int rc = store_administrator_get(r->host->store, name, &a, &found, e);

	if (rc == 0 && found != there)
		rc = err_set(e, ERR_USAGE, found ? "there is an account %s" : "there is no account %s", name);
	if (rc == 0)
		fprintf(r->out, "Nothing was changed. With this command account %s would %s.\n", name, what);
	return rc;
}

typedef int operation(struct cluster *c, const char *who, const char *name, const char *password, struct err *e);

static int set_password(struct command_run *r, operation *run, const char *done, struct err *e)
{
	char password[ADMINISTRATOR_PASSWORD_MAX + 1] = "";
	const char *name = command_arg(r, 0);
	int rc = get_password(r, password, e);

	if (rc == 0)
		rc = run(r->host->cluster, r->peer->actor, name, password, e);
	secret_wipe(password, sizeof(password));
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "Account %s: %s\n", name, done);
		rc = print_fingerprint(r, e);
	}
	return rc;
}

int cmd_account_add(struct command_run *r, struct err *e)
{
	return command_option(r, "--dry-run") ? rehearse(r, "be created", false, e) :
						set_password(r, administrator_add, "created", e);
}

int cmd_account_password(struct command_run *r, struct err *e)
{
	return command_option(r, "--dry-run") ? rehearse(r, "get another password", true, e) :
						set_password(r, administrator_password, "password set", e);
}

int cmd_account_delete(struct command_run *r, struct err *e)
{
	if (command_option(r, "--dry-run"))
		return rehearse(r, "be deleted", true, e);
	int rc = administrator_delete(r->host->cluster, r->peer->actor, command_arg(r, 0), e);

	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "Account %s deleted\n", command_arg(r, 0));
	}
	return rc;
}

static const char *time_text(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!when)
		return "never";
	localtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

static bool is_locked(const struct command_run *r, const struct store_administrator *a)
{
	return a->locked_until > clock_wall_s(r->host->clock);
}

static int show_json(struct command_run *r, const struct store_administrator *list, size_t n, struct err *e)
{
	json_t *all = json_array();

	for (size_t i = 0; all && i < n; i++) {
		json_t *row = json_pack("{s:s, s:I, s:I, s:b, s:i}", "name", list[i].name, "passwordSet", (json_int_t)list[i].changed,
					"lastLogin", (json_int_t)list[i].last_login, "locked", is_locked(r, &list[i]),
					"failures", (int)list[i].failures);
		if (json_array_append_new(all, row) < 0) {
			json_decref(all);
			all = NULL;
		}
	}
	return print_json(r->out, all, e);
}

int cmd_account_show(struct command_run *r, struct err *e)
{
	AUTO(auto_free) struct store_administrator *list = NULL;
	char login[32];
	size_t n;
	int rc = store_administrator_list(r->host->store, &list, &n, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json"))
		return show_json(r, list, n, e);
	if (n == 0)
		fputs("No account: 'set account name NAME' makes one, for ringfence ctl-client\n", r->out);
	for (size_t i = 0; i < n; i++) {
		fprintf(r->out, "%-24s  last login %s%s", list[i].name, time_text(list[i].last_login, login),
			list[i].failures || is_locked(r, &list[i]) ? "" : "\n");
		if (is_locked(r, &list[i]))
			fprintf(r->out, "  locked until %s\n", time_text(list[i].locked_until, login));
		else if (list[i].failures)
			fprintf(r->out, "  %u wrong password%s since\n", list[i].failures, list[i].failures == 1 ? "" : "s");
	}
	return print_fingerprint(r, e);
}
