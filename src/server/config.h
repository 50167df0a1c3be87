#pragma once

#include <netinet/in.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"

/* ringfence.conf: only what is needed before the store can be read. Source: design.md 4; man/ringfence.conf.5 */
enum listen_service {
	LISTEN_TFTP, LISTEN_HTTP, LISTEN_HTTPS, LISTEN_TVS, LISTEN_CAPF, LISTEN_CTL_PROVIDER, LISTEN_WEB,
	LISTEN_LEGACY_TVS, LISTEN_LEGACY_CAPF, LISTEN_LEGACY_HTTPS,
	LISTEN_COUNT
};
#define LISTEN_BIT(service) (UINT32_C(1) << (service))

/* What is the same for every node about a kind of listener. */
struct listen_kind {
	const char *key;      /* in [listen]: "ctl-provider" */
	const char *service;  /* as `utils service list` has it: "Cisco CTL Provider" */
	uint16_t port;        /* default; 0: off unless configured */
	uint16_t loopback_port; /* default of `init --loopback` */
	bool udp;
	bool served;          /* this version answers on it; others are accepted in the file and left unbound */
	bool legacy;          /* for phones that know nothing better than TLS 1.0 */
};
extern const struct listen_kind listen_kinds[LISTEN_COUNT];

#define CONFIG_MAX_ADDRS 16  /* addresses of one listener */
#define CONFIG_FILE "ringfence.conf"

/* One address to listen on. any: `*`, every IPv4 and IPv6 address (family is then AF_UNSPEC). */
struct listen_addr {
	int family;           /* AF_INET, AF_INET6, AF_UNSPEC */
	bool any;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} ip;
	uint16_t port;
};

struct listen_set {
	struct listen_addr addrs[CONFIG_MAX_ADDRS];
	size_t n;             /* 0: off */
};

/* What the keeper may reach for the module of a token, besides files of its own that were open before. */
enum keystore_sockets { SOCKETS_NONE, SOCKETS_LOCAL, SOCKETS_NETWORK };
#define CONFIG_MAX_FOLDERS 4

struct config_keystore {
	char token[1024];             /* PKCS#11 URI; "": all keys are in files */
	char pin_file[1024];          /* "": the URI's pin-source; relative to the data folder */
	char units[256];              /* whose new keys are made on the token */
	char folders[CONFIG_MAX_FOLDERS][256]; /* where the module reads and writes; "" ends them */
	enum keystore_sockets sockets;
};

/* Where the call control's certificate goes and what reloads it; which command resets phones. */
enum callcontrol_adapter { CALLCONTROL_NONE, CALLCONTROL_ASTERISK, CALLCONTROL_FREESWITCH, CALLCONTROL_KAMAILIO,
			   CALLCONTROL_FILES, CALLCONTROL_N };
extern const char *const callcontrol_adapter_names[CALLCONTROL_N]; /* "" for NONE */

struct config_callcontrol {
	enum callcontrol_adapter adapter;
	char folder[1024];            /* absolute; of key and certificates. "" only with CALLCONTROL_NONE */
	char group[64];               /* of these files, and one more of the commands; "" none */
	char reload[1024];            /* command lines, as server/program.h takes them; "" none */
	char reset[1024];
};

struct config {
	char node_name[256];
	char node_address[64];        /* "" when not given */
	char provisioning[1024];      /* absolute, or relative to the data folder */
	char store_url[1024];
	struct config_keystore keystore;
	struct listen_set listen[LISTEN_COUNT];
	struct config_callcontrol callcontrol;
};

/* config_default: what an empty file means; loopback: all on 127.0.0.1, TFTP on 6969. */
void config_default(struct config *c, bool loopback);

uint32_t config_legacy(const struct config *c); /* LISTEN_BIT of each legacy listener that has an address */

/* An adapter copies the CallManager key to the call control, and a token gives no key out. */
#define CONFIG_KEY_ON_TOKEN "the call control cannot have the CallManager key while it is on the hardware token, which never gives it out"
#define CONFIG_KEY_REMEDY                                                                                              \
	"take CallManager out of units in [keystore] and run 'set cert regen CallManager', or leave adapter in [callcontrol] empty"

/* config_contradicts: [callcontrol] has an adapter, and new CallManager keys are made on the token of [keystore]. */
bool config_contradicts(const struct config *c);

/* What is wrong with a file, one call for each mistake. */
struct config_report {
	void (*mistake)(void *ctx, const char *file, int line, const char *text);
	void *ctx;
};

/*
 * config_parse: text is the whole file, name serves messages.
 * Out:    *c on success. Every mistake goes to report (NULL: only the first, in e).
 * Errors: ERR_USAGE, with "file:line: what, what is allowed" of the first mistake.
 */
int config_parse(struct view text, const char *name, const struct config_report *report, struct config *c,
		 struct err *e) MUST_CHECK;

/* config_load: <data>/ringfence.conf. Errors: ERR_IO with a remedy when there is none; as config_parse. */
int config_load(int data_dir, const struct config_report *report, struct config *c, struct err *e) MUST_CHECK;

/* config_set_listen: "KEY=ADDR:PORT[,ADDR:PORT]...", as `init --listen` takes it. "KEY=" turns it off. */
int config_set_listen(struct config *c, const char *setting, struct err *e) MUST_CHECK;

/* Settings of [keystore], as `init` takes them; the same values and errors as in the file. */
int config_set_keystore(struct config *c, const char *key, const char *value, struct err *e) MUST_CHECK;

/* config_write: the file, with comments, as init makes it; replaces it whole. */
int config_write(int data_dir, const struct config *c, struct err *e) MUST_CHECK;

/* listen_addr_text: "192.0.2.1:69", "[::1]:69", "*:69". */
void listen_addr_text(const struct listen_addr *a, char *out, size_t size);
