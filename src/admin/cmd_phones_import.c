#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "cluster/phones_csv.h"

/* `phone import`: a piece at a time, so that phones are answered in between. */

#define PIECE_MS 40 /* what CAPF and everybody else waits at most, and a commit */
#define TOLD_MS 1000

struct importing {
	struct phones_import_job *job;
	const struct clock *clock;
	uint64_t told;   /* when progress was shown */
};

static void importing_free(void *job)
{
	struct importing *im = job;

	phones_import_free(im->job);
	free(im);
}

static void progress(struct command_run *r, struct importing *im)
{
	uint64_t now = clock_mono_ms(im->clock);
	char text[100];

	if (!r->columns || now - im->told < TOLD_MS)
		return;
	im->told = now;
	phones_import_progress(im->job, text, sizeof(text));
	fprintf(r->out, "\r%-*.*s", (int)r->columns - 1, (int)r->columns - 1, text);
	r->shown++;
}

static int finish(struct command_run *r, const struct importing *im, struct err *e)
{
	const struct phones_import *done = phones_import_done(im->job);
	struct notes notes = NOTES_INIT;
	int rc = phones_import_notes(im->job, &notes, e);

	if (r->shown)
		fprintf(r->out, "\r%*s\r", (int)r->columns - 1, "");
	fprintf(r->out, "%sPhones added: %zu, changed: %zu, as they were: %zu\n",
		command_option(r, "--dry-run") ? "Nothing was changed; this is what the command would do. " : "", done->added,
		done->changed, done->unchanged);
	print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

int cmd_phones_import_follow(struct command_run *r, bool cancel, struct err *e)
{
	struct importing *im = r->job;
	const struct phones_import *done = phones_import_done(im->job);
	bool over = false;

	if (cancel && !done->added && !done->changed)
		return err_set(e, ERR_USAGE, "cancelled; nothing was changed");
	if (cancel)
		return err_set(e, ERR_USAGE, "cancelled: %zu phones were added and %zu changed, and stay", done->added, done->changed);
	int rc = phones_import_step(im->job, PIECE_MS, &over, e);
	if (rc < 0)
		return rc;
	progress(r, im);
	r->follow = !over;
	return over ? finish(r, im, e) : 0;
}

int cmd_phones_import(struct command_run *r, struct err *e)
{
	struct importing *im = calloc(1, sizeof(*im));

	if (!im)
		return err_set(e, ERR_NOMEM, "out of memory");
	im->clock = r->host->clock;
	im->told = clock_mono_ms(im->clock);
	r->job = im;
	r->job_free = importing_free;
	r->audited = true;
	r->follow = r->busy = true;
	int rc = phones_import_new(r->host->cluster, r->peer->actor, r->upload, command_option(r, "--dry-run") != NULL, &im->job, e);
	return rc < 0 ? rc : cmd_phones_import_follow(r, false, e);
}
