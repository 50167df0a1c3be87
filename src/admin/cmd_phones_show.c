#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "cluster/phone_config.h"
#include "cluster/phones.h"
#include "store/devicecert.h"

/* `phone show`. Nothing here ever sees an authentication string. */

static void line(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%-30s %s\n", name, value[0] ? value : "-");
}

static void time_line(FILE *out, const char *name, int64_t when)
{
	char text[PRINT_TIME_MAX];

	line(out, name, when ? print_time(when, text) : "");
}

static void cert_lines(FILE *out, const char *kind, const struct device_cert *c)
{
	char text[PRINT_TIME_MAX];

	if (c->sha256[0])
		fprintf(out, "%-30s %s\n  issued by %s\n  expires %s\n", kind, c->sha256, c->issuer, print_time(c->not_after, text));
	else
		line(out, kind, "none is known");
}

static void show_text(FILE *out, const struct store_device *d)
{
	char text[STORE_NAME_SIZE];

	line(out, "Device Name", d->name);
	for (enum phone_field f = 0; f < PHONE_COMPLETE_BY; f++) {
		phone_field_text(d, f, text, sizeof(text));
		line(out, phone_field_name(f), text);
	}
	time_line(out, phone_field_name(PHONE_COMPLETE_BY), d->complete_by);
	line(out, "Certificate Operation Status", d->status);
	line(out, "Authentication String", d->has_string ? "set" : "none");
	if (d->failures)
		fprintf(out, "%-30s %u\n", "Wrong strings so far", d->failures);
	if (d->locked_until)
		time_line(out, "None is tried before", d->locked_until);
	cert_lines(out, "LSC", &d->lsc);
	if (d->lsc.sha256[0])
		time_line(out, "LSC last used", d->lsc_proven);
	cert_lines(out, "MIC", &d->mic);
	if (d->encrypt_config)
		time_line(out, "Encrypted File Last Fetched", d->encrypted_fetched);
	time_line(out, "Last Contact", d->last_seen);
	if (d->old_tls_seen)
		time_line(out, "Last Contact Below TLS 1.2", d->old_tls_seen);
	line(out, "Last Address", d->last_address);
}

/* How its files are served: what TFTP Encrypted Config comes to, and with which digest. */
static void served_text(FILE *out, const struct phone_config *pc)
{
	char text[80];

	if (pc->cert)
		snprintf(text, sizeof(text), "encrypted, certHash %s", pc->cert_hash);
	else
		snprintf(text, sizeof(text), "%s", pc->encrypted ? "the short file, not encrypted" : "not encrypted");
	line(out, "Configuration Served", text);
	if (pc->problem[0])
		fprintf(out, "  %s\n", pc->problem);
	line(out, "Files Signed With", digest_name(pc->digest));
}

static json_t *served_json(const struct phone_config *pc)
{
	return json_pack("{s:b, s:s, s:s, s:s}", "encrypted", pc->cert != NULL, "cert_hash", pc->cert_hash, "problem",
			 pc->problem, "digest", digest_name(pc->digest));
}

static int history_text(void *ctx, const struct store_devicecert *dc)
{
	char text[PRINT_TIME_MAX];

	fprintf(ctx, "  %s %.16s %s %s\n", devicecert_kind_names[dc->kind], dc->sha256, devicecert_state_names[dc->state],
		print_time(dc->changed, text));
	return 0;
}

static int history_json(void *ctx, const struct store_devicecert *dc)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "kind", devicecert_kind_names[dc->kind], "state",
			      devicecert_state_names[dc->state], "sha256", dc->sha256, "issuer", dc->issuer, "not_before",
			      (json_int_t)dc->not_before, "not_after", (json_int_t)dc->not_after, "changed",
			      (json_int_t)dc->changed);

	return json_array_append_new(ctx, j) < 0 ? ERR_NOMEM : 0;
}

static int show_json(struct command_run *r, const struct store_device *d, const struct phone_config *pc, struct err *e)
{
	json_t *j = print_phone_json(d), *history = json_array();
	int rc = store_devicecert_list(r->host->store, d->name, history_json, history, e);

	if (rc == 0 && (json_object_set(j, "certificates", history) < 0 ||
			json_object_set_new(j, "configuration_served", served_json(pc)) < 0))
		rc = ERR_NOMEM;
	json_decref(history);
	if (rc == 0)
		return print_json(r->out, j, e);
	json_decref(j);
	return err_set(e, rc, "out of memory");
}

static int show_one(struct command_run *r, const struct store_device *d, const struct phone_config *pc, struct err *e)
{
	if (command_option(r, "--json"))
		return show_json(r, d, pc, e);
	show_text(r->out, d);
	served_text(r->out, pc);
	if (!d->lsc.sha256[0] && !d->mic.sha256[0])
		return 0;
	fputs("Certificates, the last change first:\n", r->out);
	return store_devicecert_list(r->host->store, d->name, history_text, r->out, e);
}

int cmd_phones_show(struct command_run *r, struct err *e)
{
	struct phone_config pc;
	struct store_device d;
	int rc = phones_get(r->host->cluster, command_arg(r, 0), &d, e);

	if (rc == 0)
		rc = phone_config_get(r->host->cluster, d.name, 0, &pc, e);
	if (rc < 0)
		return rc;
	rc = show_one(r, &d, &pc, e);
	phone_config_clear(&pc);
	return rc;
}
