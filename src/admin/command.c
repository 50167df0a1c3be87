#include "admin/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/command_internal.h"
#include "base/secret.h"
#include "base/text.h"
#include "store/audit.h"

const char *command_arg(const struct command_run *r, size_t i)
{
	return i < r->match->n_args ? r->match->args[i] : NULL;
}

const char *command_option(const struct command_run *r, const char *name)
{
	const struct grammar_option *o = r->match->command->options;

	for (size_t i = 0; o && o[i].name && i < GRAMMAR_OPTIONS_MAX; i++)
		if (strcmp(o[i].name, name) == 0)
			return r->match->options[i];
	return NULL;
}

unsigned command_answers(const struct command_run *r)
{
	return r->ask->n_answers;
}

const char *command_answer(const struct command_run *r, unsigned i)
{
	return i < r->ask->n_answers ? r->ask->answers[i] : NULL;
}

static void PRINTF_LIKE(3, 0) ask(struct command_ask *a, enum command_ask_kind kind, const char *fmt, va_list ap)
{
	command_ask_clear(a);
	if (vasprintf(&a->text, fmt, ap) < 0)
		a->text = NULL;
	a->kind = kind; /* without its text, when memory ran out: still a question, so that nothing goes on unasked */
}

void command_confirm(struct command_run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ask(r->ask, COMMAND_ASK_CONFIRM, fmt, ap);
	va_end(ap);
}

void command_question(struct command_run *r, bool secret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ask(r->ask, secret ? COMMAND_ASK_SECRET : COMMAND_ASK_LINE, fmt, ap);
	va_end(ap);
}

/* The command in full words. */
static void typed(const struct grammar_match *m, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < m->n_full; i++)
		used = text_append(out, size, used, "%s%s", i ? " " : "", m->full[i]);
}

int command_audit(struct command_run *r, const char *outcome, struct err *e)
{
	char command[1024];

	typed(r->match, command, sizeof(command));
	struct store_audit a = {
		.time = clock_wall_s(r->host->clock),
		.who = r->peer->actor,
		.command = command,
		.object = r->object[0] ? r->object : NULL,
		.before = r->before[0] ? r->before : NULL,
		.after = r->after[0] ? r->after : NULL,
		.outcome = outcome,
	};
	int rc = store_audit_append(r->host->store, &a, e);
	if (rc == 0)
		r->audited = true;
	return rc;
}

static int send_add(struct command_send *s, const char *name, int fd, struct err *e)
{
	struct stat st;

	if (s->n == COMMAND_FILES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d files at once; name fewer of them", COMMAND_FILES_MAX);
	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, "%s", name);
	if (!S_ISREG(st.st_mode) || strlen(name) >= sizeof(s->files[0].name))
		return err_set(e, ERR_USAGE, "%s is no file that can be sent", name);
	struct command_file *f = &s->files[s->n++];
	f->fd = fd;
	f->left = (uint64_t)st.st_size;
	strcpy(f->name, name);
	return 0;
}

int command_send_file(struct command_run *r, const char *name, int fd, struct err *e)
{
	int rc = send_add(r->send, name, fd, e);

	if (rc < 0)
		close(fd);
	return rc;
}

void command_ask_clear(struct command_ask *a)
{
	free(a->text);
	a->text = NULL;
	a->kind = COMMAND_ASK_NOTHING;
}

void command_ask_wipe(struct command_ask *a)
{
	command_ask_clear(a);
	for (; a->n_answers; a->n_answers--) {
		char *s = a->answers[a->n_answers - 1];
		secret_free(s, strlen(s) + 1);
	}
}

int command_ask_add(struct command_ask *a, const char *text, size_t len, struct err *e)
{
	if (a->n_answers == COMMAND_ANSWERS_MAX)
		return err_set(e, ERR_BUG, "the command asks more than %d questions", COMMAND_ANSWERS_MAX);
	char *copy = secret_new(len + 1);
	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(copy, text, len);
	a->answers[a->n_answers++] = copy;
	return 0;
}

void command_send_clear(struct command_send *s)
{
	for (; s->at < s->n; s->at++)
		close(s->files[s->at].fd);
	s->n = s->at = 0;
	s->announced = false;
}
