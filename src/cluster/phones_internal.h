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
	bool lenient;                 /* an operation that cannot be pending is taken as none */
	bool drops_string;            /* Out: the one it has is to be forgotten */
	bool dropped;                 /* Out: lenient had to be */
};

/* phone_rules_apply: what follows from what was set, and whether it may be. Errors: ERR_USAGE. */
int phone_rules_apply(struct cluster *c, struct phone_edit *ed, struct notes *notes, struct err *e) MUST_CHECK;

/* --- phone_name.c --- */

/* phone_name_check: may a new phone be called so? Errors: ERR_USAGE with the rule. */
int phone_name_check(const char *name, struct err *e) MUST_CHECK;

/* --- phones.c --- */

/* A phone added or changed within a transaction. */
struct phone_put {
	const char *typed;            /* its name, as in phones_name */
	const struct phone_value *v;
	size_t n;
	const char *string;           /* an authentication string; NULL: none is given */
	bool may_add, may_set;
	bool lenient;                 /* an operation that cannot be pending is taken as none */
	struct notes *notes;
	char object[STORE_NAME_SIZE + 8]; /* of the audit */
	char name[STORE_NAME_SIZE];   /* Out, also the rest: of the record */
	bool added, changed, dropped; /* dropped: lenient had to be */
};
/* phone_put_plan: what it comes to, for p and for the audit. phone_put_check: and whether the store would take it; nothing
 * is written. phone_put_apply: write it. ctx is a struct phone_put. */
int phone_put_plan(struct cluster *c, struct phone_change *ch, struct phone_put *p, struct phone_edit *ed,
		   struct err *e) MUST_CHECK;
int phone_put_check(struct cluster *c, struct phone_put *p, struct err *e) MUST_CHECK;
int phone_put_apply(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e) MUST_CHECK;

/* phone_need: by the name of the record. Errors: ERR_USAGE there is no such phone. */
int phone_need(struct cluster *c, const char *name, struct store_device *d, struct err *e) MUST_CHECK;

/* phone_operation_begin: of d, what is pending: its status, and until when unless that is set. Errors: ERR_STORE. */
int phone_operation_begin(struct cluster *c, struct store_device *d, struct err *e) MUST_CHECK;

/* phone_operation_end: no operation is pending, its string is gone (unless it was a renewal, which uses none); status as
 * given. d is changed too. */
int phone_operation_end(struct cluster *c, struct store_device *d, const char *status, struct err *e) MUST_CHECK;

/* --- phones_csv.c --- */

/* Columns of a file: enum phone_field, or one of these. */
enum { PHONES_CSV_NAME = PHONE_N_FIELDS, PHONES_CSV_STRING, PHONES_CSV_SHOWN };
bool phones_csv_column(const char *title, unsigned *column); /* false: there is none of this title */

/* phones_csv_text: a field as the administrator has it: a renewal by itself he has not scheduled, nor could a file. */
void phones_csv_text(const struct store_device *d, enum phone_field f, char *out, size_t size);
