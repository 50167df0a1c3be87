#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/file.h"
#include "base/log.h"
#include "pki/keystore_pkcs11.h"
#include "pki/pkcs11.h"
#include "server/child.h"
#include "server/keys.h"
#include "server/sandbox.h"

/*
 * The module is loaded, and logged in, before the sandbox closes. A token that is not there keeps nobody from being
 * served what was signed before; it is looked for again with every signature.
 */
static int connect_token(struct keystore *token, const struct config_keystore *cfg, struct sandbox_token *reach,
			 struct err *e)
{
	struct err why = ERR_INIT;
	int rc = keystore_pkcs11_connect(token, &why);

	if (rc < 0 && !pkcs11_is(&why, PKCS11_REMOVED))
		return err_set(e, rc, "%s", why.text);
	if (rc < 0)
		log_error("%s; until then nothing is signed with its keys", why.text);
	reach->sockets = cfg->sockets;
	for (size_t i = 0; i < CONFIG_MAX_FOLDERS && *cfg->folders[i]; i++) {
		rc = file_open_dir(AT_FDCWD, cfg->folders[i], &reach->folders[reach->n_folders], e);
		if (rc < 0)
			return rc;
		reach->n_folders++;
	}
	return 0;
}

static int begin(struct node *node, struct keystore **keys, struct err *e)
{
	struct sandbox_token reach = {0};
	struct keystore *token = NULL;
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
	if ((rc = keys_open(node->data, &node->cfg.keystore, keys, &token, e)) < 0)
		return rc;
	if (token && (rc = connect_token(token, &node->cfg.keystore, &reach, e)) < 0)
		return rc;
	rc = sandbox_keeper(dir, token ? &reach : NULL, e);
	close(dir);
	for (size_t i = 0; i < reach.n_folders; i++)
		close(reach.folders[i]);
	return rc;
}

int keeper_main(struct node *node, unsigned index)
{
	struct keeper_channel channels[LISTENERS_MAX_WORKERS + 2];
	struct keeper_config cfg = {
		.channels = channels,
		.legacy = config_legacy(&node->cfg),
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
