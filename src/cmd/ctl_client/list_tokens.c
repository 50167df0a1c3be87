#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd/ctl_client/ctl_client.h"
#include "cmd/ctl_client/place.h"
#include "cmd/ctl_client/terminal.h"
#include "cmd/json.h"
#include "cmd/pin.h"

#define TOKENS_MAX 64
#define URI_MAX 1024

enum { OPT_LOGIN = CMD_LONG, OPT_JSON };

static const struct cmd_opt opts[] = {
	TOKEN_OPTS,
	{ OPT_LOGIN, "login", NULL, "log in to it too: shows its private keys, and proves the PIN" },
	{ OPT_JSON, "json", NULL, "for programs" },
	{ 0 },
};

struct listing {
	const struct cmd *c;
	struct token_options options;
	bool login, json;
	struct pkcs11_token tokens[TOKENS_MAX];
	size_t n;
	json_t *objects; /* of the token that is looked at; for both outputs */
	bool failed;     /* of one token, at least; that was told */
};

static int take_token(void *ctx, const struct pkcs11_token *t)
{
	struct listing *l = ctx;

	if (l->n < TOKENS_MAX)
		l->tokens[l->n++] = *t;
	return 0;
}

static void add_object(struct listing *l, const char *what, const struct pkcs11_found *f, const struct cert *cert)
{
	json_t *o = json_object();

	json_object_set_new(o, "object", json_string(what));
	json_object_set_new(o, "label", json_text((struct view){(const uint8_t *)f->label, strlen(f->label)}));
	json_object_set_new(o, "id", json_hex((struct view){f->id, f->id_len}));
	if (cert) {
		json_object_set_new(o, "cn", json_text(view_str(cert_cn(cert))));
		json_object_set_new(o, "subject", json_text(view_str(cert_subject(cert))));
	}
	json_array_append_new(l->objects, o);
}

static int add_cert(void *ctx, const struct pkcs11_found *f, struct cert *cert)
{
	add_object(ctx, "certificate", f, cert);
	return 0;
}

static int add_key(void *ctx, const struct pkcs11_found *f)
{
	add_object(ctx, "private key", f, NULL);
	return 0;
}

/* The state of the PIN is what it is after the login. */
static int log_in(struct listing *l, struct token_place *place, struct pkcs11_token *t, struct err *e)
{
	struct pkcs11_token now;
	int rc = token_place_login(&l->options, place, e);

	if (pkcs11_session_token(place->s, &now, NULL) == 0)
		*t = now;
	return rc ? rc : pkcs11_keys(place->s, NULL, add_key, l, e);
}

static int look_inside(struct listing *l, struct token_place *place, const char *uri_text, struct pkcs11_token *t,
		       struct err *e)
{
	struct pkcs11_uri *uri = NULL;
	int rc = pkcs11_uri_parse(uri_text, &uri, e);

	if (!rc)
		rc = pkcs11_session_open(place->p11, uri, false, &place->s, e);
	if (!rc)
		rc = pkcs11_certs(place->s, NULL, add_cert, l, e);
	if (!rc && l->login)
		rc = log_in(l, place, t, e);
	pkcs11_session_free(place->s);
	place->s = NULL;
	pkcs11_uri_free(uri);
	return rc;
}

static const char *state_of(const struct pkcs11_token *t, char *out, size_t size)
{
	const struct { bool set; const char *text; } words[] = {
		{!t->initialized, "not initialised"}, {!t->pin_set, "no PIN set"}, {t->pin_locked, "PIN LOCKED"},
		{t->pin_final_try, "ONE PIN TRY LEFT"}, {t->pin_low && !t->pin_final_try, "a wrong PIN was given"},
		{t->pin_pad, "PIN pad"}, {t->write_protected, "write-protected"},
	};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].set)
			used = text_append(out, size, used, "%s%s", used ? ", " : "", words[i].text);
	if (!used)
		snprintf(out, size, "ready");
	return out;
}

static json_t *json_token(const struct pkcs11_token *t, const char *uri, json_t *objects)
{
	json_t *o = json_object();

	json_object_set_new(o, "label", json_text(view_str(t->label)));
	json_object_set_new(o, "manufacturer", json_text(view_str(t->manufacturer)));
	json_object_set_new(o, "model", json_text(view_str(t->model)));
	json_object_set_new(o, "serial", json_text(view_str(t->serial)));
	json_object_set_new(o, "initialized", json_boolean(t->initialized));
	json_object_set_new(o, "login_required", json_boolean(t->login_required));
	json_object_set_new(o, "pin_set", json_boolean(t->pin_set));
	json_object_set_new(o, "pin_low", json_boolean(t->pin_low));
	json_object_set_new(o, "pin_final_try", json_boolean(t->pin_final_try));
	json_object_set_new(o, "pin_locked", json_boolean(t->pin_locked));
	json_object_set_new(o, "write_protected", json_boolean(t->write_protected));
	json_object_set_new(o, "uri", json_string(uri));
	json_object_set(o, "objects", objects);
	return o;
}

/* What stands on a token anybody may have written. */
static void show(const char *what, const char *value)
{
	char text[512];

	text_escape(text, sizeof(text), view_str(value));
	printf("  %-13s %s\n", what, text);
}

static void print_token(const struct pkcs11_token *t, const char *uri, json_t *objects)
{
	char text[200];
	size_t i;
	json_t *o;

	text_escape(text, sizeof(text), view_str(t->label));
	printf("%s\n", *text ? text : "(no label)");
	show("manufacturer", t->manufacturer);
	show("model", t->model);
	show("serial", t->serial);
	show("state", state_of(t, text, sizeof(text)));
	show("uri", uri);
	json_array_foreach(objects, i, o) {
		const char *cn = json_string_value(json_object_get(o, "cn"));
		const char *label = json_string_value(json_object_get(o, "label"));
		show(json_string_value(json_object_get(o, "object")), cn && *cn ? cn : label ? label : "");
	}
}

/* What is wrong with one token is told, and the others are looked at all the same. */
static void tell(struct listing *l, const struct pkcs11_token *t, const struct err *e)
{
	struct shown label;
	const char *name = shown(&label, *t->label ? t->label : "(no label)");

	cmd_error(l->c, CMD_NO, "%s%s%s", text_starts(e->text, name) ? "" : name, text_starts(e->text, name) ? "" : ": ", e->text);
	l->failed = true;
}

static int list_one(struct listing *l, struct token_place *place, struct pkcs11_token *t, json_t *all, struct err *e)
{
	struct err why = ERR_INIT;
	char uri[URI_MAX];
	int rc = pkcs11_token_uri(t, uri, sizeof(uri), e);

	if (rc)
		return rc;
	l->objects = json_array();
	if (t->initialized && look_inside(l, place, uri, t, &why))
		tell(l, t, &why);
	if (l->json)
		json_array_append_new(all, json_token(t, uri, l->objects));
	else
		print_token(t, uri, l->objects);
	json_decref(l->objects);
	return 0;
}

/* What wants no login keeps no private key: the trust store of the system, for one. */
static bool is_wanted(const struct listing *l, const struct token_place *place, const struct pkcs11_token *t)
{
	return l->options.uri ? pkcs11_uri_matches(place->uri, t) : t->login_required;
}

static void keep_wanted(struct listing *l, const struct token_place *place)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (is_wanted(l, place, &l->tokens[i]))
			l->tokens[n++] = l->tokens[i];
	l->n = n;
}

/* A PIN is one token's: offered to the others it would only use up their tries. */
static int check_pin(const struct listing *l, const struct token_place *place, struct err *e)
{
	const struct pkcs11_token *first = NULL;
	struct shown one, two;

	if (!l->options.pin_file && !pin_in_environment() &&
	    !(place->uri && (pkcs11_uri_pin_file(place->uri) || pkcs11_uri_pin(place->uri))))
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct pkcs11_token *t = &l->tokens[i];

		if (!t->initialized || t->pin_pad)
			continue;
		if (first)
			return err_set(e, ERR_USAGE, "several tokens are there, such as %s and %s, and one PIN: name the one that it is for with "
				       "--token URI (token= or serial=)", shown(&one, first->label), shown(&two, t->label));
		first = t;
	}
	return 0;
}

static int list(struct listing *l, json_t *all, struct err *e)
{
	struct token_place place = {0};
	int rc = token_place_module(&l->options, &place, e);

	if (!rc)
		rc = pkcs11_tokens(place.p11, take_token, l, e);
	if (!rc)
		keep_wanted(l, &place);
	if (!rc && l->login)
		rc = check_pin(l, &place, e);
	for (size_t i = 0; !rc && i < l->n; i++)
		rc = list_one(l, &place, &l->tokens[i], all, e);
	if (!rc && !l->n && !l->json)
		printf("No token is there.\n");
	token_place_clear(&place);
	return rc;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct listing l = { .c = c };
	struct err e = ERR_INIT;
	int key;

	while ((key = cmd_opt_next(&args)) > 0) {
		l.login |= key == OPT_LOGIN;
		l.json |= key == OPT_JSON;
		token_option(&l.options, key, args.value);
	}
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[0]);
	json_t *all = json_array();
	int rc = list(&l, all, &e);
	if (!rc && l.json)
		rc = json_print(all, &e);
	else
		json_decref(all);
	if (rc)
		return cmd_error(c, CMD_NO, "%s", e.text);
	return l.failed ? CMD_NO : CMD_OK;
}

const struct cmd cmd_ctl_client_list_tokens = {
	.name = "ctl-client list-tokens",
	.summary = "the tokens that are there, and what is on them",
	.usage = "[--module FILE] [--token URI] [--login [--pin-file FILE]] [--json]",
	.opts = opts,
	.more = "A login that succeeds also sets back the token's count of wrong PINs.\n"
		"Exit status: 0 done, 1 not, or not with every token, 3 wrong command line.",
	.run = run,
};
