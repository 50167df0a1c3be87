#pragma once

#define CRYPTOKI_GNU 1
#include <stddef.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "pki/pkcs11.h"

/* A label of 32 octets as text_escape leaves it: whoever made the token may have put anything into it. */
#define PKCS11_SHOWN_MAX (32 * 4 + 1)

struct pkcs11_uri {
	P11KitUri *uri;
	char object[PKCS11_LABEL_MAX];
};

struct pkcs11_session {
	struct ck_function_list *f;
	ck_slot_id_t slot;
	ck_session_handle_t h;
	bool lost;
	char label[PKCS11_SHOWN_MAX]; /* of the token, escaped: for texts */
};

/* pkcs11_fail: what a module answered, as an error; what says what was tried. s may be NULL; it notes that it is lost. */
int pkcs11_fail(struct pkcs11_session *s, ck_rv_t rv, const char *what, struct err *e);
