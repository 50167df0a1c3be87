#pragma once

#include "phone/config.h"
#include "phone/console.h"
#include "phone/enrol.h"

/*
 * The boot of a phone, without network, files and clock: it says what it wants next and is told what came of it.
 * Order: CTL, ITL, configuration (the signed stub and the encrypted file, when it is encrypted), CAPF, after which the
 * configuration is fetched once more, the directory of that configuration; TVS whenever a decision needs it.
 * Source: behaviour.md 4.1 to 4.4, 5.4; formats-and-protocols.md 5.4, 7.9; seed 003.
 */
enum boot_action {
	BOOT_GET,     /* fetch the file `name` of at most `limit` octets: boot_got, boot_missing or boot_failed */
	BOOT_TVS,     /* connect to host:port with TLS: boot_tvs_connected or boot_tvs_failed */
	BOOT_ASK,     /* on that connection send the frame: boot_tvs_answered or boot_tvs_failed */
	BOOT_CONNECT, /* connect to host:port with TLS: boot_connected or boot_not_connected */
	BOOT_OPEN,    /* fetch `name` from host:port over HTTP, where nobody is checked: boot_opened or boot_not_connected */
	BOOT_CAPF,    /* as BOOT_CONNECT, and do what CAPF wants: boot_capf_connected, boot_capf_obey, boot_capf_ended */
	BOOT_END,
};

struct boot_todo {
	enum boot_action action;
	char name[PHONE_HOST_MAX];  /* BOOT_GET, BOOT_OPEN; without a leading slash */
	size_t limit;               /* BOOT_GET */
	const uint8_t *https;       /* BOOT_GET: over HTTPS, only from the server with this SHA-256 of its certificate */
	char host[PHONE_HOST_MAX];  /* BOOT_TVS, BOOT_CONNECT, BOOT_OPEN, BOOT_CAPF */
	uint16_t port;
	struct view frame;          /* BOOT_ASK; lives until the answer */
	const char *url;            /* BOOT_CONNECT: what is fetched there when the server is trusted */
	bool wait;                  /* BOOT_CAPF: only after the interval between two tries */
};

/* What became of one file or server. */
enum boot_fate {
	FATE_NOT_TRIED,
	FATE_MISSING,   /* the server has no such file */
	FATE_FAILED,    /* no answer */
	FATE_SAME,      /* accepted, and nothing new */
	FATE_TAKEN,     /* accepted and installed or used */
	FATE_REFUSED,
	FATE_DECLINED,  /* the server refused the phone */
};

struct boot_part {
	enum boot_fate fate;
	enum reason reason;  /* when it was decided */
	enum where where;
	bool tvs_asked, assumed;
	char detail[200];
};

/* What became of the phone. */
enum boot_outcome {
	BOOT_TOOK,     /* it has a new trust list, and its configuration */
	BOOT_KEPT,     /* it has no new trust list, and its configuration */
	BOOT_REFUSED,  /* it refused something, and has its configuration all the same */
	BOOT_STRANDED, /* it does not take, or cannot decrypt, the configuration that the server has, or got only its stub */
	BOOT_FAILED,   /* the server gave it no configuration */
	BOOT_OUTCOMES
};
const char *boot_outcome_name(enum boot_outcome o); /* "took", "kept", ... */

/* BOOT_FULL is what the signed stub stands for. What CAPF did, or that it refused the phone, changes no outcome. */
enum boot_subject { BOOT_CTL, BOOT_ITL, BOOT_CONFIG, BOOT_FULL, BOOT_ENROLMENT, BOOT_DIRECTORY, BOOT_PARTS };
const char *boot_subject_name(enum boot_subject s); /* "CTL", "ITL", "configuration", "encrypted configuration", "CAPF", ... */

/* What came of CAPF. */
enum boot_capf {
	BOOT_CAPF_NOT_TRIED,  /* nothing asked for it */
	BOOT_CAPF_NOTHING,    /* nothing was scheduled */
	BOOT_CAPF_INSTALLED,
	BOOT_CAPF_FETCHED,
	BOOT_CAPF_DELETED,
	BOOT_CAPF_DECLINED,   /* the server refused the phone, or the phone could not do what was wanted */
	BOOT_CAPF_DISTRUSTED, /* the phone refused the server */
	BOOT_CAPF_NO_STRING,  /* an authentication string is wanted, and nobody typed one */
	BOOT_CAPF_LATER,      /* the server wants the phone to come back later: an offline CA */
	BOOT_CAPF_FAILED,     /* no server, or none that answered */
	BOOT_CAPF_RESULTS
};
const char *boot_capf_name(enum boot_capf r); /* "not tried", "nothing scheduled", "LSC installed", ... */

struct boot;

/* boot_new: phone, console and server (name or address of the TFTP server, for logs) outlive it. */
int boot_new(struct phone *p, struct console *con, const char *server, struct boot **b, struct err *e) MUST_CHECK;
void boot_free(struct boot *b); /* accepts NULL */

/*
 * boot_set_https: where the server speaks HTTPS. Without it, or for a model without EC, or with an ITL below signer version
 * 1.1, nothing is asked for there (formats-and-protocols.md 8.4).
 */
void boot_set_https(struct boot *b, uint16_t port);

/*
 * boot_set_capf: string, an authentication string that somebody typed on the phone, or NULL; key, which the phone offers
 * instead of making one, or NULL. Both outlive the boot.
 */
void boot_set_capf(struct boot *b, const char *string, EVP_PKEY *key);

/* boot_set_old: firmware that knows neither CAPF nor encrypted configurations (behaviour.md 9, scenario 44). */
void boot_set_old(struct boot *b);

const struct boot_todo *boot_todo(const struct boot *b);

/* Reports. data is copied. Errors: ERR_NOMEM. */
int boot_got(struct boot *b, struct view data, struct err *e) MUST_CHECK;
void boot_missing(struct boot *b);
void boot_failed(struct boot *b, const char *why);

/*
 * boot_tvs_connected: the TLS handshake is done; server is the certificate that the server presented. Whether it is the
 * right one is decided here: the next thing to do is BOOT_ASK on this connection, or something else without it.
 */
void boot_tvs_connected(struct boot *b, const struct cert *server);
void boot_tvs_answered(struct boot *b, struct view frame); /* one whole frame */
void boot_tvs_failed(struct boot *b, const char *why);

void boot_connected(struct boot *b, const struct cert *server);
void boot_opened(struct boot *b);
void boot_not_connected(struct boot *b, const char *why);

/*
 * CAPF. boot_capf_identity: who says it; lives until boot_capf_ended. boot_capf_connected: the TLS handshake is done; true:
 * this server may say what it wants; false: the boot has gone on, close the connection without boot_capf_ended.
 * boot_capf_obey: as obey in net/capf_dialog.h. boot_capf_ended: c is unused when why is not NULL.
 */
const struct capf_identity *boot_capf_identity(const struct boot *b);
bool boot_capf_connected(struct boot *b, const struct cert *server);
int boot_capf_obey(struct boot *b, struct capf_client *c, enum capf_client_want want, struct wr *out,
		   struct err *e) MUST_CHECK;
void boot_capf_ended(struct boot *b, const struct capf_client *c, const char *why);

/* After BOOT_END. */
enum boot_outcome boot_outcome(const struct boot *b);
const struct boot_part *boot_part(const struct boot *b, enum boot_subject s);
enum boot_capf boot_capf(const struct boot *b);
/* boot_configuration: the plain or decrypted configuration that was accepted; empty when the phone keeps what it had. */
struct view boot_configuration(const struct boot *b);
