#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * Of SIP what it takes to tell a phone to reset, and to be told: NOTIFY with Event: service-control outside of a dialog,
 * and its answer. No descriptors. Stricter than RFC 3261 where nobody needs it laxer: lines end in CR LF, no folded lines,
 * what must be there once is there once. Source: RFC 3261 7, 8.2.6, 18.2, 18.3, 19.1, 20; RFC 6665 8.2.
 */
#define SIP_MAX 8192        /* octets of one message */
#define SIP_FIELDS_MAX 100

enum sip_action { SIP_RESET, SIP_RESTART, SIP_APPLY_CONFIG, SIP_N_ACTIONS };
const char *sip_action_name(enum sip_action a); /* "reset", "restart", "apply-config", as after "action=" */
bool sip_action_find(const char *name, enum sip_action *a);

/* A message taken apart; views are into it. */
struct sip_message {
	struct view method, uri;    /* of a request; method.len is 0 for an answer */
	unsigned status;            /* of an answer, 100 to 699 */
	struct view reason;
	struct view fields;         /* all header lines, each with its CR LF */
	struct view via;            /* the first value */
	struct view from, to, call_id, cseq, event;
	uint32_t sequence;          /* of cseq */
	struct view cseq_method;
	struct view body;
};

/*
 * sip_parse: the first message in data.
 * In:     stream: data comes from TCP, where Content-Length says how long the body is; in a datagram it is the rest, and
 *         Content-Length, when it is there, must say so.
 * Out:    *m, *used octets.
 * Errors: ERR_AGAIN it is not whole yet (stream); ERR_PROTO "sip-line" no CR LF or a control character, "sip-start" neither
 *         request nor answer of SIP/2.0, "sip-field" malformed or too many, "sip-twice", "sip-missing", "sip-cseq",
 *         "sip-length", "sip-size" longer than SIP_MAX.
 */
int sip_parse(struct view data, bool stream, struct sip_message *m, size_t *used, struct err *e) MUST_CHECK;

/* sip_branch: the branch of a Via; empty when it has none. */
struct view sip_branch(struct view via);

/* sip_uri_user: "sip:USER@...": USER, when it is the name of a device (text_is_device_name). */
bool sip_uri_user(struct view uri, char *out, size_t size);

/* sip_action_read: what a body of service-control asks for. Errors: ERR_PROTO "sip-action" none, several, or unknown. */
int sip_action_read(struct view body, enum sip_action *a, struct err *e) MUST_CHECK;

/* What a NOTIFY is made of. Texts are ours or checked: no control characters, no '>'. */
struct sip_notify {
	enum sip_action action;
	const char *device;
	const char *host;           /* of the phone, with port: "192.0.2.7:5060", "[2001:db8::7]:5060" */
	const char *self;           /* our address and port, in the same way */
	bool tcp;
	const char *branch, *tag, *call_id; /* of hex digits, random */
};
void sip_notify_write(struct wr *w, const struct sip_notify *n);

/* sip_answer_write: the answer to a request, which was parsed; tag is put into To when that has none. */
void sip_answer_write(struct wr *w, const struct sip_message *request, unsigned status, const char *reason, const char *tag);
