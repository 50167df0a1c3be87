#pragma once

#include "pki/cert.h"

/*
 * Files with several certificates, as authorities hand out chains: PEM blocks one behind the other, one certificate in DER,
 * or a PKCS#7 message in PEM or DER. Source: behaviour.md 2.4, 2.6.
 */
#define CERT_LIST_MAX 256                 /* certificates in one file */
#define CERT_LIST_MAX_OCTETS (512 * 1024) /* and octets */

/*
 * cert_list_read: in the order of the file, none twice.
 * Out:    *list of *n, at least one; freed with cert_list_free.
 * Errors: ERR_PROTO no certificate in it, or one that cannot be read; ERR_AUTH a private key is in it, which has no business
 *         there; ERR_LIMIT.
 */
int cert_list_read(struct view file, struct cert ***list, size_t *n, struct err *e) MUST_CHECK;
void cert_list_free(struct cert **list, size_t n); /* accepts NULL */
