#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "admin/shell_internal.h"
#include "base/text.h"

/* The shell on a terminal: libedit with our completion and help. */

#define HISTORY_LINES 1000
#define HISTORY_FILE ".ringfence_history"
#define OFFERS_MAX 256

static char *prompt(EditLine *el)
{
	static char text[] = SHELL_PROMPT;

	(void)el;
	return text;
}

static struct shell *shell_of(EditLine *el)
{
	void *s = NULL;

	el_get(el, EL_CLIENTDATA, &s);
	return s;
}

/* The line as far as the cursor. False when it cannot be read as one. */
static bool line_before_cursor(EditLine *el, struct grammar_line *l)
{
	const LineInfo *info = el_line(el);
	struct err e = ERR_INIT;
	char *text = strndup(info->buffer, (size_t)(info->cursor - info->buffer));

	if (!text)
		return false;
	int rc = grammar_split(text, l, &e);
	free(text);
	return rc == 0;
}

/* `?`: what may stand here. Inside quotes and SQL it is a character like any other. */
static unsigned char key_help(EditLine *el, int ch)
{
	struct shell *s = shell_of(el);
	struct grammar_line l;

	(void)ch;
	if (!line_before_cursor(el, &l))
		return CC_ERROR;
	if (grammar_in_rest(s->grammar, &l)) {
		grammar_line_clear(&l);
		return el_insertstr(el, "?") < 0 ? CC_ERROR : CC_REFRESH;
	}
	fputs("?\n", s->client.out);
	grammar_help(s->client.out, s->grammar, &l);
	fflush(s->client.out);
	grammar_line_clear(&l);
	return CC_REDISPLAY;
}

struct offers {
	char *words[OFFERS_MAX];
	size_t n;
};

static void offer(void *ctx, const char *word, const char *help)
{
	struct offers *o = ctx;

	(void)help;
	if (o->n < OFFERS_MAX && (o->words[o->n] = strdup(word)))
		o->n++;
}

/* How many characters all of them begin with. */
static size_t common(const struct offers *o)
{
	size_t n = strlen(o->words[0]);

	for (size_t i = 1; i < o->n; i++)
		while (strncasecmp(o->words[0], o->words[i], n) != 0)
			n--;
	return n;
}

static void list(FILE *out, const struct offers *o)
{
	fputc('\n', out);
	for (size_t i = 0; i < o->n; i++)
		fprintf(out, "%s%s", i ? "  " : "", o->words[i]);
	fputc('\n', out);
	fflush(out);
}

/* Go on with the first n characters of word, behind or (when its case was another) in place of what was typed of it. */
static unsigned char replace(EditLine *el, const struct grammar_line *l, const char *word, size_t n, bool whole)
{
	const char *typed = l->n && !l->blank_end ? l->tokens[l->n - 1].text : "";
	size_t skip = strlen(typed);
	char *text = NULL;

	if (strncmp(word, typed, skip) != 0) {
		el_deletestr(el, (int)skip);
		skip = 0;
	}
	if (asprintf(&text, "%.*s%s", (int)(n - skip), word + skip, whole ? " " : "") < 0)
		return CC_ERROR;
	int rc = el_insertstr(el, text);
	free(text);
	return rc < 0 ? CC_ERROR : CC_REFRESH;
}

/* What is quoted or escaped is left alone: its length on the line is not that of the word. */
static bool plain(const struct grammar_line *l)
{
	const struct grammar_token *t = l->n && !l->blank_end ? &l->tokens[l->n - 1] : NULL;

	if (!t)
		return true;
	for (const char *c = t->text; *c; c++)
		if (*c & 0x80)
			return false;
	return !t->quoted && t->end - t->start == strlen(t->text);
}

static unsigned char complete(EditLine *el, struct shell *s, const struct grammar_line *l)
{
	struct offers o = {.n = 0};
	unsigned char result = CC_REFRESH_BEEP;
	size_t typed = l->n && !l->blank_end ? strlen(l->tokens[l->n - 1].text) : 0;

	grammar_complete(s->grammar, l, offer, &o);
	if (o.n && plain(l)) {
		size_t n = common(&o);
		if (o.n == 1 || n > typed) {
			result = replace(el, l, o.words[0], n, o.n == 1);
		} else {
			list(s->client.out, &o);
			result = CC_REDISPLAY;
		}
	}
	while (o.n)
		free(o.words[--o.n]);
	return result;
}

static unsigned char key_complete(EditLine *el, int ch)
{
	struct grammar_line l;

	(void)ch;
	if (!line_before_cursor(el, &l))
		return CC_ERROR;
	unsigned char result = complete(el, shell_of(el), &l);
	grammar_line_clear(&l);
	return result;
}

/* History. */

static char *history_path(void)
{
	const char *home = getenv("HOME");
	char *path = NULL;

	if (!home || !*home || asprintf(&path, "%s/%s", home, HISTORY_FILE) < 0)
		return NULL;
	return path;
}

static History *history_open(const char *path)
{
	History *h = history_init();
	HistEvent ev;

	if (!h)
		return NULL;
	history(h, &ev, H_SETSIZE, HISTORY_LINES);
	history(h, &ev, H_SETUNIQUE, 1);
	if (path)
		history(h, &ev, H_LOAD, path);
	return h;
}

static void history_close(History *h, const char *path)
{
	HistEvent ev;

	if (h && path) {
		mode_t old = umask(077);
		history(h, &ev, H_SAVE, path);
		umask(old);
		chmod(path, 0600); /* one that an older umask made */
	}
	if (h)
		history_end(h);
}

/* Lines. */

/* One character of the terminal; -1 at the end of input and after Ctrl-C, which libedit by itself would not notice. */
static int get_char(EditLine *el, wchar_t *out)
{
	mbstate_t state = {0};
	sigset_t block, waking;
	int result = -1;

	(void)el;
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, &waking);
	while (!shell_interrupted) {
		char c;
		if (!shell_wait(STDIN_FILENO, &waking) || read(STDIN_FILENO, &c, 1) != 1)
			break;
		size_t n = mbrtowc(out, &c, 1, &state);
		if (n == (size_t)-1)
			state = (mbstate_t){0}; /* no character in this locale: skipped */
		else if (n != (size_t)-2) {
			result = 1;
			break;
		}
	}
	sigprocmask(SIG_SETMASK, &waking, NULL);
	return result;
}

static void add_functions(EditLine *el)
{
	/* libedit 3.1 keeps copies of these names and never frees them; that is no leak of ours. */
#ifdef __SANITIZE_ADDRESS__
	__lsan_disable();
#endif
	el_set(el, EL_ADDFN, "rf-complete", "complete the word", key_complete);
	el_set(el, EL_ADDFN, "rf-help", "what may stand here", key_help);
#ifdef __SANITIZE_ADDRESS__
	__lsan_enable();
#endif
}

static EditLine *edit_open(struct shell *s, History *h)
{
	EditLine *el = el_init("ringfence-admin", stdin, stdout, stderr);

	if (!el)
		return NULL;
	el_set(el, EL_CLIENTDATA, s);
	el_set(el, EL_PROMPT, prompt);
	el_set(el, EL_GETCFN, get_char);
	el_set(el, EL_EDITOR, "emacs");
	if (h)
		el_set(el, EL_HIST, history, h);
	add_functions(el);
	el_set(el, EL_BIND, "^I", "rf-complete", NULL);
	el_set(el, EL_BIND, "?", "rf-help", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return el;
}

/* One line; NULL at the end of input. Ctrl-C throws a line away: then it is "". */
static char *edit_line(EditLine *el)
{
	int n = 0;

	shell_interrupted = 0;
	el_resize(el);
	/* Before the prompt and not behind it, as libedit does: a Ctrl-D between the two would be lost. */
	el_set(el, EL_PREP_TERM, 1);
	const char *line = el_gets(el, &n);
	if (shell_interrupted) {
		fputc('\n', stdout);
		el_reset(el);
		return strdup("");
	}
	if (!line || n <= 0)
		return NULL;
	return strndup(line, strcspn(line, "\r\n"));
}

static int loop(struct shell *s, EditLine *el, History *h)
{
	int status = 0;
	HistEvent ev;
	char *line;

	while (status != SHELL_LEAVE && (line = edit_line(el))) {
		if (h && line[strspn(line, " \t")])
			history(h, &ev, H_ENTER, line);
		status = shell_text(s, line);
		free(line);
	}
	if (status != SHELL_LEAVE)
		fputc('\n', stdout);
	return 0;
}

int shell_edit(struct shell *s)
{
	char *path = history_path();

	setlocale(LC_CTYPE, "");
	History *h = history_open(path);
	EditLine *el = edit_open(s, h);
	int status = 1;
	if (el) {
		printf("Ringfence %s. TAB completes, ? lists what may follow, exit leaves.\n", RINGFENCE_VERSION);
		status = loop(s, el, h);
		el_end(el);
	} else {
		fputs("ringfence admin: the terminal cannot be used\n", stderr);
	}
	history_close(h, path);
	free(path);
	return status;
}
