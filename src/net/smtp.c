#include "net/smtp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define URL_MAX 600

/* It had one letter too many before 8.2. */
#if LIBCURL_VERSION_NUM < 0x080200
#define MAIL_RCPT_ALLOWFAILS CURLOPT_MAIL_RCPT_ALLLOWFAILS
#else
#define MAIL_RCPT_ALLOWFAILS CURLOPT_MAIL_RCPT_ALLOWFAILS
#endif

struct smtp {
	struct event_base *base;
	struct event *timer;
	CURLM *multi;

	/* Of the e-mail that is under way. */
	CURL *easy;
	struct curl_slist *recipients;
	uint8_t *message;
	size_t len, sent;
	struct curl_slist *asked;    /* of recipients: whom the last command named; NULL: it was another command */
	struct curl_slist *next;     /* whom the next one will name */
	char refused[SMTP_REFUSED_MAX];
	size_t refused_used;
	unsigned refused_left;       /* refused ones that found no place there */
	char error[CURL_ERROR_SIZE];
	char server[300];
	smtp_done *done;
	void *ctx;
};

/* A socket that libcurl waits for. */
struct watch {
	struct smtp *s;
	struct event *event;
};

int smtp_global(struct err *e)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : err_set(e, ERR_BUG, "libcurl cannot be used");
}

static void job_clear(struct smtp *s)
{
	if (s->easy) {
		curl_multi_remove_handle(s->multi, s->easy);
		curl_easy_cleanup(s->easy);
	}
	curl_slist_free_all(s->recipients);
	free(s->message);
	s->easy = NULL;
	s->recipients = s->asked = s->next = NULL;
	s->message = NULL;
}

/* What the server said is a stranger's. */
static void describe(const struct smtp *s, CURLcode code, struct err *e)
{
	const char *why = s->error[0] ? s->error : curl_easy_strerror(code);
	long reply = 0;
	char text[400];

	text_escape(text, sizeof(text), (struct view){(const uint8_t *)why, strlen(why)});
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &reply);
	if (s->refused[0])
		err_set(e, ERR_IO, "SMTP server %s: refused %s", s->server, s->refused);
	else if (reply >= 400)
		err_set(e, ERR_IO, "SMTP server %s: %s (its last answer was %ld)", s->server, text, reply);
	else
		err_set(e, ERR_IO, "SMTP server %s: %s", s->server, text);
}

/* --- who was refused: libcurl does not say which, but lets us hear the dialog --- */

#define ROOM_FOR_LEFT 24 /* " and 20 more" */

static void note_refused(struct smtp *s, const char *line, size_t len)
{
	char one[200], text[100];

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	text_escape(text, sizeof(text), (struct view){(const uint8_t *)line, len});
	/* Without the brackets of the command. */
	int n = snprintf(one, sizeof(one), "%s%.*s (%s)", s->refused_used ? ", " : "", (int)strlen(s->asked->data) - 2,
			 s->asked->data + 1, text);
	bool fits = n >= 0 && (size_t)n < sizeof(one) && s->refused_used + (size_t)n + ROOM_FOR_LEFT <= sizeof(s->refused);
	if (s->refused_left || !fits) {
		s->refused_left++;
		snprintf(s->refused + s->refused_used, ROOM_FOR_LEFT, "%s%u more", s->refused_used ? " and " : "", s->refused_left);
		return;
	}
	memcpy(s->refused + s->refused_used, one, (size_t)n + 1);
	s->refused_used += (size_t)n;
}

/* Of an answer of several lines the last one counts: a blank behind its code (RFC 5321 4.2.1). */
static int on_dialog(CURL *easy, curl_infotype what, char *data, size_t len, void *ctx)
{
	static const char command[] = "RCPT TO:";
	struct smtp *s = ctx;

	(void)easy;
	if (what == CURLINFO_HEADER_OUT) {
		s->asked = len >= strlen(command) && memcmp(data, command, strlen(command)) == 0 ? s->next : NULL;
		if (s->asked)
			s->next = s->asked->next;
	} else if (what == CURLINFO_HEADER_IN && s->asked && len >= 3 && (len == 3 || data[3] != '-')) {
		if (data[0] == '4' || data[0] == '5')
			note_refused(s, data, len);
		s->asked = NULL;
	}
	return 0;
}

static void look_for_end(struct smtp *s)
{
	struct err e = ERR_INIT;
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left));) {
		if (m->msg != CURLMSG_DONE || m->easy_handle != s->easy)
			continue;
		CURLcode code = m->data.result;
		if (code != CURLE_OK)
			describe(s, code, &e);
		job_clear(s);
		s->done(s->ctx, code == CURLE_OK ? 0 : ERR_IO, s->refused, &e);
		return;
	}
}

/* --- libcurl on the loop --- */

static void on_socket_event(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;
	struct smtp *s = w->s;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(s->multi, fd, flags, &running); /* may free w */
	look_for_end(s);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct smtp *s = ctx;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_for_end(s);
}

static int set_timer(CURLM *multi, long ms, void *ctx)
{
	struct smtp *s = ctx;
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	(void)multi;
	if (ms < 0)
		return event_del(s->timer);
	return event_add(s->timer, &tv);
}

static void watch_free(struct watch *w)
{
	if (w && w->event)
		event_free(w->event);
	free(w);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
	struct smtp *s = ctx;
	struct watch *w = of_socket;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		watch_free(w);
		curl_multi_assign(s->multi, fd, NULL);
		return 0;
	}
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -1;
		w->s = s;
		curl_multi_assign(s->multi, fd, w);
	}
	if (what & CURL_POLL_IN)
		events |= EV_READ;
	if (what & CURL_POLL_OUT)
		events |= EV_WRITE;
	if (w->event)
		event_free(w->event);
	w->event = event_new(s->base, fd, events, on_socket_event, w);
	return w->event && event_add(w->event, NULL) == 0 ? 0 : -1;
}

int smtp_new(struct event_base *base, struct smtp **out, struct err *e)
{
	struct smtp *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->base = base;
	s->timer = evtimer_new(base, on_timer, s);
	s->multi = curl_multi_init();
	if (!s->timer || !s->multi || curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, set_socket) != CURLM_OK ||
	    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s) != CURLM_OK ||
	    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
	    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s) != CURLM_OK) {
		smtp_free(s);
		return err_set(e, ERR_NOMEM, "no memory for libcurl");
	}
	*out = s;
	return 0;
}

void smtp_free(struct smtp *s)
{
	if (!s)
		return;
	job_clear(s);
	curl_multi_cleanup(s->multi);
	if (s->timer)
		event_free(s->timer);
	free(s);
}

/* --- one e-mail --- */

static size_t give_message(char *out, size_t size, size_t n, void *ctx)
{
	struct smtp *s = ctx;
	size_t room = size * n, left = s->len - s->sent;

	if (room > left)
		room = left;
	memcpy(out, s->message + s->sent, room);
	s->sent += room;
	return room;
}

static int copy_job(struct smtp *s, const struct smtp_job *job, struct err *e)
{
	s->message = malloc(job->message.len + 1);
	s->easy = curl_easy_init();
	if (!s->message || !s->easy)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(s->message, job->message.p, job->message.len);
	s->len = job->message.len;
	s->sent = 0;
	for (size_t i = 0; i < job->n_recipients; i++) {
		char text[300];
		snprintf(text, sizeof(text), "<%s>", job->recipients[i]);
		struct curl_slist *more = curl_slist_append(s->recipients, text);
		if (!more)
			return err_set(e, ERR_NOMEM, "out of memory");
		s->recipients = more;
	}
	s->next = s->recipients;
	s->asked = NULL;
	s->refused[0] = '\0';
	s->refused_used = s->refused_left = 0;
	return 0;
}

static void url_of(const struct smtp_job *job, char out[URL_MAX])
{
	bool v6 = strchr(job->server, ':') != NULL;

	snprintf(out, URL_MAX, "%s://%s%s%s:%u/%s", job->security == SMTP_TLS ? "smtps" : "smtp", v6 ? "[" : "", job->server,
		 v6 ? "]" : "", job->port, job->helo);
}

#define SET(option, value)                                                                                             \
	do {                                                                                                           \
		if (curl_easy_setopt(s->easy, option, value) != CURLE_OK)                                              \
			return err_set(e, ERR_BUG, "libcurl does not know " #option);                                  \
	} while (0)

static int set_message(struct smtp *s, const struct smtp_job *job, struct err *e)
{
	char sender[300];

	snprintf(sender, sizeof(sender), "<%s>", job->sender);
	SET(CURLOPT_MAIL_FROM, sender);
	SET(CURLOPT_MAIL_RCPT, s->recipients);
	SET(MAIL_RCPT_ALLOWFAILS, 1L); /* one that the server does not want keeps nobody else from being told */
	SET(CURLOPT_DEBUGFUNCTION, on_dialog);
	SET(CURLOPT_DEBUGDATA, s);
	SET(CURLOPT_VERBOSE, 1L);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, give_message);
	SET(CURLOPT_READDATA, s);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->len);
	return 0;
}

static int set_security(struct smtp *s, const struct smtp_job *job, struct err *e)
{
	struct curl_blob authorities = {(void *)job->authorities.p, job->authorities.len, CURL_BLOB_COPY};

	SET(CURLOPT_USE_SSL, job->security == SMTP_CLEAR ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (job->authorities.len) /* instead of the file of the system; its folder is looked into as well */
		SET(CURLOPT_CAINFO_BLOB, &authorities);
	if (job->user[0]) {
		SET(CURLOPT_USERNAME, job->user);
		SET(CURLOPT_PASSWORD, job->password);
	}
	return 0;
}

static int set_job(struct smtp *s, const struct smtp_job *job, struct err *e)
{
	char url[URL_MAX];

	url_of(job, url);
	s->error[0] = '\0';
	snprintf(s->server, sizeof(s->server), "%s port %u", job->server, job->port);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_PROXY, ""); /* whatever the environment says */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, s->error);
	SET(CURLOPT_TIMEOUT_MS, (long)SMTP_TIMEOUT_MS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)SMTP_CONNECT_TIMEOUT_MS);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	int rc = set_security(s, job, e);
	return rc ? rc : set_message(s, job, e);
}

int smtp_send(struct smtp *s, const struct smtp_job *job, smtp_done *done, void *ctx, struct err *e)
{
	if (s->easy)
		return err_set(e, ERR_AGAIN, "another e-mail is under way");
	if (job->user[0] && job->security == SMTP_CLEAR)
		return err_set(e, ERR_USAGE, "a password is not sent in clear");
	if (!job->n_recipients || job->n_recipients > SMTP_RECIPIENTS_MAX)
		return err_set(e, ERR_USAGE, "an e-mail has 1 to %d recipients", SMTP_RECIPIENTS_MAX);
	s->done = done;
	s->ctx = ctx;
	int rc = copy_job(s, job, e);
	if (!rc)
		rc = set_job(s, job, e);
	if (!rc && curl_multi_add_handle(s->multi, s->easy) != CURLM_OK)
		rc = err_set(e, ERR_NOMEM, "no memory for libcurl");
	if (rc)
		job_clear(s);
	return rc;
}
