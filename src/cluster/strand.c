#include "cluster/strand.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/phone_config.h"
#include "cluster/tvs.h"
#include "phone/phone.h"

static bool knows(const struct trust_list *l, unsigned function, const struct cert *cert)
{
	if (!l || !cert)
		return false;
	for (size_t i = 0; i < l->n_records; i++)
		if (l->records[i].has_function && l->records[i].function == function &&
		    list_record_is_cert(&l->records[i], cert))
			return true;
	return false;
}

enum strand_reach strand_reach(const struct trust_list *ctl, const struct trust_list *itl, const struct cert *signer,
			       const struct cert *tvs)
{
	if (phone_lists_are_open(ctl, itl))
		return STRAND_DIRECT;
	if (knows(ctl, FUNCTION_SAST, signer) || knows(itl, FUNCTION_SAST, signer))
		return STRAND_DIRECT;
	return knows(ctl, FUNCTION_TVS, tvs) || knows(itl, FUNCTION_TVS, tvs) ? STRAND_TVS : STRAND_LOST;
}

static int parse(const struct list_file *f, enum list_type type, struct trust_list **l, struct err *e)
{
	*l = NULL;
	return f->data ? list_parse((struct view){ f->data, f->len }, type, l, e) : 0;
}

static int reach_of(struct cluster *c, uint64_t number, const struct strand_change *ch, enum strand_reach *reach,
		    struct err *e)
{
	struct trust_list *ctl = NULL, *itl = NULL;
	struct lists l;
	int rc = generation_read(c, number, &l, e);

	if (rc)
		return rc;
	rc = parse(&l.ctl, LIST_CTL, &ctl, e);
	if (!rc)
		rc = parse(&l.itl, LIST_ITL, &itl, e);
	if (!rc)
		*reach = strand_reach(ctl, itl, ch->signer, ch->tvs);
	list_free(ctl);
	list_free(itl);
	lists_clear(&l);
	return rc;
}

/* Of a signer that has expired, no TVS says anything. Out: *ch as strand_reach wants it. */
static int ask_tvs(struct cluster *c, struct strand_change *ch, bool *expired, struct err *e)
{
	bool answers = true;
	int rc = ch->signer ? tvs_answers(c, ch->signer, &answers, e) : 0;

	*expired = !answers;
	if (!answers)
		ch->tvs = NULL;
	return rc;
}

/* Generations newest first: the newest one of each kind says since when phones are better off. */
struct findings {
	bool tvs;               /* phones that hold the lists in force need TVS */
	bool lost;              /* ... and nothing helps them */
	int64_t lost_before;    /* phones that have not loaded lists since then are lost; 0: none */
};

static int look(struct cluster *c, const struct strand_change *ch, struct findings *f, struct err *e)
{
	AUTO(auto_free) struct store_generation *list = NULL;
	size_t n;
	int rc = store_generation_list(c->store, 0, &list, &n, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		enum strand_reach reach;

		if (list[i].state == STORE_GENERATION_GONE)
			continue;
		rc = reach_of(c, list[i].number, ch, &reach, e);
		if (rc)
			return rc;
		if (i == 0) {
			f->tvs = reach == STRAND_TVS;
			f->lost = reach == STRAND_LOST;
		} else if (reach == STRAND_LOST && !f->lost && f->lost_before == 0) {
			f->lost_before = list[i - 1].created;
		}
	}
	return 0;
}

#define NOT_BY_TVS                                                                                                     \
	"its next signer, and TVS does not answer for that one, because its certificate has expired (unless the parameter " \
	"'" PARAM_TVS_EXPIRED "' is True)"

int strand_warnings(struct cluster *c, const struct strand_change *change, struct notes *notes, struct err *e)
{
	struct strand_change with = *change, *ch = &with;
	struct findings f = { 0 };
	bool expired = false;
	char when[64];
	struct tm tm;
	int rc = ask_tvs(c, ch, &expired, e);

	if (!rc)
		rc = look(c, ch, &f, e);
	if (rc)
		return rc;
	if (f.lost && expired)
		return notes_add(notes, e,
				 "No phone will take %s after this: phones do not know " NOT_BY_TVS ". Sign with a key that they know, or "
				 "with one whose certificate has not expired.", ch->what);
	if (f.lost)
		return notes_add(notes, e,
				 "No phone will take %s after this: phones know neither its next signer nor the TVS certificate that "
				 "could vouch for it. Unless another key that they know can sign ('utils %s reset localkey'), every phone "
				 "would need its ITL and CTL deleted by hand.", ch->what, strcmp(ch->what, "the CTL") ? "itl" : "ctl");
	if (f.tvs)
		rc = notes_add(notes, e,
			       "Phones do not know the next signer of %s. Those that ask TVS take it while Cisco Trust Verification "
			       "Service runs; models that do not ask TVS keep what they have.", ch->what);
	if (rc || !f.lost_before)
		return rc;
	time_t t = (time_t)f.lost_before;
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", &tm);
	return notes_add(notes, e,
			 "Phones that have not loaded %s since %s would be stranded: what they hold %s. Reset all phones and wait "
			 "until they have registered before going on.", ch->what, when,
			 expired ? "does not know " NOT_BY_TVS : "knows neither its next signer nor TVS");
}

/* --- SAST records --- */

#define NAMES_SHOWN 5

struct few {
	size_t n_sast;
	size_t n;        /* phones that are known to work with fewer */
	char names[400];
	size_t used;
};

static int count_few(void *ctx, const struct store_device *d)
{
	struct few *f = ctx;

	if (phone_model_max_sast(d->model) >= f->n_sast)
		return 0;
	if (f->n++ < NAMES_SHOWN)
		f->used = text_append(f->names, sizeof(f->names), f->used, "%s%s (%s%s)", f->used ? ", " : "", d->name,
				      d->model[0] ? "model " : "model not known", d->model);
	return 0;
}

/* Out: *least: the smallest number among them. Returns how many families there are. */
static size_t few_families(size_t n_sast, char *out, size_t size, uint32_t *least)
{
	size_t n = 0, used = 0;
	const char *family;
	uint32_t max;

	*least = UINT32_MAX;
	for (size_t i = 0; (family = phone_family_max_sast(i, &max)); i++) {
		if (max >= n_sast)
			continue;
		*least = max < *least ? max : *least;
		used = text_append(out, size, used, "%s%s", n++ ? ", " : "",
				   strcmp(family, "default") == 0 ? "every model that models.conf does not name" : family);
	}
	return n;
}

int strand_sast_warnings(struct cluster *c, size_t n_sast, struct notes *notes, struct err *e)
{
	struct few f = { .n_sast = n_sast };
	char families[300] = "";
	uint32_t least;

	if (!few_families(n_sast, families, sizeof(families), &least))
		return 0;
	int rc = store_device_list(c->store, NULL, 0, count_few, &f, e);
	if (!rc)
		rc = notes_add(notes, e,
			       "The CTL will have %zu SAST records. Some phones are only known to work with %u: %s. What they do with more "
			       "nobody has seen: expect that they refuse this CTL at each restart and keep the one they have, or none.",
			       n_sast, least, families);
	if (rc || !f.n)
		return rc ? rc : notes_add(notes, e, "No phone that this node knows is of such a model.");
	if (f.n > NAMES_SHOWN)
		text_append(f.names, sizeof(f.names), f.used, " and %zu more", f.n - NAMES_SHOWN);
	return notes_add(notes, e, "Of the phones that this node knows, %zu %s of such a model: %s.", f.n, f.n == 1 ? "is" : "are",
			 f.names);
}
