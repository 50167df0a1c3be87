#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/capf_renew.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/doctor_internal.h"
#include "cluster/expired.h"
#include "cluster/list_check.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/publish.h"
#include "cluster/recovery.h"
#include "cluster/token_ctl.h"
#include "pki/template.h"

#define DAY 86400
#define EXPIRES_SOON_DAYS 90

/* --- who may read what --- */

static void check_mode(struct exam *x, int fd, const char *name, mode_t allowed, uid_t owner)
{
	char remedy[1024];
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* what is missing is another check's business */
	if ((st.st_mode & 07777 & ~allowed) != 0) {
		snprintf(remedy, sizeof(remedy), "chmod %03o %s/%s", (unsigned)allowed, x->in->data_dir, name);
		found(x, DOCTOR_PROBLEM, "key-mode", remedy, "%s is open to others (mode %03o).", name,
		      (unsigned)(st.st_mode & 07777));
	}
	if (st.st_uid != owner)
		found(x, DOCTOR_PROBLEM, "owner", "Give it to the owner of the data folder (chown).",
		      "%s belongs to user %u, the data folder to user %u.", name, st.st_uid, owner);
}

struct key_modes {
	struct exam *x;
	int fd;
	uid_t owner;
};

static int check_key_mode(void *ctx, const char *entry)
{
	struct key_modes *m = ctx;
	char name[300];

	snprintf(name, sizeof(name), "keys/%s", entry);
	check_mode(m->x, m->fd, name, 0600, m->owner);
	return 0;
}

void doctor_modes(struct exam *x)
{
	AUTO(auto_close) int fd = open(x->in->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;
	struct stat st;
	size_t before = x->r->n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		found(x, DOCTOR_PROBLEM, "folder", "Check the path given with --data.", "%s cannot be opened: %s.",
		      x->in->data_dir, strerror(errno));
		return;
	}
	struct key_modes m = { .x = x, .fd = fd, .owner = st.st_uid };
	check_mode(x, fd, "keys", 0700, st.st_uid);
	check_mode(x, fd, "store.sqlite3", 0600, st.st_uid);
	check_mode(x, fd, "smtp.password", 0600, st.st_uid);
	if (folder_each(fd, "keys", check_key_mode, &m, &e))
		found(x, DOCTOR_PROBLEM, "key-mode", "Run it as the owner of the data folder, or as root.",
		      "The keys cannot be looked at: %s.", e.text);
	if (x->r->n == before)
		found(x, DOCTOR_OK, "key-mode", "", "Private keys and store are readable by their owner only.");
}

/* --- keys and certificates --- */

static int own_cert(struct exam *x, const char *unit, struct cert **cert)
{
	struct err e = ERR_INIT;
	int rc = cluster_own_cert(x->in->cluster, NULL, unit, cert, &e);

	if (rc)
		found(x, DOCTOR_PROBLEM, "store", "Restore the store from a backup.", "The %s certificate cannot be read: %s.",
		      unit, e.text);
	return rc;
}

/* What is on a token is in no backup and in no export. */
static const char *key_remedy(struct exam *x, const char *name, int rc)
{
	if (!x->in->cluster->token || !name[0] || cluster_key_in_file(x->in->cluster, name))
		return "Restore keys/ from a backup or from the recovery export.";
	if (rc == ERR_AUTH)
		return "Put in the token that has it, or a copy of it; a key that was in a file is in a backup or the recovery export.";
	return "Put in the token, or a copy of it: no recovery export holds what is on it.";
}

void doctor_keys(struct exam *x)
{
	size_t before = x->r->n;

	if (!x->in->cluster)
		return;
	for (const char *const *unit = template_units; *unit; unit++) {
		struct keystore *ks = cluster_keys(x->in->cluster);
		struct err e = ERR_INIT;
		struct cert *cert = NULL;
		EVP_PKEY *pub = NULL;
		char name[KEY_NAME_MAX] = "";

		if (own_cert(x, *unit, &cert) || !cert)
			continue;
		int rc = key_name(*unit, cert_spki(cert), name, &e);
		if (!rc)
			rc = ks->ops->public_key(ks, name, &pub, &e);
		if (rc)
			found(x, DOCTOR_PROBLEM, "key", key_remedy(x, name, rc),
			      "The key of the %s certificate cannot be used: %s.", *unit, e.text);
		EVP_PKEY_free(pub);
		cert_unref(cert);
	}
	if (x->r->n == before)
		found(x, DOCTOR_OK, "key", "", "Every certificate of this node has its key.");
}

/* Does the back end of the present CallManager key give it out? What else is wrong with it, doctor_keys has told. */
static bool key_stays(struct exam *x)
{
	struct keystore *ks = cluster_keys(x->in->cluster);
	struct cert *cert = NULL;
	uint8_t *pkcs8 = NULL;
	char name[KEY_NAME_MAX];
	size_t len = 0;
	int rc = cluster_own_cert(x->in->cluster, NULL, "CallManager", &cert, NULL);

	if (!rc && cert)
		rc = key_name("CallManager", cert_spki(cert), name, NULL);
	if (!rc && cert)
		rc = ks->ops->export(ks, name, &pkcs8, &len, NULL);
	secret_free(pkcs8, len);
	cert_unref(cert);
	return rc == ERR_USAGE;
}

void doctor_adapter(struct exam *x)
{
	if (!x->in->adapter || !x->in->cluster)
		return;
	if (key_stays(x))
		found(x, DOCTOR_PROBLEM, "callcontrol",
		      "Take CallManager out of units in [keystore] and run 'set cert regen CallManager', or leave adapter in "
		      "[callcontrol] empty.",
		      "The call control cannot have the CallManager key: it is on the hardware token, which never gives it out.");
	else if (x->in->key_to_token)
		found(x, DOCTOR_PROBLEM, "callcontrol",
		      "Take CallManager out of units in [keystore], or leave adapter in [callcontrol] empty.",
		      "The call control could not have the next CallManager key: it would be made on the hardware token, which never "
		      "gives it out.");
}

struct dates {
	struct exam *x;
	int64_t now;
	struct err *e;
};

static int check_own(void *ctx, const struct certs_entry *entry)
{
	struct dates *d = ctx;
	int64_t left = (cert_not_after(entry->cert) - d->now) / DAY;
	char what[500], date[EXPIRED_DATE_MAX];

	snprintf(what, sizeof(what), "%s/%s", entry->unit, entry->file);
	expired_date(entry->cert, date);
	if (cert_not_before(entry->cert) > d->now)
		found(d->x, DOCTOR_PROBLEM, "certificate", "Set the clock right.",
		      "The certificate %s is not valid yet: it begins in the future.", what);
	else if (cert_not_after(entry->cert) < d->now)
		found(d->x, DOCTOR_PROBLEM, "certificate", "Make a new one with 'set cert regen'; read its warnings first.",
		      "The certificate %s expired on %s.", what, date);
	else if (left < EXPIRES_SOON_DAYS)
		found(d->x, DOCTOR_WARNING, "certificate", "Plan 'set cert regen'; it tells what it would do to phones.",
		      "The certificate %s ends in %lld days.", what, (long long)left);
	return 0;
}

static int check_trust(void *ctx, const struct certs_entry *entry)
{
	struct dates *d = ctx;
	struct expired over;
	bool is;
	int rc = expired_describe(d->x->in->cluster, entry, &is, &over, d->e);

	if (!rc && is)
		found(d->x, DOCTOR_NOTE, "certificate", over.remedy, "The certificate %s expired on %s.", over.name, over.date);
	return rc;
}

/* Tokens of the CTL: TVS does not answer for those that have expired. */
static void check_tokens(struct exam *x, int64_t now)
{
	struct compose_tokens t;
	struct err e = ERR_INIT;
	const char *command;
	char remedy[200];

	if (cluster_ctl_command(x->in->cluster, &command, &e) || cluster_ctl_tokens(x->in->cluster, &t, &e))
		return; /* a CTL that is damaged is a finding of its own */
	snprintf(remedy, sizeof(remedy), "Put another token in its place while one that phones know can sign: '%s'.", command);
	for (size_t i = 0; i < t.n; i++) {
		int64_t left = (cert_not_after(t.certs[i]) - now) / DAY;

		if (cert_not_after(t.certs[i]) < now)
			found(x, DOCTOR_PROBLEM, "certificate", remedy,
			      "The certificate of the security token %s has expired: TVS does not answer for it, and only phones that "
			      "have it in their CTL take what it signs.", cert_cn(t.certs[i]));
		else if (left < EXPIRES_SOON_DAYS)
			found(x, DOCTOR_WARNING, "certificate", remedy,
			      "The certificate of the security token %s ends in %lld days.", cert_cn(t.certs[i]), (long long)left);
	}
	token_ctl_tokens_clear(&t);
}

void doctor_certs(struct exam *x)
{
	struct err e = ERR_INIT;
	size_t before = x->r->n;

	if (!x->in->cluster)
		return;
	struct dates d = { .x = x, .now = clock_wall_s(x->in->clock), .e = &e };
	int rc = certs_list(x->in->cluster, CERTS_OWN, check_own, &d, &e);
	if (!rc)
		rc = certs_list(x->in->cluster, CERTS_TRUST, check_trust, &d, &e);
	check_tokens(x, d.now);
	if (rc)
		found(x, DOCTOR_PROBLEM, "store", "Restore the store from a backup.", "Certificates cannot be read: %s.", e.text);
	else if (x->r->n == before)
		found(x, DOCTOR_OK, "certificate", "", "No certificate of this node ends within %d days.", EXPIRES_SOON_DAYS);
}

void doctor_renewal(struct exam *x)
{
	struct capf_waiting waiting;
	char text[CAPF_WAITING_TEXT_MAX];
	struct err e = ERR_INIT;

	if (!x->in->cluster)
		return;
	if (capf_renewals_waiting(x->in->cluster, clock_wall_s(x->in->clock), &waiting, &e)) {
		found(x, DOCTOR_PROBLEM, "store", "Restore the store from a backup.", "LSCs cannot be read: %s.", e.text);
		return;
	}
	if (!waiting.n)
		return;
	capf_waiting_text(&waiting, text);
	found(x, DOCTOR_WARNING, "lsc-renewal", CAPF_WAITING_REMEDY, "%s", text);
}

/* --- published lists --- */

static void check_ctl_is_current(struct exam *x, const struct trust_list *l)
{
	struct notes others = NOTES_INIT;
	struct err e = ERR_INIT;
	char remedy[160];
	const char *command;

	if (cluster_ctl_command(x->in->cluster, &command, &e))
		return; /* the store, or a CTL that is damaged: findings of their own */
	snprintf(remedy, sizeof(remedy), "Run '%s' when all phones have taken the present ITL.", command);
	for (const char *const *unit = template_units; *unit; unit++) {
		bool lacks;
		if (list_lacks(x->in->cluster, l, LIST_CTL, *unit, &lacks, &e) == 0 && lacks)
			found(x, DOCTOR_WARNING, "ctl", remedy, "The CTL does not name the present %s certificate.", *unit);
	}
	if (list_others(x->in->cluster, l, LIST_CTL, &others, &e) == 0)
		for (size_t i = 0; i < others.n; i++)
			found(x, DOCTOR_WARNING, "ctl", remedy, "%s.", others.text[i]);
	notes_clear(&others);
}

static void check_list(struct exam *x, enum list_type type, const uint8_t *data, size_t len)
{
	const char *name = list_type_name(type);
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	if (list_parse((struct view){ data, len }, type, &l, &e) || list_verify_self(l, &e)) {
		found(x, DOCTOR_PROBLEM, "list", "Restart the node: it makes a damaged list anew.", "The published %s is damaged: %s.",
		      name, e.text);
	} else if (len > LIST_PHONE_LIMIT) {
		found(x, DOCTOR_PROBLEM, "list-size", "Use fewer certificates or smaller keys.",
		      "The %s is %zu octets; phones load at most %d.", name, len, LIST_PHONE_LIMIT);
	} else if (len > COMPOSE_WARN_OCTETS) {
		found(x, DOCTOR_WARNING, "list-size", "Use fewer certificates or smaller keys before it reaches 64 KiB.",
		      "The %s is %zu octets already.", name, len);
	} else {
		found(x, DOCTOR_OK, "list", "", "The %s verifies: %zu records, %zu octets.", name, l->n_records, len);
	}
	if (l && type == LIST_CTL)
		check_ctl_is_current(x, l);
	list_free(l);
}

static void check_ctl_is_there(struct exam *x)
{
	struct err e = ERR_INIT;
	char remedy[160];
	const char *command;
	bool mixed;

	if (cluster_is_mixed(x->in->cluster, &mixed, &e) || !mixed || cluster_ctl_command(x->in->cluster, &command, &e))
		return;
	snprintf(remedy, sizeof(remedy), "Run '%s'.", command);
	found(x, DOCTOR_PROBLEM, "ctl", remedy,
	      "The cluster is in mixed mode, but there is no CTL: new phones cannot register securely.");
}

static void check_blank(struct exam *x)
{
	struct err e = ERR_INIT;
	bool blank;

	if (param_get_bool(x->in->cluster, PARAM_ROLLBACK, &blank, &e) == 0 && blank)
		found(x, DOCTOR_WARNING, "rollback",
		      "Set '" PARAM_ROLLBACK "' to False when the change is done, restart TVS and Tftp, and reset all phones.",
		      "The ITL is a blank one: phones that load it accept any file from any server.");
}

void doctor_lists(struct exam *x)
{
	if (!x->in->cluster)
		return;
	check_blank(x);
	for (int type = LIST_CTL; type <= LIST_ITL; type++) {
		AUTO(auto_free) uint8_t *data = NULL;
		struct err e = ERR_INIT;
		size_t len;

		if (publish_read(x->in->cluster, (enum list_type)type, &data, &len, NULL, &e))
			found(x, DOCTOR_PROBLEM, "list", "Start the node: it makes lost lists anew.", "The published %s cannot be read: %s.",
			      list_type_name((enum list_type)type), e.text);
		else if (data)
			check_list(x, (enum list_type)type, data, len);
		else if (type == LIST_ITL)
			found(x, DOCTOR_PROBLEM, "list", "Start the node: it makes lost lists anew.", "No ITL is published.");
		else
			check_ctl_is_there(x);
	}
}

void doctor_recovery(struct exam *x)
{
	struct recovery_state s;
	struct err e = ERR_INIT;

	if (!x->in->cluster)
		return;
	if (recovery_state(x->in->cluster, &s, &e))
		found(x, DOCTOR_PROBLEM, "store", "Restore the store from a backup.", "Recovery exports cannot be read: %s.", e.text);
	else if (s.on_token)
		found(x, DOCTOR_OK, "recovery", "",
		      "The keys that phones follow are on a hardware token: only a copy of the token brings them back.");
	else if (s.current)
		found(x, DOCTOR_OK, "recovery", "", "A verified recovery export holds the keys that phones follow.");
	else
		found(x, DOCTOR_WARNING, "recovery", "Keep the export and its passphrase away from this machine, in two places.",
		      "%s", s.text);
}
