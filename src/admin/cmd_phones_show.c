#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/phone_config.h"
#include "cluster/phones.h"
#include "cluster/phones_csv.h"
#include "store/devicecert.h"

/* `phone list|show|export|import`. Nothing here ever sees an authentication string. */

/* JSON */

/* "Device Security Mode" becomes device_security_mode. */
static void key_of(enum phone_field f, char *out, size_t size)
{
	const char *name = phone_field_name(f);
	size_t i = 0;

	for (; name[i] && i + 1 < size; i++)
		out[i] = name[i] == ' ' ? '_' : (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
}

static json_t *time_json(int64_t when)
{
	return when ? json_integer(when) : json_null();
}

static json_t *field_json(const struct store_device *d, enum phone_field f)
{
	char text[STORE_NAME_SIZE];

	if (f == PHONE_ENCRYPT_CONFIG)
		return json_boolean(d->encrypt_config);
	if (f == PHONE_RSA_BITS || f == PHONE_EC_BITS)
		return json_integer(f == PHONE_RSA_BITS ? d->rsa_bits : d->ec_bits);
	if (f == PHONE_COMPLETE_BY)
		return time_json(d->complete_by);
	phone_field_text(d, f, text, sizeof(text));
	return json_string(text);
}

static json_t *cert_json(const struct device_cert *c)
{
	if (!c->sha256[0])
		return json_null();
	return json_pack("{s:s, s:s, s:I}", "sha256", c->sha256, "issuer", c->issuer, "not_after", (json_int_t)c->not_after);
}

/* A new reference; NULL when out of memory. */
static json_t *phone_json(const struct store_device *d)
{
	json_t *j = json_pack("{s:s}", "name", d->name);
	char key[64];
	int bad = !j;

	for (enum phone_field f = 0; !bad && f < PHONE_N_FIELDS; f++) {
		key_of(f, key, sizeof(key));
		bad |= json_object_set_new(j, key, field_json(d, f)) < 0;
	}
	bad = bad || json_object_set_new(j, "certificate_operation_status", json_string(d->status)) < 0 ||
	      json_object_set_new(j, "authentication_string_set", json_boolean(d->has_string)) < 0 ||
	      json_object_set_new(j, "authentication_failures", json_integer(d->failures)) < 0 ||
	      json_object_set_new(j, "authentication_locked_until", time_json(d->locked_until)) < 0 ||
	      json_object_set_new(j, "lsc", cert_json(&d->lsc)) < 0 || json_object_set_new(j, "mic", cert_json(&d->mic)) < 0 ||
	      json_object_set_new(j, "lsc_last_proven", time_json(d->lsc_proven)) < 0 ||
	      json_object_set_new(j, "encrypted_last_fetched", time_json(d->encrypted_fetched)) < 0 ||
	      json_object_set_new(j, "last_contact", time_json(d->last_seen)) < 0 ||
	      json_object_set_new(j, "old_tls_last_contact", time_json(d->old_tls_seen)) < 0 ||
	      json_object_set_new(j, "last_address", json_string(d->last_address)) < 0;
	if (!bad)
		return j;
	json_decref(j);
	return NULL;
}

/* The list */

static const char *day(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!when || !localtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d", &tm))
		strcpy(out, "-");
	return out;
}

#define LINE "%-16s %-8s %-14s %-11s %-13s %s\n"

struct list {
	FILE *out;
	json_t *array;  /* NULL: a table */
	size_t n;
	bool old_tls;   /* the day of the last contact is that over TLS below 1.2 */
};

static void head(const struct list *l)
{
	fprintf(l->out, LINE, "Device Name", "Model", "Security", "LSC Expires", l->old_tls ? "Last Old TLS" : "Last Contact",
		"Certificate Operation Status");
}

static int list_one(void *ctx, const struct store_device *d)
{
	struct list *l = ctx;
	char lsc[32], seen[32];

	if (!l->array && l->n == 0)
		head(l);
	l->n++;
	if (l->array)
		return json_array_append_new(l->array, phone_json(d)) < 0 ? ERR_NOMEM : 0;
	fprintf(l->out, LINE, d->name, d->model[0] ? d->model : "-", device_security_names[d->security], day(d->lsc.not_after, lsc),
		day(l->old_tls ? d->old_tls_seen : d->last_seen, seen), d->status);
	return 0;
}

/* "2027:03:31": the beginning of that day, here. */
static int read_day(const char *text, int64_t *when, struct err *e)
{
	struct tm tm = {.tm_isdst = -1};
	const char *end = text ? strptime(text, "%Y:%m:%d", &tm) : NULL;
	int mday = tm.tm_mday;
	time_t t = end && !*end ? mktime(&tm) : -1;

	if (!text)
		return 0;
	if (t <= 0 || tm.tm_mday != mday)
		return err_set(e, ERR_USAGE, "'%.60s' is no day such as 2027:03:31", text);
	*when = t;
	return 0;
}

static int filter_of(struct command_run *r, struct phones_filter *f, struct err *e)
{
	*f = (struct phones_filter){
		.name = command_arg(r, 0),
		.model = command_option(r, "--model"),
		.pool = command_option(r, "--pool"),
		.group = command_option(r, "--group"),
		.security = command_option(r, "--security"),
		.operation = command_option(r, "--operation"),
		.status = command_option(r, "--status"),
		.issuer = command_option(r, "--issuer"),
		.no_lsc = command_option(r, "--no-lsc") != NULL,
		.old_tls = command_option(r, "--old-tls") != NULL,
	};
	return read_day(command_option(r, "--lsc-expires-before"), &f->lsc_expires_before, e);
}

int cmd_phones_list(struct command_run *r, struct err *e)
{
	struct list l = {.out = r->out};
	struct phones_filter f;
	int rc = filter_of(r, &f, e);

	if (rc < 0)
		return rc;
	l.old_tls = f.old_tls;
	if (command_option(r, "--json")) {
		l.array = json_array();
		if (!l.array)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	rc = phones_list(r->host->cluster, &f, list_one, &l, e);
	if (rc < 0) {
		json_decref(l.array);
		return err_set(e, rc, "the phones could not be listed");
	}
	if (l.array)
		return print_json(r->out, l.array, e);
	if (l.n == 0)
		head(&l);
	fprintf(r->out, "%zu phone%s\n", l.n, l.n == 1 ? "" : "s");
	return 0;
}

/* One phone */

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
	json_t *j = phone_json(d), *history = json_array();
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

/* Files */

#define EXPORT_NAME "phones.csv"

/* Into a file without a name, which the client is then sent. */
static int export_file(struct command_run *r, const struct phones_filter *f, struct err *e)
{
	AUTO(auto_close) int fd = memfd_create(EXPORT_NAME, MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : dup(fd);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (!out) {
		int rc = err_sys(e, ERR_IO, EXPORT_NAME);
		if (copy >= 0)
			close(copy);
		return rc;
	}
	int rc = phones_export(r->host->cluster, f, out, e);
	if (fclose(out) != 0 && rc == 0)
		rc = err_sys(e, ERR_IO, EXPORT_NAME);
	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ERR_IO, EXPORT_NAME);
	int sent = fd;
	fd = -1;
	return command_send_file(r, EXPORT_NAME, sent, e);
}

int cmd_phones_export(struct command_run *r, struct err *e)
{
	struct phones_filter f;
	int rc = filter_of(r, &f, e);

	if (rc < 0)
		return rc;
	return command_option(r, "--to") ? export_file(r, &f, e) : phones_export(r->host->cluster, &f, r->out, e);
}

int cmd_phones_import(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	struct phones_import done;
	int rc = phones_import(r->host->cluster, r->peer->actor, r->upload, dry, &done, e);

	r->audited = true;
	if (rc < 0)
		return rc;
	fprintf(r->out, "%sPhones added: %zu, changed: %zu, as they were: %zu\n",
		dry ? "Nothing was changed; this is what the command would do. " : "", done.added, done.changed,
		done.unchanged);
	return 0;
}
