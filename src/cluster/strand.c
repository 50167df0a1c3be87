#include "cluster/strand.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cluster/cluster_internal.h"
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

int strand_warnings(struct cluster *c, const struct strand_change *ch, struct notes *notes, struct err *e)
{
	struct findings f = { 0 };
	char when[64];
	struct tm tm;
	int rc = look(c, ch, &f, e);

	if (rc)
		return rc;
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
			 "Phones that have not loaded %s since %s would be stranded: what they hold knows neither its next signer "
			 "nor TVS. Reset all phones and wait until they have registered before going on.", ch->what, when);
}
