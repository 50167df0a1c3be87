#pragma once

#include <event2/event.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * Messages between the processes of a node: one message is one packet of a SOCK_SEQPACKET socketpair.
 *     type u16 | reserved u16, zero | id u32 | length u32 | length octets
 * The reply to a request has its id and type IPC_REPLY or IPC_FAILED. No descriptors travel: the supervisor holds both
 * ends of every pair for as long as it lives and hands them to each new incarnation of a process, so a process that
 * dies closes nothing. Instead the supervisor writes IPC_RESTARTED into the other ends: who waits for an answer asks
 * again.
 *
 * What is longer than a packet, channels (below) take apart and put together again: packets of type IPC_PART with the id
 * of the message and the body
 *     type u16 | whole length u32 | offset u32 | octets
 * Parts come in order. A receiver that has not had what came before (it is a new process) passes over the rest: the
 * sender hears IPC_RESTARTED and sends it all again.
 */
#define IPC_MAX 65536    /* octets of one packet, header included */
#define IPC_HEADER 12
#define IPC_BODY_MAX (IPC_MAX - IPC_HEADER)

enum ipc_type {
	IPC_REPLY = 1,
	IPC_FAILED = 2,          /* body: class u8 (negated), errno u32, text (u16 length, octets) */
	IPC_RESTARTED = 3,       /* from the supervisor: the process at the other end is a new one */
	IPC_READY = 4,           /* to the supervisor: this process serves now */
	IPC_PART = 5,            /* see above */
	IPC_ENDED = 6,           /* from the supervisor: the process at the other end keeps ending, and does not run now */

	/* To the keeper; bodies in keeper.c. */
	IPC_KEY_GENERATE = 16,
	IPC_KEY_PUBLIC = 17,
	IPC_KEY_SIGN = 18,
	IPC_KEY_IMPORT = 19,
	IPC_KEY_EXPORT = 20,
	IPC_KEY_REMOVE = 21,
	IPC_KEY_LIST = 22,

	/* Worker to director. */
	IPC_HELLO = 32,          /* a worker begins: tell it IPC_IDENTITY, IPC_EPOCH, IPC_SERVICES */
	IPC_SIGN = 33,           /* str base, str file_name: see signer_sign(); reply: str name below published/signed/ */
	IPC_CAPF_ASK = 34,       /* bodies of these: server/capf.c */
	IPC_CAPF_GONE = 35,      /* unasked: a connection of CAPF is over */
	IPC_CAPF_REFUSED = 38,   /* unasked: a message of CAPF was refused */
	IPC_CTL_PROVIDER = 37,   /* bodies: server/ctl_provider.c */
	IPC_CONTACTS = 36,       /* unasked: phones that asked for something; body: server/contacts.h */

	/* Director to mailer. */
	IPC_MAIL = 40,           /* an e-mail: mail_job.h; the reply when the server took it: str refused, net/smtp.h */
	/* Director to caller: str device, str address, u16 port, u8 by TCP, u8 enum sip_action, u32 time-out in ms;
	 * reply: u16 status (0: none), str text: see sip_done. */
	IPC_NOTIFY = 64,
	/* Director to runner: str device, u8 enum sip_action; reply: nothing, or how the command failed. */
	IPC_RESET = 65,
	/* Likewise: u8 reload also when nothing has changed, chain, authorities: place_put() of place.h. */
	IPC_PLACE = 66,

	/* Director to worker, unasked. */
	IPC_SERVICES = 48,       /* body: u32, a bit (1 << enum listen_service) for each that answers */
	IPC_EPOCH = 49,          /* body: u64, generation number: look again at what was kept of the old one */
	IPC_TVS_INDEX = 51,      /* body: nothing: the index of TVS is another one, map it */
	IPC_IDENTITY = 50,       /* a TLS server's certificate: u8 enum listen_service, str key name, octets DER */
};

/* A message taken apart; body views the packet. */
struct ipc_msg {
	uint16_t type;
	uint32_t id;
	struct view body;
};

/* ipc_pair: close-on-exec, both ends blocking. */
int ipc_pair(int fd[2], struct err *e) MUST_CHECK;

/* ipc_decode: Errors: ERR_PROTO "ipc-header", "ipc-length" (shorter or longer than it says), "ipc-reserved". */
int ipc_decode(struct view packet, struct ipc_msg *m, struct err *e) MUST_CHECK;

/* ipc_send: one message. Errors: ERR_LIMIT body too large; ERR_AGAIN non-blocking and full; ERR_CLOSED; ERR_IO. */
int ipc_send(int fd, const struct ipc_msg *m, struct err *e) MUST_CHECK;
/* ipc_send_now: never waits: a blocking descriptor that is full is ERR_AGAIN too. */
int ipc_send_now(int fd, const struct ipc_msg *m, struct err *e) MUST_CHECK;

/*
 * ipc_recv: one message into buf, which m->body then views.
 * Errors: ERR_AGAIN nothing there (non-blocking); ERR_CLOSED the other end is gone; ERR_PROTO as ipc_decode.
 */
int ipc_recv(int fd, uint8_t buf[IPC_MAX], struct ipc_msg *m, struct err *e) MUST_CHECK;

/* Bodies are made of these. The strings of ipc_get_str are copied, NUL-terminated, and may not contain NUL. */
bool ipc_put_str(struct wr *w, const char *s);
bool ipc_get_str(struct rd *r, char *out, size_t size);
bool ipc_failed_encode(struct wr *w, const struct err *e);
int ipc_failed_decode(struct view body, struct err *e); /* sets e to what the other process said; returns its class */

/*
 * ipc_call: send a request and wait for its answer, for a process that has nothing better to do (the director and a
 * handshake in front of the keeper). Asks again after IPC_RESTARTED; skips what is not the answer (left over from an
 * earlier incarnation of this process).
 * Out:    *reply views buf. Errors: what the other process answered; ERR_IO (ETIMEDOUT) no answer within timeout_ms.
 */
int ipc_call(int fd, uint16_t type, struct view body, unsigned timeout_ms, uint8_t buf[IPC_MAX], struct view *reply,
	     struct err *e) MUST_CHECK;

/* The same on a libevent loop. */
struct ipc_channel;
struct ipc_call;

struct ipc_handlers {
	void (*message)(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m); /* a request, or news; never a reply */
	void (*restarted)(void *ctx, struct ipc_channel *ch);                         /* may be NULL */
	void (*closed)(void *ctx, struct ipc_channel *ch, const struct err *why); /* nothing more will come; may be NULL */
	void *ctx;
	size_t long_max;      /* octets of a body that is taken from the other end in parts; 0: none is */
};

/* done: rc is 0 and reply the answer's body, or rc is a class and e says why. The call is gone by then. */
typedef void ipc_done(void *ctx, int rc, struct view reply, const struct err *e);

/* ipc_channel_new: makes fd non-blocking, owns it from then on (also closes it on failure). h is copied. */
int ipc_channel_new(struct event_base *base, int fd, const struct ipc_handlers *h, struct ipc_channel **ch,
		    struct err *e) MUST_CHECK;
void ipc_channel_free(struct ipc_channel *ch); /* pending calls end without their done being called; accepts NULL */

/*
 * ipc_channel_send: queued when the socket is full; in parts when the body is longer than IPC_BODY_MAX.
 * Errors: ERR_LIMIT IPC_QUEUE_MAX messages are waiting already, or longer than IPC_LONG_MAX.
 */
#define IPC_QUEUE_MAX 4096
#define IPC_LONG_MAX (32u << 20)
int ipc_channel_send(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e) MUST_CHECK;

/*
 * ipc_channel_call: *call, when not NULL, can be given to ipc_call_cancel until done was called. After IPC_ENDED calls
 * fail, those that wait too, until IPC_RESTARTED.
 * Errors: as ipc_channel_send; ERR_CLOSED the other process keeps ending.
 */
int ipc_channel_call(struct ipc_channel *ch, uint16_t type, struct view body, unsigned timeout_ms, ipc_done *done,
		     void *ctx, struct ipc_call **call, struct err *e) MUST_CHECK;
void ipc_call_cancel(struct ipc_call *call); /* done will not be called; accepts NULL */
