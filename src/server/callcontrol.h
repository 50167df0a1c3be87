#pragma once

#include <event2/event.h>

#include "cluster/call_control.h"
#include "server/config.h"
#include "server/ipc.h"

/*
 * The service Cisco CallManager: the call control's files follow this node's CallManager certificate and CallManager-trust,
 * and its reload follows the files. The director decides when; the runner has the key, writes and reloads. What fails is
 * tried again, later each time, until it does not.
 */
struct callcontrol;

struct callcontrol_site {
	struct event_base *base;
	struct cluster *cluster;
	struct store *store;
	struct ipc_channel *runner;
	const struct config_callcontrol *cfg;
	int data_dir;             /* run/callcontrol says what was reloaded last */
	void (*done)(void *ctx);  /* it is in order (again) */
	void *ctx;
};

int callcontrol_new(const struct callcontrol_site *site, struct callcontrol **c, struct err *e) MUST_CHECK;
void callcontrol_free(struct callcontrol *c); /* accepts NULL */

/* callcontrol_look: something may have changed; on: the service runs. Cheap when nothing has. */
void callcontrol_look(struct callcontrol *c, bool on);
void callcontrol_again(struct callcontrol *c);        /* reload with the next look, whether anything has changed or not */
bool callcontrol_in_order(const struct callcontrol *c); /* it has what it should, or nothing is to be placed */
const char *callcontrol_trouble(const struct callcontrol *c); /* NULL: none */
