#pragma once

/* Somebody who talks to a node: the client's half of a control connection, in the same process. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/server.h"

struct talk {
	struct admin_host host;
	struct admin_conn *conn;
	struct wr out;              /* what the node sent and nobody has read */
	char text[2 * 1024 * 1024]; /* OUTPUT that came */
	char error[1000];           /* ERROR that came */
	char prompt[200];           /* the last PROMPT */
	int prompt_kind;
	char files[200];            /* "name:octets " of each whole file */
	int status;                 /* of DONE, -1 before it */
};

static inline void talk_append(char *to, size_t size, struct view v)
{
	size_t n = strlen(to);

	assert_true(n + v.len < size);
	memcpy(to + n, v.p, v.len);
	to[n + v.len] = '\0';
}

/* Read what the node has sent, as a client would. */
static inline void talk_hear(struct talk *t)
{
	static char name[64];
	static uint64_t octets, announced;
	struct view in = wr_view_all(&t->out), v;
	struct control_frame f;
	enum control_prompt kind;
	uint8_t status;
	size_t used;
	struct err e = ERR_INIT;

	for (; control_next(in, &f, &used, &e) == 0; in = (struct view){in.p + used, in.len - used}) {
		assert_int_equal(t->status, -1);
		if (f.type == CONTROL_OUTPUT)
			talk_append(t->text, sizeof(t->text), f.body);
		else if (f.type == CONTROL_ERROR)
			talk_append(t->error, sizeof(t->error), f.body);
		else if (f.type == CONTROL_PROMPT) {
			assert_ok(control_get_prompt(f.body, &kind, &v, &e), &e);
			t->prompt[0] = '\0';
			talk_append(t->prompt, sizeof(t->prompt), v);
			t->prompt_kind = kind;
		} else if (f.type == CONTROL_FILE) {
			assert_ok(control_get_file(f.body, &announced, &v, &e), &e);
			name[0] = '\0';
			talk_append(name, sizeof(name), v);
			octets = 0;
		} else if (f.type == CONTROL_DATA) {
			octets += f.body.len;
		} else if (f.type == CONTROL_FILE_END) {
			assert_int_equal(octets, announced);
			sprintf(t->files + strlen(t->files), "%s:%u ", name, (unsigned)octets);
		} else {
			assert_int_equal(f.type, CONTROL_DONE);
			assert_ok(control_get_done(f.body, &status, &e), &e);
			t->status = status;
		}
	}
	assert_int_equal(in.len, 0);
	wr_clear(&t->out);
	wr_init(&t->out, 1 << 20);
}

/* Give octets to the node and let it go on for as long as it wants to. Returns its error. */
static inline int talk_give(struct talk *t, struct view in, struct err *e)
{
	enum admin_conn_want want = ADMIN_CONN_MORE;

	while (want == ADMIN_CONN_MORE || want == ADMIN_CONN_BUSY) {
		int rc = admin_conn_step(t->conn, in, &t->out, &want, e);
		if (rc < 0)
			return rc;
		assert_true(t->out.len <= ADMIN_CONN_OUT_MAX + 2 * CONTROL_CHUNK + 4096);
		talk_hear(t);
		in = (struct view){0};
	}
	return 0;
}

static inline void talk_tell(struct talk *t, enum control_type type, const char *text)
{
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, 1 << 20);
	control_put(&w, type, view_str(text));
	assert_ok(talk_give(t, wr_view_all(&w), &e), &e);
	wr_clear(&w);
}

static inline void talk_put_request(struct wr *w, const char *line, uint8_t flags)
{
	struct control_request q = {.flags = flags, .columns = 80};
	struct err e = ERR_INIT;
	char *copy = strdup(line);

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		q.words[q.n_words++] = view_str(word);
	wr_init(w, 1 << 20);
	assert_ok(control_put_request(w, &q, &e), &e);
	free(copy);
}

static inline void talk_request(struct talk *t, const char *line, uint8_t flags)
{
	struct err e = ERR_INIT;
	struct wr w;

	t->text[0] = t->error[0] = t->prompt[0] = t->files[0] = '\0';
	t->status = -1;
	talk_put_request(&w, line, flags);
	assert_ok(talk_give(t, wr_view_all(&w), &e), &e);
	wr_clear(&w);
}
