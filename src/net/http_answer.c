#include "net/http_answer.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* One line without its end into out; false when there is none, or it does not fit. */
static bool line_of(struct rd *r, char *out, size_t size)
{
	size_t n = 0;
	uint8_t c;

	while (rd_u8(r, &c) && c != '\n') {
		if (n == size - 1 || !c)
			return false;
		out[n++] = (char)c;
	}
	if (n && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return !r->failed;
}

/* "HTTP/1.1 200 OK" */
static unsigned status_of(const char *line)
{
	char digits[4] = "";
	uint64_t status;

	if (strncmp(line, "HTTP/1.", 7) || strlen(line) < 12 || line[8] != ' ')
		return 0;
	memcpy(digits, line + 9, 3);
	return text_number(digits, 100, 599, &status) ? (unsigned)status : 0;
}

static bool take_field(const char *line, struct http_answer *a)
{
	if (!strncasecmp(line, "Transfer-Encoding:", 18))
		return false;
	if (strncasecmp(line, "Content-Length:", 15))
		return true;
	return text_number(line + 15 + strspn(line + 15, " \t"), 0, UINT32_MAX, &a->body_len);
}

int http_answer_read(struct view data, struct http_answer *out, struct err *e)
{
	const uint8_t *end = data.len ? memmem(data.p, data.len, "\r\n\r\n", 4) : NULL;
	struct http_answer a = {.body_len = HTTP_TO_THE_END};
	char line[HTTP_ANSWER_HEAD_MAX];
	struct rd r;

	if (!end && data.len < HTTP_ANSWER_HEAD_MAX)
		return err_set(e, ERR_AGAIN, "the HTTP answer has not come whole");
	a.head_len = end ? (size_t)(end - data.p) + 4 : 0;
	if (!end || a.head_len > HTTP_ANSWER_HEAD_MAX)
		return err_rule(e, "http-answer", 0, "the head of the HTTP answer does not end");
	rd_init(&r, data.p, a.head_len);
	if (!line_of(&r, line, sizeof line) || !(a.status = status_of(line)))
		return err_rule(e, "http-answer", 0, "the answer is not HTTP");
	while (line_of(&r, line, sizeof line) && *line)
		if (!take_field(line, &a))
			return err_rule(e, "http-answer", (long)rd_offset(&r), "an HTTP answer whose length nobody knows");
	if (!rd_done(&r))
		return err_rule(e, "http-answer", (long)rd_offset(&r), "a damaged field in the HTTP answer");
	*out = a;
	return 0;
}
