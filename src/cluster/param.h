#pragma once

#include "cluster/cluster.h"

/*
 * Parameters: one table says what exists, what it may be and what it means. Values live in the store's processconfig;
 * an absent row is the default. Source: behaviour.md 8.7, 5.2; design.md 6.
 */
enum param_type { PARAM_BOOL /* "True", "False" */, PARAM_NUMBER, PARAM_CHOICE, PARAM_URL /* https or http, or empty */,
		  PARAM_PERIOD /* "7 days", "12 hours" */, PARAM_HOST /* a name, an address, or empty */,
		  PARAM_EMAILS /* separated by semicolons; empty */, PARAM_TEXT /* printable, or empty */ };

struct param_def {
	const char *name;           /* as processconfig.paramname has it */
	const char *service;        /* PARAM_ENTERPRISE, or the service's name */
	enum param_type type;
	uint32_t min, max;          /* inclusive; of PARAM_PERIOD hours, of PARAM_EMAILS how many, of PARAM_TEXT octets */
	const char *const *choices; /* PARAM_CHOICE, NULL-terminated */
	const char *initial;        /* default */
	bool display_only;          /* set by a command, never by hand */
	bool in_itl;                /* a change of it changes the ITL, which follows at once */
	bool in_ctl;                /* a change of it changes the CTL, which follows with `utils ctl update CTLFile` */
	const char *help;
	const char *restart;        /* the services whose restart it takes, on all nodes; NULL: in force at once */
	bool reset;                 /* phones learn of it at their next reset, because it stands in files that they load */
};

#define PARAM_ENTERPRISE "Enterprise Wide"

#define PARAM_SECURITY_MODE "ClusterSecurityMode"
#define PARAM_GENERATION "TrustListGeneration"
#define PARAM_DIGEST "TFTP File Signature Algorithm"
#define PARAM_ADVANCED "Endpoint Advanced Encryption Algorithms Support"
#define PARAM_NAME_FORM "TrustListNameForm"
#define PARAM_ROLLBACK "Prepare Cluster for Rollback to pre 8.0"
#define PARAM_LEGACY_TLS "Allow Insecure TLS 1.0 On Legacy Listeners"
#define PARAM_TVS_TTL "TVS Certificate Cache Timeout"
#define PARAM_TVS_EXPIRED "TVS Accepts Expired Certificates"
#define PARAM_KEEP "PublishedGenerationsKept"
#define PARAM_CAPF_EXPIRES "CAPF Operation Expires in (days)"
#define PARAM_AUTO_REGISTRATION "Auto Registration"
#define PARAM_AUTO_REGISTRATION_MAX "Auto Registration Maximum"
#define PARAM_STRING_ATTEMPTS "CAPF Authentication String Attempts"
#define PARAM_STRING_LOCKOUT "CAPF Authentication String Lockout (in minutes)"

/* Values of PARAM_AUTO_REGISTRATION. */
#define AUTO_REGISTRATION_NON_SECURE "Non-Secure Mode Only"
#define AUTO_REGISTRATION_ALWAYS "Always"
#define AUTO_REGISTRATION_NEVER "Never"

#define PARAM_COMPLETE "Complete Phone Configurations"
#define PARAM_URL_AUTHENTICATION "Secured Authentication URL"
#define PARAM_URL_DIRECTORY "Secured Directory URL"
#define PARAM_URL_IDLE "Secured Idle URL"
#define PARAM_URL_INFORMATION "Secured Information URL"
#define PARAM_URL_MESSAGES "Secured Messages URL"
#define PARAM_URL_SERVICES "Secured Services URL"
#define PARAM_URL_MAX 255 /* octets (formats-and-protocols.md 9) */
#define PARAM_CAPF_PORT "CAPF Phone Port"
#define PARAM_CAPF_ISSUER "Certificate Issuer to Endpoint"
#define PARAM_CAPF_VALIDITY "Duration Of Certificate Validity (in days)"
#define PARAM_CAPF_LSC_DIGEST "LSC Signature Algorithm"
#define PARAM_CAPF_LSC_KEY_USAGE "LSC Key Usage"
#define PARAM_CAPF_LSC_EXT_KEY_USAGE "LSC Extended Key Usage"
#define PARAM_CAPF_LSC_ALT_NAME "LSC Subject Alternative Name"
#define PARAM_CAPF_KEEP_ALIVE "CAPF Keep Alive (in minutes)"
#define PARAM_CAPF_UNKNOWN "CAPF Answer to Unknown Devices"
#define PARAM_CAPF_ADDRESS_FAILURES "CAPF Failures per Address"
#define PARAM_CAPF_ADDRESS_LOCK "CAPF Address Lockout (in minutes)"
#define PARAM_CAPF_SUDI "CAPF SUDI Data Required"
#define PARAM_CAPF_RENEWAL_RATE "CAPF Renewals per Minute"
#define PARAM_CAPF_RENEWAL_JITTER "CAPF Renewal Jitter (in days)"
#define PARAM_CAPF_RENEWAL_STOP "CAPF Renewals Stop after Failures"

#define PARAM_NOTICE_START "Notification Start Time"
#define PARAM_NOTICE_FREQUENCY "Notification Frequency"
#define PARAM_NOTICE_MAIL "Enable E-mail notification"
#define PARAM_NOTICE_TO "E-mail IDs"
#define PARAM_SMTP_SERVER "SMTP Server"
#define PARAM_SMTP_PORT "SMTP Port"
#define PARAM_SMTP_SECURITY "SMTP Security"
#define PARAM_SMTP_SENDER "SMTP Sender"
#define PARAM_SMTP_USER "SMTP User Name"

#define PARAM_PHONE_INTERACTION "Phone Interaction on Certificate Update"
#define PARAM_LBM "LBM Security Mode"
#define PARAM_CACHING "Enable Caching"
#define PARAM_TLS_CIPHERS "TLS Ciphers"
#define PARAM_HTTPS_CIPHERS "HTTPS Ciphers"
#define PARAM_RESET_RATE "Phone Resets per Second"
#define PARAM_RESET_TIMEOUT "Phone Reset Answer Timeout (in seconds)"
#define PARAM_PHONE_SIP_PORT "Phone SIP Port"

/* Values of PARAM_PHONE_INTERACTION. */
#define PHONE_INTERACTION_AUTOMATIC "Reset Phones Automatically"
#define PHONE_INTERACTION_MANUAL "Reset Phones Manually"

#define CAPF_ISSUER_OFFLINE "Offline CA"

extern const struct param_def param_table[]; /* ended by a NULL name */
const struct param_def *param_find(const char *name); /* any case; NULL */
const struct param_def *param_nearest(const char *name); /* whose name is like it; NULL when none is */
const char *param_type_name(enum param_type type); /* "boolean", "number" ... */
void param_allowed(const struct param_def *def, char *out, size_t size); /* "2 to 10000", "True, False" */

/* param_period_s: "12 hours" in seconds. false: it is no period. */
bool param_period_s(const char *value, int64_t *seconds);

/* param_check: may it have this value? Out: *canonical, when not NULL, the spelling that is stored.
 * Errors: ERR_USAGE with what is allowed. */
int param_check(const struct param_def *def, const char *value, const char **canonical, struct err *e) MUST_CHECK;

/* param_get: the value in force, the default when nobody set one. Out: *value heap text. ERR_USAGE unknown name. */
int param_get(struct cluster *c, const char *name, char **value, struct err *e) MUST_CHECK;
int param_get_number(struct cluster *c, const char *name, uint32_t *value, struct err *e) MUST_CHECK;
int param_get_bool(struct cluster *c, const char *name, bool *value, struct err *e) MUST_CHECK;

/* param_warnings: what phones would make of it, before it is set. Changes nothing. Errors: as param_set. */
int param_warnings(struct cluster *c, const char *name, const char *value, struct notes *notes, struct err *e) MUST_CHECK;

/* param_set: one parameter, with the ITL that follows from it.
 * Errors: ERR_USAGE unknown, display only, value not allowed. */
int param_set(struct cluster *c, const char *who, const char *name, const char *value, struct notes *notes,
	      struct err *e) MUST_CHECK;
