#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/certs.h"

/* `show cert`. Source: behaviour.md 1.5. */

struct list_print {
	FILE *out;
	json_t *list; /* NULL: as text */
};

static int list_text(void *ctx, const struct certs_entry *entry)
{
	struct list_print *p = ctx;

	fprintf(p->out, "%s/%s: ", entry->unit, entry->file);
	print_safe(p->out, entry->description);
	fputc('\n', p->out);
	return 0;
}

static int list_json(void *ctx, const struct certs_entry *entry)
{
	struct list_print *p = ctx;
	json_t *row = print_cert_json(entry->cert);

	if (!row || json_object_set_new(row, "unit", json_string(entry->unit)) < 0 ||
	    json_object_set_new(row, "file", json_string(entry->file)) < 0 ||
	    json_object_set_new(row, "description", json_string(entry->description)) < 0) {
		json_decref(row);
		return 1;
	}
	return json_array_append_new(p->list, row) < 0;
}

static int list(struct command_run *r, enum certs_kind kind, struct err *e)
{
	struct list_print p = {.out = r->out};

	if (!command_option(r, "--json"))
		return certs_list(r->host->cluster, kind, list_text, &p, e);
	p.list = json_array();
	int rc = p.list ? certs_list(r->host->cluster, kind, list_json, &p, e) : 1;
	if (rc == 0)
		return print_json(r->out, p.list, e);
	json_decref(p.list);
	return rc < 0 ? rc : err_set(e, ERR_NOMEM, "out of memory");
}

int cmd_cert_list_own(struct command_run *r, struct err *e)
{
	return list(r, CERTS_OWN, e);
}

int cmd_cert_list_trust(struct command_run *r, struct err *e)
{
	return list(r, CERTS_TRUST, e);
}

static int detail(struct command_run *r, enum certs_kind kind, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	struct cert *c = NULL;
	int rc = certs_find(r->host->cluster, kind, command_arg(r, 0), &c, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json")) {
		rc = print_json(r->out, print_cert_json(c), e);
	} else if (command_option(r, "--pem")) {
		rc = cert_to_pem(c, &pem, e);
		if (rc == 0)
			fputs(pem, r->out);
	} else {
		rc = print_cert(r->out, c, e);
	}
	cert_unref(c);
	return rc;
}

int cmd_cert_own(struct command_run *r, struct err *e)
{
	return detail(r, CERTS_OWN, e);
}

int cmd_cert_trust(struct command_run *r, struct err *e)
{
	return detail(r, CERTS_TRUST, e);
}
