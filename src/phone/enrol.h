#pragma once

#include "phone/config.h"
#include "proto/capf_client.h"

/*
 * What a phone does when CAPF tells it to: it makes a key, keeps the certificate, shows it, deletes it. Pure but for the
 * random octets of a new key. Source: formats-and-protocols.md 7.5 to 7.8; behaviour.md 5.
 */
struct enrolment {
	struct phone *phone;
	EVP_PKEY *key;      /* borrowed: the key it offers instead of making one; NULL */
	bool installed, fetched, deleted; /* what was done, on this connection or one before */
	char failed[200];   /* what it could not do, in words; "" */
};

/*
 * enrol_identity: how the phone shows CAPF who it is.
 * In:     string, the authentication string that somebody typed on it, or NULL.
 * Out:    *me borrows from p and string. The credential of mode LSC is the LSC, else the MIC; of mode MIC the MIC; a phone
 *         that has none comes without, and it is the server's to refuse it. SUDI data stands for an RSA MIC.
 */
void enrol_identity(const struct phone *p, enum phone_capf_mode mode, const char *string, struct capf_identity *me);

/*
 * enrol_obey: do what the server wants (GENERATE, STORE, FETCH, DELETE) and append the answer to out. What the phone cannot
 * do it says to the server, and n->failed says why.
 * An LSC is the phone's at once when it is stored: only that answer makes it the server's (pitfalls C-7).
 * Errors: ERR_NOMEM, ERR_CRYPTO.
 */
int enrol_obey(struct enrolment *n, struct capf_client *c, enum capf_client_want want, struct wr *out,
	       struct err *e) MUST_CHECK;
