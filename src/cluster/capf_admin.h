#pragma once

#include <stdio.h>

#include "cluster/cluster.h"
#include "store/enrolment.h"

/*
 * What an administrator does with CAPF beside phones and parameters: keys for an authority elsewhere (`Certificate Issuer to
 * Endpoint` is `Offline CA`), and devices whose expired MIC may authenticate once. Source: behaviour.md 1.8, 5.3.
 * Every change is audited as who's.
 */

/*
 * capf_csr_dump: the keys that wait for a certificate, as text: a comment with device and subject, and a PUBLIC KEY in
 * PEM, each. CAPF has no certificate requests: a phone sends its public key and nothing that it signed (7.10).
 * Out: *n how many.
 */
int capf_csr_dump(struct cluster *c, FILE *out, size_t *n, struct err *e) MUST_CHECK;

/*
 * capf_csr_delete: of a device, or (NULL) all. capf_stale_delete: those that the phone has replaced.
 * In:     rehearsal: say what would be, and change nothing.
 * Out:    *n how many. Errors: ERR_USAGE there is no such device, or nothing of it waits.
 */
int capf_csr_delete(struct cluster *c, const char *who, const char *device, bool rehearsal, size_t *n,
		    struct err *e) MUST_CHECK;
int capf_stale_delete(struct cluster *c, const char *who, bool rehearsal, size_t *n, struct err *e) MUST_CHECK;

/*
 * capf_cert_import: certificates for keys that wait, one or more in PEM. All or none: the issuer must be in CAPF-trust,
 * the common name the device's, the key one that a phone has sent; usable for signatures and key encipherment; not expired.
 * In:     rehearsal: say what would be, and change nothing.
 * Out:    *n how many; notes: those that came too late, because the phone has sent another key since.
 * Errors: ERR_USAGE what is wrong with which.
 */
int capf_cert_import(struct cluster *c, const char *who, struct view pem, bool rehearsal, struct notes *notes, size_t *n,
		     struct err *e) MUST_CHECK;

/* capf_expired_mic: may the device's expired MIC authenticate one installation? Errors: ERR_USAGE unknown device. */
int capf_expired_mic(struct cluster *c, const char *who, const char *device, bool allow, bool rehearsal,
		     struct err *e) MUST_CHECK;
