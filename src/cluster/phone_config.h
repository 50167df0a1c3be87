#pragma once

#include "cluster/cluster.h"
#include "format/confxml.h"
#include "proto/phone_index.h"
#include "store/device.h"
#include "store/node.h"

/*
 * What a phone's configuration is served as: encrypted or not, for which certificate, with which digest and with which
 * elements of formats-and-protocols.md 9. Source: behaviour.md 5, 6; formats-and-protocols.md 5.4, 9.
 */
#define PHONE_CONFIG_URLS 6
#define PHONE_CONFIG_URL_SIZE 256

struct phone_config {
	bool known;                 /* the store has the phone; otherwise only what all phones have in common is set */
	bool encrypted;             /* TFTP Encrypted Config */
	struct cert *cert;          /* encrypted: for this one; NULL: problem says why there is none */
	char cert_hash[CONFXML_CERT_HASH_SIZE]; /* of cert */
	char problem[512];          /* encrypted without cert: for administrators, with the remedy */
	enum digest digest;         /* of its lists and files */
	bool complete;              /* trust is to be put into the operator's file */
	struct confxml_trust trust; /* its texts are below */

	char tvs_host[CONFXML_SERVERS_MAX][STORE_NAME_SIZE], capf_host[STORE_NAME_SIZE];
	char believed[CONFXML_CERT_HASH_SIZE]; /* certHash: of the LSC or MIC that it has */
	struct confxml_url urls[PHONE_CONFIG_URLS];
	char url[PHONE_CONFIG_URLS][PHONE_CONFIG_URL_SIZE];
};

/*
 * phone_config_get: In: tvs_port that phones are told. Out: *pc, which points into itself: it stays where it is until
 * phone_config_clear. Errors: ERR_STORE and others, not that the phone is unknown.
 */
int phone_config_get(struct cluster *c, const char *device, uint16_t tvs_port, struct phone_config *pc,
		     struct err *e) MUST_CHECK;
void phone_config_clear(struct phone_config *pc);

/*
 * phone_config_try: what is wrong with the operator's file of such a phone, as a sentence; "" when nothing is.
 * Out: *unusable: phones cannot be served it. Otherwise they are, without what was to be done with it.
 */
void phone_config_try(const struct phone_config *pc, struct view file, bool *unusable, char *out, size_t size);

/*
 * phone_config_tvs_address: what phones are told to reach a node's TVS by, no longer than they take; NULL: it has nothing so
 * short, and is left out. phone_config_note_address, phone_config_note_addresses: say so, of one node or of all.
 */
const char *phone_config_tvs_address(const struct store_node *n);
int phone_config_note_address(const struct store_node *n, struct notes *notes, struct err *e) MUST_CHECK;
int phone_config_note_addresses(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;

/* phone_model_digest: what this model can be given when the parameter says `wanted`; nobody knows: SHA-1, as all can. */
enum digest phone_model_digest(const char *model, enum digest wanted);

/* phone_model_max_sast: SAST records in one list that this model ("" unknown) is known to work with. */
uint32_t phone_model_max_sast(const char *model);
const char *phone_family_max_sast(size_t i, uint32_t *max); /* the same of each family of models; NULL past the last */

/* phones_sha1: phones whose model cannot SHA-512, as far as is known; cb gets each such model ("" unknown) and how many. */
int phones_sha1(struct cluster *c, int (*cb)(void *ctx, const char *model, uint64_t n), void *ctx,
		struct err *e) MUST_CHECK;

/*
 * published/phones.index (proto/phone_index.h): which phones the workers must not serve plainly.
 * phones_publish: bring it up to date; cheap when neither phones nor what their files have in common may have changed.
 * The file is replaced whole and durable before this returns. When it cannot be, and a phone has become encrypted that
 * was not, it is removed: workers then serve no configuration rather than a secret one.
 */
struct phones_publisher;
int phones_publisher_new(struct cluster *c, uint16_t tvs_port, struct phones_publisher **p, struct err *e) MUST_CHECK;
void phones_publisher_free(struct phones_publisher *p); /* accepts NULL */
int phones_publish(struct phones_publisher *p, bool *changed, struct err *e) MUST_CHECK;
/* phones_publish_due: phones may have changed since, or it failed. Costs nothing; does not see parameters and nodes. */
bool phones_publish_due(const struct phones_publisher *p);

/*
 * phones_publisher_find: what the index has about a phone, whatever the case of its name; item->name is the store's.
 * Out: *item, NULL when it is served as all others are; *complete as in the index. False: the index is not up to date, since
 * the last phones_publish failed, so nobody knows.
 */
bool phones_publisher_find(const struct phones_publisher *p, struct view name, const struct phone_index_item **item,
			   bool *complete);
