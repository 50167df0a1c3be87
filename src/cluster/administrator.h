#pragma once

#include "base/bytes.h"
#include "cluster/cluster.h"
#include "store/administrator.h"

/*
 * Accounts of administrators who log in over the network, to the CTL Provider. A password is kept as what scrypt makes of
 * it; wrong ones in a row lock the account for a while, and a stranger cannot tell a locked account from one that does
 * not exist. Commands of the `admin:` shell need none of this: the operating system says who gives them.
 */
#define ADMINISTRATOR_PASSWORD_MIN 8      /* characters */
#define ADMINISTRATOR_PASSWORD_MAX 128
#define ADMINISTRATOR_ATTEMPTS 5          /* wrong passwords in a row lock it, and then each further one */
#define ADMINISTRATOR_LOCKOUT_S 300

/* administrator_add: Errors: ERR_USAGE it is there already, or name or password is not allowed: the text says what is. */
int administrator_add(struct cluster *c, const char *who, const char *name, const char *password, struct err *e) MUST_CHECK;

/* administrator_password: another password, which also unlocks. Errors: ERR_USAGE no such account; as administrator_add. */
int administrator_password(struct cluster *c, const char *who, const char *name, const char *password,
			   struct err *e) MUST_CHECK;
int administrator_delete(struct cluster *c, const char *who, const char *name, struct err *e) MUST_CHECK;

/* Who has logged in, and with which password: its salt makes each one another, also when it is set to the same. */
struct administrator_ticket {
	char name[STORE_ADMINISTRATOR_NAME_SIZE];
	char password[65]; /* SHA-256 of what is kept of it */
};

/*
 * administrator_login: is it this one? Takes as long whatever is wrong. A lock and a login are audited.
 * In: name and password as strangers send them. Out: *right; then *ticket too. Errors: ERR_STORE; ERR_CRYPTO.
 */
int administrator_login(struct cluster *c, struct view name, struct view password, const char *peer, bool *right,
			struct administrator_ticket *ticket, struct err *e) MUST_CHECK;

/*
 * administrator_holds: is the account still there, with the password of that login? A lock after wrong passwords does not
 * count: strangers could end a session by it.
 */
int administrator_holds(struct cluster *c, const struct administrator_ticket *ticket, bool *holds, struct err *e) MUST_CHECK;
