#pragma once

#include "pki/issue.h"

/*
 * What a node's own certificates look like: one table keyed by unit and trust list generation. The generations up to
 * 10.5(2) reproduce the certificates of the seeds, octet count for octet count: with RSA-1024 and their subjects
 * CallManager certificates are 694 and 696 octets, CAPF 680; with RSA-2048 CallManager is 955.
 */
enum template_cn {
	TEMPLATE_CN_NODE,        /* cucm-pub.example.org */
	TEMPLATE_CN_NODE_EC,     /* cucm-pub-EC.example.org */
	TEMPLATE_CN_CAPF,        /* CAPF-<8 hex digits>, new with each certificate */
	TEMPLATE_CN_ITLRECOVERY, /* ITLRECOVERY_cucm-pub.example.org */
};

struct cert_template {
	const char *unit;
	struct key_spec key;
	enum template_cn cn;
	bool alt_names;              /* subjectAltName with the node's name and addresses */
	struct cert_profile profile; /* dns and ip stay NULL */
};

/* Own units in the order of `show cert list own`, NULL-terminated. Source: behaviour.md 1.5, 2.1. */
extern const char *const template_units[];

/*
 * template_get: the template of a unit.
 * In:     generation "8.0", "10.0", "10.5(2)", "11.5", "12.0"; key_bits 0 or the size of RSA keys that the site wants.
 * Out:    *t. Errors: ERR_USAGE unknown unit or generation, RSA size other than 1024, 2048, 3072, 4096.
 */
int template_get(const char *unit, const char *generation, unsigned key_bits, struct cert_template *t,
		 struct err *e) MUST_CHECK;

/* template_ec_digest: what an EC key of so many bits signs with. Source: behaviour.md 2.4. */
enum digest template_ec_digest(unsigned bits);

/* Who the node is. */
struct template_node {
	const char *name;            /* host name, with its domain when it has one */
	const char *const *ip;       /* addresses for subjectAltName, NULL-terminated, or NULL */
	struct subject subject;      /* cn is not looked at */
	const char *alternate;       /* one more host name for subjectAltName, or NULL */
};

/*
 * template_common_name: the CN that a certificate of this template gets.
 * Errors: ERR_LIMIT longer than the 64 characters that a certificate can hold; ERR_IO no random octets.
 */
int template_common_name(const struct cert_template *t, const char *node, const struct random_source *rnd, char *cn,
			 size_t size, struct err *e) MUST_CHECK;

/*
 * template_issue: a new key and its self-signed certificate. On failure no key stays behind.
 * Out:    key the key's name in ks, *c. Errors: as keystore generate and issue_self_signed.
 */
int template_issue(struct keystore *ks, const struct cert_template *t, const struct template_node *node,
		   const struct clock *clock, const struct random_source *rnd, char key[KEY_NAME_MAX], struct cert **c,
		   struct err *e) MUST_CHECK;

/* What a request for a certificate may have besides what the template gives it. */
struct template_request {
	bool multi_server;           /* one certificate for all nodes: CN <host>-ms.<domain>, or <host>-EC-ms.<domain> */
	const char *const *dns;      /* further subjectAltNames, NULL-terminated, or NULL */
};

/*
 * template_request: a new key and a request for a certificate with it. On failure no key stays behind. It asks for the names
 * of the template, for those of `more`, and for none when neither has any.
 * Out:    key the key's name in ks, *pem heap text. Errors: as template_issue.
 * Source: behaviour.md 2.5, 2.6.
 */
int template_request(struct keystore *ks, const struct cert_template *t, const struct template_node *node,
		     const struct template_request *more, const struct random_source *rnd, char key[KEY_NAME_MAX],
		     char **pem, struct err *e) MUST_CHECK;
