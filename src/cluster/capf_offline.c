#include <stdlib.h>
#include <string.h>

#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "store/enrolment.h"

#define OFFLINE_RETRY_S 3600 /* somebody has to fetch the keys, sign them and bring the certificates back */

int capf_is_offline(struct cluster *c, bool *offline, struct err *e)
{
	char *issuer = NULL;
	int rc = param_get(c, PARAM_CAPF_ISSUER, &issuer, e);

	if (!rc)
		*offline = strcmp(issuer, CAPF_ISSUER_OFFLINE) == 0;
	free(issuer);
	return rc;
}

bool capf_offline_give(struct capf_turn *t, struct capf_session *s)
{
	struct cert *cert = NULL;
	struct store_csr csr;
	struct err e = ERR_INIT;
	bool found;
	int rc = store_csr_current(t->a->c->store, t->device, &csr, &cert, &found, &e);

	if (!rc && !cert)
		return false;
	if (!rc)
		rc = phone_lsc_issued(t->a->c, t->device, cert, t->now, &e);
	if (!rc) {
		capf_give(t, s, cert);
		return true;
	}
	cert_unref(cert);
	capf_fail(t, DEVICE_FAILED, CAPF_FAILED, "the imported LSC cannot be given: %s", e.text);
	return true;
}

void capf_offline_collect(struct capf_turn *t)
{
	struct err e = ERR_INIT;

	if (store_csr_put(t->a->c->store, t->device, t->m.public_key, t->now, &e)) {
		capf_fail(t, DEVICE_FAILED_CA_COMMUNICATION, CAPF_FAILED, "its key cannot be kept for the offline CA: %s", e.text);
		return;
	}
	capf_go_on(t, CAPF_DO_RETRY, "its key waits for the offline CA");
	t->out->decision.retry_s = OFFLINE_RETRY_S;
}
