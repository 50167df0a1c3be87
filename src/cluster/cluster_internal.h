#pragma once

#include <sys/types.h>

#include "cluster/certs.h"
#include "cluster/cluster.h"
#include "cluster/compose.h"
#include "cluster/mode.h"
#include "cluster/web_security.h"
#include "pki/template.h"
#include "store/certificate.h"
#include "store/generation.h"
#include "store/node.h"
#include "store/param.h"
#include "store/unit.h"

/* For this library's own files and its tests. */

struct cluster {
	int data_fd;
	int published_fd;
	int lock_fd;          /* held as long as the cluster is open; -1 of an observer */
	struct store *store;
	struct keystore *keys;
	const struct clock *clock;
	const struct random_source *random;
	char node[STORE_NAME_SIZE];
	bool token;           /* keys may be on a hardware token: cluster_key_in_file tells */
	cluster_step_fn *step;
	void *step_ctx;
	struct cluster_call_control call_control;
};

static inline void cluster_step(struct cluster *c, const char *name)
{
	if (c->step)
		c->step(c->step_ctx, name);
}

/* Stands in <data> until init has ended: keys in keys/ are then of no finished node. */
#define INIT_UNFINISHED ".init-unfinished"

/* cluster_open_bare: without looking at what the store and the disk hold: for a node that is being made. */
int cluster_open_bare(const struct cluster_config *cfg, struct cluster **c, struct err *e) MUST_CHECK;

/* cluster_key_in_file: is the key in keys/? One that is in force and is not lies on a token, or is lost. */
bool cluster_key_in_file(struct cluster *c, const char *name);

/* --- folders: folder.c --- */

/* folder_make: with exactly this mode whatever the umask, if it was not there; *fd, when not NULL, gets it opened. */
int folder_make(int dir_fd, const char *name, mode_t mode, int *fd, struct err *e) MUST_CHECK;

/* folder_remove: it and everything in it, never through a symbolic link; that it is not there is no error. */
int folder_remove(int dir_fd, const char *name, struct err *e) MUST_CHECK;

/* folder_each: call cb with each name but . and .., in order; non-zero stops and is returned. */
int folder_each(int dir_fd, const char *name, int (*cb)(void *ctx, const char *entry), void *ctx, struct err *e) MUST_CHECK;

/* --- both lists of a generation: lists.c --- */

struct list_file {
	uint8_t *data;        /* NULL: there is none */
	size_t len;
};

struct lists {
	struct list_file ctl, itl;
	/* The same signed with SHA-1, for phones that know no SHA-512; none when the lists themselves are. */
	struct list_file ctl_sha1, itl_sha1;
};
void lists_clear(struct lists *l);
int list_file_copy(const struct list_file *from, struct list_file *to, struct err *e) MUST_CHECK; /* also of none */
/* list_file_timestamp: false: there is no list (f may be NULL), or it has none. */
bool list_file_timestamp(const struct list_file *f, uint32_t *t);

/* What the store says that lists are made of; certificates are references. */
struct gathered {
	struct compose_node nodes[STORE_MAX_NODES];
	struct store_node rows[STORE_MAX_NODES];
	size_t n_nodes;
	size_t self;
	struct cert *capf, *itl_recovery;
	struct compose_input in; /* all but type, mixed, timestamp and who signs */
	bool mixed;
	enum store_signer by[2];             /* whose key signs the list of this enum list_type */
	struct cert *elsewhere;              /* of STORE_SIGNER_ELSEWHERE: a reference */
	struct keystore_signer elsewhere_key;
	const struct cert *foreign[LIST_MAX_SAST_CTL]; /* of in.foreign: references */
};
int gather(struct cluster *c, struct gathered **g, struct err *e) MUST_CHECK;
void gathered_free(struct gathered *g); /* accepts NULL */

/*
 * lists_build: compose and sign one list.
 * In:  timestamp 0: now, but when `like` says the same at its own time, Out is a copy of it.
 */
int lists_build(struct cluster *c, struct gathered *g, enum list_type type, const struct list_file *like,
		struct notes *notes, struct list_file *out, struct err *e) MUST_CHECK;

/* lists_signer: the unit whose key signs, and its certificate (borrowed). A key from elsewhere counts as ITLRecovery's. */
const char *lists_signer(const struct gathered *g, enum list_type type, const struct cert **cert);

/*
 * lists_keep_elsewhere: the ITL that a key signed which is not here can be kept, and not made again.
 * Out:    *itl a copy of `old`, *same: it says what a new one would.
 */
int lists_keep_elsewhere(struct gathered *g, const struct list_file *old, struct list_file *itl, bool *same,
			 struct err *e) MUST_CHECK;

/* lists_build_sha1: the twin of `list`, which was composed from g just now; none when that has SHA-1 itself. */
int lists_build_sha1(struct cluster *c, struct gathered *g, enum list_type type, const struct list_file *list,
		     struct list_file *out, struct err *e) MUST_CHECK;

/* --- generations on disk: generation.c --- */

#define GENERATION_NAME_MAX 40
void generation_name(uint64_t number, char out[GENERATION_NAME_MAX]);

/* What stands in a folder beside the lists. */
struct manifest {
	uint64_t number;
	int64_t created;
	const char *reason;
	const char *trust_list_generation;
	bool mixed;
	const char *digest;
	const char *signer_key;
	char signer_cert[65];
};

/* generation_write: the folder, complete and durable; nothing points at it yet. On failure no folder stays. */
int generation_write(struct cluster *c, const struct manifest *m, const struct lists *l, struct err *e) MUST_CHECK;

/* generation_read: both lists of a generation. Errors: ERR_IO. */
int generation_read(struct cluster *c, uint64_t number, struct lists *l, struct err *e) MUST_CHECK;

/* generation_point: `current` to this generation, atomically. prepare makes the new link, switch_to puts it in place. */
int generation_prepare_link(struct cluster *c, uint64_t number, struct err *e) MUST_CHECK;
int generation_switch_link(struct cluster *c, struct err *e) MUST_CHECK;

/*
 * generation_recover: finish or forget what a crash interrupted.
 * Out: *lost: the store's generation is not on disk, or not as it was: publish anew.
 */
int generation_recover(struct cluster *c, bool *lost, struct err *e) MUST_CHECK;

void sha256_hex(const uint8_t *data, size_t len, char out[65]);

/* --- a change: change.c --- */

/* CTL_RESET: as CTL_COMPOSE, signed by compose_other_signer. */
enum ctl_action { CTL_KEEP, CTL_COMPOSE, CTL_DROP, CTL_GIVEN, CTL_RESET };

/* The ITL is composed with every change; this is by whom it is then signed. KEEP: as before. */
enum itl_action { ITL_KEEP, ITL_NORMAL, ITL_OTHER, ITL_ELSEWHERE };

struct change {
	const char *who;
	const char *command;  /* for the audit, as it is typed */
	const char *object, *before, *after;
	enum ctl_action ctl;
	enum itl_action itl;
	struct cert *elsewhere;           /* of ITL_ELSEWHERE: whose key it is; borrowed */
	struct keystore_signer elsewhere_key;
	bool force;           /* publish although nothing differs */
	bool reset;           /* phones look at it: they are owed a reset (phone_reset.h) in the same transaction */
	bool rehearsal;       /* a dry run: all that could refuse it, and nothing of it stays, not even in the audit */
	struct notes *notes;
	/* The change itself, in the transaction; may be NULL. */
	int (*apply)(struct cluster *c, void *ctx, struct err *e);
	/* CTL_GIVEN: put the CTL that somebody else has signed, and its twin, into l; g is the store after apply. */
	int (*give)(struct cluster *c, struct gathered *g, void *ctx, struct lists *l, struct err *e);
	void *ctx;
};

/*
 * change_run: one operation from beginning to end: store, lists, publication, audit, certs/. Refused and failed ones are
 * audited too.
 * Out: *published, when not NULL: a new generation is in force.
 */
int change_run(struct cluster *c, const struct change *ch, bool *published, struct err *e) MUST_CHECK;

/* --- resets: list_reset.c --- */

/* itl_signer_unit: whose key signs the next ITL that a change makes; NULL: a key that is not here. */
int itl_signer_unit(struct cluster *c, const char **unit, struct err *e) MUST_CHECK;

/* --- security mode: mode.c --- */

/* The two halves of cluster_mode_warnings: of the mode, and of phones that are to take a CTL with this signer. */
int mode_warnings(struct cluster *c, enum mode_change change, struct notes *notes, struct err *e) MUST_CHECK;
int mode_signer_warnings(struct cluster *c, const struct cert *signer, struct notes *notes, struct err *e) MUST_CHECK;

/* mode_store: ClusterSecurityMode, within a change. */
int mode_store(struct cluster *c, bool mixed, struct err *e) MUST_CHECK;
extern const char *const mode_names[2]; /* "non-secure", "mixed" */

/* --- the CTL in force: ctl_in_force.c; token_ctl.h has the rest --- */

/* ctl_in_force: Out: *ctl, freed with list_free; NULL: there is none. */
int ctl_in_force(struct cluster *c, struct trust_list **ctl, struct err *e) MUST_CHECK;

/* ctl_others_note: after a new CTL: the nodes that do not have it, because no node gives lists to others. */
int ctl_others_note(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;

/* --- parameters: param.c --- */
struct param_def;
struct store_param_key param_key(const struct param_def *def); /* where the store has it */
int param_generation(struct cluster *c, enum compose_generation *g, struct err *e) MUST_CHECK;

/* --- certs/: certs_files.c --- */
int certs_files_sync(struct cluster *c, struct err *e) MUST_CHECK;

/* --- units: units.c --- */

/* What the store remembers of an own certificate: its roles, and the trust stores that get a copy. */
struct unit_rule {
	const char *unit;
	enum store_unit number;
	uint32_t roles;                 /* STORE_ROLE_BIT */
	enum store_unit copies[3];      /* ended by STORE_UNIT_NONE */
	enum store_unit trust;          /* has the authorities that may sign it; NONE: always self-signed */
	bool multi_server;              /* one certificate may be for all nodes */
	bool cluster_wide;              /* one for the cluster, the publisher's */
	const char *folder;             /* CUCM's, for error texts: "/usr/local/platform" */
	const char *restart;            /* services of this node to restart after a new certificate; NULL: none */
};
const struct unit_rule *unit_rule(const char *unit); /* case does not matter; NULL */

/* unit_find: the rule, when this node is the one that may change the unit's certificate. Errors: ERR_USAGE. */
int unit_find(struct cluster *c, const char *unit, const struct unit_rule **rule, struct err *e) MUST_CHECK;

/* unit_of_cert: the unit of this node whose own certificate it is. Out: *rule NULL: of none. */
int unit_of_cert(struct cluster *c, const struct cert *cert, const struct unit_rule **rule, struct err *e) MUST_CHECK;

/*
 * unit_model: whose subject and key size a new certificate takes over: the unit's own, or CallManager's when it has none.
 * Out: *cert a reference. Errors: ERR_USAGE neither has one.
 */
int unit_model(struct cluster *c, const struct unit_rule *rule, struct cert **cert, struct err *e) MUST_CHECK;

/* What `set web-security` has stored; NULL: nothing of it. Heap texts. */
struct web_security_texts {
	char *ou, *o, *l, *st, *alternate;
};
int web_security_read(struct cluster *c, struct web_security_texts *t, struct err *e) MUST_CHECK;
int web_security_write(struct cluster *c, const struct web_security *w, struct err *e) MUST_CHECK;
void web_security_clear(struct web_security_texts *t);

/* What makes a new certificate or request of a unit on this node; `subject` and `ip` of `node` point into itself. */
struct unit_making {
	struct cert_template t;
	struct template_node node;
	struct store_node row;
	const char *ip[3];
	char parts[5][256];
	struct web_security_texts web;
};
void unit_making_clear(struct unit_making *m);
int unit_making_init(struct cluster *c, const struct unit_rule *rule, const struct cert *model, struct unit_making *m,
		     struct err *e) MUST_CHECK;

/* unit_next_name: the common name that a certificate gets which the unit makes by itself. */
int unit_next_name(struct cluster *c, const struct unit_rule *rule, char *cn, size_t size, struct err *e) MUST_CHECK;

/*
 * regen_try: the certificate that would be made, with a key that is forgotten: what cannot be is known before anybody is
 * asked. In: w: the subject; NULL: the former one. Source: regen.c.
 */
int regen_try(struct cluster *c, const char *unit, const struct web_security *w, struct err *e) MUST_CHECK;

/* unit_record: a new own certificate with its trust store copies, into the store. */
int unit_record(struct cluster *c, const struct unit_rule *rule, const char *node, const struct cert *cert,
		enum store_distribution distribution, struct err *e) MUST_CHECK;

/* trust_namesake: the certificate of a trust store with this common name. Out: *cert a reference, or NULL. */
int trust_namesake(struct cluster *c, enum store_unit trust, const char *cn, struct cert **cert, struct err *e) MUST_CHECK;

/* --- certs.c --- */

/* certs_list_store: one trust store; as certs_list. */
int certs_list_store(struct cluster *c, const struct store_unit_row *unit,
		     int (*cb)(void *ctx, const struct certs_entry *entry), void *ctx, struct err *e) MUST_CHECK;
