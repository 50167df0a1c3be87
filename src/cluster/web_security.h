#pragma once

#include "cluster/cluster.h"
#include "pki/template.h"

/* Subject of new certificates, and a host name more for the web server's. Source: behaviour.md 1.5. */
struct web_security {
	const char *ou, *o, *l, *st;
	const char *c;          /* what it is already: it cannot be changed after installation */
	const char *alternate;  /* a host name for subjectAltName of tomcat; NULL: none */
};

/* web_security_check: Errors: ERR_USAGE too long, control characters, another country, no host name. */
int web_security_check(struct cluster *c, const struct web_security *w, struct err *e) MUST_CHECK;

/*
 * cluster_web_security: kept for every certificate and request that is made from now on, and a new tomcat certificate
 * with it, in one change. Errors: as web_security_check and cluster_regen.
 */
int cluster_web_security(struct cluster *c, const char *who, const struct web_security *w, struct notes *notes,
			 struct err *e) MUST_CHECK;

/* web_security_apply: into what a certificate is made from. */
void web_security_apply(const struct web_security *w, struct template_node *node);
