/* What must hold of a phone's settings together. Source: behaviour.md 5.1, 5.4, 6; pitfalls C-12. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phones_internal.h"

/* TLS is forced in the secure modes and has no meaning in the other. */
static int check_transport(struct phone_edit *ed, struct err *e)
{
	bool secure = ed->d.security != DEVICE_NON_SECURE;

	if (secure == (ed->d.transport == DEVICE_TLS))
		return 0;
	if (ed->set[PHONE_TRANSPORT])
		return err_set(e, ERR_USAGE, "Transport Type cannot be '%s' with Device Security Mode '%s': TLS goes with "
			       "Authenticated and Encrypted, and with nothing else", device_transport_names[ed->d.transport],
			       device_security_names[ed->d.security]);
	ed->d.transport = secure ? DEVICE_TLS : DEVICE_TCP_UDP;
	return 0;
}

int phone_operation_begin(struct cluster *c, struct store_device *d, struct err *e)
{
	uint32_t days;
	int rc = d->complete_by ? 0 : param_get_number(c, PARAM_CAPF_EXPIRES, &days, e);

	if (rc)
		return rc;
	if (!d->complete_by) /* whole minutes, as it is shown and exported */
		d->complete_by = (clock_wall_s(c->clock) + (int64_t)days * 86400 + 59) / 60 * 60;
	snprintf(d->status, sizeof(d->status), "%s", DEVICE_STATUS_PENDING);
	return 0;
}

static int check_operation(struct cluster *c, struct phone_edit *ed, struct err *e)
{
	bool pending = ed->d.operation != DEVICE_NO_OPERATION;
	int rc = 0;

	/* What the administrator schedules is his, also when it was a renewal before. A mode alone is for later. */
	if (ed->set[PHONE_OPERATION])
		ed->d.renewal = false;
	if (pending && !ed->set[PHONE_COMPLETE_BY] && ed->set[PHONE_OPERATION])
		ed->d.complete_by = 0;
	if (pending && (ed->set[PHONE_OPERATION] || !ed->d.complete_by))
		rc = phone_operation_begin(c, &ed->d, e);
	if (rc)
		return rc;
	if (!pending && ed->set[PHONE_COMPLETE_BY] && ed->d.complete_by)
		return err_set(e, ERR_USAGE, "Operation Completes By needs an operation: set Certificate Operation too");
	if (pending && ed->set[PHONE_COMPLETE_BY] && ed->d.complete_by <= clock_wall_s(c->clock))
		return err_set(e, ERR_USAGE, "Operation Completes By has passed already");
	if (!pending) {
		ed->d.complete_by = 0;
		if (strcmp(ed->d.status, DEVICE_STATUS_PENDING) == 0)
			snprintf(ed->d.status, sizeof(ed->d.status), "%s", DEVICE_STATUS_NONE);
	}
	ed->drops_string = ed->d.auth != DEVICE_AUTH_STRING || (!pending && ed->set[PHONE_OPERATION]);
	return 0;
}

static int check_string(struct phone_edit *ed, struct err *e)
{
	if (ed->d.auth != DEVICE_AUTH_STRING)
		return ed->gets_string ? err_set(e, ERR_USAGE, "an authentication string needs Authentication Mode '%s'; it is '%s'",
						 device_auth_names[DEVICE_AUTH_STRING], device_auth_names[ed->d.auth]) : 0;
	if (ed->d.security != DEVICE_NON_SECURE)
		return err_set(e, ERR_USAGE,
			       "Authentication Mode '%s' is impossible with Device Security Mode '%s': such a phone goes to CAPF by "
			       "itself before it registers, and nobody is asked for the string; use another mode, or enrol it while "
			       "it is Non Secure", device_auth_names[ed->d.auth], device_security_names[ed->d.security]);
	/* Never another mode instead, and never an empty string (C-12). */
	if (ed->d.operation != DEVICE_NO_OPERATION && !ed->d.renewal && !ed->d.has_string && !ed->gets_string)
		return err_set(e, ERR_USAGE,
			       "%s has no authentication string, and each is good for one operation: first set Authentication Mode, then "
			       "give it a string with 'phone string %s', then set Certificate Operation", ed->d.name, ed->d.name);
	return 0;
}

/*
 * What a file cannot schedule: an operation whose time is over, or one by a string that is nowhere. An export has both,
 * since it never tells a string.
 */
static void drop_impossible(struct cluster *c, struct phone_edit *ed)
{
	struct store_device *d = &ed->d;
	bool late = ed->set[PHONE_COMPLETE_BY] && d->complete_by && d->complete_by <= clock_wall_s(c->clock);
	bool no_string = d->auth == DEVICE_AUTH_STRING && !d->has_string && !ed->gets_string;

	if (!ed->lenient || d->operation == DEVICE_NO_OPERATION || (!late && !no_string))
		return;
	d->operation = DEVICE_NO_OPERATION;
	d->complete_by = 0;
	ed->dropped = true;
}

static bool newly(const struct phone_edit *ed, bool now, bool before)
{
	return now && (!before || !ed->old.name[0]);
}

static bool by_certificate(const struct store_device *d)
{
	return d->operation != DEVICE_NO_OPERATION && (d->auth == DEVICE_AUTH_LSC || d->auth == DEVICE_AUTH_MIC);
}

static int note_capf(struct cluster *c, const struct phone_edit *ed, struct notes *notes, struct err *e)
{
	const struct store_device *d = &ed->d;
	bool known = d->lsc.sha256[0] || d->mic.sha256[0];
	int rc = 0;

	if (newly(ed, by_certificate(d), by_certificate(&ed->old)) && !known)
		rc = notes_add(notes, e, "%s was not seen to have a certificate yet; if it has none, the operation fails.", d->name);
	if (!rc && newly(ed, d->operation == DEVICE_DELETE, ed->old.operation == DEVICE_DELETE) && !d->lsc.sha256[0])
		rc = notes_add(notes, e, "No LSC of %s is known here; it deletes the one that it may have.", d->name);
	if (!rc && newly(ed, d->key_order != DEVICE_RSA_ONLY, ed->old.key_order != DEVICE_RSA_ONLY)) {
		AUTO(auto_free) char *advanced = NULL;
		rc = param_get(c, PARAM_ADVANCED, &advanced, e);
		if (!rc && strcmp(advanced, "True") != 0)
			rc = notes_add(notes, e, "Phones ask for EC keys only while the parameter '%s' is True.", PARAM_ADVANCED);
	}
	return rc;
}

static int note_security(struct cluster *c, const struct phone_edit *ed, struct notes *notes, struct err *e)
{
	const struct store_device *d = &ed->d;
	bool mixed = true;
	int rc = 0;

	if (newly(ed, d->security != DEVICE_NON_SECURE, ed->old.security != DEVICE_NON_SECURE))
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc && !mixed)
		rc = notes_add(notes, e, "The cluster is not in mixed mode: %s cannot be secure before 'utils ctl set-cluster "
			       "mixed-mode'.", d->name);
	if (!rc && newly(ed, d->encrypt_config, ed->old.encrypt_config) && !d->lsc.sha256[0] && !d->mic.sha256[0])
		rc = notes_add(notes, e, "No certificate of %s is known: it gets a configuration that only leads it to CAPF, until one "
			       "is.", d->name);
	if (!rc && newly(ed, d->encrypt_config && d->key_order == DEVICE_EC_ONLY,
			 ed->old.encrypt_config && ed->old.key_order == DEVICE_EC_ONLY))
		rc = notes_add(notes, e, "Configurations are encrypted to RSA keys only: with Key Order EC Only, %s needs its MIC for "
			       "that.", d->name);
	return rc;
}

int phone_rules_apply(struct cluster *c, struct phone_edit *ed, struct notes *notes, struct err *e)
{
	int rc = check_transport(ed, e);

	drop_impossible(c, ed);
	if (!rc)
		rc = check_operation(c, ed, e);
	if (!rc)
		rc = check_string(ed, e);
	if (rc || !notes)
		return rc;
	rc = note_security(c, ed, notes, e);
	return rc ? rc : note_capf(c, ed, notes, e);
}
