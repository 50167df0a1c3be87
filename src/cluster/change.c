#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/phone_reset.h"
#include "cluster/publish.h"
#include "cluster/sast_trust.h"
#include "store/audit.h"

/* One change on its way: what was in force, what is to be. */
struct step {
	struct cluster *c;
	const struct change *ch;
	struct store_generation before; /* number 0: none yet */
	bool lost;                      /* what was in force is no longer on disk */
	struct lists old, new;
	struct gathered *g;
	bool differs;
	uint64_t *gone;                 /* generations that went out of keeping with this change */
	size_t n_gone;
};

static void step_clear(struct step *s)
{
	lists_clear(&s->old);
	lists_clear(&s->new);
	gathered_free(s->g);
	free(s->gone);
}

static int read_before(struct step *s, struct err *e)
{
	bool found;
	int rc = generation_recover(s->c, &s->lost, e);

	if (!rc)
		rc = store_generation_latest(s->c->store, &s->before, &found, e);
	if (rc)
		return rc;
	if (!found)
		s->before.number = 0;
	if (!found || s->lost)
		return 0;
	return generation_read(s->c, s->before.number, &s->old, e);
}

static bool same_list(const struct list_file *a, const struct list_file *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static int keep_ctl(struct step *s, struct err *e)
{
	int rc = list_file_copy(&s->old.ctl, &s->new.ctl, e);

	return rc ? rc : list_file_copy(&s->old.ctl_sha1, &s->new.ctl_sha1, e);
}

/* What is lost and was signed by a key that is not here can only be signed anew by one that is. */
static enum store_signer itl_signer(const struct step *s)
{
	switch (s->ch->itl) {
	case ITL_NORMAL:
		return STORE_SIGNER_NORMAL;
	case ITL_OTHER:
		return STORE_SIGNER_OTHER;
	case ITL_ELSEWHERE:
		return STORE_SIGNER_ELSEWHERE;
	case ITL_KEEP:
		break;
	}
	return s->lost && s->before.itl_signer == STORE_SIGNER_ELSEWHERE ? STORE_SIGNER_NORMAL : s->before.itl_signer;
}

static enum store_signer ctl_signer(const struct step *s)
{
	if (s->ch->ctl == CTL_KEEP)
		return s->before.ctl_signer;
	return s->ch->ctl == CTL_RESET ? STORE_SIGNER_OTHER : STORE_SIGNER_NORMAL;
}

/* A reset lasts until the usual signer is asked for, or there is no other. */
static void choose_signers(struct step *s)
{
	struct gathered *g = s->g;

	g->by[LIST_CTL] = ctl_signer(s);
	g->by[LIST_ITL] = itl_signer(s);
	for (int type = LIST_CTL; type <= LIST_ITL; type++)
		if (g->by[type] == STORE_SIGNER_OTHER && !compose_other_signer(g->in.generation, (enum list_type)type))
			g->by[type] = STORE_SIGNER_NORMAL;
	if (s->ch->itl == ITL_ELSEWHERE) {
		g->elsewhere = cert_ref(s->ch->elsewhere);
		g->elsewhere_key = s->ch->elsewhere_key;
	}
}

static int keep_itl(struct step *s, struct err *e)
{
	bool same;
	int rc = lists_keep_elsewhere(s->g, &s->old.itl, &s->new.itl, &same, e);

	/* At start-up nobody is there to be told; what phones hold stays valid. */
	if (!rc && !same && s->ch->apply)
		rc = err_set(e, ERR_USAGE,
			     "this would change the ITL, which is signed by a key that is not on this node: when phones have loaded "
			     "it, end the reset with 'utils service restart Cisco Tftp', and try again");
	return rc ? rc : list_file_copy(&s->old.itl_sha1, &s->new.itl_sha1, e);
}

static int build_itl(struct step *s, struct err *e)
{
	/* The administrator asked for a new one: its time says when. */
	bool reset = s->ch->itl == ITL_OTHER || s->ch->itl == ITL_ELSEWHERE;

	if (s->g->by[LIST_ITL] == STORE_SIGNER_ELSEWHERE && !reset)
		return keep_itl(s, e);
	int rc = lists_build(s->c, s->g, LIST_ITL, reset ? NULL : &s->old.itl, s->ch->notes, &s->new.itl, e);
	return rc ? rc : lists_build_sha1(s->c, s->g, LIST_ITL, &s->new.itl, &s->new.itl_sha1, e);
}

/*
 * Without tokens; signers of other clusters go with it. Nobody asked for one that only makes good for what was lost, and the
 * node must start: there they stay out when they are too many, which `show ctl` says.
 */
static int compose_ctl(struct step *s, struct err *e)
{
	int rc = sast_trust_gather(s->c, s->ch->ctl == CTL_KEEP, s->g, e);

	/* The administrator asked for a new one: its time says when, also when nothing else differs. */
	if (!rc)
		rc = lists_build(s->c, s->g, LIST_CTL, NULL, s->ch->notes, &s->new.ctl, e);
	return rc ? rc : lists_build_sha1(s->c, s->g, LIST_CTL, &s->new.ctl, &s->new.ctl_sha1, e);
}

static int build_lists(struct step *s, struct err *e)
{
	enum ctl_action ctl = s->ch->ctl == CTL_RESET ? CTL_COMPOSE : s->ch->ctl;
	int rc = gather(s->c, &s->g, e);

	/* A CTL that was in force and is gone can only be made anew. */
	if (ctl == CTL_KEEP && s->lost && s->before.ctl_sha256[0])
		ctl = CTL_COMPOSE;
	if (!rc) {
		choose_signers(s);
		rc = build_itl(s, e);
	}
	if (!rc && ctl == CTL_COMPOSE)
		rc = compose_ctl(s, e);
	if (!rc && ctl == CTL_GIVEN)
		rc = s->ch->give(s->c, s->g, s->ch->ctx, &s->new, e);
	if (!rc && ctl == CTL_KEEP)
		rc = keep_ctl(s, e);
	s->differs = !rc && (s->lost || s->ch->force || !same_list(&s->old.itl, &s->new.itl) ||
			     !same_list(&s->old.ctl, &s->new.ctl) || !same_list(&s->old.itl_sha1, &s->new.itl_sha1) ||
			     s->g->by[LIST_ITL] != s->before.itl_signer);
	return rc;
}

static int describe(struct step *s, struct manifest *m, struct store_generation *row, char key[KEY_NAME_MAX], struct err *e)
{
	const struct cert *signer;
	const char *unit = lists_signer(s->g, LIST_ITL, &signer);
	int rc = key_name(unit, cert_spki(signer), key, e);

	*m = (struct manifest){
		.number = s->before.number + 1,
		.created = clock_wall_s(s->c->clock),
		.reason = s->ch->command,
		.trust_list_generation = compose_generation_name(s->g->in.generation),
		.mixed = s->g->mixed,
		.digest = digest_name(s->g->in.digest),
		.signer_key = key,
	};
	text_hex(m->signer_cert, sizeof(m->signer_cert), (struct view){ cert_sha256(signer), 32 }, '\0', false);
	*row = (struct store_generation){ .number = m->number, .created = m->created,
					  .ctl_signer = s->g->by[LIST_CTL], .itl_signer = s->g->by[LIST_ITL] };
	snprintf(row->signer_key, sizeof(row->signer_key), "%s", key);
	snprintf(row->signer_cert, sizeof(row->signer_cert), "%s", m->signer_cert);
	snprintf(row->digest, sizeof(row->digest), "%s", m->digest);
	snprintf(row->reason, sizeof(row->reason), "%s", m->reason);
	if (s->new.ctl.data)
		sha256_hex(s->new.ctl.data, s->new.ctl.len, row->ctl_sha256);
	if (!list_file_timestamp(&s->new.ctl, &row->ctl_timestamp))
		row->ctl_timestamp = 0;
	sha256_hex(s->new.itl.data, s->new.itl.len, row->itl_sha256);
	return rc;
}

/* Generations beyond those that are to be kept: marked in the same transaction, removed after it. */
static int let_go(struct step *s, struct err *e)
{
	AUTO(auto_free) struct store_generation *list = NULL;
	size_t n;
	uint32_t keep;
	int rc = param_get_number(s->c, PARAM_KEEP, &keep, e);

	if (!rc)
		rc = store_generation_list(s->c->store, 0, &list, &n, e);
	if (rc || n <= keep)
		return rc;
	s->gone = calloc(n - keep, sizeof(*s->gone));
	if (!s->gone)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = keep; i < n && !rc; i++) {
		if (list[i].state != STORE_GENERATION_KEPT)
			continue;
		rc = store_generation_set_state(s->c->store, list[i].number, STORE_GENERATION_GONE, e);
		s->gone[s->n_gone++] = list[i].number;
	}
	return rc;
}

static int prepare(struct step *s, struct err *e)
{
	char key[KEY_NAME_MAX];
	struct manifest m;
	struct store_generation row;
	int rc = describe(s, &m, &row, key, e);

	if (!rc)
		rc = generation_write(s->c, &m, &s->new, e);
	if (!rc)
		rc = generation_prepare_link(s->c, m.number, e);
	if (!rc)
		rc = store_generation_add(s->c->store, &row, e);
	return rc ? rc : let_go(s, e);
}

static int audit(struct cluster *c, const struct change *ch, const char *outcome, struct err *e)
{
	struct store_audit a = {
		.time = clock_wall_s(c->clock),
		.who = ch->who,
		.command = ch->command,
		.object = ch->object,
		.before = ch->before,
		.after = ch->after,
		.outcome = outcome,
	};

	return store_audit_append(c->store, &a, e);
}

/* Everything inside the transaction. */
static int perform(struct step *s, struct err *e)
{
	int rc = s->ch->apply ? s->ch->apply(s->c, s->ch->ctx, e) : 0;

	if (!rc)
		rc = build_lists(s, e);
	if (!rc && s->differs)
		rc = prepare(s, e);
	if (!rc && s->ch->reset)
		rc = phones_reset_owe(s->c, s->ch->who, e);
	/* A refresh that found nothing to do is no change. */
	if (!rc && (s->differs || s->ch->apply || s->ch->ctl != CTL_KEEP))
		rc = audit(s->c, s->ch, "done", e);
	if (!rc) {
		cluster_step(s->c, "commit");
		rc = store_commit(s->c->store, e);
	}
	return rc;
}

static int rehearse(struct step *s, struct err *e)
{
	int rc = s->ch->apply ? s->ch->apply(s->c, s->ch->ctx, e) : 0;

	if (!rc)
		rc = build_lists(s, e);
	store_rollback(s->c->store);
	return rc;
}

/* The change is not to be: nothing of it stays, but the audit that it was tried. */
static void abandon(struct step *s, int rc, const struct err *why)
{
	char name[GENERATION_NAME_MAX], outcome[sizeof(why->text) + 16];

	store_rollback(s->c->store);
	generation_name(s->before.number + 1, name);
	snprintf(outcome, sizeof(outcome), "%s: %s", rc == ERR_USAGE ? "refused" : "failed", why->text);
	/* Recovery removes a folder that cannot be removed now; a store that takes no audit may be why we are here. */
	if (folder_remove(s->c->published_fd, name, NULL) || audit(s->c, s->ch, outcome, NULL))
		return;
}

/* After the point of no return: what fails here is finished at the next operation or start-up. */
static int follow_up(struct step *s, struct err *e)
{
	struct err why = ERR_INIT;
	char name[GENERATION_NAME_MAX];
	int rc = s->differs ? generation_switch_link(s->c, e) : 0;

	if (rc) {
		err_prefix(e, "the change is recorded, but phones do not get it before the next start of the node");
		return rc;
	}
	for (size_t i = 0; i < s->n_gone; i++) {
		generation_name(s->gone[i], name);
		if (folder_remove(s->c->published_fd, name, NULL))
			break;
	}
	cluster_step(s->c, "certs");
	if (certs_files_sync(s->c, &why))
		return notes_add(s->ch->notes, e, "The files below certs/ are not up to date: %s.", why.text);
	return 0;
}

int change_run(struct cluster *c, const struct change *ch, bool *published, struct err *e)
{
	struct err why = ERR_INIT;
	struct err *cause = e ? e : &why;
	AUTO(step_clear) struct step s = { .c = c, .ch = ch };
	int rc;

	if (c->lock_fd < 0)
		return err_set(e, ERR_AGAIN, "another process has this node open: use 'ringfence admin'");
	rc = read_before(&s, cause);
	if (!rc)
		rc = store_begin(c->store, cause);
	if (rc)
		return rc;
	if (ch->rehearsal)
		return rehearse(&s, cause);
	rc = perform(&s, cause);
	if (rc) {
		abandon(&s, rc, cause);
		return rc;
	}
	rc = follow_up(&s, e);
	if (!rc && published)
		*published = s.differs;
	return rc;
}
