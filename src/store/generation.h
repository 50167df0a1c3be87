#pragma once

#include "store/store.h"

/* Published generations of trust lists: table generation. The row is the point of no return of a publication. */
enum store_generation_state {
	STORE_GENERATION_CURRENT = 1, /* what phones get; exactly one, once there was any */
	STORE_GENERATION_KEPT = 2,    /* an earlier one; phones may still hold it */
	STORE_GENERATION_GONE = 3,    /* no phone depends on it: its folder and keys may be removed */
};

/* Who signed a list. Source: behaviour.md 1.3, 1.4. */
enum store_signer {
	STORE_SIGNER_NORMAL = 0,     /* the signer of its trust list generation */
	STORE_SIGNER_OTHER = 1,      /* a reset: this node's other SAST */
	STORE_SIGNER_ELSEWHERE = 2,  /* a reset: a key that this node does not keep; ITL only */
};

struct store_generation {
	uint64_t number;             /* from 1, without gaps in the order of adding */
	int64_t created;
	char ctl_sha256[65];         /* lower-case hex; "" without a CTL */
	char itl_sha256[65];
	char signer_key[STORE_NAME_SIZE];  /* name of the key that signed the ITL (keystore.h) */
	char signer_cert[65];        /* SHA-256 of the signer's certificate, lower-case hex */
	char digest[16];             /* "SHA-1", "SHA-512" */
	char reason[STORE_NAME_SIZE];      /* the command or event that led to it */
	enum store_generation_state state;
	enum store_signer ctl_signer, itl_signer;
	uint32_t ctl_timestamp;      /* TIMESTAMP of the CTL, Unix seconds; 0 without a CTL */
};

/* store_generation_add: g becomes CURRENT (g->state is ignored), the one before KEPT.
 * Errors: ERR_USAGE number is not the latest plus one; ERR_STORE. */
int store_generation_add(struct store *s, const struct store_generation *g, struct err *e) MUST_CHECK;

/* store_generation_latest: the CURRENT one; *found false before the first. */
int store_generation_latest(struct store *s, struct store_generation *g, bool *found, struct err *e) MUST_CHECK;
int store_generation_get(struct store *s, uint64_t number, struct store_generation *g, bool *found,
			 struct err *e) MUST_CHECK;

/* store_generation_last_ctl: the latest ctl_timestamp of all generations, also of those that are GONE; 0: none had a CTL. */
int store_generation_last_ctl(struct store *s, uint32_t *timestamp, struct err *e) MUST_CHECK;

/* store_generation_list: newest first, at most limit (0: all). Out: *list of *n, freed with free(). */
int store_generation_list(struct store *s, size_t limit, struct store_generation **list, size_t *n,
			  struct err *e) MUST_CHECK;

/* store_generation_set_state: KEPT and GONE, of a generation that is not CURRENT. Errors: ERR_USAGE. */
int store_generation_set_state(struct store *s, uint64_t number, enum store_generation_state state,
			       struct err *e) MUST_CHECK;
