#pragma once

#include "cluster/notes.h"
#include "format/list.h"

/*
 * What a CTL and an ITL hold: pure. One table in compose.c, keyed by trust list generation, says which records there
 * are, in which order and who signs. Source: design.md 6; behaviour.md 3.1, 3.2; formats-and-protocols.md 2.7, 3.6.
 */
enum compose_generation { COMPOSE_8_0, COMPOSE_10_0, COMPOSE_10_5_2, COMPOSE_11_5, COMPOSE_12_0, COMPOSE_GENERATIONS };

#define COMPOSE_DEFAULT COMPOSE_12_0

const char *compose_generation_name(enum compose_generation g); /* "10.5(2)" */
bool compose_generation_find(const char *name, enum compose_generation *g);
bool compose_has_tokenless_ctl(enum compose_generation g);      /* false: 8.0, which knows only hardware tokens */
size_t compose_max_tokens(enum compose_generation g);           /* that a CTL has room for, beside the SAST of its own */
const char *compose_signer_unit(enum compose_generation g);     /* "CallManager" or "ITLRecovery": of both lists */

/*
 * compose_other_signer: the other unit that phones let sign, because a list of this type names it as SAST too; NULL when
 * there is none. A reset is signed by it. Source: behaviour.md 1.4.
 */
const char *compose_other_signer(enum compose_generation g, enum list_type type);

size_t compose_own_sast(enum compose_generation g); /* SAST records of the cluster itself in a CTL without tokens: 1 or 2 */

enum record_style compose_itl_style(enum compose_generation g); /* of TVS and CAPF in an ITL: whole, or only the hash */

/* Does the list of this type, composed for g, name the unit's certificate? A change of it changes the list. */
bool compose_names_unit(enum compose_generation g, enum list_type type, const char *unit);

struct compose_node {
	const char *name;
	const char *address;                   /* dotted IPv4; the name when it has none. CTL only, as ip */
	uint8_t ip[4];                         /* zeros when it has none */
	const struct cert *call_manager;       /* NULL: it runs neither CallManager nor TFTP, or none is known yet */
	const struct cert *call_manager_ec;    /* may be NULL */
	const struct cert *tvs;                /* may be NULL */
};

/*
 * Hardware tokens of a CTL, in the order of their records. The CTL client puts those that it found in the CTL (or the
 * first one, when there was none) before the servers' records, and those that it adds behind them: so came the records
 * of seeds 000 (signer last) and 004 (both first) about.
 */
struct compose_tokens {
	const struct cert *certs[LIST_MAX_SAST_CTL];
	size_t n;
	size_t n_first;                        /* of these, before the servers */
	size_t signer;                         /* index into certs */
};

struct compose_input {
	enum list_type type;
	enum compose_generation generation;
	bool mixed;                            /* CTL: false makes that of a non-secure cluster */
	enum digest digest;                    /* SHA-1 or SHA-512 */
	bool blank;                            /* ITL: without servers, so that phones take any file (behaviour.md 8.3) */
	bool advanced;                         /* `Endpoint Advanced Encryption Algorithms Support`: signer version 1.1 */
	enum name_form names;
	const struct compose_node *nodes;      /* the publisher first */
	size_t n_nodes;
	size_t self;                           /* ITL: whose it is */
	const struct cert *capf;               /* the publisher's; NULL: no CAPF */
	const struct cert *itl_recovery;
	bool by_other;                         /* signed by compose_other_signer */
	/* ITL: signs, and is SAST in place of compose_other_signer, so that the usual signer can follow it. NULL: none. */
	const struct cert *elsewhere;
	const struct compose_tokens *tokens;   /* CTL: NULL: none, the generation's own signer signs */
	/* CTL without tokens: signers of other clusters that phones are to follow too (cluster/sast_trust.h). */
	const struct cert *const *foreign;
	size_t n_foreign;
	uint32_t timestamp;                    /* Unix seconds */
};

/* A composed list: what list_build takes. Certificates are borrowed from the input. */
struct composition {
	struct list_spec spec;
	struct record_spec records[LIST_MAX_RECORDS];
};

/*
 * compose: Out: *out. Errors: ERR_USAGE a certificate that the table asks for is missing, or generation 8.0 is asked for
 * a mixed-mode CTL without tokens; ERR_LIMIT more records than LIST_MAX_RECORDS.
 */
int compose(const struct compose_input *in, struct composition *out, struct err *e) MUST_CHECK;

/*
 * compose_check_size: refuse a list that phones cannot load; a note when it is large.
 * Errors: ERR_LIMIT more than 64 KiB, the text names the number of certificates. Source: behaviour.md 3.1.
 */
#define COMPOSE_WARN_OCTETS (16 * 1024)
int compose_check_size(enum list_type type, size_t len, size_t n_certs, struct notes *notes, struct err *e) MUST_CHECK;
