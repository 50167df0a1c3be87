#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "pki/tlsmsg.h"
#include "server/keeper.h"

/* A keystore that must not be reached from a worker's channel but for a handshake message. */
static int sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len, struct err *e)
{
	(void)ks;
	(void)name;
	(void)e;
	assert(req->message && tls_handshake_message(req->input));
	memset(sig, 1, 64);
	*len = 64;
	return 0;
}

/* The one key that is lent is that of TVS. */
static int export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	(void)ks;
	(void)pkcs8;
	(void)len;
	assert(strncmp(name, "TVS.", 4) == 0);
	return err_set(e, ERR_AUTH, "there is no key %s", name);
}

static const struct keystore_ops ops = {.sign = sign, .export = export};

/* Packets of a worker, each behind a u16 length: all are answered or skipped, and the keeper goes on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;
	struct keystore ks = {&ops};
	struct err e = ERR_INIT;
	struct view packet;
	struct rd r;
	int fd[2];

	if (!quiet)
		log_open("fuzz", LOG_LEVEL_ERROR);
	quiet = true;
	if (ipc_pair(fd, &e) < 0)
		abort();
	rd_init(&r, data, size);
	for (int i = 0; i < 8 && rd_view16(&r, &packet); i++)
		if (packet.len && send(fd[1], packet.p, packet.len, MSG_DONTWAIT) < 0)
			break;
	shutdown(fd[1], SHUT_WR);
	struct keeper_channel ch = {fd[0], KEEPER_FOR_WORKER};
	assert(keeper_serve(&ks, ch, UINT32_MAX, &e) == 0);
	close(fd[0]);
	close(fd[1]);
	return 0;
}
