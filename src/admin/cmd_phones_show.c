#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/phone_config.h"
#include "cluster/phones.h"
#include "store/devicecert.h"

/* `phone show`. Nothing here ever sees an authentication string. */

#define FILE_TRIED_MAX (16u << 20) /* octets of a configuration that is looked at; more than any phone takes */

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
	if (d->renewal)
		line(out, "LSC Renewal", "pending by itself: by the LSC, whatever the Authentication Mode");
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

/* What becomes of its configuration. */
struct served {
	struct phone_config pc;
	bool unusable;          /* the operator's file: phones get nothing */
	char file_problem[512]; /* of it, "" for none */
};

/* The file of any case that is served as its configuration. */
static bool find_file(int dir, const char *device, char name[STORE_NAME_SIZE + 16])
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	snprintf(name, STORE_NAME_SIZE + 16, "%s.cnf.xml", device);
	if (fd >= 0 && !folder)
		close(fd);
	while (folder && !found && (entry = readdir(folder)))
		if (text_same(entry->d_name, name)) {
			strcpy(name, entry->d_name);
			found = true;
		}
	if (folder)
		closedir(folder);
	return found;
}

/* Phones find out by trying; so does this. */
static void try_file(struct command_run *r, const char *device, struct served *s)
{
	AUTO(auto_free) uint8_t *data = NULL;
	AUTO(auto_close) int fd = -1;
	char name[STORE_NAME_SIZE + 16];
	struct err why = ERR_INIT;
	int dir = r->host->provisioning_dir;
	size_t len;

	snprintf(name, sizeof(name), "%s.cnf.xml", device);
	int rc = file_open_beneath(dir, name, &fd, &why);
	if (rc && why.sys_errno == ENOENT && find_file(dir, device, name)) {
		err_clear(&why);
		rc = file_open_beneath(dir, name, &fd, &why);
	}
	if (rc == 0)
		rc = file_read_fd(fd, name, FILE_TRIED_MAX, &data, &len, &why);
	if (rc == 0) {
		phone_config_try(&s->pc, (struct view){data, len}, &s->unusable, s->file_problem, sizeof(s->file_problem));
		return;
	}
	s->unusable = true;
	snprintf(s->file_problem, sizeof(s->file_problem), "%s", why.sys_errno == ENOENT ?
		 "There is no file of this phone in the provisioning folder." : why.text);
}

/* How its files are served: what TFTP Encrypted Config comes to, and with which digest. */
static void served_text(FILE *out, const struct served *s)
{
	const struct phone_config *pc = &s->pc;
	char text[80];

	if (s->unusable)
		snprintf(text, sizeof(text), "none");
	else if (pc->cert)
		snprintf(text, sizeof(text), "encrypted, certHash %s", pc->cert_hash);
	else
		snprintf(text, sizeof(text), "%s", pc->encrypted ? "the short file, not encrypted" : "not encrypted");
	line(out, "Configuration Served", text);
	if (pc->problem[0])
		fprintf(out, "  %s\n", pc->problem);
	if (s->file_problem[0])
		fprintf(out, "  %s\n", s->file_problem);
	line(out, "Files Signed With", digest_name(pc->digest));
}

static json_t *served_json(const struct served *s)
{
	const struct phone_config *pc = &s->pc;

	return json_pack("{s:b, s:s, s:s, s:b, s:s, s:s}", "encrypted", pc->cert != NULL && !s->unusable, "cert_hash", pc->cert_hash,
			 "problem", pc->problem, "served", !s->unusable, "file_problem", s->file_problem, "digest",
			 digest_name(pc->digest));
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

static int show_json(struct command_run *r, const struct store_device *d, const struct served *s, struct err *e)
{
	json_t *j = print_phone_json(d), *history = json_array();
	int rc = store_devicecert_list(r->host->store, d->name, history_json, history, e);

	if (rc == 0 && (json_object_set(j, "certificates", history) < 0 ||
			json_object_set_new(j, "configuration_served", served_json(s)) < 0))
		rc = ERR_NOMEM;
	json_decref(history);
	if (rc == 0)
		return print_json(r->out, j, e);
	json_decref(j);
	return err_set(e, rc, "out of memory");
}

static int show_one(struct command_run *r, const struct store_device *d, const struct served *s, struct err *e)
{
	if (command_option(r, "--json"))
		return show_json(r, d, s, e);
	show_text(r->out, d);
	served_text(r->out, s);
	if (!d->lsc.sha256[0] && !d->mic.sha256[0])
		return 0;
	fputs("Certificates, the last change first:\n", r->out);
	return store_devicecert_list(r->host->store, d->name, history_text, r->out, e);
}

int cmd_phones_show(struct command_run *r, struct err *e)
{
	struct served s = {0};
	struct store_device d;
	int rc = phones_get(r->host->cluster, command_arg(r, 0), &d, e);

	if (rc == 0)
		rc = phone_config_get(r->host->cluster, d.name, 0, &s.pc, e);
	if (rc < 0)
		return rc;
	try_file(r, d.name, &s);
	rc = show_one(r, &d, &s, e);
	phone_config_clear(&s.pc);
	return rc;
}
