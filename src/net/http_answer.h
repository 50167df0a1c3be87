#pragma once

#include "base/bytes.h"

/* The head of an HTTP answer, as a client reads it: pure. */
#define HTTP_ANSWER_HEAD_MAX 8192
#define HTTP_TO_THE_END UINT64_MAX

struct http_answer {
	unsigned status;
	size_t head_len;      /* octets of status line, fields and empty line */
	uint64_t body_len;    /* HTTP_TO_THE_END: until the connection ends */
};

/*
 * http_answer_read: Errors: ERR_AGAIN the head is not whole yet; ERR_PROTO "http-answer": no HTTP, a head without end, or a
 * body whose length nobody can know (chunks were not asked for).
 */
int http_answer_read(struct view data, struct http_answer *a, struct err *e) MUST_CHECK;
