#pragma once

#include "cluster/cluster_internal.h"
#include "cluster/phones.h"
#include "store/devicecert.h"

/* What the files of phones share. */

/* A change of phones: in one transaction with its audit record; what is refused or fails is recorded alone. */
struct phone_change {
	const char *who, *command, *object;
	char before[1024], after[1024];   /* filled in by apply; "" for none */
	char outcome[256];                /* likewise; "" for "done" */
	bool quiet;                       /* set by apply: there is nothing to record */
	bool rehearsal;                   /* everything is taken back, and nothing recorded */
	int (*apply)(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e);
	void *ctx;
};
int phone_change_run(struct cluster *c, struct phone_change *ch, struct err *e) MUST_CHECK;

/* phone_audit: one record of it, within the transaction. */
int phone_audit(struct cluster *c, const struct phone_change *ch, const char *outcome, struct err *e) MUST_CHECK;

/* --- phone_fields.c --- */

/* phone_field_set: one field of d by its text. Errors: ERR_USAGE with what is allowed. */
int phone_field_set(struct store_device *d, enum phone_field f, const char *value, struct err *e) MUST_CHECK;

/* --- phone_rules.c --- */

/* A phone as it is to be. */
struct phone_edit {
	struct store_device d;        /* with the new values */
	struct store_device old;      /* as it was; of a new one zeroes */
	bool set[PHONE_N_FIELDS];     /* these were asked for */
	bool gets_string;             /* an authentication string comes with it */
	bool drops_string;            /* Out: the one it has is to be forgotten */
};

/* phone_rules_apply: what follows from what was set, and whether it may be. Errors: ERR_USAGE. */
int phone_rules_apply(struct cluster *c, struct phone_edit *ed, struct notes *notes, struct err *e) MUST_CHECK;

/* --- phones.c --- */

/* A phone added or changed within a transaction. */
struct phone_put {
	const char *name;
	const struct phone_value *v;
	size_t n;
	const char *string;           /* an authentication string; NULL: none is given */
	bool may_add, may_set;
	struct notes *notes;
	bool added, changed;          /* Out */
};
int phone_put_apply(struct cluster *c, struct phone_change *ch, void *put, struct err *e) MUST_CHECK;

/* phone_need: Errors: ERR_USAGE there is no such phone. */
int phone_need(struct cluster *c, const char *name, struct store_device *d, struct err *e) MUST_CHECK;

/* phone_operation_end: no operation is pending, its string is gone; status as given. d is changed too. */
int phone_operation_end(struct cluster *c, struct store_device *d, const char *status, struct err *e) MUST_CHECK;
