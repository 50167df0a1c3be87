#include "server/content_index.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "server/content_id.h"

/*
 * Making an index of a large folder costs time. While somebody writes to the folder all the time, no more than a tenth
 * of the worker's time goes into it, and answers come from the old index meanwhile.
 */
#define REST_FACTOR 9
#define REST_FROM_NS 1000000

struct folder {
	TAILQ_ENTRY(folder) link;
	struct content_id id;
	bool settled;
	uint64_t rest_until_ns;
	char *arena;       /* the names, each with its NUL */
	size_t arena_len;
	uint32_t *slots;   /* 1 + offset of a name in arena, by hash; 0: empty */
	size_t mask;
	size_t n_names;
	char path[];       /* "." or "New_Zealand" */
};

struct content_index {
	int root_dir;
	size_t max_names;
	unsigned max_folders;
	unsigned n_folders;
	TAILQ_HEAD(folder_list, folder) folders; /* the last used first */
};

int content_index_new(int root_dir, size_t max_names, unsigned max_folders, struct content_index **x, struct err *e)
{
	struct content_index *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	got->root_dir = root_dir;
	got->max_names = max_names;
	got->max_folders = max_folders;
	TAILQ_INIT(&got->folders);
	*x = got;
	return 0;
}

static void empty(struct folder *f)
{
	free(f->arena);
	free(f->slots);
	f->arena = NULL;
	f->slots = NULL;
	f->arena_len = f->n_names = f->mask = 0;
}

static void forget(struct content_index *x, struct folder *f)
{
	TAILQ_REMOVE(&x->folders, f, link);
	x->n_folders--;
	empty(f);
	free(f);
}

void content_index_free(struct content_index *x)
{
	struct folder *f;

	if (!x)
		return;
	while ((f = TAILQ_FIRST(&x->folders)))
		forget(x, f);
	free(x);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint32_t hash_folded(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *s; s++) {
		uint8_t c = (uint8_t)*s;

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + ('a' - 'A'));
		h = (h ^ c) * 16777619u;
	}
	return h;
}

/* The slot of name: one that has it, in whatever case, or the empty one where it belongs. */
static uint32_t *slot_of(const struct folder *f, const char *name)
{
	size_t i = hash_folded(name) & f->mask;

	while (f->slots[i] && strcasecmp(f->arena + f->slots[i] - 1, name) != 0)
		i = (i + 1) & f->mask;
	return &f->slots[i];
}

static bool keep_name(struct folder *f, size_t *size, const char *name)
{
	size_t n = strlen(name) + 1;

	if (f->arena_len + n > *size) {
		size_t bigger = *size ? *size * 2 : 4096;
		char *p = realloc(f->arena, bigger);

		if (!p)
			return false;
		f->arena = p;
		*size = bigger;
	}
	memcpy(f->arena + f->arena_len, name, n);
	f->arena_len += n;
	f->n_names++;
	return true;
}

/* All names that could be files, or false when there are too many. */
static bool read_names(struct folder *f, DIR *d, size_t max_names)
{
	struct dirent *entry;
	size_t size = 0;

	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		if (f->n_names == max_names || !keep_name(f, &size, entry->d_name))
			return false;
	}
	return true;
}

static bool fill_slots(struct folder *f)
{
	size_t n = 16;

	while (n < f->n_names * 2)
		n *= 2;
	f->slots = calloc(n, sizeof(f->slots[0]));
	if (!f->slots)
		return false;
	f->mask = n - 1;
	for (size_t at = 0; at < f->arena_len; at += strlen(f->arena + at) + 1) {
		uint32_t *slot = slot_of(f, f->arena + at);

		/* Of several that differ in case only the first in order is found, whatever order readdir has. */
		if (!*slot || strcmp(f->arena + at, f->arena + *slot - 1) < 0)
			*slot = (uint32_t)at + 1;
	}
	return true;
}

static void rebuild(struct content_index *x, struct folder *f)
{
	uint64_t begin = now_ns();
	struct stat st;
	DIR *d = NULL;
	int fd;

	empty(f);
	if (file_open_dir_beneath(x->root_dir, f->path, &fd, NULL) < 0)
		return;
	if (fstat(fd, &st) == 0)
		d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	f->id = content_id_of(&st); /* as it was before reading: what comes meanwhile shows as a change */
	f->settled = content_id_settled(&f->id);
	if (!read_names(f, d, x->max_names) || !fill_slots(f))
		empty(f);
	closedir(d);
	uint64_t end = now_ns();
	f->rest_until_ns = end - begin >= REST_FROM_NS ? end + (end - begin) * REST_FACTOR : 0;
}

static struct folder *folder_of(struct content_index *x, const char *path)
{
	struct folder *f;

	TAILQ_FOREACH(f, &x->folders, link)
		if (strcmp(f->path, path) == 0)
			break;
	if (f) {
		TAILQ_REMOVE(&x->folders, f, link);
		TAILQ_INSERT_HEAD(&x->folders, f, link);
		return f;
	}
	size_t size = strlen(path) + 1;
	f = calloc(1, sizeof(*f) + size);
	if (!f)
		return NULL;
	memcpy(f->path, path, size);
	if (x->n_folders >= x->max_folders)
		forget(x, TAILQ_LAST(&x->folders, folder_list));
	TAILQ_INSERT_HEAD(&x->folders, f, link);
	x->n_folders++;
	return f;
}

/* The state of a folder; the root is asked for through its descriptor, which is faster. */
static bool stat_folder(const struct content_index *x, const char *path, struct stat *st)
{
	if (path[0] == '.')
		return fstat(x->root_dir, st) == 0;
	return fstatat(x->root_dir, path, st, 0) == 0 && S_ISDIR(st->st_mode);
}

enum content_index_answer content_index_find(struct content_index *x, const char *name,
					     char actual[PROVISION_NAME_MAX + 1])
{
	char path[PROVISION_NAME_MAX + 1] = ".";
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;
	struct stat st;
	struct folder *f;

	if (slash) {
		memcpy(path, name, (size_t)(slash - name));
		path[slash - name] = '\0';
	}
	if (!stat_folder(x, path, &st))
		return CONTENT_INDEX_NONE;
	f = folder_of(x, path);
	if (!f)
		return CONTENT_INDEX_UNKNOWN;
	struct content_id id = content_id_of(&st);
	bool stale = !f->settled || !content_id_same(&id, &f->id);
	if (stale && now_ns() >= f->rest_until_ns) {
		rebuild(x, f);
		stale = false;
	}
	if (!f->slots)
		return CONTENT_INDEX_UNKNOWN;
	uint32_t slot = *slot_of(f, last);
	if (!slot)
		return stale ? CONTENT_INDEX_UNKNOWN : CONTENT_INDEX_NONE;
	/* The lengths are the same, since only letters differ. */
	memcpy(actual, name, (size_t)(last - name));
	memcpy(actual + (last - name), f->arena + slot - 1, strlen(last) + 1);
	return CONTENT_INDEX_FOUND;
}
