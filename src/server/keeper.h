#pragma once

#include "pki/keystore.h"
#include "server/config.h"
#include "server/ipc.h"

/*
 * The keeper: the only process that has private keys. It opens no socket and, where the kernel has Landlock, no file
 * but those of the keys folder. It answers on one channel per client, a thread each, so that a key generation for the
 * director delays no handshake.
 */
enum keeper_role {
	KEEPER_FOR_DIRECTOR, /* the whole keystore */
	KEEPER_FOR_RUNNER,   /* the private key of CallManager; only opened when ringfence.conf has an adapter */
	KEEPER_FOR_WORKER,   /* only TLS handshakes, only with the keys of TLS servers: see keeper_policy.c */
};

struct keeper_channel {
	int fd;
	enum keeper_role role;
};

struct keeper_config {
	struct keystore *keys; /* one that takes several threads at once */
	const struct keeper_channel *channels;
	size_t n_channels;
	uint32_t legacy; /* LISTEN_BIT of the legacy listeners that have an address: their keys do TLS RSA key exchange */
};

/* keeper_run: serve until every channel is closed. Errors: ERR_IO a thread cannot be started. */
int keeper_run(const struct keeper_config *cfg, struct err *e) MUST_CHECK;

/* keeper_serve: one channel, until it is closed (0) or fails. What keeper_run's threads run; tests call it directly. */
int keeper_serve(struct keystore *ks, struct keeper_channel ch, uint32_t legacy, struct err *e) MUST_CHECK;

/*
 * keeper_allows: may a client in this role have this done? The director may all. A worker may have signed what looks
 * like a TLS handshake message, by the key of a TLS server; see tls_handshake_message() for why that is safe. TLS RSA key
 * exchange is only for the keys of the legacy listeners that are configured.
 * Errors: ERR_AUTH, with the reason.
 */
int keeper_allows(enum keeper_role role, uint32_t legacy, const char *key, const struct key_sign *req,
		  struct err *e) MUST_CHECK;

/*
 * keeper_lends: may a client in this role have this private key? A worker may have that of TVS, which does nothing but
 * handshakes and as many of them as phones like. The runner may have that of CallManager, to place it where the operator
 * has said. Errors: ERR_AUTH.
 */
int keeper_lends(enum keeper_role role, const char *key, struct err *e) MUST_CHECK;

/* keystore_keeper_open: the keystore behind a channel to the keeper. fd stays the caller's. One thread at a time. */
int keystore_keeper_open(int fd, struct keystore **ks, struct err *e) MUST_CHECK;
