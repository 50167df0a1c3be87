#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "admin/control.h"

/* Everything a conversation can hold, one message after the other. */
static void write_all(struct wr *w)
{
	struct control_request q = {.flags = CONTROL_TTY, .columns = 132, .n_words = 3};
	struct err e = ERR_INIT;

	q.words[0] = view_str("run");
	q.words[1] = view_str("sql");
	q.words[2] = view_str("select 'a b' from processconfig");
	q.quoted[2] = true;
	wr_init(w, 1 << 20);
	assert_ok(control_put_request(w, &q, &e), &e);
	assert_true(control_put(w, CONTROL_ANSWER, view_str("y")));
	assert_true(control_put(w, CONTROL_CANCEL, (struct view){0}));
	assert_true(control_put_text(w, CONTROL_OUTPUT, view_str("two\nlines\n")));
	assert_true(control_put_text(w, CONTROL_ERROR, view_str("no\n")));
	assert_true(control_put_prompt(w, CONTROL_PROMPT_SECRET, "Password: "));
	assert_true(control_put_file(w, 4947, "CTLFile.tlv"));
	assert_true(control_put(w, CONTROL_DATA, (struct view){(const uint8_t *)"\x01\x00\x02", 3}));
	assert_true(control_put(w, CONTROL_FILE_END, (struct view){0}));
	assert_true(control_put_done(w, 1));
}

/* Decode the body as its type says. */
static int decode(const struct control_frame *f, struct err *e)
{
	struct control_request q;
	enum control_prompt kind;
	struct view v;
	uint64_t size;
	uint8_t status;

	switch (f->type) {
	case CONTROL_REQUEST:
		return control_get_request(f->body, &q, e);
	case CONTROL_PROMPT:
		return control_get_prompt(f->body, &kind, &v, e);
	case CONTROL_FILE:
		return control_get_file(f->body, &size, &v, e);
	case CONTROL_DONE:
		return control_get_done(f->body, &status, e);
	case CONTROL_DATA:
		return 0;
	default:
		return control_get_text(f->body, &v, e);
	}
}

static void test_round_trip(void **state)
{
	struct wr w;
	struct control_frame f;
	struct control_request q;
	enum control_prompt kind;
	struct view v;
	uint64_t size;
	uint8_t status;
	size_t used;
	struct err e = ERR_INIT;

	(void)state;
	write_all(&w);
	struct view in = wr_view_all(&w);
#define NEXT(t)                                                                                                        \
	assert_ok(control_next(in, &f, &used, &e), &e);                                                                    \
	assert_int_equal(f.type, t);                                                                                   \
	in = (struct view){in.p + used, in.len - used}
	NEXT(CONTROL_REQUEST);
	assert_ok(control_get_request(f.body, &q, &e), &e);
	assert_int_equal(q.flags, CONTROL_TTY);
	assert_int_equal(q.columns, 132);
	assert_int_equal(q.n_words, 3);
	assert_true(view_eq(q.words[2], view_str("select 'a b' from processconfig")));
	assert_false(q.quoted[1]);
	assert_true(q.quoted[2]);
	NEXT(CONTROL_ANSWER);
	assert_ok(control_get_text(f.body, &v, &e), &e);
	assert_true(view_eq(v, view_str("y")));
	NEXT(CONTROL_CANCEL);
	NEXT(CONTROL_OUTPUT);
	NEXT(CONTROL_ERROR);
	NEXT(CONTROL_PROMPT);
	assert_ok(control_get_prompt(f.body, &kind, &v, &e), &e);
	assert_int_equal(kind, CONTROL_PROMPT_SECRET);
	assert_true(view_eq(v, view_str("Password: ")));
	NEXT(CONTROL_FILE);
	assert_ok(control_get_file(f.body, &size, &v, &e), &e);
	assert_int_equal(size, 4947);
	assert_true(view_eq(v, view_str("CTLFile.tlv")));
	NEXT(CONTROL_DATA);
	assert_int_equal(f.body.len, 3);
	NEXT(CONTROL_FILE_END);
	NEXT(CONTROL_DONE);
	assert_ok(control_get_done(f.body, &status, &e), &e);
	assert_int_equal(status, 1);
	assert_int_equal(in.len, 0);
	wr_clear(&w);
}

/* Cut anywhere, the messages before the cut are whole and the one it is in is awaited. */
static void test_cut_at_every_length(void **state)
{
	struct wr w;

	(void)state;
	write_all(&w);
	struct view all = wr_view_all(&w);
	for (size_t n = 0; n < all.len; n++) {
		/* On the heap in its exact size, so that the sanitizer sees a step too far. */
		uint8_t *copy = malloc(n + 1);
		struct view in = {copy, n};
		struct control_frame f;
		size_t used;
		struct err e = ERR_INIT;
		int rc;

		memcpy(copy, all.p, n);
		while ((rc = control_next(in, &f, &used, &e)) == 0) {
			assert_ok(decode(&f, &e), &e);
			in = (struct view){in.p + used, in.len - used};
		}
		assert_int_equal(rc, ERR_AGAIN);
		free(copy);
	}
	wr_clear(&w);
}

/* A body cut short is refused, except where what is left is a shorter text. */
static void test_cut_bodies(void **state)
{
	struct wr w;
	struct control_frame f;
	size_t used;
	struct err e = ERR_INIT;

	(void)state;
	write_all(&w);
	struct view in = wr_view_all(&w);
	while (in.len) {
		assert_ok(control_next(in, &f, &used, &e), &e);
		for (size_t n = 0; n < f.body.len; n++) {
			struct control_frame cut = {f.type, {f.body.p, n}};
			struct err why = ERR_INIT;
			int rc = decode(&cut, &why);
			if (f.type == CONTROL_REQUEST || f.type == CONTROL_DONE || (f.type == CONTROL_FILE && n <= 8))
				assert_int_equal(rc, ERR_PROTO);
			else if (rc < 0)
				assert_int_equal(rc, ERR_PROTO);
		}
		in = (struct view){in.p + used, in.len - used};
	}
	wr_clear(&w);
}

static void test_flip_every_octet(void **state)
{
	struct wr w;

	(void)state;
	write_all(&w);
	struct view all = wr_view_all(&w);
	uint8_t *copy = malloc(all.len);
	for (size_t i = 0; i < all.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct view in = {copy, all.len};
			struct control_frame f;
			size_t used;
			struct err e = ERR_INIT;
			int rc;

			memcpy(copy, all.p, all.len);
			copy[i] ^= (uint8_t)(1 << bit);
			while ((rc = control_next(in, &f, &used, &e)) == 0) {
				struct err why = ERR_INIT;
				int body = decode(&f, &why);
				assert_true(body == 0 || body == ERR_PROTO);
				in = (struct view){in.p + used, in.len - used};
			}
			assert_true(rc == ERR_AGAIN || rc == ERR_PROTO);
		}
	}
	free(copy);
	wr_clear(&w);
}

static void refused(const char *octets, size_t n, const char *rule)
{
	struct control_frame f;
	size_t used;
	struct err e = ERR_INIT;
	int rc = control_next((struct view){(const uint8_t *)octets, n}, &f, &used, &e);

	if (rc == 0)
		rc = decode(&f, &e);
	assert_int_equal(rc, ERR_PROTO);
	assert_string_equal(e.rule, rule);
}

static void test_refused(void **state)
{
	(void)state;
	refused("\x00", 1, "control-type");
	refused("\x06", 1, "control-type");
	refused("\x17", 1, "control-type");
	refused("\x10\x00\x01\x00\x01", 5, "control-length");
	refused("\x01\x00\x00\x00\x01\x02", 6, "control-version");
	refused("\x01\x00\x00\x00\x06\x01\x00\x00\x00\x00\x00", 11, "control-words");
	refused("\x01\x00\x00\x00\x06\x01\x00\x00\x00\x00\x41", 11, "control-words");
	refused("\x01\x00\x00\x00\x0a\x01\x00\x00\x00\x00\x01\x00\x00\x01\x00", 15, "control-text");
	refused("\x01\x00\x00\x00\x0b\x01\x00\x00\x00\x00\x01\x00\x00\x01xx", 16, "control-body");
	refused("\x01\x00\x00\x00\x0a\x01\x00\x00\x00\x00\x01\x02\x00\x01x", 15, "control-body");
	refused("\x02\x00\x00\x00\x01\x00", 6, "control-text");
	refused("\x12\x00\x00\x00\x02\x03x", 7, "control-body");
	refused("\x16\x00\x00\x00\x02\x00\x00", 7, "control-body");
}

static void refused_name(const char *name, size_t n)
{
	char octets[300] = "\x13\x00\x00\x00\x00" "\x00\x00\x00\x00\x00\x00\x00\x01";

	octets[3] = (char)((8 + n) >> 8);
	octets[4] = (char)(8 + n);
	memcpy(octets + 13, name, n);
	refused(octets, 13 + n, "control-name");
}

/* The client makes a file of this name: it must not lead anywhere else. */
static void test_refused_names(void **state)
{
	char longer[256];

	(void)state;
	memset(longer, 'a', sizeof(longer));
	refused_name("", 0);
	refused_name(".", 1);
	refused_name("..", 2);
	refused_name("a/b", 3);
	refused_name("/etc", 4);
	refused_name("a\0b", 3);
	refused_name("a\x1b[2J", 5);
	refused_name(longer, sizeof(longer));
}

/* Long texts travel in pieces that end between characters. */
static void test_long_text(void **state)
{
	const size_t n = 3 * CONTROL_CHUNK;
	uint8_t *text = malloc(n);
	struct wr w;
	struct control_frame f;
	size_t used, seen = 0;
	struct err e = ERR_INIT;

	(void)state;
	text[0] = 'x'; /* so that the cut would fall between the octets of a character */
	for (size_t i = 1; i < n; i++)
		text[i] = i % 2 ? 0xc3 : 0xa9;
	text[n - 1] = 'x';
	wr_init(&w, 1 << 20);
	assert_true(control_put_text(&w, CONTROL_OUTPUT, (struct view){text, n}));
	for (struct view in = wr_view_all(&w); in.len; in = (struct view){in.p + used, in.len - used}) {
		assert_ok(control_next(in, &f, &used, &e), &e);
		assert_true(f.body.len <= CONTROL_CHUNK);
		assert_memory_equal(f.body.p, text + seen, f.body.len);
		assert_true((f.body.p[0] & 0xc0) != 0x80);
		seen += f.body.len;
	}
	assert_int_equal(seen, n);
	wr_clear(&w);
	free(text);
}

static void test_writer_limits(void **state)
{
	struct control_request q = {.n_words = 0};
	struct err e = ERR_INIT;
	struct wr w;
	static char big[CONTROL_BODY_MAX + 1];

	(void)state;
	wr_init(&w, 1 << 20);
	assert_err(control_put_request(&w, &q, &e), ERR_LIMIT);
	q.n_words = 2;
	memset(big, 'a', sizeof(big) - 1);
	q.words[0] = q.words[1] = (struct view){(const uint8_t *)big, CONTROL_BODY_MAX / 2};
	err_clear(&e);
	assert_err(control_put_request(&w, &q, &e), ERR_LIMIT);
	assert_int_equal(w.len, 0);
	assert_false(control_put(&w, CONTROL_DATA, (struct view){(const uint8_t *)big, CONTROL_BODY_MAX + 1}));
	wr_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_cut_bodies),       cmocka_unit_test(test_flip_every_octet),
		cmocka_unit_test(test_refused),          cmocka_unit_test(test_refused_names),
		cmocka_unit_test(test_long_text),        cmocka_unit_test(test_writer_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
