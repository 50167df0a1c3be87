#include "cluster/param.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/expired.h"
#include "cluster/mode.h"
#include "cluster/param_internal.h"
#include "cluster/phone_config.h"
#include "cluster/phone_reset.h"
#include "cluster/phones.h"
#include "cluster/rollback.h"
#include "cluster/strand.h"
#include "cluster/token_ctl.h"
#include "pki/ossl.h"
#include "store/param.h"

static const char *const generation_choices[] = { "8.0", "10.0", "10.5(2)", "11.5", "12.0", NULL };
static const char *const digest_choices[] = { "SHA-1", "SHA-512", NULL };
static const char *const name_choices[] = { "A", "C", NULL };
static const char *const auto_choices[] = {
	AUTO_REGISTRATION_NON_SECURE, AUTO_REGISTRATION_ALWAYS, AUTO_REGISTRATION_NEVER, NULL,
};

#define CAPF_SERVICE "Cisco Certificate Authority Proxy Function"
static const char *const issuer_choices[] = { CAPF_SERVICE, CAPF_ISSUER_OFFLINE, NULL };
static const char *const lsc_digest_choices[] = { "SHA-1", "SHA-256", "SHA-512", NULL };
static const char *const lsc_usage_choices[] = { "digitalSignature, keyEncipherment", "digitalSignature", NULL };
static const char *const lsc_purpose_choices[] = {
	"serverAuth, clientAuth, ipsecEndSystem", "serverAuth, clientAuth", "clientAuth", "None", NULL,
};
static const char *const unknown_choices[] = { "Unknown Device", "No Action", NULL };

#define MONITOR_SERVICE "Cisco Certificate Expiry Monitor"
static const char *const security_choices[] = { "None", "STARTTLS", "TLS", NULL };
static const char *const interaction_choices[] = { PHONE_INTERACTION_AUTOMATIC, PHONE_INTERACTION_MANUAL, NULL };

static const char *const lbm_choices[] = { "Insecure", "Mixed", "Secure", NULL };

#define CALLMANAGER_SERVICE "Cisco CallManager"

#define URL(name)                                                                                                      \
	{ name, PARAM_ENTERPRISE, PARAM_URL, 0, 0, NULL, "", false, false, false,                                      \
	  "An https URL for completed configurations ('Complete Phone Configurations'); empty: the files' own stays. "     \
	  "With http phones do not check who answers.",                                                                  \
	  NULL, true }

/* Source: behaviour.md 3.3, 8.7; design.md 6; formats-and-protocols.md 1.12, 6.4. */
const struct param_def param_table[] = {
	{ PARAM_SECURITY_MODE, PARAM_ENTERPRISE, PARAM_NUMBER, 0, 1, NULL, "0", true, false, false,
	  "0: non-secure, 1: mixed. Changed with 'utils ctl set-cluster'." },
	{ PARAM_GENERATION, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, generation_choices, "12.0", false, true, true,
	  "The CUCM release whose trust lists are made: which records they have and which certificate signs them.",
	  NULL, true },
	{ PARAM_DIGEST, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, digest_choices, "SHA-1", false, true, true,
	  "Digest in the signatures of trust lists and configuration files. Phones that do not know SHA-512 stop working.",
	  NULL, true },
	{ PARAM_ADVANCED, PARAM_ENTERPRISE, PARAM_BOOL, 0, 0, NULL, "False", false, true, true,
	  "Trust lists say signer version 1.1, which makes phones that know it use EC keys and HTTPS on port 6971.",
	  NULL, true },
	{ PARAM_NAME_FORM, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, name_choices, "A", false, true, true,
	  "How names stand in trust lists: A as CUCM writes them (CN=..;OU=..), C as other tools do (CN=..,O=..).",
	  NULL, true },
	{ PARAM_ROLLBACK, PARAM_ENTERPRISE, PARAM_BOOL, 0, 0, NULL, "False", false, true, false,
	  "True publishes a blank ITL, signed but without TFTP and TVS servers: phones that load it accept any file from any server, "
	  "until they load a full one. For certificate changes on a single node, and before phones move elsewhere. Security By Default "
	  "has no switch; this comes nearest to one.",
	  "Cisco Trust Verification Service and Cisco Tftp", true },
	{ PARAM_LEGACY_TLS, PARAM_ENTERPRISE, PARAM_BOOL, 0, 0, NULL, "False", false, false, false,
	  "The listeners legacy-tvs, legacy-capf and legacy-https of ringfence.conf answer, with TLS 1.0 and AES256-SHA. Only "
	  "for phones that know nothing better ('phone list --old-tls' names them); other listeners stay as they are." },
	{ PARAM_COMPLETE, PARAM_ENTERPRISE, PARAM_BOOL, 0, 0, NULL, "False", false, false, false,
	  "TVS and CAPF servers, security mode, certHash, encrConfig and the secured URLs are put into phones' .cnf.xml files as they "
	  "are served. False leaves the files as they are.",
	  NULL, true },
	URL(PARAM_URL_AUTHENTICATION),
	URL(PARAM_URL_DIRECTORY),
	URL(PARAM_URL_IDLE),
	URL(PARAM_URL_INFORMATION),
	URL(PARAM_URL_MESSAGES),
	URL(PARAM_URL_SERVICES),
	{ PARAM_PHONE_INTERACTION, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, interaction_choices, PHONE_INTERACTION_AUTOMATIC,
	  false, false, false, "Whether phones are reset by themselves after a certificate that they look at has changed." },
	/* What guides ask about: nothing here can change it. */
	{ PARAM_LBM, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, lbm_choices, "Insecure", true, false, false,
	  "Whether location bandwidth managers talk with TLS. This node has none, so there is nothing to secure." },
	{ PARAM_CACHING, PARAM_ENTERPRISE, PARAM_BOOL, 0, 0, NULL, "False", true, false, false,
	  "Whether logins of end users are remembered, True at first in CUCM. This node has no end users." },
	{ PARAM_TLS_CIPHERS, PARAM_ENTERPRISE, PARAM_TEXT, 0, 128, NULL, SERVED_CIPHERS, true, false, false,
	  "What the TLS listeners take, in OpenSSL's words, and TLS 1.3. It is the same everywhere but for legacy listeners." },
	{ PARAM_HTTPS_CIPHERS, PARAM_ENTERPRISE, PARAM_TEXT, 0, 128, NULL, SERVED_CIPHERS, true, false, false,
	  "The same for HTTPS." },
	{ PARAM_KEEP, PARAM_ENTERPRISE, PARAM_NUMBER, 2, 10000, NULL, "200", false, false, false,
	  "How many generations of published trust lists are kept. Older ones are removed when a new one is made." },
	{ PARAM_TVS_TTL, "Cisco Trust Verification Service", PARAM_NUMBER, 60, 604800, NULL, "86400", false, false, false,
	  "Seconds for which a phone may keep an answer of TVS." },
	{ PARAM_TVS_EXPIRED, "Cisco Trust Verification Service", PARAM_BOOL, 0, 0, NULL, "False", false, false, false,
	  "TVS also says yes for certificates that have expired, as CUCM's does. Only until there are new ones." },
	{ PARAM_CAPF_EXPIRES, PARAM_ENTERPRISE, PARAM_NUMBER, 1, 365, NULL, "10", false, false, false,
	  "Days after which a CAPF operation that was not completed expires, unless the phone's Operation Completes By says when." },
	{ PARAM_AUTO_REGISTRATION, PARAM_ENTERPRISE, PARAM_CHOICE, 0, 0, auto_choices, AUTO_REGISTRATION_NON_SECURE,
	  false, false, false, "Whether a phone that nobody has added is added at its first contact." },
	{ PARAM_AUTO_REGISTRATION_MAX, PARAM_ENTERPRISE, PARAM_NUMBER, 0, 1000000, NULL, "100000", false, false, false,
	  "No phone is added by itself when there are this many, whoever added them." },
	{ PARAM_STRING_ATTEMPTS, CAPF_SERVICE, PARAM_NUMBER, 1, 100, NULL, "5", false, false, false,
	  "Wrong authentication strings after which CAPF looks at no string for the phone for a while." },
	{ PARAM_STRING_LOCKOUT, CAPF_SERVICE, PARAM_NUMBER, 1, 1440, NULL, "15", false, false, false,
	  "For how long; twice as long each further time." },
	{ PARAM_CAPF_PORT, PARAM_ENTERPRISE, PARAM_NUMBER, 1, 65535, NULL, "3804", false, false, false,
	  "The TCP port that phones are told for CAPF. The node listens where ringfence.conf says.",
	  NULL, true },
	{ PARAM_CAPF_ISSUER, CAPF_SERVICE, PARAM_CHOICE, 0, 0, issuer_choices, CAPF_SERVICE, false, false, false,
	  "Who signs LSCs: CAPF itself, or an authority elsewhere ('utils capf csr', 'utils capf cert import')." },
	{ PARAM_CAPF_VALIDITY, CAPF_SERVICE, PARAM_NUMBER, 1, 1825, NULL, "1825", false, false, false,
	  "Days for which an LSC is valid. It ends earlier when the CAPF certificate does." },
	{ PARAM_CAPF_LSC_DIGEST, CAPF_SERVICE, PARAM_CHOICE, 0, 0, lsc_digest_choices, "SHA-256", false, false, false,
	  "Digest in the signatures of LSCs that are issued from now on." },
	{ PARAM_CAPF_LSC_KEY_USAGE, CAPF_SERVICE, PARAM_CHOICE, 0, 0, lsc_usage_choices, "digitalSignature, keyEncipherment",
	  false, false, false, "What the keys of LSCs are for. A phone whose key is not for keyEncipherment may not do RSA key exchange." },
	{ PARAM_CAPF_LSC_EXT_KEY_USAGE, CAPF_SERVICE, PARAM_CHOICE, 0, 0, lsc_purpose_choices,
	  "serverAuth, clientAuth, ipsecEndSystem", false, false, false,
	  "Purposes of LSCs. None leaves the extension out: for everything." },
	{ PARAM_CAPF_LSC_ALT_NAME, CAPF_SERVICE, PARAM_BOOL, 0, 0, NULL, "True", false, false, false,
	  "LSCs carry the device's name as an alternative name, too (URI:SEP...)." },
	{ PARAM_CAPF_KEEP_ALIVE, CAPF_SERVICE, PARAM_NUMBER, 5, 60, NULL, "15", false, false, false,
	  "Minutes after which a silent connection of a phone is probed ('utils capf set keep_alive')." },
	{ PARAM_CAPF_UNKNOWN, CAPF_SERVICE, PARAM_CHOICE, 0, 0, unknown_choices, "Unknown Device", false, false, false,
	  "What a device that does not exist is told. 'No Action' is what a device without a pending operation is told, so that nobody "
	  "can find out which devices there are." },
	{ PARAM_CAPF_ADDRESS_FAILURES, CAPF_SERVICE, PARAM_NUMBER, 0, 10000, NULL, "50", false, false, false,
	  "Failed authentications after which an address (of IPv6: a /64) is locked out. 0: never." },
	{ PARAM_CAPF_ADDRESS_LOCK, CAPF_SERVICE, PARAM_NUMBER, 1, 1440, NULL, "15", false, false, false,
	  "Minutes for which an address is locked out, and after which its failures are forgotten." },
	{ PARAM_CAPF_SUDI, CAPF_SERVICE, PARAM_BOOL, 0, 0, NULL, "False", false, false, false,
	  "Phones that authenticate by certificate must send SUDI_DATA, the only proof that holds for one session alone. Phones "
	  "without a MIC cannot." },
	{ PARAM_CAPF_RENEWAL_RATE, CAPF_SERVICE, PARAM_NUMBER, 0, 1000, NULL, "20", false, false, false,
	  "How many LSCs that are two thirds through their life get an Install/Upgrade in a minute. 0: none by itself." },
	{ PARAM_CAPF_RENEWAL_JITTER, CAPF_SERVICE, PARAM_NUMBER, 0, 365, NULL, "14", false, false, false,
	  "Days over which renewals are spread of phones that were enrolled together." },
	{ PARAM_CAPF_RENEWAL_STOP, CAPF_SERVICE, PARAM_NUMBER, 0, 10000, NULL, "10", false, false, false,
	  "When so many renewals have failed, no others are scheduled until somebody has looked at those. 0: never stop." },
	{ PARAM_NOTICE_START, MONITOR_SERVICE, PARAM_NUMBER, 1, 3650, NULL, "30", false, false, false,
	  "Days before the end of a certificate from which on e-mails tell of it." },
	{ PARAM_NOTICE_FREQUENCY, MONITOR_SERVICE, PARAM_PERIOD, 1, 8760, NULL, "7 days", false, false, false,
	  "How often an e-mail tells of the same certificate." },
	{ PARAM_NOTICE_MAIL, MONITOR_SERVICE, PARAM_BOOL, 0, 0, NULL, "False", false, false, false,
	  "E-mails are sent. Alarms go to syslog in any case." },
	{ PARAM_NOTICE_TO, MONITOR_SERVICE, PARAM_EMAILS, 0, 20, NULL, "", false, false, false,
	  "Who gets the e-mails: addresses separated by semicolons." },
	{ PARAM_SMTP_SERVER, MONITOR_SERVICE, PARAM_HOST, 0, 0, NULL, "", false, false, false,
	  "The server that takes e-mails: a name or an address." },
	{ PARAM_SMTP_PORT, MONITOR_SERVICE, PARAM_NUMBER, 1, 65535, NULL, "25", false, false, false, "Its TCP port." },
	{ PARAM_SMTP_SECURITY, MONITOR_SERVICE, PARAM_CHOICE, 0, 0, security_choices, "STARTTLS", false, false, false,
	  "STARTTLS: nothing is sent before TLS was agreed on; TLS: from the first octet; None: in clear. The server's certificate must "
	  "be one of tomcat-trust, or of an authority of this or of the system." },
	{ PARAM_SMTP_SENDER, MONITOR_SERVICE, PARAM_EMAILS, 0, 1, NULL, "", false, false, false,
	  "The address e-mails come from. Empty: ringfence@ and the node's name." },
	{ PARAM_SMTP_USER, MONITOR_SERVICE, PARAM_TEXT, 0, 128, NULL, "", false, false, false,
	  "The name to log in with at the SMTP server; empty: no login. The password is the first line of the file smtp.password in the "
	  "data folder, and is never sent in clear." },
	{ PARAM_RESET_RATE, CALLMANAGER_SERVICE, PARAM_NUMBER, 1, 1000, NULL, "20", false, false, false,
	  "How many phones are told in a second when many are reset, so that they do not all boot at once." },
	{ PARAM_RESET_TIMEOUT, CALLMANAGER_SERVICE, PARAM_NUMBER, 1, 32, NULL, "5", false, false, false,
	  "Seconds for which a phone may take to answer SIP NOTIFY, which is repeated meanwhile." },
	{ PARAM_PHONE_SIP_PORT, CALLMANAGER_SERVICE, PARAM_NUMBER, 1, 65535, NULL, "5060", false, false, false,
	  "The port on which phones listen for SIP NOTIFY." },
	{ NULL },
};

const struct param_def *param_find(const char *name)
{
	for (const struct param_def *d = param_table; d->name; d++)
		if (text_same(d->name, name))
			return d;
	return NULL;
}

const struct param_def *param_nearest(const char *name)
{
	const struct param_def *best = NULL;
	unsigned best_d = (unsigned)strlen(name) / 3 + 1; /* further away it is another name */

	for (const struct param_def *d = param_table; d->name; d++) {
		unsigned distance = text_distance(name, d->name);
		if (distance < best_d) {
			best = d;
			best_d = distance;
		}
	}
	return best;
}

const char *param_type_name(enum param_type type)
{
	static const char *const names[] = {
		[PARAM_BOOL] = "boolean", [PARAM_NUMBER] = "number", [PARAM_CHOICE] = "choice", [PARAM_URL] = "url",
		[PARAM_PERIOD] = "period", [PARAM_HOST] = "host", [PARAM_EMAILS] = "e-mail addresses", [PARAM_TEXT] = "text",
	};

	return names[type];
}

static int find(const char *name, const struct param_def **def, struct err *e)
{
	*def = param_find(name);
	if (*def)
		return 0;
	const struct param_def *near = param_nearest(name);
	return err_set(e, ERR_USAGE, "there is no parameter '%s'%s%s%s", name, near ? "; the nearest is '" : "",
		       near ? near->name : "", near ? "'" : "");
}

static int check_choice(const char *name, const char *const *choices, const char *value, const char **canonical,
			struct err *e)
{
	char allowed[128] = "";
	size_t used = 0;

	for (const char *const *c = choices; *c; c++) {
		if (text_same(*c, value)) {
			*canonical = *c;
			return 0;
		}
		used = text_append(allowed, sizeof(allowed), used, "%s'%s'", used ? ", " : "", *c);
	}
	return err_set(e, ERR_USAGE, "%s cannot be '%s'; it is one of: %s", name, value, allowed);
}

static int check_url(const char *name, const char *value, struct err *e)
{
	bool printable = true;

	for (const char *p = value; *p; p++)
		printable = printable && *p > ' ' && *p <= '~';
	if (!*value || ((text_starts(value, "https://") || text_starts(value, "http://")) && printable && strlen(value) <= PARAM_URL_MAX))
		return 0;
	return err_set(e, ERR_USAGE, "%s is empty or begins with https:// or http://, and has up to %d characters, none of them a blank", name,
		       PARAM_URL_MAX);
}

int param_check(const struct param_def *def, const char *value, const char **canonical, struct err *e)
{
	static const char *const bools[] = { "True", "False", NULL };
	const char *spelling = value;
	uint64_t number;
	int rc = 0;

	switch (def->type) {
	case PARAM_BOOL:
		rc = check_choice(def->name, bools, value, &spelling, e);
		break;
	case PARAM_CHOICE:
		rc = check_choice(def->name, def->choices, value, &spelling, e);
		break;
	case PARAM_URL:
		rc = check_url(def->name, value, e);
		break;
	case PARAM_PERIOD:
	case PARAM_HOST:
	case PARAM_EMAILS:
	case PARAM_TEXT:
		rc = param_check_text(def, value, e);
		break;
	case PARAM_NUMBER:
		if (!text_number(value, def->min, def->max, &number))
			rc = err_set(e, ERR_USAGE, "%s cannot be '%s'; it is a number from %u to %u", def->name, value, def->min,
				     def->max);
		break;
	}
	if (!rc && canonical)
		*canonical = spelling;
	return rc;
}

/* Enterprise parameters have no service in the store. */
struct store_param_key param_key(const struct param_def *def)
{
	return (struct store_param_key){
		.name = def->name,
		.service = strcmp(def->service, PARAM_ENTERPRISE) == 0 ? NULL : def->service,
	};
}

int param_get(struct cluster *c, const char *name, char **value, struct err *e)
{
	const struct param_def *def;
	char *got = NULL;
	int rc = find(name, &def, e);

	if (!rc)
		rc = store_param_get(c->store, param_key(def), &got, e);
	if (rc)
		return rc;
	if (!got)
		got = strdup(def->initial);
	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	*value = got;
	return 0;
}

int param_get_number(struct cluster *c, const char *name, uint32_t *value, struct err *e)
{
	AUTO(auto_free) char *text = NULL;
	uint64_t number;
	int rc = param_get(c, name, &text, e);

	if (rc)
		return rc;
	if (!text_number(text, 0, UINT32_MAX, &number))
		return err_set(e, ERR_STORE, "the store has '%s' for %s, which is no number", text, name);
	*value = (uint32_t)number;
	return 0;
}

int param_get_bool(struct cluster *c, const char *name, bool *value, struct err *e)
{
	AUTO(auto_free) char *text = NULL;
	int rc = param_get(c, name, &text, e);

	if (!rc)
		*value = strcmp(text, "True") == 0;
	return rc;
}

int param_generation(struct cluster *c, enum compose_generation *g, struct err *e)
{
	AUTO(auto_free) char *name = NULL;
	int rc = param_get(c, PARAM_GENERATION, &name, e);

	if (rc)
		return rc;
	if (!compose_generation_find(name, g))
		return err_set(e, ERR_STORE, "the store has '%s' for %s, which this program does not know", name,
			       PARAM_GENERATION);
	return 0;
}

/* --- setting --- */

static int check_settable(const char *name, const char *value, const struct param_def **def, const char **canonical,
			  struct err *e)
{
	int rc = find(name, def, e);

	if (rc)
		return rc;
	if ((*def)->display_only)
		return err_set(e, ERR_USAGE, "%s is only displayed: %s", (*def)->name, (*def)->help);
	return param_check(*def, value, canonical, e);
}

/*
 * A CTL without tokens is carried over to a generation that knows none, and nothing there can make the next one
 * (behaviour.md 9 scenario 5).
 */
static int warn_no_tokens(struct cluster *c, const char *generation, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	bool has = false, tokens = true;
	int rc = cluster_has_ctl(c, &has, e);

	if (rc || !has || !compose_generation_find(generation, &g) || compose_has_tokenless_ctl(g))
		return rc;
	rc = cluster_ctl_has_tokens(c, &tokens, e);
	if (rc || tokens)
		return rc;
	return notes_add(notes, e,
			 "The CTL file is carried over as it is. No hardware token is in it, so in generation %s neither 'utils ctl' nor "
			 "the CTL client can update it. Afterwards: 'file delete tftp CTLFile.tlv', 'set cert import trust "
			 "Phone-SAST-trust' with the certificates of two tokens, and 'ringfence ctl-client update CTLFile' with both; "
			 "phones that ask TVS follow.", generation);
}

/* From 11.5 the cluster's own two SAST leave less room: the CTL is carried over, and no further one could be made. */
static int warn_many_tokens(struct cluster *c, const char *generation, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	struct compose_tokens t;
	const char *command;

	if (!compose_generation_find(generation, &g))
		return 0;
	int rc = cluster_ctl_tokens(c, &t, e);
	if (rc)
		return rc;
	rc = cluster_ctl_command(c, &command, e);
	if (!rc && t.n > compose_max_tokens(g))
		rc = notes_add(notes, e,
			       "The CTL file is carried over as it is. It has %zu security tokens, and in generation %s a CTL has room for %zu "
			       "beside ITLRecovery and CallManager: every 'ringfence ctl-client' would be refused until some are taken out. "
			       "Do that first: '%s --remove-token %s', or the token that is to go.",
			       t.n, generation, compose_max_tokens(g), command, cert_cn(t.certs[t.n - 1]));
	token_ctl_tokens_clear(&t);
	return rc;
}

static int warn_signer(struct cluster *c, const char *generation, struct notes *notes, struct err *e)
{
	struct cert *signer = NULL, *tvs = NULL;
	enum compose_generation g;

	if (!compose_generation_find(generation, &g))
		return 0;
	int rc = cluster_own_cert(c, NULL, compose_signer_unit(g), &signer, e);
	if (!rc)
		rc = cluster_own_cert(c, NULL, "TVS", &tvs, e);
	if (!rc)
		rc = strand_warnings(c, &(struct strand_change){ "the ITL", signer, tvs }, notes, e);
	cert_unref(signer);
	cert_unref(tvs);
	return rc;
}

/* Phones that would find nobody any more who speaks with them. */
struct left_behind {
	size_t n;
	char names[256]; /* of the first of them */
	size_t used;
};

#define LEFT_BEHIND_NAMED 5

static int note_left_behind(void *ctx, const struct store_device *d)
{
	struct left_behind *l = ctx;

	if (l->n++ < LEFT_BEHIND_NAMED)
		l->used = text_append(l->names, sizeof(l->names), l->used, "%s%s", l->used ? ", " : "", d->name);
	return 0;
}

static int warn_left_behind(struct cluster *c, struct notes *notes, struct err *e)
{
	struct left_behind l = { 0 };
	bool allowed = false;
	int rc = param_get_bool(c, PARAM_LEGACY_TLS, &allowed, e);

	if (!rc && allowed)
		rc = phones_list(c, &(struct phones_filter){ .old_tls = true }, note_left_behind, &l, e);
	if (rc || !l.n)
		return rc;
	return notes_add(notes, e,
			 "%zu phone%s seen with TLS below 1.2 and will no longer reach TVS, CAPF and HTTPS here, if that is still all "
			 "that %s: %s%s. 'phone list --old-tls' says when each was last seen so.",
			 l.n, l.n == 1 ? " was" : "s were", l.n == 1 ? "it knows" : "they know", l.names,
			 l.n > LEFT_BEHIND_NAMED ? " ..." : "");
}

/* The nearest thing to an upgrade that a node in service sees (behaviour.md 9 scenario 51). */
static int warn_expired(struct cluster *c, const char *generation, struct notes *notes, struct err *e)
{
	enum compose_generation before, after;
	int rc = param_generation(c, &before, e);

	if (rc || !compose_generation_find(generation, &after) || after <= before)
		return rc;
	return expired_warnings(c, notes, e);
}

static int warn_generation(struct cluster *c, const char *generation, struct notes *notes, struct err *e)
{
	int rc = warn_signer(c, generation, notes, e);

	if (!rc)
		rc = warn_no_tokens(c, generation, notes, e);
	if (!rc)
		rc = warn_many_tokens(c, generation, notes, e);
	return rc ? rc : warn_expired(c, generation, notes, e);
}

int param_warnings(struct cluster *c, const char *name, const char *value, struct notes *notes, struct err *e)
{
	const struct param_def *def;
	const char *canonical;
	int rc = check_settable(name, value, &def, &canonical, e);

	if (!rc && strcmp(def->name, PARAM_GENERATION) == 0)
		rc = warn_generation(c, canonical, notes, e);
	if (!rc && strcmp(def->name, PARAM_DIGEST) == 0 && strcmp(canonical, "SHA-512") == 0)
		rc = notes_add(notes, e,
			       "Phones that do not know SHA-512 refuse what is signed with it. Those whose model says so here go on getting "
			       "SHA-1 ('show status' counts them); others stop working until the parameter is SHA-1 again.");
	if (!rc && strcmp(def->name, PARAM_ROLLBACK) == 0)
		rc = rollback_warnings(c, strcmp(canonical, "True") == 0, notes, e);
	if (!rc && strcmp(def->name, PARAM_LEGACY_TLS) == 0 && strcmp(canonical, "False") == 0)
		rc = warn_left_behind(c, notes, e);
	if (!rc && def->type == PARAM_URL && text_starts(canonical, "http://"))
		rc = notes_add(notes, e,
			       "Over HTTP phones do not check who answers: whoever is on the way can read and change what this service shows. "
			       "It goes on while the ITL is blank, which https does not.");
	if (!rc && strcmp(def->name, PARAM_COMPLETE) == 0 && strcmp(canonical, "True") == 0)
		rc = phone_config_note_addresses(c, notes, e);
	if (!rc && strcmp(def->name, PARAM_ADVANCED) == 0 && strcmp(canonical, "True") == 0)
		rc = notes_add(notes, e,
			       "Phones that know signer version 1.1 will load their configuration over HTTPS on port 6971.");
	return rc;
}

struct setting {
	const struct param_def *def;
	const char *value;
};

static int store_setting(struct cluster *c, void *ctx, struct err *e)
{
	const struct setting *s = ctx;

	return store_param_set(c->store, param_key(s->def), s->value, e);
}

static int next_steps(struct cluster *c, const struct param_def *def, const char *value, struct notes *notes, struct err *e)
{
	const char *command = NULL;
	bool has_ctl = false, rollback = strcmp(def->name, PARAM_ROLLBACK) == 0;
	int rc = def->in_ctl ? cluster_has_ctl(c, &has_ctl, e) : 0;

	if (!rc && has_ctl)
		rc = cluster_ctl_command(c, &command, e);
	if (!rc && command)
		rc = notes_add(notes, e, "The CTL file does not follow by itself: run '%s'.", command);
	if (!rc && def->restart)
		rc = notes_add(notes, e, "Restart %s on all nodes%s.", def->restart, def->reset && !rollback ? ", then reset all phones" : "");
	else if (!rc && def->reset)
		rc = notes_add(notes, e, "Phones learn of it at their next reset.");
	if (!rc && rollback)
		rc = phones_after_reset(c, false, notes, e);
	if (!rc && rollback && strcmp(value, "True") == 0)
		rc = rollback_next_steps(notes, e);
	return rc;
}

int param_set(struct cluster *c, const char *who, const char *name, const char *value, struct notes *notes, struct err *e)
{
	AUTO(auto_free) char *before = NULL;
	struct setting s;
	int rc = check_settable(name, value, &s.def, &s.value, e);

	if (!rc)
		rc = param_get(c, s.def->name, &before, e);
	if (rc || strcmp(before, s.value) == 0)
		return rc;
	/* A reset ends: the other signer of one generation is the usual one of another. */
	enum itl_action itl = strcmp(s.def->name, PARAM_GENERATION) == 0 ? ITL_NORMAL : ITL_KEEP;
	struct change ch = { .who = who, .command = "set parameter", .object = s.def->name, .before = before, .after = s.value, .itl = itl,
			     .notes = notes, .reset = strcmp(s.def->name, PARAM_ROLLBACK) == 0, .apply = store_setting,
			     .ctx = &s };
	rc = change_run(c, &ch, NULL, e);
	return rc ? rc : next_steps(c, s.def, s.value, notes, e);
}
