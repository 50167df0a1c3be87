#pragma once

#include "phone/phone.h"

/*
 * Will this phone take it? Pure decisions, with the reason as data. The emulator, `ringfence diff`, the rehearsal and the
 * tests all ask here. A decision never trusts its caller: it parses what is offered and verifies every signature itself.
 * Source: behaviour.md 4.2; formats-and-protocols.md 6.9, 4.3.
 */
enum offer_kind {
	OFFER_CTL,
	OFFER_ITL,
	OFFER_FILE,    /* a configuration or any other provisioning file, with or without a signature */
	OFFER_SERVER,  /* a TLS server's certificate */
	OFFER_TVS,     /* the certificate of the TVS server that is about to be asked */
};

enum verdict { VERDICT_ACCEPT, VERDICT_REFUSE, VERDICT_ASK_TVS };

/* Which of the phone's things decided. */
enum where { WHERE_NONE, WHERE_CTL, WHERE_ITL, WHERE_CACHE, WHERE_TVS };

enum reason {
	/* accepted because */
	REASON_NOTHING_INSTALLED,  /* no trust list, or an empty one: taken without check */
	REASON_SAST,               /* signed by a SAST record of `where` */
	REASON_TFTP,               /* signed by a TFTP or CCM+TFTP record of `where` */
	REASON_RECORD,             /* the certificate stands in `where` with the role needed */
	REASON_RECORD_HASH,        /* its hash does */
	REASON_CACHED,             /* TVS said so a while ago */
	REASON_TVS_CONFIRMED,
	REASON_DECRYPTED,          /* signed by a server it knows, and encrypted for a certificate of its own */
	REASON_UNSIGNED_OK,        /* no installed list names a TFTP server: unsigned files are taken */
	REASON_HTTP,               /* no TLS: there is nothing to check */
	/* asked because */
	REASON_SIGNER_UNKNOWN,     /* no installed list knows the signer */
	REASON_SERVER_UNKNOWN,     /* no installed list and no cached answer knows the server */
	/* refused because */
	REASON_MALFORMED,          /* not a trust list or signed file: detail says which rule it broke */
	REASON_TOO_LARGE,          /* more octets than the model loads */
	REASON_SAST_TOO_MANY,      /* more SAST records than the model takes */
	REASON_DIGEST_UNSUPPORTED, /* the model cannot verify this digest */
	REASON_EC_UNSUPPORTED,     /* the model takes no EC certificate */
	REASON_SIGNER_NOT_SAST,    /* the list's signer is not among its own SAST records */
	REASON_SIGNATURE,          /* the signature does not hold under the key of `where`, record `record` */
	REASON_UNSIGNED,           /* a plain file where a signed one is needed */
	REASON_NOT_CTL_TFTP,       /* first ITL of a phone with a CTL: the CTL does not know its signer */
	REASON_NO_TVS_SUPPORT,     /* signer or server unknown, and the model asks no TVS */
	REASON_NO_TVS_SERVER,      /* ... and no TVS server is configured */
	REASON_NO_TVS_RECORD,      /* ... and no installed list names a TVS server */
	REASON_TVS_MISMATCH,       /* the TVS server's certificate does not match the list */
	REASON_TVS_UNREACHABLE,    /* no TVS server answered */
	REASON_TVS_NO,             /* TVS does not know it */
	REASON_TVS_ROLE,           /* TVS knows it, without the role needed */
	REASON_TVS_WRONG_CERT,     /* TVS answered with another certificate than was asked for */
	REASON_NO_CERTIFICATE,     /* encrypted, and the phone has neither LSC nor MIC */
	REASON_NOT_DECRYPTED,      /* encrypted for none of the phone's certificates, or damaged */
	REASON_COUNT
};

/* One place that was looked at, in order: for console logs. */
struct decision_step {
	enum where where;
	bool found;
};
#define DECISION_STEPS 4

struct decision {
	enum offer_kind kind;
	enum verdict verdict;
	enum reason reason;
	enum where where;
	int record;                /* index into the list of `where`, or -1 */
	bool assumed;              /* rests on a fact that nobody knows of this model (traits.h) */
	uint32_t needed;          /* any one of these roles is enough */
	/* VERDICT_ASK_TVS: type TVS_QUERY_REQUEST or TVS_VERIFY_REQUEST; views borrow the offer */
	struct tvs_msg ask;
	size_t payload;            /* OFFER_FILE: where the plain file begins */
	struct decision_step steps[DECISION_STEPS];
	size_t n_steps;
	char detail[400];          /* in words; as long as an error text */
};

/* phone_decide_list: a new CTL or ITL. file must live until the decision is used up. */
void phone_decide_list(const struct phone *p, enum list_type type, struct view file, struct decision *d);

/* phone_decide_file: any other downloaded file. is_signed: it was asked for with .sgn. */
void phone_decide_file(const struct phone *p, struct view file, bool is_signed, struct decision *d);

/*
 * phone_decide_server: a TLS server's certificate; needed is a set of which one role is enough: TVS_ROLE(FUNCTION_CCM) |
 * TVS_ROLE(FUNCTION_CCM_TFTP) for call control, FUNCTION_APP_SERVER for HTTPS services, FUNCTION_CAPF, TFTP roles for 6971.
 */
void phone_decide_server(struct phone *p, const struct cert *server, uint32_t needed, int64_t now_s, struct decision *d);

/* phone_decide_tvs_server: the certificate that a TVS server presents must match a TVS record of CTL or ITL. */
void phone_decide_tvs_server(const struct phone *p, const struct cert *server, struct decision *d);

/*
 * phone_decide_tvs_answer: go on with what TVS answered.
 * In:     d as one of the decisions above left it with VERDICT_ASK_TVS; offer, the octets that were offered (file, or DER
 *         of the server); answer as it was read, NULL when no server answered.
 * Out:    *d is now ACCEPT or REFUSE. A confirmed server certificate goes to the cache.
 */
void phone_decide_tvs_answer(struct phone *p, struct view offer, const struct tvs_msg *answer, int64_t now_s,
			     struct decision *d);

/* phone_decide_unreachable: no TVS server could be asked; reason REASON_TVS_UNREACHABLE or REASON_TVS_MISMATCH. */
void phone_decide_unreachable(struct decision *d, enum reason why);

const char *reason_name(enum reason r);  /* "signer-unknown": stable, for JSON */
const char *reason_text(enum reason r);  /* a sentence */
const char *where_name(enum where w);    /* "CTL", "ITL", "TVS cache", "TVS", "" */
