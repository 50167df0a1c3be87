#pragma once

#include "base/bytes.h"

/*
 * Messages between the CTL client and the CTL Provider, within TLS on TCP 2444: an administrator logs in, looks at what a
 * CTL is made of, and gives back a CTL that a hardware token has signed. CUCM's wire form is not known; this one is
 * Ringfence's own. Source: docs/ctl-provider.md; behaviour.md 8.8.
 */
#define CTLP_VERSION 1
#define CTLP_HEADER_LEN 8
#define CTLP_FRAME_MAX 61440     /* octets with the header: what one message between processes takes along */
#define CTLP_LOGIN_FRAME_MAX 256 /* and of a LOGIN: strangers get no more room */
#define CTLP_USER_MAX 64
#define CTLP_PASSWORD_MAX 128
#define CTLP_TEXT_MAX 1024       /* octets of one text; they may hold line feeds */
#define CTLP_TEXTS_MAX 16
#define CTLP_NODES_MAX 64

enum ctlp_type {
	CTLP_LOGIN = 1,      /* client: user, password */
	CTLP_WELCOME = 2,
	CTLP_GET_STATE = 3,  /* client */
	CTLP_STATE = 4,      /* what a CTL is made of */
	CTLP_GET_CTL = 5,    /* client */
	CTLP_CTL = 6,        /* the one in force; none: without the element */
	CTLP_STORE = 7,      /* client: a signed CTL, and what mode the cluster is to have with it */
	CTLP_STORED = 8,     /* generation, the nodes that have it, texts that tell what is left to do */
	CTLP_WARNED = 9,     /* nothing was changed: texts to be accepted first */
	CTLP_REFUSED = 10,   /* the answer to anything: reason, one text */
};
#define CTLP_TYPE_LAST CTLP_REFUSED

/* Elements stand in the order of their numbers, and only NODE and TEXT more than once. */
enum ctlp_tag {
	CTLP_TAG_USER = 1, CTLP_TAG_PASSWORD = 2, CTLP_TAG_REASON = 3, CTLP_TAG_WAIT = 4, CTLP_TAG_CHANGE = 5,
	CTLP_TAG_MODE = 6, CTLP_TAG_GENERATION = 7, CTLP_TAG_TIME = 8, CTLP_TAG_LISTS = 9, CTLP_TAG_DIGEST = 10,
	CTLP_TAG_NAMES = 11, CTLP_TAG_SIGNER_VERSION = 12, CTLP_TAG_NODE = 13, CTLP_TAG_CAPF = 14,
	CTLP_TAG_ITLRECOVERY = 15, CTLP_TAG_CTL = 16, CTLP_TAG_SHA1_SIGNATURE = 17, CTLP_TAG_ACCEPTED = 18,
	CTLP_TAG_TEXT = 19,
};
#define CTLP_TAG_LAST CTLP_TAG_TEXT
#define CTLP_BIT(tag) (UINT32_C(1) << (tag))

enum ctlp_reason {
	CTLP_REASON_CREDENTIALS = 1, /* name or password is wrong, or the account is locked: nobody is told which */
	CTLP_REASON_BUSY = 2,        /* too many logins: WAIT says for how many seconds */
	CTLP_REASON_SESSION = 3,     /* log in (again) */
	CTLP_REASON_RULE = 4,        /* the CTL or the change is not allowed: the text says why */
	CTLP_REASON_CHANGED = 5,     /* other lists were published meanwhile */
	CTLP_REASON_FAILED = 6,      /* the server could not do it */
};

enum ctlp_change { CTLP_CHANGE_MIXED = 1, CTLP_CHANGE_NON_SECURE = 2, CTLP_CHANGE_UPDATE = 3 };
enum ctlp_names { CTLP_NAMES_A = 1, CTLP_NAMES_C = 3 };

struct ctlp_node {
	struct view name, address;   /* address is a dotted IPv4, or the name */
	struct view call_manager;    /* DER of its CallManager certificate; len 0: it has none */
};

/* A message. Views borrow the frame; `has` has the bit of each element that is there. */
struct ctlp_msg {
	uint8_t type;
	uint32_t has;
	struct view user, password;
	uint8_t reason;              /* enum ctlp_reason */
	uint16_t wait_s;
	uint8_t change;              /* enum ctlp_change */
	uint8_t mode;                /* 0 non-secure, 1 mixed */
	uint64_t generation;
	uint32_t time_s;             /* the server's, Unix seconds: what a new CTL is dated */
	struct view lists;           /* trust list generation: "12.0" */
	uint8_t digest;              /* enum digest: SHA-1 or SHA-512 */
	uint8_t names;               /* enum ctlp_names */
	struct view signer_version;  /* two octets */
	struct ctlp_node nodes[CTLP_NODES_MAX]; /* the publisher first */
	size_t n_nodes;
	struct view capf, itl_recovery; /* DER */
	struct view ctl;
	struct view sha1_signature;
	struct view texts[CTLP_TEXTS_MAX];
	size_t n_texts;
};

const char *ctlp_type_name(unsigned type); /* "STORE"; NULL for an unknown number */

/* ctlp_answers: may a message of this type answer that one? REFUSED answers every question, and nothing else. */
bool ctlp_answers(uint8_t answer, uint8_t asked);

/*
 * ctlp_frame_len: octets of the frame that begins here.
 * Errors: ERR_AGAIN more octets are needed to tell; ERR_PROTO "discriminator", "version", "message-type", "reserved",
 *         "body-length" larger than CTLP_FRAME_MAX allows.
 */
int ctlp_frame_len(struct view v, size_t *len, struct err *e) MUST_CHECK;

/*
 * ctlp_msg_read: exactly one frame.
 * Errors: ERR_PROTO as above, "element-past-body", "element-unknown", "element-order", "element-unexpected", "element-size",
 *         "element-value", "too-many-elements", "missing-element".
 */
int ctlp_msg_read(struct view frame, struct ctlp_msg *m, struct err *e) MUST_CHECK;

/* ctlp_msg_write: m->has says which elements are written; NODE and TEXT follow their counts.
 * Errors: ERR_USAGE what ctlp_msg_read would refuse; ERR_LIMIT it does not fit CTLP_FRAME_MAX; ERR_NOMEM. */
int ctlp_msg_write(const struct ctlp_msg *m, struct wr *w, struct err *e) MUST_CHECK;
