#pragma once

#include "cluster/token_ctl.h"
#include "proto/ctl_provider.h"

/* What the CTL Provider tells its clients of the cluster, on both sides of the wire. Source: docs/ctl-provider.md. */

/* token_ctl_write_state: the message STATE. Errors: ERR_LIMIT the certificates do not fit into one message. */
int token_ctl_write_state(struct cluster *c, struct wr *w, struct err *e) MUST_CHECK;

/* token_ctl_write_ctl: the message CTL. Errors: ERR_LIMIT. */
int token_ctl_write_ctl(struct cluster *c, struct wr *w, struct err *e) MUST_CHECK;

/* token_ctl_put_notes: as TEXT. m borrows them. */
void token_ctl_put_notes(const struct notes *notes, struct ctlp_msg *m);

/* token_ctl_write_stored: the message STORED: this node has it; that others have not say the notes of cluster_token_ctl. */
int token_ctl_write_stored(struct cluster *c, const struct notes *notes, struct wr *w, struct err *e) MUST_CHECK;

/* What a client has been told: what compose() takes, with the certificates that it points to. */
struct token_ctl_state {
	struct compose_input in;   /* type CTL; all but tokens; mixed as the cluster is now; timestamp the server's time */
	uint64_t generation;
	struct compose_node nodes[CTLP_NODES_MAX];
	char names[CTLP_NODES_MAX][STORE_NAME_SIZE], addresses[CTLP_NODES_MAX][STORE_NAME_SIZE];
	struct cert *capf, *itl_recovery;
};

/* token_ctl_read_state: Out: *s. Errors: ERR_PROTO a certificate or generation that is none; ERR_NOMEM. */
int token_ctl_read_state(const struct ctlp_msg *m, struct token_ctl_state **s, struct err *e) MUST_CHECK;
void token_ctl_state_free(struct token_ctl_state *s); /* accepts NULL */
