#pragma once

#include "cluster/compose.h"
#include "cluster/init.h"
#include "store/device.h"

/*
 * Taking over a site that was made by hand: certificates, keys, the trust lists that its phones hold, and the databases of
 * other tools, all in one folder. adopt_plan reads it and decides everything; nothing is written before init_node, which
 * gets the plan in its request. What is not certain is a problem with its remedy, never a guess.
 * The rules: docs/adoption.md. Source: users.md 6.3, J8, P3, P15; behaviour.md 2.1, 4.2; formats-and-protocols.md 2.6, 7.11.
 */
#define ADOPT_ENTRIES_MAX 200000 /* files and folders that are looked at */
#define ADOPT_DEPTH_MAX 6        /* folders within folders */
#define ADOPT_LISTS_MAX 10000    /* phones may have one each */
#define ADOPT_CERTS_MAX 4096     /* those of phones do not count */
#define ADOPT_PATH_MAX 512

struct adopt_request {
	const char *dir;
	const char *const *as;       /* "UNIT=FILE", FILE as it is below dir; UNIT also a trust store, or "none" */
	size_t n_as;
	/* The passphrase of encrypted files. Out: borrowed. Returns NULL when there is none, with *e set. */
	const char *(*passphrase)(void *ctx, const char *file, struct err *e);
	void *ctx;
};

struct adopt_key {
	char *file;
	EVP_PKEY *key;
	uint8_t *spki;
	size_t spki_len;
	bool matched;                /* there is a certificate of it */
};

struct adopt_cert {
	struct cert *cert;
	char *file;                  /* where it was found: "capf.pem"; else "tvs.sqlite3", "record 1 of ITLFile.tlv" */
	bool filed;                  /* it has a file of its own */
	size_t key;                  /* index into keys, SIZE_MAX without one */
	uint32_t listed, told, named, subject; /* FUNCTION_BIT: by the lists, databases, its file's name, its own */
	uint32_t roles;              /* what of these counts */
	unsigned ttl_s;              /* of a TVS database; 0: none said */
	uint32_t stores;             /* STORE_UNIT_BIT: trust stores that it goes to */
	uint32_t asked;              /* of these, those that the request names */
	uint32_t dropped;            /* STORE_UNIT_BIT: those that it does not go to, because it is unfit for any */
	size_t n_lsc;                /* of a dropped one: LSCs that nothing else vouches for */
	const char *forced;          /* unit or store by request; NULL */
	const char *unit;            /* becomes the own certificate of this unit; NULL */
	bool ignored;                /* by request */
	bool issuer;                 /* of a unit's certificate */
};

struct adopt_list {
	char *file;
	enum list_type type;
	struct trust_list *list;
	char device[16];             /* ITLSEP001122334455.tlv: only that phone has it; "" any phone may */
};

struct adopt_device {
	struct store_device row;     /* name, model, operation, auth, complete_by */
	struct cert *lsc;            /* NULL: none, or none that could be taken */
	char string[16];             /* authentication string of the pending operation; "" none */
	size_t issuer;               /* of the LSC: index into certs; one that was dropped when no other vouches for it */
};

/* One own unit of the node. */
struct adopt_unit {
	const char *unit;
	size_t from;                 /* index into certs; SIZE_MAX: made anew */
	struct cert *cert;
	char key[KEY_NAME_MAX];      /* in the plan's key store */
};
#define ADOPT_UNITS_MAX 16

#define ADOPT_OWN_LISTS "lists of their own"

/* Phones that hold some of the lists, by what they will make of the first new ITL. */
enum adopt_verdict { ADOPT_FOLLOWS, ADOPT_BY_TVS, ADOPT_STRANDED };

struct adopt_phones {
	char holds[600];             /* "ITLFile.tlv", "CTLFile.tlv and ITLFile.tlv", ADOPT_OWN_LISTS */
	enum adopt_verdict verdict;
	char families[400];          /* of traits.h, separated by ", " */
	size_t n_devices;            /* adopted ones of these families; "default" are those of unknown model */
	char why[500];
};

struct adopt_left {
	char *file;
	char *why;
};

struct adopt {
	struct adopt_key *keys;
	struct adopt_cert *certs;
	struct adopt_list *lists;
	struct adopt_device *devices;    /* by name */
	struct adopt_left *left;         /* what was not taken */
	struct adopt_phones *phones;
	struct adopt_unit units[ADOPT_UNITS_MAX];
	size_t n_keys, n_certs, n_lists, n_devices, n_left, n_phones, n_units;
	size_t n_lsc, n_expired_lsc, n_pending, n_unknown_model;
	enum compose_generation generation;
	enum name_form names;
	enum digest digest;
	bool advanced;
	uint8_t *itl;                    /* the first ITL, as it would be published now */
	size_t itl_len;
	struct keystore *memory;
	struct notes notes;              /* to be known */
	struct notes problems;           /* with these, nothing is made */
	bool stranded;                   /* some phones would not follow: made only when the operator says so */
};

/*
 * adopt_plan: read req->dir and decide what becomes of everything in it, for the node that init describes.
 * Out:    *a, freed with adopt_free; a->problems and a->stranded say whether it can be done.
 * Errors: ERR_IO the folder; ERR_USAGE nothing in it can be adopted, or a word of as is wrong; ERR_LIMIT; ERR_NOMEM.
 */
int adopt_plan(const struct adopt_request *req, const struct init_request *init, const struct init_env *env,
	       struct adopt **a, struct err *e) MUST_CHECK;
void adopt_free(struct adopt *a); /* accepts NULL */

/* adopt_generation: of the trust lists, as --generation takes it. */
const char *adopt_generation(const struct adopt *a);

/* adopt_dropped_why: half a sentence: it has expired, or its key is larger than what an upload takes. */
#define ADOPT_WHY_MAX 128
void adopt_dropped_why(const struct adopt_cert *c, char *out, size_t size);
bool adopt_is_oversized(const struct adopt_cert *c);

/* adopt_is_orphan: has the phone an LSC for which nothing vouches any more, because its CAPF certificate was dropped? */
bool adopt_is_orphan(const struct adopt *a, const struct adopt_device *d);

/* adopt_roles: "SAST, CCM+TFTP" */
void adopt_roles(uint32_t roles, char *out, size_t size);
