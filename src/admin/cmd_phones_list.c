#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "cluster/phones.h"
#include "cluster/phones_csv.h"

/* `phone list|export`: in pieces, because there may be a hundred thousand. No authentication string is ever seen here. */

#define PAGE 150            /* phones of a piece: about 100 KiB of JSON */
#define EXPORT_NAME "phones.csv"

/* Which phones */

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
	struct phones_filter filter;    /* its texts are of the command line */
	char after[STORE_NAME_SIZE];    /* the pieces so far end with this phone */
	FILE *out;
	bool json, csv;
	size_t n;
	bool old_tls;   /* the day of the last contact is that over TLS below 1.2 */
	FILE *file;     /* of an export with --to: out, which is ours, and the client is sent it at the end */
	int fd;         /* its other descriptor */
};

static void list_free(void *job)
{
	struct list *l = job;

	if (l->file)
		fclose(l->file);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

static void head(const struct list *l)
{
	fprintf(l->out, LINE, "Device Name", "Model", "Security", "LSC Expires", l->old_tls ? "Last Old TLS" : "Last Contact",
		"Certificate Operation Status");
}

static int put_json(struct list *l, const struct store_device *d)
{
	json_t *j = print_phone_json(d);
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text)
		return ERR_NOMEM;
	fputs(l->n > 1 ? ",\n" : "[\n", l->out);
	fputs(text, l->out);
	free(text);
	return 0;
}

static int list_one(void *ctx, const struct store_device *d)
{
	struct list *l = ctx;
	char lsc[32], seen[32];

	l->n++;
	if (l->csv)
		return phones_export_row(l->out, d);
	if (l->json)
		return put_json(l, d);
	if (l->n == 1)
		head(l);
	fprintf(l->out, LINE, d->name, d->model[0] ? d->model : "-", device_security_names[d->security], day(d->lsc.not_after, lsc),
		day(l->old_tls ? d->old_tls_seen : d->last_seen, seen), d->status);
	return 0;
}

/* What is behind the last phone. */
static void list_end(const struct list *l)
{
	if (l->json)
		fputs(l->n ? "\n]\n" : "[]\n", l->out);
	if (l->json || l->csv)
		return;
	if (l->n == 0)
		head(l);
	fprintf(l->out, "%zu phone%s\n", l->n, l->n == 1 ? "" : "s");
}

static int send_file(struct command_run *r, struct list *l, struct err *e)
{
	FILE *file = l->file;
	int fd = l->fd;

	l->file = NULL;
	if (fclose(file) != 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ERR_IO, EXPORT_NAME);
	l->fd = -1;
	return command_send_file(r, EXPORT_NAME, fd, e);
}

int cmd_phones_list_follow(struct command_run *r, bool cancel, struct err *e)
{
	struct list *l = r->job;
	bool more = false;

	if (cancel)
		return err_set(e, ERR_USAGE, "cancelled; there are more phones");
	int rc = phones_page(r->host->cluster, &l->filter, l->after, PAGE, list_one, l, &more, e);
	if (rc < 0)
		return err_set(e, rc, "the phones could not be listed");
	r->follow = more;
	if (more)
		return 0;
	list_end(l);
	return l->file ? send_file(r, l, e) : 0;
}

/* The first piece of what goes on with cmd_phones_list_follow. */
static int list_begin(struct command_run *r, bool json, bool csv, struct list **list, struct err *e)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->out = r->out;
	l->json = json;
	l->csv = csv;
	l->fd = -1;
	r->job = l;
	r->job_free = list_free;
	r->follow = r->busy = true;
	*list = l;
	int rc = filter_of(r, &l->filter, e);
	l->old_tls = l->filter.old_tls;
	return rc;
}

int cmd_phones_list(struct command_run *r, struct err *e)
{
	struct list *l;
	int rc = list_begin(r, command_option(r, "--json") != NULL, false, &l, e);

	return rc < 0 ? rc : cmd_phones_list_follow(r, false, e);
}

/* Into a file without a name, which the client is then sent. */
static int open_file(struct list *l, struct err *e)
{
	l->fd = memfd_create(EXPORT_NAME, MFD_CLOEXEC);
	int copy = l->fd < 0 ? -1 : dup(l->fd);

	l->file = l->out = copy < 0 ? NULL : fdopen(copy, "w");
	if (l->file)
		return 0;
	int rc = err_sys(e, ERR_IO, EXPORT_NAME);
	if (copy >= 0)
		close(copy);
	return rc;
}

int cmd_phones_export(struct command_run *r, struct err *e)
{
	struct list *l;
	int rc = list_begin(r, false, true, &l, e);

	if (rc == 0 && command_option(r, "--to"))
		rc = open_file(l, e);
	if (rc < 0)
		return rc;
	phones_export_head(l->out);
	return cmd_phones_list_follow(r, false, e);
}
