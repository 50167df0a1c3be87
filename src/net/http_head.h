#pragma once

#include "base/bytes.h"
#include "net/http.h"

/* The head of an HTTP request: pure. Source: RFC 9112 2, 3, 5; RFC 9110 7, 9. */
struct http_head {
	enum http_method method;
	struct view target;        /* as it stands in the request line */
	bool keep_alive;
};

/*
 * http_head_end: octets up to and with the empty line that ends the head; 0 when it is not there yet.
 * Out: *status is set when there can be no good end any more: 400 a line feed without carriage return, 414 the request
 *      line is too long, 431 the fields are.
 */
size_t http_head_end(struct view data, unsigned *status);

/*
 * http_head_parse: take apart what http_head_end found.
 * Returns 0, or the status to refuse it with: 400 malformed, or GET with a body; 405 another method; 431 too many
 * fields; 505 not HTTP/1. After a refusal the connection ends, because nobody knows where the next request begins.
 */
unsigned http_head_parse(struct view head, struct http_head *h) MUST_CHECK;

/*
 * http_target_path: the path of a request target ("/a%20b?x", "http://host/a"), as provision_decode_url makes it.
 * False when it is no path, or one that provision_decode_url refuses.
 */
bool http_target_path(struct view target, char *out, size_t size);

const char *http_reason(unsigned status); /* "Not Found" */
