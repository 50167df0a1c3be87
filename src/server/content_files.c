#include "server/content_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define BUCKETS 16384
#define READ_TRIES 3

struct kept {
	struct content_file file;     /* first, so that the one is the other */
	struct content_files *owner;  /* NULL: private */
	struct content_id id;
	bool settled;
	bool listed;                  /* in the table, which then has one of the refs */
	struct kept *chain;
	TAILQ_ENTRY(kept) idle;       /* while only the table has it */
	uint8_t *data;                /* file.bytes */
	enum content_root root;
	char path[];
};

TAILQ_HEAD(kept_list, kept);

struct content_files {
	int dirs[CONTENT_ROOTS];
	size_t memory;                /* of all files with data, listed or not */
	unsigned n_listed;
	unsigned n_idle_open;
	struct kept_list idle_memory; /* the longest unused first */
	struct kept_list idle_open;
	struct kept *buckets[BUCKETS];
};

int content_files_new(const int dirs[CONTENT_ROOTS], struct content_files **x, struct err *e)
{
	struct content_files *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(got->dirs, dirs, sizeof(got->dirs));
	TAILQ_INIT(&got->idle_memory);
	TAILQ_INIT(&got->idle_open);
	*x = got;
	return 0;
}

static struct kept **bucket(struct content_files *x, enum content_root root, const char *path)
{
	uint32_t h = 2166136261u ^ (uint32_t)root; /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return &x->buckets[h % BUCKETS];
}

static struct kept *find(struct content_files *x, enum content_root root, const char *path)
{
	struct kept *k = *bucket(x, root, path);

	while (k && (k->root != root || strcmp(k->path, path) != 0))
		k = k->chain;
	return k;
}

static void destroy(struct kept *k)
{
	if (k->owner && k->data)
		k->owner->memory -= (size_t)k->file.size;
	if (k->file.fd >= 0)
		close(k->file.fd);
	free(k->data);
	free(k);
}

static void leave_idle(struct kept *k)
{
	if (k->data) {
		TAILQ_REMOVE(&k->owner->idle_memory, k, idle);
	} else {
		TAILQ_REMOVE(&k->owner->idle_open, k, idle);
		k->owner->n_idle_open--;
	}
}

static void unlist(struct kept *k)
{
	struct kept **i = bucket(k->owner, k->root, k->path);

	while (*i != k)
		i = &(*i)->chain;
	*i = k->chain;
	if (k->file.refs == 1)
		leave_idle(k);
	k->listed = false;
	k->owner->n_listed--;
	content_file_unref(&k->file);
}

static void enter_idle(struct kept *k)
{
	struct content_files *x = k->owner;

	if (k->data) {
		TAILQ_INSERT_TAIL(&x->idle_memory, k, idle);
		return;
	}
	TAILQ_INSERT_TAIL(&x->idle_open, k, idle);
	if (++x->n_idle_open > CONTENT_MAX_OPEN)
		unlist(TAILQ_FIRST(&x->idle_open));
}

struct content_file *content_file_ref(struct content_file *f)
{
	struct kept *k = (struct kept *)f;

	if (k->listed && f->refs == 1)
		leave_idle(k);
	f->refs++;
	return f;
}

void content_file_unref(struct content_file *f)
{
	struct kept *k = (struct kept *)f;

	if (!f)
		return;
	assert(f->refs);
	if (--f->refs == 0)
		destroy(k);
	else if (k->listed && f->refs == 1)
		enter_idle(k);
}

int content_file_take_fd(struct content_file *f)
{
	int fd = f->fd;

	assert(!((struct kept *)f)->owner);
	f->fd = -1;
	return fd;
}

int content_file_read(const struct content_file *f, uint64_t offset, void *out, size_t n, struct err *e)
{
	uint8_t *p = out;

	while (n) {
		ssize_t got = pread(f->fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, "reading");
		if (got == 0) {
			errno = ESTALE;
			return err_sys(e, ERR_IO, "the file became shorter");
		}
		p += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

bool content_file_changed(const struct content_file *f)
{
	const struct kept *k = (const struct kept *)f;
	struct stat st;

	if (f->fd < 0)
		return false; /* was read whole at once */
	if (fstat(f->fd, &st) < 0)
		return true;
	/* Not ctime: a rename or another link leaves the octets as they are. */
	return st.st_size != k->id.size || st.st_mtim.tv_sec != k->id.mtime.tv_sec ||
	       st.st_mtim.tv_nsec != k->id.mtime.tv_nsec;
}

void content_files_free(struct content_files *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (x->buckets[i])
			unlist(x->buckets[i]);
	assert(x->memory == 0);
	free(x);
}

bool content_files_stat(const struct content_files *x, enum content_root root, const char *path, struct content_id *id)
{
	struct stat st;

	/* Links are followed here wherever they lead: this decides nothing but whether to open, and open does not. */
	if (fstatat(x->dirs[root], path, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return false;
	*id = content_id_of(&st);
	return true;
}

static struct kept *new_kept(enum content_root root, const char *path, int fd)
{
	size_t n = strlen(path) + 1;
	struct kept *k = calloc(1, sizeof(*k) + n);

	if (!k)
		return NULL;
	k->root = root;
	memcpy(k->path, path, n);
	k->file.fd = fd;
	k->file.refs = 1;
	return k;
}

/* Open a file and look at it. The kept has no owner and no data yet. */
static int open_kept(const struct content_files *x, enum content_root root, const char *path, struct kept **out,
		     struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct stat st;
	int code = file_open_beneath(x->dirs[root], path, &fd, e);

	if (code)
		return code;
	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, "%s", path);
	struct kept *k = new_kept(root, path, fd);
	if (!k)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	fd = -1;
	k->id = content_id_of(&st);
	k->settled = content_id_settled(&k->id);
	k->file.size = (uint64_t)st.st_size;
	*out = k;
	return 0;
}

int content_files_private(const struct content_files *x, enum content_root root, const char *path,
			  struct content_file **file, struct err *e)
{
	struct kept *k = NULL;
	int code = open_kept(x, root, path, &k, e);

	if (code)
		return code;
	*file = &k->file;
	return 0;
}

/* Whether so many octets more may be held, if need be instead of others that nobody uses. */
static bool make_memory(struct content_files *x, size_t n)
{
	while (x->memory + n > CONTENT_MEMORY) {
		struct kept *oldest = TAILQ_FIRST(&x->idle_memory);

		if (!oldest)
			return false;
		unlist(oldest);
	}
	return true;
}

/*
 * Take a small file's octets into memory. Out: *consistent: nobody wrote to it meanwhile.
 */
static int load(struct content_files *x, struct kept *k, bool *consistent, struct err *e)
{
	size_t n = (size_t)k->file.size;
	AUTO(auto_free) uint8_t *data = malloc(n ? n : 1);
	struct stat st;

	if (!data)
		return err_set(e, ERR_NOMEM, "%s: out of memory", k->path);
	struct err why = ERR_INIT;
	int code = content_file_read(&k->file, 0, data, n, &why);
	if (fstat(k->file.fd, &st) < 0)
		return err_sys(e, ERR_IO, "%s", k->path);
	struct content_id id = content_id_of(&st);
	*consistent = content_id_same(&id, &k->id);
	if (!*consistent)
		return 0;
	if (code)
		return err_set(e, ERR_IO, "%s: %s", k->path, why.text);
	close(k->file.fd);
	k->file.fd = -1;
	k->data = data;
	k->file.bytes = data;
	data = NULL;
	x->memory += n;
	return 0;
}

static int open_consistent(struct content_files *x, enum content_root root, const char *path, struct kept **out,
			   struct err *e)
{
	for (unsigned i = 0; i < READ_TRIES; i++) {
		struct kept *k = NULL;
		bool consistent = true;
		int code = open_kept(x, root, path, &k, e);

		if (code)
			return code;
		k->owner = x;
		if (k->file.size <= CONTENT_SMALL && make_memory(x, (size_t)k->file.size))
			code = load(x, k, &consistent, e);
		if (!code && consistent) {
			*out = k;
			return 0;
		}
		destroy(k);
		if (code)
			return code;
	}
	errno = ESTALE;
	return err_sys(e, ERR_IO, "%s: it is being written to", path);
}

static void list(struct content_files *x, struct kept *k)
{
	struct kept **b;

	if (x->n_listed >= CONTENT_MAX_FILES) {
		struct kept *oldest = TAILQ_FIRST(&x->idle_memory);

		if (!oldest)
			oldest = TAILQ_FIRST(&x->idle_open);
		if (!oldest)
			return; /* all in use: this one is not kept */
		unlist(oldest);
	}
	b = bucket(x, k->root, k->path);
	k->chain = *b;
	*b = k;
	k->listed = true;
	k->file.refs++;
	x->n_listed++;
}

int content_files_get(struct content_files *x, enum content_root root, const char *path, const struct content_id *id,
		      struct content_file **file, bool *from_memory, struct err *e)
{
	struct kept *k = find(x, root, path);

	*from_memory = false;
	if (k && (!id || (k->settled && content_id_same(id, &k->id)))) {
		*from_memory = k->data != NULL;
		*file = content_file_ref(&k->file);
		return 0;
	}
	if (k)
		unlist(k);
	int code = open_consistent(x, root, path, &k, e);
	if (code)
		return code;
	list(x, k);
	*file = &k->file;
	return 0;
}

size_t content_files_memory(const struct content_files *x)
{
	return x->memory;
}

unsigned content_files_count(const struct content_files *x)
{
	return x->n_listed;
}
