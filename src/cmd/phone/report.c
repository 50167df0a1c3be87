#include "cmd/phone/report.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

static const char *fate_name(enum boot_fate f)
{
	static const char *const names[] = {
		[FATE_NOT_TRIED] = "not tried", [FATE_MISSING] = "not offered", [FATE_FAILED] = "no answer",
		[FATE_SAME] = "unchanged", [FATE_TAKEN] = "taken", [FATE_REFUSED] = "refused",
		[FATE_DECLINED] = "refused by the server",
	};

	return names[f];
}

static bool was_decided(const struct boot_part *q)
{
	return q->fate == FATE_SAME || q->fate == FATE_TAKEN || q->fate == FATE_REFUSED;
}

static void part_text(FILE *out, const struct boot_part *q, enum boot_subject s)
{
	fprintf(out, "  %-14s %s", boot_subject_name(s), fate_name(q->fate));
	if (was_decided(q))
		fprintf(out, ": %s%s%s", reason_text(q->reason), q->where ? ", " : "", where_name(q->where));
	if (*q->detail)
		fprintf(out, " (%s)", q->detail);
	if (q->assumed)
		fprintf(out, " [nobody knows this of the model; the careful answer was assumed]");
	fputc('\n', out);
}

static void capf_text(FILE *out, const struct boot *b)
{
	const struct boot_part *q = boot_part(b, BOOT_ENROLMENT);

	fprintf(out, "  %-14s %s", boot_subject_name(BOOT_ENROLMENT), boot_capf_name(boot_capf(b)));
	if (q->fate == FATE_REFUSED)
		fprintf(out, ": %s%s%s", reason_text(q->reason), q->where ? ", " : "", where_name(q->where));
	if (*q->detail)
		fprintf(out, " (%s)", q->detail);
	fputc('\n', out);
}

void report_text(FILE *out, const struct phone *p, const struct boot *b)
{
	fprintf(out, "%s %s\n", p->device, boot_outcome_name(boot_outcome(b)));
	for (int s = 0; s < BOOT_PARTS; s++)
		if (s == BOOT_ENROLMENT && boot_capf(b) != BOOT_CAPF_NOT_TRIED)
			capf_text(out, b);
		else if (boot_part(b, s)->fate != FATE_NOT_TRIED)
			part_text(out, boot_part(b, s), s);
}

static json_t *part_json(const struct boot_part *q)
{
	json_t *o = json_pack("{s:s, s:b, s:b}", "result", fate_name(q->fate), "asked_tvs", q->tvs_asked, "assumed", q->assumed);

	if (o && was_decided(q)) {
		json_object_set_new(o, "reason", json_string(reason_name(q->reason)));
		json_object_set_new(o, "where", json_string(where_name(q->where)));
	}
	if (o && *q->detail)
		json_object_set_new(o, "detail", json_string(q->detail));
	return o;
}

json_t *report_json(const struct phone *p, const struct boot *b)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "device", p->device, "model", p->model, "outcome",
			      boot_outcome_name(boot_outcome(b)));

	for (int s = 0; o && s < BOOT_PARTS; s++)
		if (boot_part(b, s)->fate != FATE_NOT_TRIED)
			json_object_set_new(o, boot_subject_name(s), part_json(boot_part(b, s)));
	if (o && boot_capf(b) != BOOT_CAPF_NOT_TRIED)
		json_object_set_new(json_object_get(o, boot_subject_name(BOOT_ENROLMENT)), "result",
				    json_string(boot_capf_name(boot_capf(b))));
	return o;
}

/* ---- the menu ---- */

static void checksum(const struct trust_list *l, enum digest d, char out[2 * DIGEST_MAX + 1])
{
	uint8_t sum[DIGEST_MAX];

	out[0] = '\0';
	if (!digest_one(d, (struct view){l->data, l->len}, sum, NULL))
		text_hex(out, 2 * DIGEST_MAX + 1, (struct view){sum, digest_len(d)}, '\0', false);
}

/* What a record is called in the menu: the CN of its subject, else its DNSNAME. */
static void record_label(const struct tlv_record *r, char *out, size_t size)
{
	char cn[256];

	if (r->subject.len && name_get(tlv_text(r->subject), "CN", cn, sizeof cn))
		text_escape(out, size, view_str(cn));
	else
		text_escape(out, size, tlv_text(r->dns_name));
	if (!*out)
		snprintf(out, size, "-");
}

static void role_label(const struct tlv_record *r, char *out, size_t size)
{
	const char *name = r->has_function ? function_name(r->function) : NULL;

	if (name)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%u", r->function);
}

static void list_menu(FILE *out, enum list_type type, const struct trust_list *l, enum trait_checksum shown)
{
	char sum[2 * DIGEST_MAX + 1], label[1024], role[64];

	if (!l) {
		fprintf(out, "%s File\n  Not Installed\n", list_type_name(type));
		return;
	}
	fprintf(out, "%s File\n", list_type_name(type));
	checksum(l, DIGEST_MD5, sum);
	fprintf(out, "  MD5   %s%s\n", sum, shown == CHECKSUM_MD5 ? "  (on this model's screen)" : "");
	checksum(l, DIGEST_SHA1, sum);
	fprintf(out, "  SHA1  %s%s\n", sum, shown == CHECKSUM_SHA1 ? "  (on this model's screen)" : "");
	for (size_t i = 0; i < l->n_records; i++) {
		record_label(&l->records[i], label, sizeof label);
		role_label(&l->records[i], role, sizeof role);
		fprintf(out, "  %-35s  %s\n", role, label);
	}
}

static void day(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(out, 32, "-");
}

static void cert_menu(FILE *out, const char *name, const struct cert *c)
{
	char hash[PHONE_CERT_HASH_LEN + 1], until[32];

	if (!c) {
		fprintf(out, "%s  Not Installed\n", name);
		return;
	}
	phone_cert_hash(c, hash);
	day(cert_not_after(c), until);
	fprintf(out, "%s  Installed\n  Subject      %s\n  Issuer       %s\n", name, cert_subject(c), cert_issuer(c));
	fprintf(out, "  Valid until  %s\n  certHash     %s\n", until, hash);
}

void report_menu(FILE *out, const struct phone *p)
{
	fprintf(out, "%s  model %s (%s)\n\nTrust List\n\n", p->device, *p->model ? p->model : "unknown", p->traits->family);
	list_menu(out, LIST_CTL, p->ctl, p->traits->checksum);
	fputc('\n', out);
	list_menu(out, LIST_ITL, p->itl, p->traits->checksum);
	fputc('\n', out);
	cert_menu(out, "LSC", p->lsc.cert);
	cert_menu(out, "MIC", p->mic.cert);
	fprintf(out, "\nTVS servers\n");
	for (size_t i = 0; i < p->n_tvs; i++)
		fprintf(out, "  %s port %u\n", p->tvs[i].host, p->tvs[i].port);
	if (!p->n_tvs)
		fprintf(out, "  none\n");
	fprintf(out, "\nTVS cache: %zu certificate%s\n", p->n_cache, p->n_cache == 1 ? "" : "s");
}

static json_t *list_json(const struct trust_list *l)
{
	char md5[2 * DIGEST_MAX + 1], sha1[2 * DIGEST_MAX + 1], label[1024], role[64];
	json_t *records = json_array();

	if (!l) {
		json_decref(records);
		return json_null();
	}
	for (size_t i = 0; i < l->n_records; i++) {
		record_label(&l->records[i], label, sizeof label);
		role_label(&l->records[i], role, sizeof role);
		json_array_append_new(records, json_pack("{s:s, s:s}", "function", role, "name", label));
	}
	checksum(l, DIGEST_MD5, md5);
	checksum(l, DIGEST_SHA1, sha1);
	return json_pack("{s:I, s:s, s:s, s:o}", "length", (json_int_t)l->len, "md5", md5, "sha1", sha1, "records", records);
}

static json_t *cert_json(const struct cert *c)
{
	char hash[PHONE_CERT_HASH_LEN + 1], until[32];

	if (!c)
		return json_null();
	phone_cert_hash(c, hash);
	day(cert_not_after(c), until);
	return json_pack("{s:s, s:s, s:s, s:s}", "subject", cert_subject(c), "issuer", cert_issuer(c), "valid_until", until,
			 "cert_hash", hash);
}

json_t *report_menu_json(const struct phone *p)
{
	json_t *servers = json_array();

	for (size_t i = 0; i < p->n_tvs; i++)
		json_array_append_new(servers, json_pack("{s:s, s:i}", "host", p->tvs[i].host, "port", (int)p->tvs[i].port));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I}", "device", p->device, "model", p->model, "family",
			 p->traits->family, "CTL", list_json(p->ctl), "ITL", list_json(p->itl), "LSC",
			 cert_json(p->lsc.cert), "MIC", cert_json(p->mic.cert), "tvs", servers, "tvs_cache",
			 (json_int_t)p->n_cache);
}
