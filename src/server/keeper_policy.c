#include <string.h>

#include "pki/tlsmsg.h"
#include "server/keeper.h"

/*
 * Whose keys a worker may borrow: those of TLS servers. CallManager and ITLRecovery sign trust lists and files, so a
 * worker has no use of them at all.
 */
static const char *const worker_units[] = {"CallManager-ECDSA", "TVS", "CAPF", "tomcat", "tomcat-ECDSA"};

/* The legacy listeners, and whose keys each may ask TLS RSA key exchange of: that of the certificate that it shows. */
static const struct {
	enum listen_service listener;
	const char *unit;
} legacy_units[] = {
	{LISTEN_LEGACY_TVS, "TVS"},
	{LISTEN_LEGACY_CAPF, "CAPF"},
	{LISTEN_LEGACY_HTTPS, "tomcat"},
};

/*
 * Whose keys a worker may have: those that do nothing but handshakes, and many of these. A worker that is taken over can
 * then play this server until it gets another certificate, where with a borrowed key it could only as long as it is held;
 * it gains neither trust lists nor files nor phones' certificates. Measured: tests/bench/run_tvs.py.
 */
static const char *const lent_units[] = {"TVS"};

/* What the call control needs to be the server that phones know. Whoever has it can sign configurations, and trust lists
 * of generations before 12.0: the operator decides by naming an adapter. */
static const char *const placed_units[] = {"CallManager"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_unit_of(const char *key, const char *unit)
{
	size_t n = strlen(unit);

	return strncmp(key, unit, n) == 0 && key[n] == '.';
}

static bool is_key_of(const char *key, const char *const *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_unit_of(key, units[i]))
			return true;
	return false;
}

static bool may_decrypt(uint32_t legacy, const char *key)
{
	for (size_t i = 0; i < COUNT(legacy_units); i++)
		if (legacy & LISTEN_BIT(legacy_units[i].listener) && is_unit_of(key, legacy_units[i].unit))
			return true;
	return false;
}

int keeper_allows(enum keeper_role role, uint32_t legacy, const char *key, const struct key_sign *req, struct err *e)
{
	if (role == KEEPER_FOR_DIRECTOR)
		return 0;
	if (role == KEEPER_FOR_RUNNER)
		return err_set(e, ERR_AUTH, "the runner may have nothing signed");
	if (!is_key_of(key, worker_units, COUNT(worker_units)))
		return err_set(e, ERR_AUTH, "a worker may not use this key: it belongs to no TLS server");
	if (req->scheme == KEY_SCHEME_RSA_DECRYPT) {
		/* Of TLS key exchange, and never the bare RSA operation: keystore.h. */
		if (!may_decrypt(legacy, key))
			return err_set(e, ERR_AUTH, "a worker may have nothing decrypted with this key: no legacy listener of its "
				       "service is configured");
		return 0;
	}
	if (!req->message || !req->md_nid)
		return err_set(e, ERR_AUTH, "a worker may not have a bare digest signed");
	if (!tls_handshake_message(req->input))
		return err_set(e, ERR_AUTH, "a worker may have only TLS handshake messages signed");
	return 0;
}

int keeper_lends(enum keeper_role role, const char *key, struct err *e)
{
	if (role == KEEPER_FOR_DIRECTOR ||
	    (role == KEEPER_FOR_RUNNER && is_key_of(key, placed_units, COUNT(placed_units))) ||
	    (role == KEEPER_FOR_WORKER && is_key_of(key, lent_units, COUNT(lent_units))))
		return 0;
	if (role == KEEPER_FOR_RUNNER)
		return err_set(e, ERR_AUTH, "the runner may have no other key than CallManager's");
	return err_set(e, ERR_AUTH, "a worker may not have this key: it does more than the handshakes of TVS");
}
