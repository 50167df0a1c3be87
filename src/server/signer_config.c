#include "server/signer_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

#define CONFIG ".cnf.xml"

static struct log_limiter limiter = {.burst = 20};

void signer_content_clear(struct signer_content *x)
{
	free(x->data);
	cert_unref(x->device);
	*x = (struct signer_content){0};
}

bool signer_config_is(const char *base, char device[STORE_NAME_SIZE])
{
	size_t n = strlen(base), k = strlen(CONFIG);
	char name[STORE_NAME_SIZE];

	if (n <= k || n - k >= sizeof(name) || !text_same(base + n - k, CONFIG))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(n - k), base);
	for (int i = 0; i < 3 && name[i]; i++)
		name[i] = (char)toupper((unsigned char)name[i]);
	if (!text_is_device_name(name))
		return false;
	memcpy(device, name, sizeof(name));
	return true;
}

static void replace(struct signer_content *x, uint8_t *data, size_t len)
{
	free(x->data);
	x->data = data;
	x->len = len;
}

static struct view view_of(const struct signer_content *x)
{
	return (struct view){x->data, x->len};
}

/* Put elements into the file. False: it stays as it is, and why says why. */
static bool complete(struct signer_content *x, const struct confxml_trust *t, struct err *why)
{
	uint8_t *data;
	size_t len;

	if (confxml_trust(view_of(x), t, &data, &len, why) < 0)
		return false;
	replace(x, data, len);
	return true;
}

static void complete_or_warn(const char *device, const struct phone_config *pc, struct signer_content *x)
{
	struct err why = ERR_INIT;

	if (!pc->complete || complete(x, &pc->trust, &why))
		return;
	/* XMLDefault.cnf.xml, and whatever else has such a name and is no <device>. */
	if (!why.rule || strcmp(why.rule, "config-root") != 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s" CONFIG " is served as it is, without what was to be put into it: %s",
			    device, why.text);
}

/* What the short file needs besides what the operator wrote: the way to CAPF. */
static struct confxml_trust way_to_capf(const struct phone_config *pc)
{
	struct confxml_trust t = confxml_trust_keep;

	t.only_missing = !pc->complete && pc->cert;
	t.capf_auth_mode = pc->trust.capf_auth_mode;
	memcpy(t.capf, pc->trust.capf, sizeof(t.capf));
	t.n_capf = pc->trust.n_capf;
	return t;
}

/* The short file; of a file that cannot be read, one that has nothing but the way to CAPF and the certificate's hash. */
static int shorten(const char *device, const struct phone_config *pc, struct signer_content *x, struct err *e)
{
	const char *hash = pc->cert ? pc->cert_hash : NULL;
	struct confxml_trust t = way_to_capf(pc);
	struct err why = ERR_INIT;
	uint8_t *data;
	size_t len;

	if (!complete(x, &t, &why)) {
		log_limited(&limiter, LOG_LEVEL_WARN, "%s" CONFIG ": its short file has only what Ringfence knows: %s", device,
			    why.text);
		if (!(data = (uint8_t *)strdup("<device/>")))
			return err_set(e, ERR_NOMEM, "out of memory");
		replace(x, data, strlen("<device/>"));
		if (!complete(x, &t, e))
			return e->code;
	}
	int rc = confxml_stub(view_of(x), hash, &data, &len, e);
	if (rc == 0)
		replace(x, data, len);
	return rc;
}

static int absent(const char *device, struct err *e)
{
	errno = ENOENT;
	return err_sys(e, ERR_IO, "%s" CONFIG ".enc.sgn", device);
}

static int make(const char *device, enum signer_form form, struct phone_config *pc, struct signer_content *x, struct err *e)
{
	x->digest = pc->digest;
	if (!pc->encrypted) {
		if (form == SIGNER_ENCRYPTED)
			return absent(device, e);
		complete_or_warn(device, pc, x);
		return 0;
	}
	if (!pc->cert)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s", pc->problem);
	if (form != SIGNER_ENCRYPTED)
		return shorten(device, pc, x, e);
	if (!pc->cert)
		return absent(device, e);
	complete_or_warn(device, pc, x);
	x->device = cert_ref(pc->cert);
	return 0;
}

int signer_config(const struct signer_site *site, const char *device, enum signer_form form, struct signer_content *x,
		  struct err *e)
{
	const struct phone_index_item *item;
	struct phone_config pc;
	bool complete_all;

	if (!phones_publisher_find(site->phones, view_str(device), &item, &complete_all))
		return err_set(e, ERR_AGAIN, "%s" CONFIG ": whether it is to be encrypted cannot be told to the workers now", device);
	if (!item && !complete_all) /* as nearly all are: what there is to be known, the index says */
		return form == SIGNER_ENCRYPTED ? absent(device, e) : 0;
	int rc = phone_config_get(site->cluster, item ? item->name : device, site->tvs_port, &pc, e);
	if (rc < 0)
		return rc;
	rc = make(device, form, &pc, x, e);
	phone_config_clear(&pc);
	return rc;
}
