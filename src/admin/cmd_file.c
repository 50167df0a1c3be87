#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "admin/served.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

/* `file list`, `file view`, `file get`. Source: behaviour.md 1.6. */

#define VIEW_MAX (4 * 1024 * 1024)

/* list */

static int newest_first(const void *a, const void *b)
{
	const struct served_file *x = a, *y = b;

	return (x->modified < y->modified) - (x->modified > y->modified);
}

static int largest_first(const void *a, const void *b)
{
	const struct served_file *x = a, *y = b;

	return (x->size < y->size) - (x->size > y->size);
}

static void reverse(struct served_set *set)
{
	for (size_t i = 0, k = set->n; i + 1 < k; i++) {
		struct served_file f = set->files[i];
		set->files[i] = set->files[--k];
		set->files[k] = f;
	}
}

static void order(const struct command_run *r, struct served_set *set)
{
	if (set->n && command_option(r, "date"))
		qsort(set->files, set->n, sizeof(*set->files), newest_first);
	if (set->n && command_option(r, "size"))
		qsort(set->files, set->n, sizeof(*set->files), largest_first);
	if (command_option(r, "reverse"))
		reverse(set);
}

/* "4,947", as CUCM writes sizes. */
static const char *grouped(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *p = out;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return out;
}

/* "06 Mar,2015 19:45:13    4,947   CTLFile.tlv" */
static void detail(FILE *out, const struct served_file *f, const char *name)
{
	char when[32] = "", size[32] = "<dir>";
	struct tm tm;

	if (localtime_r(&f->modified, &tm))
		strftime(when, sizeof(when), "%d %b,%Y %H:%M:%S", &tm);
	fprintf(out, "%s    %-11s %s\n", when, f->folder ? size : grouped((uint64_t)f->size, size), name);
}

static json_t *json_file(const struct served_file *f, const char *name)
{
	return json_pack("{s:s, s:b, s:b, s:I, s:I}", "name", name, "folder", f->folder, "published", f->published, "octets",
			 (json_int_t)(f->folder ? 0 : f->size), "modified", (json_int_t)f->modified);
}

static int list_json(struct command_run *r, const struct served_set *set, struct err *e)
{
	json_t *all = json_array();
	char name[2048];

	for (size_t i = 0; all && i < set->n; i++) {
		text_escape(name, sizeof(name), view_str(set->files[i].name));
		if (json_array_append_new(all, json_file(&set->files[i], name)) < 0) {
			json_decref(all);
			all = NULL;
		}
	}
	return print_json(r->out, all, e);
}

static void list_text(struct command_run *r, const struct served_set *set)
{
	size_t folders = 0;
	char name[2048];

	for (size_t i = 0; i < set->n; i++) {
		const struct served_file *f = &set->files[i];
		text_escape(name, sizeof(name), view_str(f->name));
		folders += f->folder;
		if (command_option(r, "detail"))
			detail(r->out, f, name);
		else
			fprintf(r->out, "%s%s\n", f->folder ? "<dir>   " : "        ", name);
	}
	fprintf(r->out, "dir count = %zu, file count = %zu\n", folders, set->n - folders);
}

static int list(struct command_run *r, enum served_place place, struct err *e)
{
	const char *spec = command_arg(r, 0);
	struct served_set set = {0};
	int rc = served_find(r->host, place, spec ? spec : "*", &set, e);

	if (rc < 0)
		return rc;
	order(r, &set);
	if (command_option(r, "--json"))
		rc = list_json(r, &set, e);
	else
		list_text(r, &set);
	r->status = set.n == 0;
	served_set_clear(&set);
	return rc;
}

int cmd_file_list_tftp(struct command_run *r, struct err *e)
{
	return list(r, SERVED_TFTP, e);
}

int cmd_file_list_activelog(struct command_run *r, struct err *e)
{
	return list(r, SERVED_ACTIVELOG, e);
}

/* view and get */

/* The files, and not folders, that the command names; at least one. */
static int find_files(struct command_run *r, enum served_place place, struct served_set *out, struct err *e)
{
	const char *spec = command_arg(r, 0);
	struct served_set set = {0};
	size_t n = 0;
	int rc = served_find(r->host, place, spec, &set, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < set.n; i++) {
		if (set.files[i].folder)
			free(set.files[i].name);
		else
			set.files[n++] = set.files[i];
	}
	set.n = n;
	if (n == 0) {
		served_set_clear(&set);
		if (place == SERVED_TFTP && text_ends(spec, ".p12"))
			return err_set(e, ERR_USAGE,
				       "private keys are not given out here: `ringfence recovery export --out FILE` does that");
		return err_set(e, ERR_USAGE, "File not found: %s", spec);
	}
	*out = set;
	return 0;
}

/* Text for a terminal: control characters that are no line ends or tabs are made visible. */
static void put_text(FILE *out, struct view v)
{
	char line[4 * 1024 + 1];

	while (v.len) {
		const uint8_t *end = memchr(v.p, '\n', v.len);
		size_t n = end ? (size_t)(end - v.p) : v.len;
		size_t text = n && v.p[n - 1] == '\r' ? n - 1 : n;
		for (size_t i = 0; i < text;) {
			size_t piece = text - i < 1024 ? text - i : 1024;
			if (v.p[i] == '\t') {
				fputc('\t', out);
				i++;
				continue;
			}
			const uint8_t *tab = memchr(v.p + i, '\t', piece);
			if (tab)
				piece = (size_t)(tab - v.p) - i;
			text_escape(line, sizeof(line), (struct view){v.p + i, piece});
			fputs(line, out);
			i += piece;
		}
		fputc('\n', out);
		n += end != NULL;
		v = (struct view){v.p + n, v.len - n};
	}
}

static int view_one(struct command_run *r, const struct served_file *f, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	AUTO(auto_close) int fd = -1;
	size_t len;

	if (f->size > VIEW_MAX)
		return err_set(e, ERR_USAGE, "%s is too long to be viewed; file get copies it", f->name);
	int rc = served_open(r->host, f, &fd, e);
	if (rc == 0)
		rc = file_read_fd(fd, f->name, VIEW_MAX, &data, &len, e);
	if (rc == 0 && memchr(data, 0, len))
		rc = err_set(e, ERR_USAGE, "%s is no text; file get copies it, and `ringfence inspect` shows what it is", f->name);
	if (rc == 0)
		put_text(r->out, (struct view){data, len});
	return rc;
}

static int view(struct command_run *r, enum served_place place, struct err *e)
{
	struct served_set set;
	int rc = find_files(r, place, &set, e);

	if (rc < 0)
		return rc;
	if (set.n > 1)
		rc = err_set(e, ERR_USAGE, "%s names %zu files; view shows one", command_arg(r, 0), set.n);
	else
		rc = view_one(r, &set.files[0], e);
	served_set_clear(&set);
	return rc;
}

int cmd_file_view_tftp(struct command_run *r, struct err *e)
{
	return view(r, SERVED_TFTP, e);
}

int cmd_file_view_activelog(struct command_run *r, struct err *e)
{
	return view(r, SERVED_ACTIVELOG, e);
}

static int get(struct command_run *r, enum served_place place, struct err *e)
{
	struct served_set set;
	uint64_t total = 0;
	int rc = find_files(r, place, &set, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < set.n; i++) {
		int fd;
		rc = served_open(r->host, &set.files[i], &fd, e);
		if (rc == 0)
			rc = command_send_file(r, served_base(&set.files[i]), fd, e);
		total += (uint64_t)set.files[i].size;
	}
	if (rc == 0)
		fprintf(r->out,
			"Please wait while the system is gathering files info ...done.\n"
			"Sub-directories were not traversed.\n"
			"Number of files affected: %zu\n"
			"Total size in Bytes: %llu\n"
			"Total size in Kbytes: %.7g\n",
			set.n, (unsigned long long)total, (double)total / 1024);
	served_set_clear(&set);
	return rc;
}

int cmd_file_get_tftp(struct command_run *r, struct err *e)
{
	return get(r, SERVED_TFTP, e);
}

int cmd_file_get_activelog(struct command_run *r, struct err *e)
{
	return get(r, SERVED_ACTIVELOG, e);
}
