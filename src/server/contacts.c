#include "server/contacts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sockaddr.h"
#include "base/text.h"

#define SLOTS (2 * CONTACTS_MAX) /* half of them stay free, so that a search ends soon */
#define PACKET_MAX (IPC_BODY_MAX - CONTACTS_NAME - CONTACTS_MODEL - INET6_ADDRSTRLEN - 8)

struct entry {
	char name[CONTACTS_NAME];
	char model[CONTACTS_MODEL];
	char address[INET6_ADDRSTRLEN];
	bool encrypted; /* it fetched an encrypted configuration */
	bool old_tls;
};

struct contacts {
	struct entry entries[CONTACTS_MAX];
	size_t n;
	uint16_t slots[SLOTS]; /* 1 + index into entries; 0: free */
};

int contacts_new(struct contacts **k, struct err *e)
{
	*k = calloc(1, sizeof(**k));
	return *k ? 0 : err_set(e, ERR_NOMEM, "no memory for the devices that make themselves known");
}

void contacts_free(struct contacts *k)
{
	free(k);
}

static void forget(struct contacts *k)
{
	k->n = 0;
	memset(k->slots, 0, sizeof(k->slots));
}

static size_t slot_of(const struct contacts *k, const char *name)
{
	uint32_t h = 2166136261u;

	for (const char *p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	size_t i = h % SLOTS;
	while (k->slots[i] && strcmp(k->entries[k->slots[i] - 1].name, name) != 0)
		i = (i + 1) % SLOTS;
	return i;
}

/* The device's entry, an old one or a new one; NULL: that is no device's name, or there is no room. */
static struct entry *entry_of(struct contacts *k, const char *device)
{
	if (strlen(device) >= CONTACTS_NAME || !text_is_device_name(device))
		return NULL;
	size_t i = slot_of(k, device);
	if (!k->slots[i]) {
		if (k->n == CONTACTS_MAX)
			return NULL;
		k->slots[i] = (uint16_t)(k->n + 1);
		k->entries[k->n] = (struct entry){0};
		snprintf(k->entries[k->n++].name, CONTACTS_NAME, "%s", device);
	}
	return &k->entries[k->slots[i] - 1];
}

static void note(struct contacts *k, const char *device, const char *model, const char *address, bool encrypted,
		 bool old_tls)
{
	struct entry *e = entry_of(k, device);

	if (!e)
		return;
	if (*model && strlen(model) < CONTACTS_MODEL)
		snprintf(e->model, sizeof(e->model), "%s", model);
	if (*address)
		snprintf(e->address, sizeof(e->address), "%s", address);
	e->encrypted = e->encrypted || encrypted;
	e->old_tls = e->old_tls || old_tls;
}

void contacts_note(struct contacts *k, const char *device, const char *model, const char *address, bool old_tls)
{
	note(k, device, model ? model : "", address ? address : "", false, old_tls);
}

size_t contacts_count(const struct contacts *k)
{
	return k->n;
}

bool contacts_find(const struct contacts *k, const char *device, const char **model, const char **address)
{
	size_t slot = k->slots[slot_of(k, device)];

	if (!slot)
		return false;
	*model = k->entries[slot - 1].model;
	*address = k->entries[slot - 1].address;
	return true;
}

/* SEP001122334455.cnf.xml.sgn, CTLSEP001122334455.tlv, ITLSEP001122334455.tlv. */
static bool device_in(const char *file_name, char out[CONTACTS_NAME])
{
	bool list = text_starts(file_name, "CTL") || text_starts(file_name, "ITL");
	const char *from = list ? file_name + 3 : file_name;
	const char *to = strstr(from, list ? ".tlv" : ".cnf.xml");

	if (!to || to == from || to - from >= CONTACTS_NAME)
		return false;
	snprintf(out, CONTACTS_NAME, "%.*s", (int)(to - from), from);
	return true;
}

void contacts_note_file(struct contacts *k, const char *file_name, const struct sockaddr *peer, bool old_tls)
{
	char device[CONTACTS_NAME], address[INET6_ADDRSTRLEN];

	if (!device_in(file_name, device))
		return;
	sockaddr_text(peer, address);
	note(k, device, "", address, text_ends(file_name, ".cnf.xml.enc.sgn"), old_tls);
}

void contacts_note_tvs(struct contacts *k, const char *name, const struct sockaddr *peer, bool old_tls)
{
	const char *dash = strrchr(name, '-');
	char model[CONTACTS_MODEL] = "", address[INET6_ADDRSTRLEN];

	if (!text_starts(name, "CP-") || !dash || dash < name + 3)
		return;
	if (dash - (name + 3) < CONTACTS_MODEL)
		snprintf(model, sizeof(model), "%.*s", (int)(dash - (name + 3)), name + 3);
	sockaddr_text(peer, address);
	contacts_note(k, dash + 1, model, address, old_tls);
}

/* Body: for each device str name, str model, str address, u8: 1 encrypted, 2 old TLS. */
#define FLAG_ENCRYPTED 1
#define FLAG_OLD_TLS 2

int contacts_send(struct contacts *k, struct ipc_channel *director, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < k->n && rc == 0;) {
		struct wr w;
		wr_init(&w, IPC_BODY_MAX);
		for (; i < k->n && w.len < PACKET_MAX; i++) {
			ipc_put_str(&w, k->entries[i].name);
			ipc_put_str(&w, k->entries[i].model);
			ipc_put_str(&w, k->entries[i].address);
			wr_u8(&w, (uint8_t)((k->entries[i].encrypted ? FLAG_ENCRYPTED : 0) |
					    (k->entries[i].old_tls ? FLAG_OLD_TLS : 0)));
		}
		struct ipc_msg m = {.type = IPC_CONTACTS, .body = wr_view_all(&w)};
		rc = w.failed ? err_set(e, ERR_NOMEM, "no memory for a message") : ipc_channel_send(director, &m, e);
		wr_clear(&w);
	}
	forget(k);
	return rc;
}

int contacts_receive(struct contacts *k, struct view body, struct err *e)
{
	struct entry got;
	uint8_t flags;
	struct rd r;

	rd_init(&r, body.p, body.len);
	while (!rd_done(&r)) {
		if (!ipc_get_str(&r, got.name, sizeof(got.name)) || !ipc_get_str(&r, got.model, sizeof(got.model)) ||
		    !ipc_get_str(&r, got.address, sizeof(got.address)) || !rd_u8(&r, &flags) ||
		    flags > (FLAG_ENCRYPTED | FLAG_OLD_TLS))
			return err_rule(e, "contacts", -1, "a worker's message about devices is malformed");
		note(k, got.name, got.model, got.address, flags & FLAG_ENCRYPTED, flags & FLAG_OLD_TLS);
	}
	return 0;
}

int contacts_store(struct contacts *k, struct cluster *c, int64_t now, size_t *created, struct err *e)
{
	*created = 0;
	if (!k->n)
		return 0;
	struct phone_contact *all = calloc(k->n, sizeof(*all));
	if (!all)
		return err_set(e, ERR_NOMEM, "no memory for the devices that made themselves known");
	for (size_t i = 0; i < k->n; i++) {
		const struct entry *from = &k->entries[i];
		all[i] = (struct phone_contact){
			.name = from->name,
			.model = from->model[0] ? from->model : NULL,
			.address = from->address[0] ? from->address : NULL,
			.when = now,
			.encrypted = from->encrypted,
			.old_tls = from->old_tls,
		};
	}
	int rc = phones_contact(c, all, k->n, created, e);
	free(all);
	forget(k);
	return rc;
}
