#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/phone_index.h"
#include "server/content.h"

/*
 * Two folders, a content over them, and a director that answers when the test says so.
 */
#define MAX_QUESTIONS 8

struct question {
	char base[256], name[256];
	content_signed *done;
	void *done_ctx;
};

struct fixture {
	char root[64];
	int published, provisioning;
	struct content *c;
	struct question questions[MAX_QUESTIONS];
	unsigned n_questions;     /* since the test began */
	const char *at_once;      /* a cache name to answer with before the question returns, or NULL */
};

/* What a request came to. */
struct outcome {
	unsigned calls;
	enum content_result result;
	struct content_file *file;
	struct err e;
};

static void fake_sign(void *ctx, const char *base, const char *file_name, content_signed *done, void *done_ctx)
{
	struct fixture *f = ctx;
	struct question *q = &f->questions[f->n_questions % MAX_QUESTIONS];

	f->n_questions++;
	snprintf(q->base, sizeof(q->base), "%s", base);
	snprintf(q->name, sizeof(q->name), "%s", file_name);
	q->done = done;
	q->done_ctx = done_ctx;
	if (f->at_once)
		done(done_ctx, 0, f->at_once, NULL);
}

static void on_done(void *ctx, enum content_result result, struct content_file *file, const struct err *e)
{
	struct outcome *o = ctx;

	o->calls++;
	o->result = result;
	o->file = file;
	o->e = *e;
}

static void put(int dir, const char *name, const void *data, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	close(fd);
}

static void put_text(int dir, const char *name, const char *text)
{
	put(dir, name, text, strlen(text));
}

/* Wait until a change to what was written so far cannot look like no change. */
static void settle(void)
{
	const struct timespec t = {.tv_nsec = 150000000};

	nanosleep(&t, NULL);
}

/* The index of phones, as the director writes it: a file that takes the place of the one before. */
static void put_phones(struct fixture *f, bool complete, struct phone_index_item *items, size_t n)
{
	struct phone_index ix = {.complete = complete, .tag = 7, .items = items, .n = n};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(phone_index_build(&ix, &data, &len, &e), &e);
	put(f->published, ".new", data, len);
	assert_int_equal(renameat(f->published, ".new", f->published, PHONE_INDEX_FILE), 0);
	free(data);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct content_signer signer = {fake_sign, f};
	struct err e = ERR_INIT;

	snprintf(f->root, sizeof(f->root), "/tmp/ringfence-test-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	int root = open(f->root, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert_int_equal(mkdirat(root, "published", 0755), 0);
	assert_int_equal(mkdirat(root, "provisioning", 0755), 0);
	f->published = openat(root, "published", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	f->provisioning = openat(root, "provisioning", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	close(root);
	assert_int_equal(mkdirat(f->published, "generation-000001", 0755), 0);
	assert_int_equal(mkdirat(f->published, "signed", 0755), 0);
	assert_int_equal(symlinkat("generation-000001", f->published, "current"), 0);
	put_phones(f, false, NULL, 0);
	assert_ok(content_new(f->published, f->provisioning, &signer, &f->c, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	content_free(f->c);
	close(f->published);
	close(f->provisioning);
	snprintf(command, sizeof(command), "rm -rf %s", f->root);
	int rc = system(command);
	free(f);
	return rc;
}

static struct outcome *ask_as(struct fixture *f, const char *name, bool private_fd, struct content_wait **wait)
{
	struct outcome *o = calloc(1, sizeof(*o));
	struct provision p;

	provision_parse(view_str(name), PROVISION_TFTP, &p);
	struct content_wait *w = content_open(f->c, &p, private_fd, on_done, o);
	assert_int_equal(o->calls, w ? 0 : 1);
	if (wait)
		*wait = w;
	return o;
}

static void assert_text(struct outcome *o, const char *text)
{
	char got[256];
	struct err e = ERR_INIT;

	assert_int_equal(o->calls, 1);
	if (o->result != CONTENT_FOUND)
		fail_msg("result %d: %s", o->result, o->e.text);
	assert_int_equal(o->file->size, strlen(text));
	if (o->file->bytes)
		memcpy(got, o->file->bytes, o->file->size);
	else
		assert_ok(content_file_read(o->file, 0, got, o->file->size, &e), &e);
	assert_memory_equal(got, text, strlen(text));
	content_file_unref(o->file);
	free(o);
}

static void assert_found(struct fixture *f, const char *name, const char *text)
{
	assert_text(ask_as(f, name, false, NULL), text);
	assert_text(ask_as(f, name, true, NULL), text);
}

static void assert_result(struct fixture *f, const char *name, enum content_result result)
{
	for (int private_fd = 0; private_fd < 2; private_fd++) {
		struct outcome *o = ask_as(f, name, private_fd, NULL);

		assert_int_equal(o->calls, 1);
		if (o->result != result)
			fail_msg("%s: result %d, wanted %d", name, o->result, result);
		assert_null(o->file);
		free(o);
	}
}

static void plain_files(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, "RingList.xml", "rings");
	put_text(f->provisioning, "empty.xml", "");
	assert_int_equal(mkdirat(f->provisioning, "New_Zealand", 0755), 0);
	put_text(f->provisioning, "New_Zealand/g3-tones.xml", "tones");
	assert_found(f, "RingList.xml", "rings");
	assert_found(f, "/RingList.xml", "rings");
	assert_found(f, "empty.xml", "");
	assert_found(f, "New_Zealand/g3-tones.xml", "tones");
	assert_result(f, "nothing.xml", CONTENT_ABSENT);
	assert_result(f, "RingList.xml/more", CONTENT_ABSENT);
	assert_result(f, "New_Zealand", CONTENT_REFUSED);
	assert_result(f, "../published/x", CONTENT_REFUSED);
	assert_result(f, "", CONTENT_REFUSED);
}

static void wrong_case_is_found(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, "SEP00112233AABB.cnf.xml", "upper");
	assert_int_equal(mkdirat(f->provisioning, "Desktops", 0755), 0);
	put_text(f->provisioning, "Desktops/List.xml", "list");
	assert_found(f, "sep00112233aabb.cnf.xml", "upper");
	assert_found(f, "Desktops/LIST.XML", "list");
	assert_result(f, "desktops/List.xml", CONTENT_ABSENT);
	/* The exact name comes first, and when it goes the other is found again. */
	put_text(f->provisioning, "sep00112233aabb.cnf.xml", "lower");
	assert_found(f, "sep00112233aabb.cnf.xml", "lower");
	assert_found(f, "SEP00112233AABB.cnf.xml", "upper");
	unlinkat(f->provisioning, "sep00112233aabb.cnf.xml", 0);
	assert_found(f, "sep00112233aabb.cnf.xml", "upper");
	unlinkat(f->provisioning, "SEP00112233AABB.cnf.xml", 0);
	assert_result(f, "sep00112233aabb.cnf.xml", CONTENT_ABSENT);
}

static void changes_show_at_the_next_request(void **state)
{
	struct fixture *f = *state;
	char text[16];

	/* Faster than the clock's tick, and of one size: nothing but the octets tells them apart. */
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "version %03d", i);
		put_text(f->provisioning, "a.xml", text);
		assert_found(f, "a.xml", text);
	}
	settle();
	assert_found(f, "a.xml", text);
	unsigned long before = content_stats(f->c)->from_memory;
	assert_text(ask_as(f, "a.xml", false, NULL), text);
	assert_int_equal(content_stats(f->c)->from_memory, before + 1);
	put_text(f->provisioning, "a.xml", "replaced");
	assert_found(f, "a.xml", "replaced");
	put_text(f->provisioning, "b.xml", "renamed");
	assert_int_equal(renameat(f->provisioning, "b.xml", f->provisioning, "a.xml"), 0);
	assert_found(f, "a.xml", "renamed");
	unlinkat(f->provisioning, "a.xml", 0);
	assert_result(f, "a.xml", CONTENT_ABSENT);
	assert_int_equal(content_stats(f->c)->memory, 0); /* what is gone is not kept */
}

static void links_stay_within_the_folder(void **state)
{
	struct fixture *f = *state;
	char outside[128];

	put_text(f->provisioning, "real.xml", "real");
	assert_int_equal(symlinkat("real.xml", f->provisioning, "inside.xml"), 0);
	snprintf(outside, sizeof(outside), "%s/secret.xml", f->root);
	put_text(AT_FDCWD, outside, "secret");
	assert_int_equal(symlinkat("../secret.xml", f->provisioning, "relative.xml"), 0);
	assert_int_equal(symlinkat(outside, f->provisioning, "absolute.xml"), 0);
	assert_int_equal(symlinkat("..", f->provisioning, "up"), 0);
	assert_int_equal(symlinkat("loop.xml", f->provisioning, "loop.xml"), 0);
	assert_int_equal(symlinkat("missing.xml", f->provisioning, "dangling.xml"), 0);
	assert_int_equal(mkfifoat(f->provisioning, "pipe.xml", 0644), 0);
	assert_found(f, "inside.xml", "real");
	assert_result(f, "relative.xml", CONTENT_REFUSED);
	assert_result(f, "absolute.xml", CONTENT_REFUSED);
	assert_result(f, "up/secret.xml", CONTENT_REFUSED);
	assert_result(f, "loop.xml", CONTENT_REFUSED);
	assert_result(f, "pipe.xml", CONTENT_REFUSED);
	assert_result(f, "dangling.xml", CONTENT_ABSENT);
	/* Nor does the director get to read them. */
	assert_result(f, "relative.xml.sgn", CONTENT_REFUSED);
	assert_int_equal(f->n_questions, 0);
	/* A link that led inside when it was kept and leads outside now. */
	unlinkat(f->provisioning, "inside.xml", 0);
	assert_int_equal(symlinkat("../secret.xml", f->provisioning, "inside.xml"), 0);
	assert_result(f, "inside.xml", CONTENT_REFUSED);
}

static void trust_lists(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, "CTLFile.tlv", "of another cluster");
	put_text(f->provisioning, "ITLFile.tlv", "of another cluster");
	put_text(f->published, "generation-000001/ITLFile.tlv", "itl 1");
	assert_result(f, "CTLFile.tlv", CONTENT_ABSENT);
	assert_result(f, "CTLSEP001122334455.tlv", CONTENT_ABSENT);
	assert_found(f, "ITLFile.tlv", "itl 1");
	assert_found(f, "ITLSEP001122334455.tlv", "itl 1");
	assert_found(f, "itlfile.TLV", "itl 1");
	put_text(f->published, "generation-000001/CTLFile.tlv", "ctl 1");
	assert_found(f, "CTLSEP001122334455.tlv", "ctl 1");

	/* One device has its own. */
	put_text(f->provisioning, "ITLSEP001122334455.tlv", "mine");
	assert_found(f, "ITLSEP001122334455.tlv", "mine");
	assert_found(f, "itlsep001122334455.tlv", "mine");
	assert_found(f, "ITLSEP001122334466.tlv", "itl 1");

	/* The next generation is in force as soon as the link is. */
	assert_int_equal(mkdirat(f->published, "generation-000002", 0755), 0);
	put_text(f->published, "generation-000002/ITLFile.tlv", "itl 2");
	assert_int_equal(symlinkat("generation-000002", f->published, "next"), 0);
	assert_int_equal(renameat(f->published, "next", f->published, "current"), 0);
	assert_found(f, "ITLFile.tlv", "itl 2");
	assert_result(f, "CTLFile.tlv", CONTENT_ABSENT);

	assert_result(f, "ext_ITLSEP001122334455.tlv", CONTENT_ABSENT);
	put_text(f->provisioning, "ext_ITLSEP001122334455.tlv", "ext");
	assert_found(f, "ext_ITLSEP001122334455.tlv", "ext");
}

/* The director answers the i-th question since the test began. */
static void director_answers(struct fixture *f, unsigned i, const char *cache_name)
{
	struct question *q = &f->questions[i % MAX_QUESTIONS];

	q->done(q->done_ctx, 0, cache_name, NULL);
}

static void signed_files_are_asked_for_once(void **state)
{
	struct fixture *f = *state;
	struct outcome *first, *second;

	put_text(f->provisioning, "SEP001122334455.cnf.xml", "config");
	put_text(f->published, "signed/one", "signed config");
	settle();
	first = ask_as(f, "sep001122334455.cnf.xml.sgn", false, NULL);
	assert_int_equal(first->calls, 0);
	assert_int_equal(f->n_questions, 1);
	assert_string_equal(f->questions[0].base, "SEP001122334455.cnf.xml"); /* as it is spelt on the disk */
	assert_string_equal(f->questions[0].name, "sep001122334455.cnf.xml.sgn"); /* as it was asked for */
	second = ask_as(f, "sep001122334455.cnf.xml.sgn", true, NULL);
	assert_int_equal(f->n_questions, 1);
	assert_int_equal(content_stats(f->c)->sign_joined, 1);
	director_answers(f, 0, "one");
	assert_text(first, "signed config");
	assert_text(second, "signed config");

	/* From now on without a question. */
	assert_found(f, "sep001122334455.cnf.xml.sgn", "signed config");
	assert_int_equal(f->n_questions, 1);

	/* Another spelling is another FILENAME, so another signature. */
	first = ask_as(f, "SEP001122334455.cnf.xml.sgn", false, NULL);
	assert_int_equal(f->n_questions, 2);
	director_answers(f, 1, "one");
	assert_text(first, "signed config");

	/* A changed file, another generation, a cache that was emptied: a question again. */
	put_text(f->provisioning, "SEP001122334455.cnf.xml", "confiG");
	put_text(f->published, "signed/two", "signed confiG");
	first = ask_as(f, "sep001122334455.cnf.xml.sgn", false, NULL);
	assert_int_equal(f->n_questions, 3);
	director_answers(f, 2, "two");
	assert_text(first, "signed confiG");
	settle();
	f->at_once = "two";
	assert_found(f, "sep001122334455.cnf.xml.sgn", "signed confiG");
	unsigned asked = f->n_questions;
	assert_found(f, "sep001122334455.cnf.xml.sgn", "signed confiG");
	assert_int_equal(f->n_questions, asked);
	content_set_epoch(f->c, 2);
	assert_found(f, "sep001122334455.cnf.xml.sgn", "signed confiG");
	assert_int_equal(f->n_questions, asked + 1);
	unlinkat(f->published, "signed/two", 0);
	put_text(f->published, "signed/three", "signed again");
	f->at_once = "three";
	assert_text(ask_as(f, "sep001122334455.cnf.xml.sgn", true, NULL), "signed again");
	assert_int_equal(f->n_questions, asked + 2);

	/* The base is gone: so is what was signed. */
	unlinkat(f->provisioning, "SEP001122334455.cnf.xml", 0);
	assert_result(f, "sep001122334455.cnf.xml.sgn", CONTENT_ABSENT);
	assert_int_equal(f->n_questions, asked + 2);
}

static void an_answer_for_an_old_generation_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct outcome *first, *second;

	put_text(f->provisioning, "a.xml", "a");
	put_text(f->published, "signed/old", "by the old key");
	put_text(f->published, "signed/new", "by the new key");
	settle();
	first = ask_as(f, "a.xml.sgn", false, NULL);
	content_set_epoch(f->c, 2);
	second = ask_as(f, "a.xml.sgn", false, NULL);
	assert_int_equal(f->n_questions, 2);
	director_answers(f, 1, "new");
	director_answers(f, 0, "old");
	assert_text(first, "by the old key");
	assert_text(second, "by the new key");
	assert_found(f, "a.xml.sgn", "by the new key");
	assert_int_equal(f->n_questions, 2);
}

static void failures_of_the_director(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct outcome *o;

	put_text(f->provisioning, "a.xml", "a");
	o = ask_as(f, "a.xml.sgn", false, NULL);
	int code = err_set(&e, ERR_CRYPTO, "no key");
	f->questions[0].done(f->questions[0].done_ctx, code, NULL, &e);
	assert_int_equal(o->result, CONTENT_FAILED);
	assert_string_equal(o->e.text, "no key");
	free(o);

	o = ask_as(f, "a.xml.sgn", false, NULL);
	e = ERR_INIT;
	errno = ENOENT;
	code = err_sys(&e, ERR_IO, "a.xml");
	f->questions[1].done(f->questions[1].done_ctx, code, NULL, &e);
	assert_int_equal(o->result, CONTENT_ABSENT);
	free(o);

	o = ask_as(f, "a.xml.sgn", false, NULL);
	director_answers(f, 2, "not-there");
	assert_int_equal(o->result, CONTENT_ABSENT);
	free(o);
	assert_int_equal(content_stats(f->c)->sign_asked, 3);
}

static void a_wait_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct content_wait *wait;
	struct outcome *gone, *stays, *forgotten;

	put_text(f->provisioning, "a.xml", "a");
	put_text(f->published, "signed/one", "signed a");
	settle();
	gone = ask_as(f, "a.xml.sgn", false, &wait);
	stays = ask_as(f, "a.xml.sgn", false, NULL);
	content_cancel(wait);
	director_answers(f, 0, "one");
	assert_int_equal(gone->calls, 0);
	assert_text(stays, "signed a");
	free(gone);

	/* Even if nobody waits any more, the answer is of use. */
	content_set_epoch(f->c, 2);
	gone = ask_as(f, "a.xml.sgn", false, &wait);
	content_cancel(wait);
	director_answers(f, 1, "one");
	assert_int_equal(gone->calls, 0);
	free(gone);
	assert_found(f, "a.xml.sgn", "signed a");
	assert_int_equal(f->n_questions, 2);

	/* What waits at the end gets no answer and leaves nothing behind. */
	content_set_epoch(f->c, 3);
	forgotten = ask_as(f, "a.xml.sgn", false, NULL);
	content_free(f->c);
	f->c = NULL;
	assert_int_equal(forgotten->calls, 0);
	free(forgotten);
}

static void signed_by_others(void **state)
{
	struct fixture *f = *state;

	put_text(f->published, "signed/one", "ours");
	f->at_once = "one";
	put_text(f->provisioning, "a.xml.sgn", "by hand");
	assert_found(f, "a.xml.sgn", "by hand");
	assert_found(f, "A.XML.sgn", "by hand");
	assert_int_equal(f->n_questions, 0);
	put_text(f->provisioning, "a.xml", "a"); /* from now on it is ours to sign */
	assert_found(f, "a.xml.sgn", "ours");

	/* Firmware is nobody's to sign. */
	unsigned asked = f->n_questions;
	put_text(f->provisioning, "cmterm.cop", "base");
	put_text(f->provisioning, "cmterm.cop.sgn", "by its maker");
	put_text(f->provisioning, "x.loads", "load");
	assert_found(f, "cmterm.cop.sgn", "by its maker");
	assert_result(f, "x.loads.sgn", CONTENT_ABSENT);
	assert_int_equal(f->n_questions, asked);
}

/* A folder whose names took long to read, on a busy machine, is not read again at once. */
static void wait_for_other_case(struct fixture *f, const char *name)
{
	for (int i = 0; i < 1000; i++) {
		struct outcome *o = ask_as(f, name, false, NULL);
		bool found = o->result == CONTENT_FOUND;
		if (found)
			content_file_unref(o->file);
		free(o);
		if (found)
			return;
		usleep(10000);
	}
}

static void a_plain_configuration_hides_behind_its_encrypted_form(void **state)
{
	struct fixture *f = *state;

	put_text(f->published, "signed/one", "ours");
	f->at_once = "one";
	put_text(f->provisioning, "SEP001122334455.cnf.xml", "password");
	assert_found(f, "SEP001122334455.cnf.xml", "password");
	assert_found(f, "SEP001122334455.cnf.xml.sgn", "ours");
	assert_result(f, "SEP001122334455.cnf.xml.enc.sgn", CONTENT_ABSENT);
	put_text(f->provisioning, "sep001122334455.cnf.xml.enc.sgn", "encrypted"); /* case does not matter here either */
	wait_for_other_case(f, "SEP001122334455.cnf.xml.enc.sgn");
	assert_found(f, "SEP001122334455.cnf.xml.enc.sgn", "encrypted");
	assert_result(f, "SEP001122334455.cnf.xml", CONTENT_ABSENT);
	assert_result(f, "sep001122334455.cnf.XML", CONTENT_ABSENT);
	assert_result(f, "SEP001122334455.cnf.xml.sgn", CONTENT_ABSENT);
	/* The signed stub that was made with it is what the phone asks for first. */
	put_text(f->provisioning, "SEP001122334455.cnf.xml.sgn", "stub");
	assert_found(f, "SEP001122334455.cnf.xml.sgn", "stub");
}

static void large_files_are_read_from_the_disk(void **state)
{
	struct fixture *f = *state;
	size_t n = CONTENT_SMALL + 1;
	uint8_t *data = calloc(1, n);
	char end[2];
	struct err e = ERR_INIT;
	struct outcome *a, *b;

	put(f->provisioning, "big.loads", data, n);
	settle();
	a = ask_as(f, "big.loads", false, NULL);
	b = ask_as(f, "big.loads", false, NULL);
	assert_ptr_equal(a->file, b->file); /* one descriptor for all */
	assert_null(a->file->bytes);
	assert_true(a->file->fd >= 0);
	assert_ok(content_file_read(a->file, n - 1, end, 1, &e), &e);
	assert_err(content_file_read(a->file, n - 1, end, 2, &e), ERR_IO);
	assert_int_equal(e.sys_errno, ESTALE);
	assert_false(content_file_changed(a->file));

	/* Replaced: who has the old one keeps it whole. Written over: who has it learns that. */
	put(f->provisioning, "new", data, 10);
	assert_int_equal(renameat(f->provisioning, "new", f->provisioning, "big.loads"), 0);
	assert_false(content_file_changed(a->file));
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	content_file_unref(a->file);
	content_file_unref(b->file);
	put(f->provisioning, "big.loads", data, n);
	struct outcome *c = ask_as(f, "big.loads", false, NULL);
	put(f->provisioning, "big.loads", data, n - 5);
	assert_true(content_file_changed(c->file));
	content_file_unref(c->file);

	/* A private file is taken with its descriptor, at the start. */
	struct outcome *d = ask_as(f, "big.loads", true, NULL);
	fd = content_file_take_fd(d->file);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	content_file_unref(d->file);
	free(a);
	free(b);
	free(c);
	free(d);
	free(data);
}

static void memory_is_bounded(void **state)
{
	enum { FILES = 600 };
	struct fixture *f = *state;
	uint8_t *data = malloc(CONTENT_SMALL);
	struct outcome *held[FILES];
	char name[32];

	memset(data, 'x', CONTENT_SMALL);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d.xml", i);
		put(f->provisioning, name, data, CONTENT_SMALL);
	}
	/* Held by nobody: the oldest make room. */
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d.xml", i);
		struct outcome *o = ask_as(f, name, false, NULL);
		assert_non_null(o->file->bytes);
		content_file_unref(o->file);
		free(o);
		assert_true(content_stats(f->c)->memory <= CONTENT_MEMORY);
	}
	/* Held by transfers: those for which there is no room are served from the disk. */
	unsigned in_memory = 0;
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d.xml", i);
		held[i] = ask_as(f, name, false, NULL);
		assert_int_equal(held[i]->result, CONTENT_FOUND);
		in_memory += held[i]->file->bytes != NULL;
		assert_true(content_stats(f->c)->memory <= CONTENT_MEMORY);
	}
	assert_int_equal(in_memory, CONTENT_MEMORY / CONTENT_SMALL);
	for (int i = 0; i < FILES; i++) {
		content_file_unref(held[i]->file);
		free(held[i]);
	}
	assert_true(content_stats(f->c)->files <= in_memory + CONTENT_MAX_OPEN);
	free(data);
}

#define content_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

/* --- phones with an encrypted configuration --- */

#define ENCRYPTED_PHONE "SEP001122334455"

static void encrypt_phones(struct fixture *f, bool complete)
{
	struct phone_index_item items[] = {
		{ENCRYPTED_PHONE, PHONE_INDEX_ENCRYPTED, 1},
		{"CSFalice.smith", PHONE_INDEX_ENCRYPTED, 2},
		{"SEP001122334466", PHONE_INDEX_SHA1, 3},
	};

	put_phones(f, complete, items, 3);
}

/* Asked of the director under this name; the answer is served. */
static void assert_made(struct fixture *f, const char *asked, const char *base, const char *name)
{
	struct content_wait *wait;
	struct outcome *o = ask_as(f, asked, false, &wait);

	assert_non_null(wait);
	const struct question *q = &f->questions[(f->n_questions - 1) % MAX_QUESTIONS];
	assert_string_equal(q->base, base);
	assert_string_equal(q->name, name);
	director_answers(f, f->n_questions - 1, "aa/made");
	assert_text(o, "made");
}

static void encrypted_configurations_are_made_by_the_director(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	put_text(f->provisioning, "CSFalice.smith.cnf.xml", "secret");
	put_text(f->provisioning, "SEP001122334466.cnf.xml", "open");
	assert_int_equal(mkdirat(f->published, "signed/aa", 0755), 0);
	put_text(f->published, "signed/aa/made", "made");
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml", "secret"); /* as long as it is none */
	assert_found(f, "CSFalice.smith.cnf.xml", "secret");
	encrypt_phones(f, false);
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml");
	assert_made(f, "sep001122334455.CNF.xml", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml");
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml.sgn", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml.sgn");
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml.enc.sgn", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml.enc.sgn");
	assert_made(f, "csfalice.smith.cnf.xml", "CSFalice.smith.cnf.xml", "CSFalice.smith.cnf.xml");
	/* Others go on as they were. */
	assert_found(f, "SEP001122334466.cnf.xml", "open");
	assert_result(f, "SEP001122334466.cnf.xml.enc.sgn", CONTENT_ABSENT);
}

static void nothing_that_may_hold_the_secret_is_served(void **state)
{
	static const char *const names[] = {
		ENCRYPTED_PHONE,
		ENCRYPTED_PHONE ".xml",
		ENCRYPTED_PHONE ".cnf",
		ENCRYPTED_PHONE ".cnf.xml~",
		ENCRYPTED_PHONE ".cnf.xml.bak",
		ENCRYPTED_PHONE ".cnf.xml.sgn.sgn",
		"#" ENCRYPTED_PHONE ".cnf.xml#",
		"old-sep001122334455.CNF.XML",
		ENCRYPTED_PHONE "-2.cnf.xml",
		"SEPsep001122334455.cnf.xml",
		"CSFalice.smith.cnf.xml.orig",
		"csfalice.smith",
		"csfalice.smith.txt",
		ENCRYPTED_PHONE ".txt",
		ENCRYPTED_PHONE "-rings.xml",
		"sep001122334455 (copy)",
		"backup/" ENCRYPTED_PHONE ".cnf.xml",
	};
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->provisioning, "backup", 0755), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char signed_name[128];

		put_text(f->provisioning, names[i], "secret");
		put_phones(f, false, NULL, 0);
		assert_found(f, names[i], "secret");
		encrypt_phones(f, false);
		assert_result(f, names[i], CONTENT_REFUSED);
		snprintf(signed_name, sizeof(signed_name), "%s.sgn", names[i]);
		assert_result(f, signed_name, strstr(names[i], ".sgn") ? CONTENT_ABSENT : CONTENT_REFUSED);
	}
	assert_int_equal(f->n_questions, 0);

	/* Other phones with a name that begins like it. */
	put_text(f->provisioning, ENCRYPTED_PHONE "6.txt", "longer");
	put_text(f->provisioning, "CSFalice.smith-jones.cnf.xml", "another");
	put_text(f->provisioning, "SEP0011223344.cnf.xml", "other");
	put_text(f->provisioning, "CSFalice.cnf.xml", "other");
	assert_found(f, ENCRYPTED_PHONE "6.txt", "longer");
	assert_found(f, "CSFalice.smith-jones.cnf.xml", "another");
	assert_found(f, "SEP0011223344.cnf.xml", "other");
	assert_found(f, "CSFalice.cnf.xml", "other");
}

static void links_to_the_secret(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	assert_int_equal(mkdirat(f->provisioning, "sub", 0755), 0);
	assert_int_equal(symlinkat(ENCRYPTED_PHONE ".cnf.xml", f->provisioning, "one.xml"), 0);
	assert_int_equal(symlinkat("one.xml", f->provisioning, "two.xml"), 0);
	assert_int_equal(symlinkat("../two.xml", f->provisioning, "sub/three.xml"), 0);
	assert_int_equal(symlinkat(".", f->provisioning, "here"), 0);
	encrypt_phones(f, false);
	assert_result(f, "one.xml", CONTENT_REFUSED);
	assert_result(f, "ONE.XML", CONTENT_REFUSED);
	assert_result(f, "two.xml", CONTENT_REFUSED);
	assert_result(f, "two.xml.sgn", CONTENT_REFUSED);
	assert_result(f, "sub/three.xml", CONTENT_REFUSED);
	assert_result(f, "here/" ENCRYPTED_PHONE ".cnf.xml", CONTENT_REFUSED);
	assert_result(f, "here/here/one.xml", CONTENT_REFUSED);
	assert_int_equal(f->n_questions, 0);
}

static void hard_link(struct fixture *f, const char *from, const char *to)
{
	assert_int_equal(linkat(f->provisioning, from, f->provisioning, to, 0), 0);
}

static void hard_links_of_the_secret(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	put_text(f->provisioning, "rings.xml", "rings");
	assert_int_equal(mkdirat(f->provisioning, "sub", 0755), 0);
	hard_link(f, "rings.xml", "more.xml");
	hard_link(f, ENCRYPTED_PHONE ".cnf.xml", "hard.txt");
	hard_link(f, ENCRYPTED_PHONE ".cnf.xml", "sub/hard.txt");
	assert_found(f, "hard.txt", "secret");
	encrypt_phones(f, false);
	assert_result(f, "hard.txt", CONTENT_REFUSED);
	assert_result(f, "hard.txt.sgn", CONTENT_REFUSED);
	assert_result(f, "sub/hard.txt", CONTENT_REFUSED);
	assert_found(f, "more.xml", "rings");
	/* What is linked later, also to a name that another phone's configuration has. */
	hard_link(f, ENCRYPTED_PHONE ".cnf.xml", "late.txt");
	assert_result(f, "late.txt", CONTENT_REFUSED);
	hard_link(f, ENCRYPTED_PHONE ".cnf.xml", "SEP0011223344AA.cnf.xml");
	assert_result(f, "SEP0011223344AA.cnf.xml", CONTENT_REFUSED);
	encrypt_phones(f, true); /* and also when configurations are completed */
	assert_result(f, "SEP0011223344AA.cnf.xml", CONTENT_REFUSED);
	assert_found(f, "more.xml", "rings");
	put_phones(f, false, NULL, 0);
	assert_found(f, "late.txt", "secret");
}

/* Signed before, and asked for before: neither answer holds when the configuration has become a secret. */
static void becoming_secret(void **state)
{
	struct fixture *f = *state;
	struct content_wait *wait;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	assert_int_equal(mkdirat(f->published, "signed/aa", 0755), 0);
	put_text(f->published, "signed/aa/secret", "signed secret");
	put_text(f->published, "signed/aa/made", "made");
	settle();
	struct outcome *o = ask_as(f, ENCRYPTED_PHONE ".cnf.xml.sgn", false, &wait);
	director_answers(f, 0, "aa/secret");
	assert_text(o, "signed secret");
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml.sgn", "signed secret");
	assert_int_equal(f->n_questions, 1);

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret 2");
	o = ask_as(f, ENCRYPTED_PHONE ".cnf.xml.sgn", false, &wait);
	encrypt_phones(f, false);
	director_answers(f, 1, "aa/secret");
	assert_int_equal(o->result, CONTENT_FAILED);
	free(o);
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml.sgn", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml.sgn");
}

static void another_certificate_asks_anew(void **state)
{
	struct phone_index_item item = {ENCRYPTED_PHONE, PHONE_INDEX_ENCRYPTED, 1};
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	assert_int_equal(mkdirat(f->published, "signed/aa", 0755), 0);
	put_text(f->published, "signed/aa/made", "made");
	settle();
	put_phones(f, false, &item, 1);
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml.sgn", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml.sgn");
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml.sgn", "made");
	assert_int_equal(f->n_questions, 1);
	item.tag = 2;
	put_phones(f, false, &item, 1);
	assert_made(f, ENCRYPTED_PHONE ".cnf.xml.sgn", ENCRYPTED_PHONE ".cnf.xml", ENCRYPTED_PHONE ".cnf.xml.sgn");
	assert_int_equal(f->n_questions, 2);
}

static void in_doubt_no_configuration_is_served(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml", "secret");
	put_text(f->provisioning, ENCRYPTED_PHONE ".xml", "secret");
	put_text(f->provisioning, "XMLDefault.cnf.xml", "default");
	put_text(f->provisioning, "RingList.xml", "rings");
	for (int damaged = 0; damaged < 2; damaged++) {
		unlinkat(f->published, PHONE_INDEX_FILE, 0);
		if (damaged)
			put_text(f->published, PHONE_INDEX_FILE, "RFPHONES and nothing else");
		assert_result(f, ENCRYPTED_PHONE ".cnf.xml", CONTENT_REFUSED);
		assert_result(f, ENCRYPTED_PHONE ".cnf.xml.sgn", CONTENT_REFUSED);
		assert_result(f, ENCRYPTED_PHONE ".xml", CONTENT_REFUSED);
		assert_result(f, "XMLDefault.cnf.xml", CONTENT_REFUSED);
		assert_found(f, "RingList.xml", "rings");
	}
	put_phones(f, false, NULL, 0);
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml", "secret");
}

static void completed_configurations(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, "SEP001122334477.cnf.xml", "open");
	put_text(f->provisioning, "XMLDefault.cnf.xml", "default");
	put_text(f->provisioning, "dialplan.xml", "plan");
	assert_int_equal(mkdirat(f->published, "signed/aa", 0755), 0);
	put_text(f->published, "signed/aa/made", "made");
	encrypt_phones(f, true);
	assert_made(f, "SEP001122334477.cnf.xml", "SEP001122334477.cnf.xml", "SEP001122334477.cnf.xml");
	assert_made(f, "SEP001122334477.cnf.xml.sgn", "SEP001122334477.cnf.xml", "SEP001122334477.cnf.xml.sgn");
	assert_found(f, "dialplan.xml", "plan");
}

/* A pair that the operator made elsewhere, of a phone whose record says that it is encrypted. */
static void pairs_of_the_operator(void **state)
{
	struct fixture *f = *state;

	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml.sgn", "short");
	put_text(f->provisioning, ENCRYPTED_PHONE ".cnf.xml.enc.sgn", "encrypted");
	encrypt_phones(f, false);
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml.sgn", "short");
	assert_found(f, ENCRYPTED_PHONE ".cnf.xml.enc.sgn", "encrypted");
	unlinkat(f->provisioning, ENCRYPTED_PHONE ".cnf.xml.enc.sgn", 0);
	assert_result(f, ENCRYPTED_PHONE ".cnf.xml.sgn", CONTENT_REFUSED);
}

static void lists_with_sha1(void **state)
{
	struct fixture *f = *state;

	put_text(f->published, "generation-000001/CTLFile.tlv", "ctl 512");
	put_text(f->published, "generation-000001/ITLFile.tlv", "itl 512");
	encrypt_phones(f, false);
	assert_found(f, "ITLSEP001122334466.tlv", "itl 512"); /* there is no other */
	put_text(f->published, "generation-000001/CTLFile.sha1.tlv", "ctl 1");
	put_text(f->published, "generation-000001/ITLFile.sha1.tlv", "itl 1");
	assert_found(f, "CTLSEP001122334466.tlv", "ctl 1");
	assert_found(f, "itlsep001122334466.tlv", "itl 1");
	assert_found(f, "ITLSEP001122334455.tlv", "itl 512");
	assert_found(f, "ITLFile.tlv", "itl 512");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		content_test(plain_files),
		content_test(wrong_case_is_found),
		content_test(changes_show_at_the_next_request),
		content_test(links_stay_within_the_folder),
		content_test(trust_lists),
		content_test(signed_files_are_asked_for_once),
		content_test(an_answer_for_an_old_generation_is_not_kept),
		content_test(failures_of_the_director),
		content_test(a_wait_can_be_cancelled),
		content_test(signed_by_others),
		content_test(a_plain_configuration_hides_behind_its_encrypted_form),
		content_test(large_files_are_read_from_the_disk),
		content_test(memory_is_bounded),
		cmocka_unit_test_setup_teardown(encrypted_configurations_are_made_by_the_director, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_that_may_hold_the_secret_is_served, setup, teardown),
		cmocka_unit_test_setup_teardown(links_to_the_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(hard_links_of_the_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(becoming_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(another_certificate_asks_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(in_doubt_no_configuration_is_served, setup, teardown),
		cmocka_unit_test_setup_teardown(completed_configurations, setup, teardown),
		cmocka_unit_test_setup_teardown(pairs_of_the_operator, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_with_sha1, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
