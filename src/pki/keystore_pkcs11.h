#pragma once

#include "pki/keystore.h"

/*
 * Keys on a hardware token (pki/pkcs11.h): made there, used there, never given out. The label of a key's two halves is its
 * name, their id the 8 octets of its hash. Several threads may use the keystore at once; each signature has a session of
 * its own, and sessions are kept. When the token was reset, taken out and put back, or its reader was, the session is opened
 * and the login done once more by itself. A PIN that was refused is not tried again: that would lock the token.
 */
struct keystore_pkcs11_config {
	const char *uri;      /* RFC 7512: which token; its module-path, its pin-source when there is no pin */
	const char *pin;      /* NULL: in pin_file */
	const char *pin_file; /* NULL: the URI's pin-source */
};

/*
 * keystore_pkcs11_open: reads the configuration, and touches nothing else. What it points to is copied.
 * import and export of the keystore: ERR_USAGE always, but for ERR_AUTH of a key that is not there.
 * Errors: ERR_USAGE the URI.
 */
int keystore_pkcs11_open(const struct keystore_pkcs11_config *cfg, struct keystore **ks, struct err *e) MUST_CHECK;

/*
 * keystore_pkcs11_connect: read the PIN, load the module, log in; done by the first use too, but a process with a sandbox
 * does it before. Not by two threads at once.
 * Errors: as pkcs11.h. After PKCS11_REMOVED all is ready but the token: it may come later.
 */
int keystore_pkcs11_connect(struct keystore *ks, struct err *e) MUST_CHECK;
