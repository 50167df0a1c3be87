#include "server/ctl_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/sockaddr.h"
#include "base/text.h"
#include "cluster/administrator.h"
#include "cluster/notes.h"
#include "cluster/token_ctl_wire.h"

#define ASK_TIMEOUT_MS 30000 /* scrypt, a publication, the disk */

/* --- what goes between the two --- */

/* Question: str peer, octets session, octets frame. */
static void put_ask(struct wr *w, const char *peer, const uint8_t *session, struct view frame)
{
	ipc_put_str(w, peer);
	wr_bytes(w, session, CTLP_SESSION_LEN);
	wr_view(w, frame);
}

static bool get_ask(struct view body, char peer[STORE_ADDRESS_SIZE], struct view *session, struct view *frame)
{
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!ipc_get_str(&r, peer, STORE_ADDRESS_SIZE) || !rd_view(&r, CTLP_SESSION_LEN, session))
		return false;
	*frame = rd_rest(&r);
	return true;
}

/* --- in the director --- */

struct session {
	uint8_t id[CTLP_SESSION_LEN];
	char who[STORE_NAME_SIZE];   /* "admin from 192.0.2.7", for the audit */
	struct administrator_ticket ticket;
	uint64_t expires_ms;         /* 0: free */
};

struct ctl_provider_director {
	struct cluster *cluster;
	const struct clock *clock;
	void (*published)(void *ctx);
	void *ctx;
	struct session sessions[CTLP_SESSIONS];
	unsigned logins_left;
	uint64_t logins_ms;          /* when logins_left was reckoned */
	struct ctl_provider_stats stats;
};

/* One message on its way. */
struct turn {
	struct ctl_provider_director *d;
	uint64_t now_ms;
	const char *peer;
	struct session *session;     /* NULL: not logged in */
	struct ctlp_msg m;
	struct wr *out;              /* the answer */
};

static void refuse(struct turn *t, enum ctlp_reason reason, uint16_t wait_s, const char *text)
{
	struct ctlp_msg *m = &t->m; /* it has been used up */
	struct view v = view_str(text);
	struct err e = ERR_INIT;

	*m = (struct ctlp_msg){.type = CTLP_REFUSED, .has = CTLP_BIT(CTLP_TAG_REASON), .reason = (uint8_t)reason};
	if (wait_s) {
		m->has |= CTLP_BIT(CTLP_TAG_WAIT);
		m->wait_s = wait_s;
	}
	if (v.len > CTLP_TEXT_MAX)
		v.len = CTLP_TEXT_MAX;
	m->texts[m->n_texts++] = v;
	t->d->stats.refused++;
	wr_clear(t->out);
	if (ctlp_msg_write(m, t->out, &e))
		log_error("CTL Provider: %s", e.text);
}

/* What is the client's to change is told apart from what is not. */
static void refuse_because(struct turn *t, int rc, const struct err *why)
{
	enum ctlp_reason reason = CTLP_REASON_RULE;

	if (rc == ERR_AGAIN)
		reason = CTLP_REASON_CHANGED;
	else if (rc == ERR_IO || rc == ERR_STORE || rc == ERR_NOMEM || rc == ERR_BUG)
		reason = CTLP_REASON_FAILED;
	if (reason == CTLP_REASON_FAILED)
		log_error("CTL Provider: %s", why->text);
	refuse(t, reason, 0, why->text);
}

/* --- logins --- */

static bool may_try(struct ctl_provider_director *d, uint64_t now_ms)
{
	uint64_t since = (now_ms - d->logins_ms) / 1000;

	if (since) {
		uint64_t left = d->logins_left + since;
		d->logins_left = left < CTLP_LOGIN_BURST ? (unsigned)left : CTLP_LOGIN_BURST;
		d->logins_ms = now_ms;
	}
	if (!d->logins_left)
		return false;
	d->logins_left--;
	return true;
}

static int open_session(struct turn *t, const struct administrator_ticket *ticket, struct err *e)
{
	struct session *s = &t->d->sessions[0];

	for (size_t i = 1; i < CTLP_SESSIONS; i++)
		if (t->d->sessions[i].expires_ms < s->expires_ms)
			s = &t->d->sessions[i];
	int rc = random_fill(&random_system, s->id, sizeof(s->id), e);
	if (rc)
		return rc;
	s->expires_ms = t->now_ms + CTLP_SESSION_MS;
	s->ticket = *ticket;
	text_escape(s->who, sizeof(s->who), t->m.user);
	text_append(s->who, sizeof(s->who), strlen(s->who), " from %s", t->peer);
	t->session = s;
	return 0;
}

static void login(struct turn *t)
{
	struct ctl_provider_director *d = t->d;
	struct administrator_ticket ticket;
	struct err e = ERR_INIT;
	bool right = false;

	if (!may_try(d, t->now_ms)) {
		refuse(t, CTLP_REASON_BUSY, CTLP_LOGIN_BURST, "too many logins at once: try again in a while");
		return;
	}
	int rc = administrator_login(d->cluster, t->m.user, t->m.password, t->peer, &right, &ticket, &e);
	if (!rc && right)
		rc = open_session(t, &ticket, &e);
	if (rc) {
		refuse_because(t, rc, &e);
		return;
	}
	if (!right) {
		log_info("CTL Provider: a login from %s was refused", t->peer);
		refuse(t, CTLP_REASON_CREDENTIALS, 0,
		       "User name or password is wrong, or the account is locked after wrong passwords ('show account' on the node "
		       "tells)");
		return;
	}
	d->stats.logins++;
	d->logins_left++; /* who knows the password is no guesser */
	t->m = (struct ctlp_msg){.type = CTLP_WELCOME};
	rc = ctlp_msg_write(&t->m, t->out, &e);
	if (rc)
		refuse_because(t, rc, &e);
}

static struct session *find_session(struct ctl_provider_director *d, const uint8_t *id, uint64_t now_ms)
{
	for (size_t i = 0; i < CTLP_SESSIONS; i++) {
		struct session *s = &d->sessions[i];

		if (s->expires_ms > now_ms && secret_eq(s->id, id, sizeof(s->id)))
			return s;
	}
	return NULL;
}

/* An account that is gone, or has another password, takes its sessions along. */
static int check_session(struct turn *t, struct err *e)
{
	bool holds = false;
	int rc = t->session ? administrator_holds(t->d->cluster, &t->session->ticket, &holds, e) : 0;

	if (rc || holds || !t->session)
		return rc;
	secret_wipe(t->session, sizeof(*t->session));
	t->session = NULL;
	return 0;
}

/* --- what is asked --- */

static void warn(struct turn *t, const struct notes *notes)
{
	struct err e = ERR_INIT;

	t->m = (struct ctlp_msg){.type = CTLP_WARNED};
	token_ctl_put_notes(notes, &t->m);
	int rc = ctlp_msg_write(&t->m, t->out, &e);
	if (rc)
		refuse_because(t, rc, &e);
}

static void store(struct turn *t)
{
	static const enum mode_change changes[] = {
		[CTLP_CHANGE_MIXED] = MODE_MIXED,
		[CTLP_CHANGE_NON_SECURE] = MODE_NON_SECURE,
		[CTLP_CHANGE_UPDATE] = MODE_UPDATE,
	};
	const struct token_ctl ctl = {
		.change = changes[t->m.change],
		.generation = t->m.generation,
		.ctl = t->m.ctl,
		.sha1_signature = t->m.sha1_signature,
		.accepted = t->m.has & CTLP_BIT(CTLP_TAG_ACCEPTED),
	};
	struct notes notes = NOTES_INIT;
	struct err e = ERR_INIT;
	bool stored = false;
	int rc = cluster_token_ctl(t->d->cluster, t->session->who, &ctl, &notes, &stored, &e);

	if (!rc && stored) {
		t->d->stats.stored++;
		t->d->published(t->d->ctx);
		rc = token_ctl_write_stored(t->d->cluster, &notes, t->out, &e);
	}
	if (rc)
		refuse_because(t, rc, &e);
	else if (!stored)
		warn(t, &notes);
	notes_clear(&notes);
}

static void answer(struct turn *t)
{
	struct err e = ERR_INIT;
	int rc = 0;

	if (t->m.type == CTLP_LOGIN) {
		login(t);
		return;
	}
	rc = check_session(t, &e);
	if (rc) {
		refuse_because(t, rc, &e);
		return;
	}
	if (!t->session) {
		refuse(t, CTLP_REASON_SESSION, 0, "the login does not hold any longer: log in again");
		return;
	}
	t->session->expires_ms = t->now_ms + CTLP_SESSION_MS;
	switch (t->m.type) {
	case CTLP_GET_STATE: rc = token_ctl_write_state(t->d->cluster, t->out, &e); break;
	case CTLP_GET_CTL: rc = token_ctl_write_ctl(t->d->cluster, t->out, &e); break;
	case CTLP_STORE: store(t); return;
	default: rc = err_set(&e, ERR_PROTO, "that is no question"); break;
	}
	if (rc)
		refuse_because(t, rc, &e);
}

/* Reply: octets session, octets frame. */
static int decide(struct ctl_provider_director *d, const struct ipc_msg *m, struct wr *reply, struct err *e)
{
	struct turn *t = calloc(1, sizeof(*t));
	char peer[STORE_ADDRESS_SIZE];
	struct view session, frame;
	struct wr out;
	int rc = t ? 0 : err_set(e, ERR_NOMEM, "no memory for a question");

	wr_init(&out, CTLP_FRAME_MAX);
	if (!rc && (!get_ask(m->body, peer, &session, &frame) || ctlp_msg_read(frame, &t->m, e)))
		rc = err_rule(e, "ctl-provider-ask", -1, "a worker's question about the CTL Provider is malformed");
	if (!rc) {
		static const uint8_t none[CTLP_SESSION_LEN];

		t->d = d;
		t->now_ms = clock_mono_ms(d->clock);
		t->peer = peer;
		t->out = &out;
		t->session = find_session(d, session.p, t->now_ms);
		answer(t);
		wr_bytes(reply, t->session ? t->session->id : none, CTLP_SESSION_LEN);
		wr_view(reply, wr_view_all(&out));
	}
	wr_clear(&out);
	if (t)
		secret_wipe(t, sizeof(*t));
	free(t);
	return rc;
}

void ctl_provider_director_ask(struct ctl_provider_director *d, struct ipc_channel *ch, const struct ipc_msg *m)
{
	static struct log_limiter limiter = {.burst = 20};
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	int rc = decide(d, m, &w, &e);
	if (rc)
		ipc_failed_encode(&w, &e);
	struct ipc_msg reply = {.type = rc ? IPC_FAILED : IPC_REPLY, .id = m->id, .body = wr_view_all(&w)};
	e = ERR_INIT;
	if (ipc_channel_send(ch, &reply, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "an answer to a worker: %s", e.text);
	wr_clear(&w);
}

int ctl_provider_director_new(struct cluster *c, const struct clock *clock, void (*published)(void *ctx), void *ctx,
			      struct ctl_provider_director **d, struct err *e)
{
	struct ctl_provider_director *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the CTL Provider");
	*got = (struct ctl_provider_director){.cluster = c, .clock = clock, .published = published, .ctx = ctx,
					      .logins_left = CTLP_LOGIN_BURST, .logins_ms = clock_mono_ms(clock)};
	*d = got;
	return 0;
}

void ctl_provider_director_free(struct ctl_provider_director *d)
{
	if (d)
		secret_wipe(d->sessions, sizeof(d->sessions));
	free(d);
}

const struct ctl_provider_stats *ctl_provider_director_stats(const struct ctl_provider_director *d)
{
	return &d->stats;
}

/* --- in a worker --- */

struct ctl_provider_asking {
	struct asking asking;
	ctl_provider_decided *decided;
	void *ctx;
};

static void on_answer(struct asking *asking, int rc, struct view reply, const struct err *e)
{
	static const uint8_t none[CTLP_SESSION_LEN];
	const struct ctl_provider_asking *a = (struct ctl_provider_asking *)asking;
	struct view session = {none, sizeof(none)}, frame = {0};
	struct rd r;

	(void)e;
	rd_init(&r, reply.p, reply.len);
	if (rc == 0 && rd_view(&r, CTLP_SESSION_LEN, &session))
		frame = rd_rest(&r);
	a->decided(a->ctx, frame, session.p);
}

static int ask_director(void *ctx, const struct ctl_provider_ask *ask, ctl_provider_decided *decided, void *decided_ctx,
			void **wait, struct err *e)
{
	struct ctl_provider_asking *a = malloc(sizeof(*a));
	char peer[INET6_ADDRSTRLEN];
	struct wr body;

	if (!a)
		return err_set(e, ERR_NOMEM, "no memory for a question to the director");
	*a = (struct ctl_provider_asking){{.answered = on_answer}, decided, decided_ctx};
	sockaddr_text(ask->peer, peer);
	wr_init(&body, IPC_BODY_MAX);
	put_ask(&body, peer, ask->session, ask->frame);
	int rc = asker_ask(ctx, &a->asking, IPC_CTL_PROVIDER, &body, ASK_TIMEOUT_MS, wait, e);
	if (body.p)
		secret_wipe(body.p, body.len);
	wr_clear(&body);
	return rc;
}

struct ctl_provider_decider ctl_provider_decider_by_director(struct asker *a)
{
	return (struct ctl_provider_decider){ask_director, asker_cancel, asker_log_ended, a};
}
