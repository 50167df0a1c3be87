#include "server/callcontrol_check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "server/place.h"
#include "server/program.h"

struct check {
	const struct config_report *report;
	struct err *e;
	int rc;
};

static void mistake(struct check *c, const struct err *why)
{
	c->report->mistake(c->report->ctx, CONFIG_FILE, 0, why->text);
	c->rc = err_set(c->e, ERR_USAGE, "%s", why->text);
}

static void check_program(struct check *c, const char *key, const char *line)
{
	struct program_words words;
	struct err e = ERR_INIT;
	struct stat st;

	if (!*line)
		return;
	if (program_words(line, &words, &e) < 0)
		err_prefix(&e, "[callcontrol] %s", key);
	else if (stat(words.word[0], &st) < 0)
		err_set(&e, ERR_USAGE, "[callcontrol] %s: %s: %s", key, words.word[0], strerror(errno));
	else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		err_set(&e, ERR_USAGE, "[callcontrol] %s: %s is no program, or nobody may run it", key, words.word[0]);
	if (e.code)
		mistake(c, &e);
}

int callcontrol_check(const struct config_callcontrol *cfg, const struct privileges *who,
		      const struct config_report *report, struct err *e)
{
	struct check c = {.report = report, .e = e};
	struct err why = ERR_INIT;

	if (privileges_check_group(who, cfg->group, &why) < 0)
		mistake(&c, &why);
	why = ERR_INIT;
	if (cfg->adapter && place_folder_check(cfg, &why) < 0)
		mistake(&c, &why);
	check_program(&c, "reload", cfg->reload);
	check_program(&c, "reset-phone", cfg->reset);
	return c.rc;
}
