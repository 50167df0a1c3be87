#include "admin/served.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/publish.h"
#include "format/list.h"

static bool is_pattern(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

const char *served_base(const struct served_file *f)
{
	const char *slash = strrchr(f->name, '/');

	return slash ? slash + 1 : f->name;
}

void served_set_clear(struct served_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->files[i].name);
	free(set->files);
	*set = (struct served_set){0};
}

static int add(struct served_set *set, const char *folder, const char *name, const struct stat *st, bool published,
	       struct err *e)
{
	struct served_file f = {.folder = S_ISDIR(st->st_mode), .published = published, .size = st->st_size,
				.modified = st->st_mtime};

	/* A published list, added first, hides an operator's file of its name. */
	for (size_t i = 0; i < set->n && set->files[i].published; i++)
		if (strcmp(set->files[i].name, name) == 0)
			return 0;
	if (set->n == SERVED_MAX)
		return err_set(e, ERR_LIMIT, "more than %d files; name fewer of them", SERVED_MAX);
	if (set->n == set->size) {
		size_t size = set->size ? 2 * set->size : 64;
		void *p = realloc(set->files, size * sizeof(*set->files));
		if (!p)
			return err_set(e, ERR_NOMEM, "out of memory");
		set->files = p;
		set->size = size;
	}
	if (asprintf(&f.name, "%s%s%s", folder, *folder ? "/" : "", name) < 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	set->files[set->n++] = f;
	return 0;
}

/* The published lists that match; where is what stands before their names. */
static int add_published(const struct admin_host *host, const char *where, const char *pattern, struct served_set *set,
			 struct err *e)
{
	static const enum list_type types[] = {LIST_CTL, LIST_ITL};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++) {
		const char *name = list_type_file_name(types[i]);
		char path[128];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", PUBLISH_CURRENT, name);
		if (fnmatch(pattern, name, 0) == 0 && fstatat(host->data_dir, path, &st, 0) == 0)
			rc = add(set, where, name, &st, true, e);
	}
	return rc;
}

/* An entry of a provisioning folder: a link counts as the file that it leads to when the node would serve that. */
static bool entry_stat(int dir, const char *name, struct stat *st)
{
	AUTO(auto_close) int fd = -1;
	struct err ignored = ERR_INIT;

	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISLNK(st->st_mode))
		return file_open_beneath(dir, name, &fd, &ignored) == 0 && fstat(fd, st) == 0;
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

static int add_entries(int fd_take, const char *folder, const char *pattern, struct served_set *set, struct err *e)
{
	DIR *d = fdopendir(fd_take);
	struct dirent *entry;
	struct stat st;
	int rc = 0;

	if (!d) {
		close(fd_take);
		return err_sys(e, ERR_IO, "%s", *folder ? folder : "provisioning");
	}
	while (rc == 0 && (entry = readdir(d))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fnmatch(pattern, name, FNM_PERIOD) != 0)
			continue;
		if (entry_stat(dirfd(d), name, &st))
			rc = add(set, folder, name, &st, false, e);
	}
	closedir(d);
	return rc;
}

/* Down a path, a name at a time, never through a link. -1: there is no such folder. */
static int open_folder(int base, const char *path)
{
	int fd = openat(base, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	char name[NAME_MAX + 1];

	while (fd >= 0 && *path) {
		size_t n = strcspn(path, "/");
		int next = -1;
		if (n && n <= NAME_MAX) {
			memcpy(name, path, n);
			name[n] = '\0';
			next = openat(fd, name, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		}
		close(fd);
		fd = next;
		path += n + (path[n] == '/');
	}
	return fd;
}

/* spec as a folder and a pattern in it. */
struct served_spec {
	char folder[1024]; /* "" or without a slash at its end */
	char pattern[NAME_MAX + 1];
};

static int spec_check(const char *spec, struct err *e)
{
	if (spec[0] == '/')
		return err_set(e, ERR_USAGE, "\"%s\" begins with a slash: names are relative to what phones are served", spec);
	for (const char *p = spec; *p; p += strcspn(p, "/"), p += *p == '/')
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return err_set(e, ERR_USAGE, "\"%s\" leads out of what phones are served", spec);
	return 0;
}

static int spec_split(const char *spec, struct served_spec *s, struct err *e)
{
	const char *slash = strrchr(spec, '/');
	size_t n = slash ? (size_t)(slash - spec) : 0;
	const char *last = slash ? slash + 1 : spec;

	if (n >= sizeof(s->folder) || strlen(last) >= sizeof(s->pattern))
		return err_set(e, ERR_USAGE, "the name is too long");
	memcpy(s->folder, spec, n);
	s->folder[n] = '\0';
	strcpy(s->pattern, *last ? last : "*");
	if (is_pattern(s->folder))
		return err_set(e, ERR_USAGE, "\"%s\": a pattern can only stand in the last part", spec);
	return 0;
}

static int find_tftp(const struct admin_host *host, const struct served_spec *s, struct served_set *set, struct err *e)
{
	int rc = *s->folder ? 0 : add_published(host, "", s->pattern, set, e);
	int fd = rc == 0 ? open_folder(host->provisioning_dir, s->folder) : -1;

	return fd < 0 ? rc : add_entries(fd, s->folder, s->pattern, set, e);
}

/* cm and cm/tftpdata exist only as names; what is in them is the published lists. */
static int find_activelog(const struct admin_host *host, const struct served_spec *s, struct served_set *set, struct err *e)
{
	struct stat folder = {.st_mode = S_IFDIR, .st_mtime = host->started_s};

	if (strcmp(s->folder, SERVED_LOG_FOLDER) == 0)
		return add_published(host, SERVED_LOG_FOLDER, s->pattern, set, e);
	if (strcmp(s->folder, "cm") == 0 && fnmatch(s->pattern, "tftpdata", 0) == 0)
		return add(set, "cm", "tftpdata", &folder, false, e);
	if (!*s->folder && fnmatch(s->pattern, "cm", 0) == 0)
		return add(set, "", "cm", &folder, false, e);
	return 0;
}

static int find(const struct admin_host *host, enum served_place place, const char *spec, struct served_set *set,
		struct err *e)
{
	struct served_spec s;
	int rc = spec_split(spec, &s, e);

	if (rc < 0)
		return rc;
	return place == SERVED_TFTP ? find_tftp(host, &s, set, e) : find_activelog(host, &s, set, e);
}

static int by_name(const void *a, const void *b)
{
	const struct served_file *x = a, *y = b;

	if (x->folder != y->folder)
		return x->folder ? -1 : 1;
	return strcmp(x->name, y->name);
}

int served_find(const struct admin_host *host, enum served_place place, const char *spec, struct served_set *out,
		struct err *e)
{
	struct served_set set = {0};
	char inside[1100];
	int rc = spec_check(spec, e);

	if (rc == 0)
		rc = find(host, place, spec, &set, e);
	/* One folder, named outright: what is in it. */
	if (rc == 0 && set.n == 1 && set.files[0].folder && !is_pattern(spec)) {
		snprintf(inside, sizeof(inside), "%s/*", set.files[0].name);
		served_set_clear(&set);
		rc = find(host, place, inside, &set, e);
	}
	if (rc < 0) {
		served_set_clear(&set);
		return rc;
	}
	if (set.n)
		qsort(set.files, set.n, sizeof(*set.files), by_name);
	*out = set;
	return 0;
}

int served_open(const struct admin_host *host, const struct served_file *f, int *fd, struct err *e)
{
	int dir, rc;

	if (!f->published)
		return file_open_beneath(host->provisioning_dir, f->name, fd, e);
	/* `current` is a link of our own, to be followed once; the list itself is opened beneath what it leads to. */
	rc = file_open_dir(host->data_dir, PUBLISH_CURRENT, &dir, e);
	if (rc < 0)
		return rc;
	rc = file_open_beneath(dir, served_base(f), fd, e);
	close(dir);
	return rc;
}
