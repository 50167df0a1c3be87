#include "phone/decide.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/sgn.h"

static const struct {
	const char *name, *text;
} reasons[REASON_COUNT] = {
	[REASON_NOTHING_INSTALLED] = {"nothing-installed", "the phone has no trust list that could object, so it takes this one"},
	[REASON_SAST] = {"sast", "signed by a security token (SAST) record of an installed trust list"},
	[REASON_TFTP] = {"tftp", "signed by a TFTP record of an installed trust list"},
	[REASON_RECORD] = {"record", "the certificate stands in an installed trust list with the role it needs"},
	[REASON_RECORD_HASH] = {"record-hash", "the hash of the certificate stands in an installed trust list"},
	[REASON_CACHED] = {"cached", "a trust verification server confirmed the certificate earlier"},
	[REASON_TVS_CONFIRMED] = {"tvs-confirmed", "confirmed by a trust verification server"},
	[REASON_DECRYPTED] = {"decrypted", "the signature holds, and a certificate of the phone's own decrypts it"},
	[REASON_UNSIGNED_OK] = {"unsigned-ok", "no installed trust list names a TFTP server, so signatures do not matter"},
	[REASON_HTTP] = {"http", "over HTTP a server shows no certificate, so nothing is checked"},
	[REASON_SIGNER_UNKNOWN] = {"signer-unknown", "no installed trust list knows the signer"},
	[REASON_SERVER_UNKNOWN] = {"server-unknown", "no installed trust list and no cached answer knows the server"},
	[REASON_MALFORMED] = {"malformed", "the file breaks a rule of its format"},
	[REASON_TOO_LARGE] = {"too-large", "the file is larger than the phone loads"},
	[REASON_SAST_TOO_MANY] = {"sast-too-many", "the list has more security token (SAST) records than the phone takes"},
	[REASON_DIGEST_UNSUPPORTED] = {"digest-unsupported", "the phone cannot verify signatures over this digest"},
	[REASON_EC_UNSUPPORTED] = {"ec-unsupported", "the phone takes no certificate with an EC key"},
	[REASON_SIGNER_NOT_SAST] = {"signer-not-sast", "the signer is no security token (SAST) record of the list itself"},
	[REASON_SIGNATURE] = {"signature", "the signature does not hold"},
	[REASON_UNSIGNED] = {"unsigned", "the file is not signed, and the phone's trust list names a TFTP server"},
	[REASON_NOT_CTL_TFTP] = {"not-ctl-tftp", "the phone has a CTL and no ITL, and the CTL does not know the signer"},
	[REASON_NO_TVS_SUPPORT] = {"no-tvs-support", "not known to the phone, and this model asks no trust verification server"},
	[REASON_NO_TVS_SERVER] = {"no-tvs-server", "not known to the phone, which has no trust verification server to ask"},
	[REASON_NO_TVS_RECORD] = {"no-tvs-record", "not known to the phone, whose trust lists name no trust verification server"},
	[REASON_TVS_MISMATCH] = {"tvs-mismatch", "the TVS certificate does not match the ITL"},
	[REASON_TVS_UNREACHABLE] = {"tvs-unreachable", "no trust verification server answered"},
	[REASON_TVS_NO] = {"tvs-no", "the trust verification server does not know it"},
	[REASON_TVS_ROLE] = {"tvs-role", "the trust verification server knows it, but not in the role it needs"},
	[REASON_TVS_WRONG_CERT] = {"tvs-wrong-cert", "the trust verification server answered with another certificate"},
	[REASON_NO_CERTIFICATE] = {"no-certificate", "encrypted, and the phone has neither an LSC nor a MIC to decrypt it with"},
	[REASON_NOT_DECRYPTED] = {"not-decrypted", "neither the phone's LSC nor its MIC decrypts it"},
};

const char *reason_name(enum reason r)
{
	return reasons[r].name;
}

const char *reason_text(enum reason r)
{
	return reasons[r].text;
}

const char *where_name(enum where w)
{
	static const char *const names[] = {
		[WHERE_NONE] = "", [WHERE_CTL] = "CTL", [WHERE_ITL] = "ITL", [WHERE_CACHE] = "TVS cache", [WHERE_TVS] = "TVS",
	};

	return names[w];
}

static void begin(struct decision *d, enum offer_kind kind, uint32_t needed)
{
	*d = (struct decision){.kind = kind, .verdict = VERDICT_REFUSE, .record = -1, .needed = needed};
}

static void decide(struct decision *d, enum verdict v, enum reason r, enum where w, int record)
{
	d->verdict = v;
	d->reason = r;
	d->where = w;
	d->record = record;
}

static void accept(struct decision *d, enum reason r, enum where w, int record)
{
	decide(d, VERDICT_ACCEPT, r, w, record);
}

static void refuse(struct decision *d, enum reason r)
{
	decide(d, VERDICT_REFUSE, r, WHERE_NONE, -1);
}

static void refuse_because(struct decision *d, enum reason r, const struct err *e)
{
	refuse(d, r);
	snprintf(d->detail, sizeof d->detail, "%s", e->text);
}

static void looked(struct decision *d, enum where w, bool found)
{
	if (d->n_steps < DECISION_STEPS)
		d->steps[d->n_steps++] = (struct decision_step){w, found};
}

/* The two lists in the order in which phones search them. */
static const struct trust_list *installed(const struct phone *p, enum where w)
{
	return w == WHERE_CTL ? p->ctl : p->itl;
}

/* ---- asking ---- */

/* Nothing on the phone knows it: may the phone ask TVS? */
static void ask_or_refuse(const struct phone *p, enum reason unknown, struct decision *d)
{
	if (!traits_asks_tvs(p->traits)) {
		refuse(d, REASON_NO_TVS_SUPPORT);
		d->assumed = p->traits->asks_tvs == TRAIT_UNKNOWN;
	} else if (!phone_list_has(p->itl, FUNCTION_TVS) && !phone_list_has(p->ctl, FUNCTION_TVS)) {
		refuse(d, REASON_NO_TVS_RECORD);
	} else if (!p->n_tvs) {
		refuse(d, REASON_NO_TVS_SERVER);
	} else {
		decide(d, VERDICT_ASK_TVS, unknown, WHERE_NONE, -1);
	}
}

/* Subject, issuer and serial go to the server exactly as they stand in the file's header (6.5). */
static void ask_for_signer(const struct phone *p, const struct tlv_header *h, struct decision *d)
{
	ask_or_refuse(p, REASON_SIGNER_UNKNOWN, d);
	if (d->verdict != VERDICT_ASK_TVS)
		return;
	if (!h->ca_name.len || !h->serial.len) {
		refuse(d, REASON_MALFORMED);
		snprintf(d->detail, sizeof d->detail, "the header names no issuer, so nobody can be asked for the signer");
		return;
	}
	d->ask.type = TVS_QUERY_REQUEST;
	d->ask.subject = h->signer_name;
	d->ask.issuer = h->ca_name;
	d->ask.serial = h->serial;
}

/* ---- what the model cannot do ---- */

static bool digest_refused(const struct phone *p, unsigned digest, struct decision *d)
{
	if (digest == DIGEST_SHA1 || traits_sha512(p->traits))
		return false;
	refuse(d, REASON_DIGEST_UNSUPPORTED);
	d->assumed = p->traits->sha512 == TRAIT_UNKNOWN;
	snprintf(d->detail, sizeof d->detail, "signed with %s, and model %s verifies SHA-1 only", digest_name(digest),
		 *p->model ? p->model : p->traits->family);
	return true;
}

static bool size_refused(const struct phone *p, size_t len, struct decision *d)
{
	uint32_t limit = d->kind == OFFER_FILE ? PHONE_CONFIG_MAX : traits_list_limit(p->traits);

	if (len <= limit)
		return false;
	refuse(d, REASON_TOO_LARGE);
	snprintf(d->detail, sizeof d->detail, "%zu octets, and the phone loads %u", len, limit);
	return true;
}

static bool sast_refused(const struct phone *p, const struct trust_list *l, struct decision *d)
{
	uint32_t n = 0, max = traits_max_sast(p->traits);

	for (size_t i = 0; i < l->n_records; i++)
		n += l->records[i].has_function && l->records[i].function == FUNCTION_SAST;
	if (n <= max)
		return false;
	refuse(d, REASON_SAST_TOO_MANY);
	snprintf(d->detail, sizeof d->detail, "%u SAST records, and the phone takes %u", n, max);
	return true;
}

/* ---- signatures ---- */

/* Is it signed by a record of `by` that may sign such a thing? As list_verify_list and sgn_verify_list answer. */
typedef int verify_fn(const void *what, const struct trust_list *by, int *rec, struct err *e);

/* Search CTL, then ITL, for the record that signed it; h is its header. */
static void search_signer(const struct phone *p, verify_fn *verify, const void *what, const struct tlv_header *h,
			  enum reason found, struct decision *d)
{
	enum where failed = WHERE_NONE;
	struct err why = ERR_INIT;

	for (enum where w = WHERE_CTL; w <= WHERE_ITL; w++) {
		struct err e = ERR_INIT;
		int rec, rc;

		if (!installed(p, w))
			continue;
		rc = verify(what, installed(p, w), &rec, &e);
		looked(d, w, rc != ERR_AUTH);
		if (!rc) {
			accept(d, found, w, rec);
			return;
		}
		if (rc != ERR_AUTH && !failed) {
			failed = w;
			why = e;
		}
	}
	if (!failed) {
		ask_for_signer(p, h, d);
		return;
	}
	refuse_because(d, REASON_SIGNATURE, &why);
	d->where = failed;
}

/* ---- trust lists ---- */

static int verify_list(const void *list, const struct trust_list *by, int *rec, struct err *e)
{
	return list_verify_list(list, by, rec, e);
}

/* Whatever a phone trusts, a list whose signature does not hold under a SAST record of its own is broken (1.13, 1.16). */
static bool not_intact(struct trust_list *l, struct decision *d)
{
	struct err e = ERR_INIT;

	if (!list_verify_self(l, &e))
		return false;
	refuse_because(d, e.rule && !strcmp(e.rule, "signer-not-in-list") ? REASON_SIGNER_NOT_SAST : REASON_SIGNATURE, &e);
	return true;
}

/* Is l signed by the key of a record of ctl with this function? Its index, or -1. */
static int signed_by(const struct trust_list *l, const struct trust_list *ctl, int function)
{
	struct view key;

	for (int i = -1; (i = list_find(ctl, i, function, l->header.ca_name, l->header.serial)) >= 0;)
		if (!list_record_key(&ctl->records[i], &key, NULL) &&
		    !tlv_verify_key((struct view){l->data, l->len}, &l->header, key, NULL, NULL))
			return i;
	return -1;
}

/*
 * The first ITL of a phone that has a CTL: the CTL's CCM+TFTP record must verify it, and TVS is not asked.
 * exception: behaviour.md 4.2: a SAST record of the CTL is enough too. From 12.0 ITLRecovery signs the ITL, which is a SAST
 * of the CTL and never CCM+TFTP; without this no new phone could join a mixed-mode cluster (formats-and-protocols.md 6.9,
 * third row, says the same of a signer "known with SAST in CTL or ITL").
 */
static void first_itl(const struct phone *p, const struct trust_list *l, struct decision *d)
{
	int rec = signed_by(l, p->ctl, FUNCTION_CCM_TFTP);
	enum reason r = REASON_TFTP;

	if (rec < 0) {
		rec = signed_by(l, p->ctl, FUNCTION_SAST);
		r = REASON_SAST;
	}
	looked(d, WHERE_CTL, rec >= 0);
	if (rec >= 0)
		accept(d, r, WHERE_CTL, rec);
	else
		refuse(d, REASON_NOT_CTL_TFTP);
}

void phone_decide_list(const struct phone *p, enum list_type type, struct view file, struct decision *d)
{
	struct trust_list *l = NULL;
	struct tlv_header h; /* of the caller's octets, which a question to TVS borrows; l has a copy */
	struct err e = ERR_INIT;

	begin(d, type == LIST_CTL ? OFFER_CTL : OFFER_ITL, TVS_ROLE(FUNCTION_SAST));
	if (size_refused(p, file.len, d))
		return;
	if (tlv_header_read(file, &h, &e) || list_parse(file, type, &l, &e)) {
		refuse_because(d, REASON_MALFORMED, &e);
		return;
	}
	if (digest_refused(p, h.digest, d) || sast_refused(p, l, d) || not_intact(l, d))
		goto out;
	if (phone_is_open(p))
		accept(d, REASON_NOTHING_INSTALLED, WHERE_NONE, -1);
	else if (type == LIST_ITL && p->ctl && (!p->itl || phone_itl_is_blank(p->itl)))
		first_itl(p, l, d);
	else
		search_signer(p, verify_list, l, &h, REASON_SAST, d);
out:
	list_free(l);
}

/* ---- signed files ---- */

static int verify_file(const void *file, const struct trust_list *by, int *rec, struct err *e)
{
	return sgn_verify_list(*(const struct view *)file, by, rec, e);
}

void phone_decide_file(const struct phone *p, struct view file, bool is_signed, struct decision *d)
{
	bool wants = phone_wants_signed(p);
	struct tlv_header h;
	struct err e = ERR_INIT;

	begin(d, OFFER_FILE, TVS_ROLE(FUNCTION_CCM_TFTP) | TVS_ROLE(FUNCTION_TFTP));
	if (size_refused(p, file.len, d))
		return;
	if (!is_signed) {
		if (wants)
			refuse(d, REASON_UNSIGNED);
		else
			accept(d, REASON_UNSIGNED_OK, WHERE_NONE, -1);
		return;
	}
	if (tlv_header_read(file, &h, &e)) {
		refuse_because(d, REASON_MALFORMED, &e);
		return;
	}
	d->payload = h.header_len;
	if (!wants)
		accept(d, REASON_UNSIGNED_OK, WHERE_NONE, -1);
	else if (!digest_refused(p, h.digest, d))
		search_signer(p, verify_file, &file, &h, REASON_TFTP, d);
}

/* ---- servers ---- */

/* The record of l that is this certificate with one of these functions, or -1. */
static int find_cert(const struct trust_list *l, const struct cert *c, uint32_t functions)
{
	for (size_t i = 0; l && i < l->n_records; i++) {
		const struct tlv_record *rec = &l->records[i];

		if (rec->has_function && rec->function < 32 && functions & TVS_ROLE(rec->function) &&
		    list_record_is_cert(rec, c))
			return (int)i;
	}
	return -1;
}

static bool search_cert(const struct phone *p, const struct cert *c, struct decision *d)
{
	for (enum where w = WHERE_CTL; w <= WHERE_ITL; w++) {
		int rec = find_cert(installed(p, w), c, d->needed);

		looked(d, w, rec >= 0);
		if (rec < 0)
			continue;
		accept(d, installed(p, w)->records[rec].certificate.len ? REASON_RECORD : REASON_RECORD_HASH, w, rec);
		return true;
	}
	return false;
}

static bool ec_refused(const struct phone *p, const struct cert *c, struct decision *d)
{
	if (cert_key_type(c) != CERT_KEY_EC || traits_ec(p->traits))
		return false;
	refuse(d, REASON_EC_UNSUPPORTED);
	d->assumed = p->traits->ec == TRAIT_UNKNOWN;
	return true;
}

void phone_decide_server(struct phone *p, const struct cert *server, uint32_t needed, int64_t now_s, struct decision *d)
{
	const struct phone_cached *cached;

	begin(d, OFFER_SERVER, needed);
	if (ec_refused(p, server, d) || search_cert(p, server, d))
		return;
	cached = phone_cache_get(p, server, now_s);
	looked(d, WHERE_CACHE, cached != NULL);
	if (cached && cached->roles & needed) {
		accept(d, REASON_CACHED, WHERE_CACHE, -1);
		return;
	}
	ask_or_refuse(p, REASON_SERVER_UNKNOWN, d);
	if (d->verdict != VERDICT_ASK_TVS)
		return;
	d->ask.type = TVS_VERIFY_REQUEST;
	d->ask.certificate = cert_der(server);
}

void phone_decide_tvs_server(const struct phone *p, const struct cert *server, struct decision *d)
{
	begin(d, OFFER_TVS, TVS_ROLE(FUNCTION_TVS));
	if (ec_refused(p, server, d) || search_cert(p, server, d))
		return;
	if (phone_list_has(p->ctl, FUNCTION_TVS) || phone_list_has(p->itl, FUNCTION_TVS))
		refuse(d, REASON_TVS_MISMATCH);
	else
		refuse(d, REASON_NO_TVS_RECORD);
}

/* ---- answers ---- */

/* The signature of the offered file under the certificate that TVS gave. */
static int verify_offer(enum offer_kind kind, struct view offer, const struct cert *c, struct err *e)
{
	struct trust_list *l = NULL;
	int rc;

	if (kind == OFFER_FILE)
		return sgn_verify_cert(offer, c, e);
	rc = list_parse(offer, kind == OFFER_CTL ? LIST_CTL : LIST_ITL, &l, e);
	if (!rc)
		rc = list_verify_cert(l, c, e);
	list_free(l);
	return rc;
}

static void queried(const struct tvs_msg *answer, struct view offer, struct decision *d)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;
	int rc;

	if (cert_from_der(answer->certificate, &c, &e)) {
		refuse_because(d, REASON_TVS_WRONG_CERT, &e);
		return;
	}
	if (!serial_matches_cert(d->ask.serial, cert_serial(c)) || !name_matches_der(d->ask.issuer, cert_issuer_der(c))) {
		refuse(d, REASON_TVS_WRONG_CERT);
	} else if ((rc = verify_offer(d->kind, offer, c, &e))) {
		refuse_because(d, rc == ERR_AUTH ? REASON_TVS_WRONG_CERT : REASON_SIGNATURE, &e);
	} else {
		accept(d, REASON_TVS_CONFIRMED, WHERE_TVS, -1);
	}
	d->where = WHERE_TVS;
	cert_unref(c);
}

static void verified(struct phone *p, const struct tvs_msg *answer, struct view offer, int64_t now_s, struct decision *d)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	if (cert_from_der(offer, &c, &e)) {
		refuse_because(d, REASON_MALFORMED, &e);
		return;
	}
	phone_cache_put(p, c, answer->roles, answer->has_ttl ? answer->ttl_s : TVS_TTL_DEFAULT, now_s);
	accept(d, REASON_TVS_CONFIRMED, WHERE_TVS, -1);
	cert_unref(c);
}

void phone_decide_tvs_answer(struct phone *p, struct view offer, const struct tvs_msg *answer, int64_t now_s,
			     struct decision *d)
{
	bool query = d->ask.type == TVS_QUERY_REQUEST;

	if (!answer || answer->type != (query ? TVS_QUERY_RESPONSE : TVS_VERIFY_RESPONSE) || !answer->has_status) {
		phone_decide_unreachable(d, REASON_TVS_UNREACHABLE);
		return;
	}
	looked(d, WHERE_TVS, answer->status == TVS_STATUS_OK);
	if (answer->status != TVS_STATUS_OK)
		refuse(d, REASON_TVS_NO);
	else if (!(answer->roles & d->needed))
		refuse(d, REASON_TVS_ROLE);
	else if (query)
		queried(answer, offer, d);
	else
		verified(p, answer, offer, now_s, d);
	d->where = WHERE_TVS;
}

void phone_decide_unreachable(struct decision *d, enum reason why)
{
	refuse(d, why);
	d->where = WHERE_TVS;
}
