#include "admin/handlers.h"
#include "admin/table.h"
#include "cluster/node.h"

/* The words behind "network": CUCM's, but for `certificate`, whose work there is done by the cluster's own replication. */

static const struct grammar_option opts_show[] = {OPT_JSON, {0}};
static const struct grammar_option opts_set[] = {OPT_DRY, {0}};
static const struct grammar_option opts_delete[] = {OPT_YES, OPT_DRY, {0}};

READ(cluster, opts_show, cmd_show_cluster);
CHANGE(node_add, opts_set, NULL, cmd_node_add);
CHANGE(node_delete, opts_delete, cmd_node_delete_ask, cmd_node_delete);
static const struct command node_certificate = {.options = opts_set, .privilege = ADMIN_CHANGE, .upload = 3,
						.run = cmd_node_certificate};

const struct grammar_word show_network[] = {
	WORD("cluster", "the nodes, a line each, and the certificates that are known of them", NULL, &cluster), END};

static const struct grammar_word add_address[] = {
	HINT("ADDRESS", "its IPv4 or IPv6 address; of the former, the CTL has it", NULL, &node_add), END};
static const struct grammar_word add_name[] = {
	{GRAMMAR_HINT, "NAME", "its host name, as phones and certificates know it", NULL, add_address, &node_add}, END};
static const struct grammar_word certificate_file[] = {
	HINT("FILE", "the certificate, PEM or DER, in a file of yours; - is standard input", NULL, &node_certificate), END};
static const struct grammar_word certificate_unit[] = {
	VALUE("UNIT", "what it is the certificate of", cluster_node_unit, certificate_file, NULL), END};
static const struct grammar_word certificate_name[] = {
	{GRAMMAR_HINT, "NAME", "a node that was added", NULL, certificate_unit, NULL}, END};
static const struct grammar_word set_subscriber[] = {
	WORD("details", "add a node to the cluster", add_name, NULL),
	WORD("certificate", "a certificate of a node, which trust lists then name", certificate_name, NULL), END};
static const struct grammar_word set_cluster[] = {
	WORD("subscriber", "nodes beside the publisher", set_subscriber, NULL), END};
const struct grammar_word set_network[] = {WORD("cluster", "the nodes", set_cluster, NULL), END};

static const struct grammar_word delete_name[] = {
	HINT("NAME", "a node that was added", NULL, &node_delete), END};
static const struct grammar_word unset_subscriber[] = {
	WORD("details", "delete a node and its certificates", delete_name, NULL), END};
static const struct grammar_word unset_cluster[] = {
	WORD("subscriber", "nodes beside the publisher", unset_subscriber, NULL), END};
static const struct grammar_word unset_network[] = {WORD("cluster", "the nodes", unset_cluster, NULL), END};
const struct grammar_word unset_grammar[] = {WORD("network", "the nodes of the cluster", unset_network, NULL), END};
