#pragma once

#include <sys/socket.h>

#include "cluster/phones.h"
#include "server/ipc.h"

/*
 * Devices that asked for something, on their way into the store: noted by the process that heard of them, once a device,
 * and handed over many at a time. When more come than fit, the rest is left out: they come again.
 */
#define CONTACTS_MAX 2048       /* devices between two hand-overs */
#define CONTACTS_NAME 64        /* octets with the NUL; longer names are no phone's */
#define CONTACTS_MODEL 33

struct contacts;

int contacts_new(struct contacts **k, struct err *e) MUST_CHECK;
void contacts_free(struct contacts *k); /* accepts NULL */

/* contacts_note: model and address may be NULL or "". What cannot be a device's name is ignored. old_tls, here and below: it
 * was over TLS below 1.2. */
void contacts_note(struct contacts *k, const char *device, const char *model, const char *address, bool old_tls);
/* contacts_note_file: a file with the name of a device in it: lists and configurations. */
void contacts_note_file(struct contacts *k, const char *file_name, const struct sockaddr *peer, bool old_tls);
/* contacts_note_tvs: CP-<model>-<device>, as devices name themselves to TVS (formats-and-protocols.md 6.3). */
void contacts_note_tvs(struct contacts *k, const char *name, const struct sockaddr *peer, bool old_tls);

size_t contacts_count(const struct contacts *k);
/* contacts_find: was it noted? *model and *address are "" when not known, and live until the next call that changes k. */
bool contacts_find(const struct contacts *k, const char *device, const char **model, const char **address);

/*
 * contacts_send: everything to the director, as messages IPC_CONTACTS, and forget it. Errors: as ipc_channel_send; what was
 * not sent is lost.
 */
int contacts_send(struct contacts *k, struct ipc_channel *director, struct err *e) MUST_CHECK;
/* contacts_receive: note what such a message holds. Errors: ERR_PROTO "contacts". */
int contacts_receive(struct contacts *k, struct view body, struct err *e) MUST_CHECK;

/* contacts_store: everything into the store, as of now, and forget it. Out: *created devices. Errors: as phones_contact. */
int contacts_store(struct contacts *k, struct cluster *c, int64_t now, size_t *created, struct err *e) MUST_CHECK;
