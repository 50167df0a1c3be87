#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/list_check.h"
#include "cluster/publish.h"
#include "format/show.h"
#include "store/audit.h"
#include "store/store.h"

/* `show ctl`, `show itl`, `show audit`, `show tech version`. */

#define AUDIT_ROWS 20 /* what `show audit` shows unless it is told how many */

/* Behind CUCM's listing: where what is published no longer matches what is installed. */
static int warn(struct command_run *r, const struct trust_list *l, enum list_type type, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = list_notes(r->host->cluster, l, type, &notes, e);

	if (rc == 0 && notes.n)
		fputc('\n', r->out);
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

static int show(struct command_run *r, enum list_type type, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct show_options o = {.type = type};
	struct trust_list *l = NULL;
	struct err why = ERR_INIT;
	size_t len = 0;
	int rc = publish_read(r->host->cluster, type, &data, &len, &o.modified_s, e);

	if (rc < 0)
		return rc;
	r->status = 1;
	if (!data) {
		show_list_missing(r->out, type);
		return 0;
	}
	if (list_parse((struct view){data, len}, type, &l, &why) < 0) {
		show_list_broken(r->out, (struct view){data, len}, &o);
		return err_set(e, ERR_PROTO, "%s", why.text);
	}
	o.verified = list_verify_self(l, &why) == 0;
	show_list(r->out, l, &o);
	rc = warn(r, l, type, e);
	list_free(l);
	if (rc < 0)
		return rc;
	r->status = !o.verified;
	return o.verified ? 0 : err_set(e, ERR_CRYPTO, "%s", why.text);
}

int cmd_show_ctl(struct command_run *r, struct err *e)
{
	return show(r, LIST_CTL, e);
}

int cmd_show_itl(struct command_run *r, struct err *e)
{
	return show(r, LIST_ITL, e);
}

/* Audit. */

struct audit_print {
	FILE *out;
	json_t *list; /* NULL: as text */
	bool nomem;
};

static int audit_json(void *ctx, const struct store_audit *a)
{
	struct audit_print *p = ctx;
	json_t *row = json_pack("{s:I, s:I, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}", "number", (json_int_t)a->number, "time",
				(json_int_t)a->time, "who", a->who, "command", a->command, "object", a->object, "before",
				a->before, "after", a->after, "outcome", a->outcome);

	p->nomem = json_array_append_new(p->list, row) < 0;
	return p->nomem;
}

static void audit_line(FILE *out, const char *label, const char *text)
{
	char safe[2048];

	if (!text || !*text)
		return;
	text_escape(safe, sizeof(safe), view_str(text));
	fprintf(out, "    %-8s %s\n", label, safe);
}

static int audit_text(void *ctx, const struct store_audit *a)
{
	struct audit_print *p = ctx;
	char when[PRINT_TIME_MAX];

	fprintf(p->out, "%llu  %s  %s\n", (unsigned long long)a->number, print_time(a->time, when), a->who);
	audit_line(p->out, "command", a->command);
	audit_line(p->out, "object", a->object);
	audit_line(p->out, "before", a->before);
	audit_line(p->out, "after", a->after);
	audit_line(p->out, "outcome", a->outcome);
	return 0;
}

int cmd_show_audit(struct command_run *r, struct err *e)
{
	const char *count = command_arg(r, 0);
	struct audit_print p = {.out = r->out};
	uint64_t n = AUDIT_ROWS;

	if (count && !text_number(count, 1, 100000, &n))
		return err_set(e, ERR_USAGE, "\"%s\" is no number of records (1 to 100000)", count);
	if (!command_option(r, "--json"))
		return store_audit_list(r->host->store, 0, n, audit_text, &p, e);
	p.list = json_array();
	int rc = p.list ? store_audit_list(r->host->store, 0, n, audit_json, &p, e) : ERR_NOMEM;
	if (rc == 0)
		return print_json(r->out, p.list, e);
	json_decref(p.list);
	return rc < 0 ? rc : err_set(e, ERR_NOMEM, "out of memory");
}

/* Versions. */

int cmd_show_tech_version(struct command_run *r, struct err *e)
{
	struct utsname u = {0};
	unsigned schema;
	int rc = store_schema_version(r->host->store, &schema, e);

	if (rc < 0)
		return rc;
	uname(&u);
	if (command_option(r, "--json"))
		return print_json(r->out,
				  json_pack("{s:s, s:i, s:s, s:s, s:s}", "ringfence", RINGFENCE_VERSION, "store_schema",
					    (int)schema, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING), "kernel", u.release,
					    "machine", u.machine),
				  e);
	fprintf(r->out, "ringfence     %s\nstore schema  %u\nopenssl       %s\nkernel        %s %s\n", RINGFENCE_VERSION,
		schema, OpenSSL_version(OPENSSL_VERSION_STRING), u.release, u.machine);
	return 0;
}
