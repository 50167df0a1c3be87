#pragma once

#include "store/store.h"

/*
 * A reset of all phones that a node owes since something that they look at has changed: table phonereset. It stands there
 * from the change to the end of the reset, whatever is restarted between the two.
 */
struct store_phone_reset {
	bool owed;
	int64_t number;      /* of the debt: one more with each change before it is paid */
	int64_t since;       /* Unix seconds: of the last change */
	char who[96];        /* who made it */
	char told[64];       /* of a reset that was begun: this phone and those before it by name have been told; "" none */
};

/* store_phone_reset_get: owed false: nothing, as of a node that there is not. */
int store_phone_reset_get(struct store *s, const char *node, struct store_phone_reset *r, struct err *e) MUST_CHECK;

/* store_phone_reset_owe: one that is owed already begins anew with the first phone. Errors: ERR_USAGE unknown node. */
int store_phone_reset_owe(struct store *s, const char *node, const char *who, int64_t now, struct err *e) MUST_CHECK;

/* Of the debt with this number; another one stays as it is. */
int store_phone_reset_told(struct store *s, const char *node, int64_t number, const char *told, struct err *e) MUST_CHECK;
int store_phone_reset_paid(struct store *s, const char *node, int64_t number, struct err *e) MUST_CHECK;
