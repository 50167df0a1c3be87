#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/file.h"
#include "base/log.h"
#include "server/child.h"
#include "server/sandbox.h"

static int begin(struct node *node, struct keystore **keys, struct err *e)
{
	char path[4096];
	int dir = -1, rc;

	if ((rc = child_drop(node, CHILD_KEEPER, e)) < 0)
		return rc;
	/* Nobody reads the memory of this process: no debugger of the same user, no core. After the change of user. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, ERR_IO, "PR_SET_DUMPABLE");
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL); /* reads files, which ends with the sandbox */
	if ((rc = file_open_dir(node->data_dir, "keys", &dir, e)) < 0)
		return rc;
	close(node->data_dir);
	if ((rc = sandbox_keeper(dir, e)) < 0)
		return rc;
	close(dir);
	snprintf(path, sizeof(path), "%s/keys", node->data);
	return keystore_file_open(path, keys, e);
}

int keeper_main(struct node *node, unsigned index)
{
	struct keeper_channel channels[LISTENERS_MAX_WORKERS + 2];
	struct keeper_config cfg = {
		.channels = channels,
		.legacy = config_has_legacy(&node->cfg),
	};
	struct err e = ERR_INIT;

	(void)index;
	channels[cfg.n_channels++] = (struct keeper_channel){node->keeper_director[0], KEEPER_FOR_DIRECTOR};
	for (unsigned w = 0; w < node->n_workers; w++)
		channels[cfg.n_channels++] = (struct keeper_channel){node->keeper_worker[w][0], KEEPER_FOR_WORKER};
	if (node->cfg.callcontrol.adapter)
		channels[cfg.n_channels++] = (struct keeper_channel){node->keeper_runner[0], KEEPER_FOR_RUNNER};
	int rc = begin(node, &cfg.keys, &e);
	if (rc == 0)
		rc = child_ready(node, &e);
	if (rc == 0)
		rc = keeper_run(&cfg, &e);
	if (rc < 0)
		log_error("%s", e.text);
	keystore_free(cfg.keys);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
