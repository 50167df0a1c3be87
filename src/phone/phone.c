#include "phone/phone.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void phone_init(struct phone *p, const char *device, const char *model, const struct traits *traits)
{
	*p = (struct phone){.traits = traits};
	snprintf(p->device, sizeof p->device, "%s", device);
	snprintf(p->model, sizeof p->model, "%s", model);
}

void phone_clear(struct phone *p)
{
	if (!p)
		return;
	list_free(p->ctl);
	list_free(p->itl);
	phone_identity_set(&p->lsc, NULL, NULL);
	phone_identity_set(&p->mic, NULL, NULL);
	EVP_PKEY_free(p->lsc_next);
	*p = (struct phone){0};
}

void phone_tvs_name(const struct phone *p, char out[TVS_DEVICE_MAX + 1])
{
	const char *model = text_starts(p->model, "CP-") ? p->model + 3 : p->model;

	snprintf(out, TVS_DEVICE_MAX + 1, "CP-%s-%s", *model ? model : "0000", p->device);
}

void phone_install_take(struct phone *p, enum list_type type, struct trust_list *l)
{
	struct trust_list **to = type == LIST_CTL ? &p->ctl : &p->itl;

	if (*to != l)
		list_free(*to);
	*to = l;
	phone_cache_flush(p);
}

void phone_erase(struct phone *p)
{
	phone_install_take(p, LIST_CTL, NULL);
	phone_install_take(p, LIST_ITL, NULL);
}

void phone_identity_set(struct phone_identity *id, struct cert *cert, EVP_PKEY *key)
{
	const struct phone_identity old = *id;

	*id = (struct phone_identity){cert ? cert_ref(cert) : NULL, key};
	if (key)
		EVP_PKEY_up_ref(key);
	cert_unref(old.cert);
	EVP_PKEY_free(old.key);
}

void phone_cert_hash(const struct cert *c, char out[PHONE_CERT_HASH_LEN + 1])
{
	uint8_t sum[DIGEST_MAX];

	out[0] = '\0';
	if (!digest_one(DIGEST_MD5, cert_der(c), sum, NULL))
		text_hex(out, PHONE_CERT_HASH_LEN + 1, (struct view){sum, digest_len(DIGEST_MD5)}, '\0', false);
}

bool phone_has_cert(const struct phone *p, const char *cert_hash)
{
	const struct cert *own[] = {p->lsc.cert, p->mic.cert};
	char hash[PHONE_CERT_HASH_LEN + 1];

	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		if (!own[i])
			continue;
		phone_cert_hash(own[i], hash);
		if (!strcmp(hash, cert_hash))
			return true;
	}
	return false;
}

static bool has_identity(const struct tlv_record *rec)
{
	return rec->certificate.len || rec->cert_hash.len || rec->public_key.len;
}

bool phone_list_has(const struct trust_list *l, unsigned function)
{
	for (size_t i = 0; l && i < l->n_records; i++)
		if (l->records[i].has_function && l->records[i].function == function && has_identity(&l->records[i]))
			return true;
	return false;
}

static bool names_servers(const struct trust_list *l)
{
	return phone_list_has(l, FUNCTION_CCM) || phone_list_has(l, FUNCTION_CCM_TFTP) ||
	       phone_list_has(l, FUNCTION_TFTP) || phone_list_has(l, FUNCTION_TVS);
}

bool phone_itl_is_blank(const struct trust_list *l)
{
	return l && !names_servers(l);
}

bool phone_lists_are_open(const struct trust_list *ctl, const struct trust_list *itl)
{
	/* A CTL that names only CAPF is what is left of mixed mode in newer releases; phones take anything then
	 * (behaviour.md 3.2, scenario 28). One with its SAST records still decides who may replace it. */
	bool ctl_decides = ctl && (names_servers(ctl) || phone_list_has(ctl, FUNCTION_SAST));

	return !ctl_decides && (!itl || phone_itl_is_blank(itl));
}

bool phone_is_open(const struct phone *p)
{
	return phone_lists_are_open(p->ctl, p->itl);
}

bool phone_wants_signed(const struct phone *p)
{
	return phone_list_has(p->ctl, FUNCTION_CCM_TFTP) || phone_list_has(p->ctl, FUNCTION_TFTP) ||
	       phone_list_has(p->itl, FUNCTION_CCM_TFTP) || phone_list_has(p->itl, FUNCTION_TFTP);
}

static void drop(struct phone *p, size_t i)
{
	p->cache[i] = p->cache[--p->n_cache];
}

static void expire(struct phone *p, int64_t now_s)
{
	for (size_t i = 0; i < p->n_cache;)
		if (p->cache[i].expires_s <= now_s)
			drop(p, i);
		else
			i++;
}

const struct phone_cached *phone_cache_get(struct phone *p, const struct cert *c, int64_t now_s)
{
	expire(p, now_s);
	for (size_t i = 0; i < p->n_cache; i++)
		if (!memcmp(p->cache[i].sha256, cert_sha256(c), sizeof p->cache[i].sha256))
			return &p->cache[i];
	return NULL;
}

void phone_cache_put(struct phone *p, const struct cert *c, uint32_t roles, uint32_t ttl_s, int64_t now_s)
{
	struct phone_cached *slot;
	size_t i, soonest = 0;

	expire(p, now_s);
	if (!ttl_s)
		return;
	for (i = 0; i < p->n_cache; i++) {
		if (!memcmp(p->cache[i].sha256, cert_sha256(c), sizeof p->cache[i].sha256))
			break;
		if (p->cache[i].expires_s < p->cache[soonest].expires_s)
			soonest = i;
	}
	if (i == PHONE_CACHE_MAX)
		i = soonest;
	if (i == p->n_cache)
		p->n_cache++;
	slot = &p->cache[i];
	memcpy(slot->sha256, cert_sha256(c), sizeof slot->sha256);
	slot->roles = roles;
	slot->expires_s = now_s + (ttl_s > TVS_TTL_MAX ? TVS_TTL_MAX : ttl_s);
}

void phone_cache_flush(struct phone *p)
{
	p->n_cache = 0;
}
