#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/text.h"
#include "cluster/csr.h"

/* `show csr` and `set csr`. Source: behaviour.md 1.5, 2.6. */

static json_t *to_json(const struct csr_entry *entry)
{
	return json_pack("{s:s, s:s, s:I, s:b, s:s}", "unit", entry->unit, "subject", request_subject(entry->request), "created",
			 (json_int_t)entry->created, "multi_server", entry->multi_server, "pem", entry->pem);
}

struct listing {
	FILE *out;
	json_t *list; /* NULL: as text */
	size_t n;
};

static int list_one(void *ctx, const struct csr_entry *entry)
{
	struct listing *l = ctx;

	l->n++;
	if (l->list)
		return json_array_append_new(l->list, to_json(entry)) < 0;
	fprintf(l->out, "%s/%s.csr\n", entry->unit, entry->unit);
	return 0;
}

int cmd_csr_list(struct command_run *r, struct err *e)
{
	bool json = command_option(r, "--json") != NULL;
	struct listing l = {.out = r->out, .list = json ? json_array() : NULL};
	int rc = json && !l.list ? 1 : csr_list(r->host->cluster, list_one, &l, e);

	if (rc == 0 && json)
		return print_json(r->out, l.list, e);
	json_decref(l.list);
	if (rc == 0 && l.n == 0)
		fputs("There are no certificate requests.\n", r->out);
	return rc <= 0 ? rc : err_set(e, ERR_NOMEM, "out of memory");
}

/* What it asks for, as OpenSSL prints it. */
static int print_detail(FILE *out, const struct csr_entry *entry, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;

	if (bio && X509_REQ_print(bio, (X509_REQ *)(uintptr_t)request_x509(entry->request)))
		n = BIO_get_mem_data(bio, &text);
	if (n > 0)
		fwrite(text, 1, (size_t)n, out);
	BIO_free(bio);
	return n > 0 ? 0 : err_openssl(e, ERR_CRYPTO, "certificate request");
}

int cmd_csr_own(struct command_run *r, struct err *e)
{
	struct csr_entry entry = {0};
	int rc = csr_find(r->host->cluster, command_arg(r, 0), &entry, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json"))
		rc = print_json(r->out, to_json(&entry), e);
	else if (command_option(r, "--detail"))
		rc = print_detail(r->out, &entry, e);
	else
		fputs(entry.pem, r->out);
	csr_entry_clear(&entry);
	return rc;
}

/* --- set csr gen --- */

static int wish_of(const struct command_run *r, struct csr_wish *wish, struct err *e)
{
	const char *bits = command_option(r, "--bits");
	uint64_t n = 0;

	if (bits && !text_number(bits, 256, 16384, &n))
		return err_set(e, ERR_USAGE, "\"%s\" is no size of a key in bits", bits);
	*wish = (struct csr_wish){
		.bits = (unsigned)n,
		.hash = command_option(r, "--hash"),
		.names = command_option(r, "--names"),
		.multi_server = command_option(r, "--multi-server") != NULL,
	};
	return 0;
}

static void plan(struct command_run *r)
{
	const char *unit = command_arg(r, 0);

	fprintf(r->out,
		"Certificate: a new key and a request for a certificate; %s goes on with the certificate it has until one is imported.\n"
		"A request for %s that waits already, and its key, are deleted. Trust lists, phones and services are not touched.\n",
		unit, unit);
}

/* What cannot be is said before anything else. */
static int try(struct command_run *r, struct err *e)
{
	struct csr_wish wish;
	int rc = wish_of(r, &wish, e);

	wish.dry = true;
	return rc ? rc : cluster_csr_gen(r->host->cluster, r->peer->actor, command_arg(r, 0), &wish, NULL, e);
}

int cmd_csr_gen_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = try(r, e);
	if (rc < 0)
		return rc;
	plan(r);
	command_confirm(r, "\nProceed with the generation of the CSR (yes|no)? ");
	return 0;
}

int cmd_csr_gen(struct command_run *r, struct err *e)
{
	const char *unit = command_arg(r, 0);
	struct notes notes = NOTES_INIT;
	struct csr_wish wish;
	bool dry = command_option(r, "--dry-run") != NULL;
	int rc = dry ? try(r, e) : wish_of(r, &wish, e);

	if (rc < 0)
		return rc;
	if (dry) {
		fputs("Nothing was changed.\n", r->out);
		plan(r);
		return 0;
	}
	rc = cluster_csr_gen(r->host->cluster, r->peer->actor, unit, &wish, &notes, e);
	if (rc == 0) {
		r->audited = true;
		/* Two blanks, as CUCM has it. */
		fprintf(r->out, "Successfully Generated CSR  for %s\n", unit);
		print_notes(r->out, &notes);
		fprintf(r->out, "'show csr own %s' shows it.\n", unit);
	}
	notes_clear(&notes);
	return rc;
}
