#include "format/show.h"

#include <string.h>
#include <time.h>

#include "base/text.h"

static const char heading[] = "BYTEPOS TAG             LENGTH  VALUE\n"
			      "------- ---             ------  -----\n";

/* CUCM's words, its spelling errors included, and with `all` ours for what it has no word for. NULL: not shown. */
static const char *header_word(uint8_t tag, bool all)
{
	static const char *const words[] = {
		[HEADER_SIGNERID] = "SIGNERID",
		[HEADER_SIGNERNAME] = "SIGNERNAME",
		[HEADER_SERIALNUMBER] = "SERIALNUMBER",
		[HEADER_CANAME] = "CANAME",
		[HEADER_SIGNATUREINFO] = "SIGNATUREINFO",
		[HEADER_DIGESTALGORITHM] = "DIGESTALGORTITHM",
		[HEADER_SIGNATUREALGOINFO] = "SIGNATUREALGOINFO",
		[HEADER_SIGNATUREALGORITHM] = "SIGNATUREALGORTITHM",
		[HEADER_SIGNATUREMODULUS] = "SIGNATUREMODULUS",
		[HEADER_SIGNATURE] = "SIGNATURE",
		[HEADER_FILENAME] = "FILENAME",
		[HEADER_TIMESTAMP] = "TIMESTAMP",
		[HEADER_ENCRYPTIONINFO] = "ENCRYPTIONINFO",
		[HEADER_IVINFO] = "IVINFO",
		[HEADER_ENC_UNKNOWN] = "ENCALGORITHM",
		[HEADER_IV] = "IV",
		[HEADER_PADDINGLENGTH] = "PADDINGLENGTH",
		[HEADER_KEYINFO] = "KEYINFO",
		[HEADER_KEY_UNKNOWN] = "KEYUNKNOWN",
		[HEADER_KEYSIZE] = "KEYSIZE",
		[HEADER_KEYALGORITHM] = "KEYALGORITHM",
		[HEADER_WRAPPEDKEY] = "WRAPPEDKEY",
		[HEADER_PLAINTEXT_HASHALGORITHM] = "PLAINHASHALGO",
		[HEADER_PLAINTEXT_HASH] = "PLAINHASH",
		[HEADER_SIGNERVERSION] = "SIGNERVERSION",
	};

	if (tag >= sizeof(words) / sizeof(words[0]) || (tag > HEADER_TIMESTAMP && !all))
		return NULL;
	return words[tag];
}

static const char *record_word(uint8_t tag)
{
	static const char *const words[] = {
		[RECORD_LENGTH] = "RECORDLENGTH",
		[RECORD_DNSNAME] = "DNSNAME",
		[RECORD_SUBJECTNAME] = "SUBJECTNAME",
		[RECORD_FUNCTION] = "FUNCTION",
		[RECORD_ISSUERNAME] = "ISSUERNAME",
		[RECORD_SERIALNUMBER] = "SERIALNUMBER",
		[RECORD_PUBLICKEY] = "PUBLICKEY",
		[RECORD_SIGNATURE] = "SIGNATURE",
		[RECORD_CERTIFICATE] = "CERTIFICATE",
		[RECORD_IPADDRESS] = "IPADDRESS",
		[RECORD_CERTHASH] = "CERTHASH",
		[RECORD_HASHALGORITHM] = "HASH ALGORITHM",
	};

	return tag < sizeof(words) / sizeof(words[0]) ? words[tag] : NULL;
}

/* Columns at 0, 8, 24 and 32; a word of 16 characters or more moves the rest by a tab stop of 8. Source: 3.1 rule 1. */
static void row_start(FILE *out, uint8_t tag, const char *word, size_t len, bool value)
{
	int word_width = strlen(word) < 16 ? 16 : 24;

	fprintf(out, "%-8u%-*s", tag, word_width, word);
	fprintf(out, value ? "%-8zu" : "%zu", len);
}

static void row(FILE *out, uint8_t tag, const char *word, size_t len, const char *value)
{
	row_start(out, tag, word, len, *value);
	fprintf(out, "%s\n", value);
}

/* Text of a stranger, printable; unlike text_escape it leaves single backslashes, which escape characters in names. */
static void row_text(FILE *out, uint8_t tag, const char *word, struct view element)
{
	struct view text = tlv_text(element);
	char shown[4 * 1024];
	size_t n = 0;

	text_escape(shown, sizeof(shown), text);
	for (const char *p = shown; *p; p++) {
		if (p[0] == '\\' && p[1] == '\\')
			p++;
		shown[n++] = *p;
	}
	shown[n] = '\0';
	row(out, tag, word, element.len, shown);
}

static void row_hex(FILE *out, uint8_t tag, const char *word, struct view element, char separator)
{
	char shown[3 * 256];

	text_hex(shown, sizeof(shown), element, separator, true);
	row(out, tag, word, element.len, shown);
}

/* Eight octets a line, lower case, without leading zeros. Source: 3.1 rule 6. */
static void dump(FILE *out, struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		fprintf(out, "%x%s", v.p[i], i + 1 == v.len || i % 8 == 7 ? "\n" : "  ");
}

/* A small number, whatever its size. */
static void row_number(FILE *out, uint8_t tag, const char *word, struct view element)
{
	char shown[24] = "";
	uint64_t v = 0;

	for (size_t i = 0; i < element.len && i < 8; i++)
		v = v << 8 | element.p[i];
	snprintf(shown, sizeof(shown), "%llu", (unsigned long long)v);
	row(out, tag, word, element.len, element.len && element.len <= 8 ? shown : "");
}

/* Rows that `show` prints without value, and those of encrypted files. */
static void row_all(FILE *out, const struct tlv_element *el, const char *word)
{
	switch (el->tag) {
	case HEADER_FILENAME:
		row_text(out, el->tag, word, el->value);
		return;
	case HEADER_IV:
	case HEADER_PLAINTEXT_HASH:
		row_hex(out, el->tag, word, el->value, ' ');
		return;
	case HEADER_WRAPPEDKEY:
		row(out, el->tag, word, el->value.len, "");
		return;
	default:
		row_number(out, el->tag, word, el->value);
	}
}

static void header_row(FILE *out, const struct tlv_element *el, bool all)
{
	const char *word = header_word(el->tag, all);
	char number[16];

	if (!word)
		return;
	if (tlv_is_container(el->tag)) {
		snprintf(number, sizeof(number), "%zu", el->value.len);
		row(out, el->tag, word, 2, number);
		return;
	}
	switch (el->tag) {
	case HEADER_SIGNERNAME:
	case HEADER_CANAME:
		row_text(out, el->tag, word, el->value);
		return;
	case HEADER_SERIALNUMBER:
		row_hex(out, el->tag, word, el->value, ':');
		return;
	case HEADER_SIGNATURE:
		row(out, el->tag, word, el->value.len, "");
		dump(out, el->value);
		return;
	}
	if (all)
		row_all(out, el, word);
	else
		row(out, el->tag, word, el->value.len, "");
}

void show_header(FILE *out, struct view file, const struct tlv_header *h, bool all)
{
	struct tlv_element el;
	struct rd r;

	fprintf(out, "Version:        %u.%u\nHeaderLength:   %u (BYTES)\n\n%s", h->major, h->minor, h->header_len, heading);
	rd_init(&r, file.p, h->header_len);
	while (tlv_header_element(&r, &el))
		header_row(out, &el, all);
}

static void row_function(FILE *out, const char *word, const struct tlv_record *rec)
{
	const char *name = function_name(rec->function);
	char number[8];

	snprintf(number, sizeof(number), "%u", rec->function);
	row(out, RECORD_FUNCTION, word, 2, name ? name : number);
}

static void row_certificate(FILE *out, const char *word, struct view der)
{
	uint8_t sha1[DIGEST_MAX];
	char shown[96];

	if (digest_one(DIGEST_SHA1, der, sha1, NULL)) {
		row(out, RECORD_CERTIFICATE, word, der.len, "");
		return;
	}
	size_t n = text_hex(shown, sizeof(shown), (struct view){sha1, 20}, ' ', true);
	text_append(shown, sizeof(shown), n, " (SHA1 Hash HEX)");
	row(out, RECORD_CERTIFICATE, word, der.len, shown);
}

static void row_hash_algorithm(FILE *out, const char *word, uint8_t code)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", code);
	row(out, RECORD_HASHALGORITHM, word, 1, digest_known(code) ? digest_name((enum digest)code) : number);
}

static void record_row(FILE *out, const struct tlv_record *rec, const struct tlv_element *el)
{
	const char *word = record_word(el->tag);
	char number[8];

	if (!word)
		return;
	switch (el->tag) {
	case RECORD_LENGTH:
		snprintf(number, sizeof(number), "%zu", rec->raw.len);
		row(out, el->tag, word, 2, number);
		return;
	case RECORD_DNSNAME:
	case RECORD_SUBJECTNAME:
	case RECORD_ISSUERNAME:
		row_text(out, el->tag, word, el->value);
		return;
	case RECORD_FUNCTION:
		row_function(out, word, rec);
		return;
	case RECORD_SERIALNUMBER:
		row_hex(out, el->tag, word, el->value, ':');
		return;
	case RECORD_CERTIFICATE:
		row_certificate(out, word, el->value);
		return;
	case RECORD_CERTHASH:
		row_hex(out, el->tag, word, el->value, ' ');
		return;
	case RECORD_HASHALGORITHM:
		row_hash_algorithm(out, word, rec->hash_algorithm);
		return;
	default:
		row(out, el->tag, word, el->value.len, "");
	}
}

static bool is_signer(const struct trust_list *l, const struct tlv_record *rec)
{
	if (l->signer < 0)
		return false;
	const struct tlv_record *signer = &l->records[l->signer];
	return rec == signer || (view_eq(rec->certificate, signer->certificate) && serial_same(rec->serial, signer->serial));
}

static void show_record(FILE *out, const struct trust_list *l, size_t i, const char *type)
{
	const struct tlv_record *rec = &l->records[i];
	struct tlv_element el;
	struct rd r;

	fprintf(out, "\n%s Record #:%zu\n----\n%s", type, i + 1, heading);
	rd_init(&r, rec->raw.p, rec->raw.len);
	while (tlv_record_element(&r, &el))
		record_row(out, rec, &el);
	if (rec->has_function && rec->function == FUNCTION_SAST)
		fprintf(out, "\nThis etoken was %sused to sign the %s file.\n", is_signer(l, rec) ? "" : "not ", type);
}

static void show_checksum(FILE *out, struct view file, enum digest d, const char *name)
{
	uint8_t hash[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];

	if (digest_one(d, file, hash, NULL))
		return;
	text_hex(hex, sizeof(hex), (struct view){hash, digest_len(d)}, '\0', false);
	fprintf(out, "%s(%s)\n", hex, name);
}

static void show_start(FILE *out, struct view file, const struct show_options *o)
{
	const char *type = list_type_name(o->type);
	time_t when = (time_t)o->modified_s;
	char date[64] = "";
	struct tm tm;

	if (!o->no_checksum) {
		fprintf(out, "The checksum value of the %s file:\n", type);
		show_checksum(out, file, DIGEST_MD5, "MD5");
		show_checksum(out, file, DIGEST_SHA1, "SHA1");
		fputc('\n', out);
	}
	if (localtime_r(&when, &tm))
		strftime(date, sizeof(date), "%a %b %d %H:%M:%S %Z %Y", &tm);
	fprintf(out, "Length of %s file: %zu\nThe %s File was last modified on %s\n\nParse %s File\n----------------\n\n", type,
		file.len, type, date, type);
}

/* Source: 3.6. */
static void show_failed(FILE *out, const char *type)
{
	fprintf(out, "\nVerification of the %s file failed.\nError parsing the %s file!!\n", type, type);
}

void show_list(FILE *out, const struct trust_list *l, const struct show_options *o)
{
	const char *type = list_type_name(o->type);

	show_start(out, (struct view){l->data, l->len}, o);
	show_header(out, (struct view){l->data, l->len}, &l->header, false);
	for (size_t i = 0; i < l->n_records; i++)
		show_record(out, l, i, type);
	if (o->verified)
		fprintf(out, "\nThe %s file was verified successfully.\n", type);
	else
		show_failed(out, type);
}

void show_list_broken(FILE *out, struct view file, const struct show_options *o)
{
	show_start(out, file, o);
	show_failed(out, list_type_name(o->type));
}

void show_list_missing(FILE *out, enum list_type type)
{
	const char *name = list_type_name(type);

	fprintf(out, "Length of %s file: 0\n", name);
	if (type == LIST_CTL)
		fprintf(out, "CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.\n");
	else
		fprintf(out, "ITL File not found.\n");
	fprintf(out, "Error parsing the %s File.\n", name);
}
