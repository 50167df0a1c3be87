#include "format/sgn.h"

#include <string.h>

#include "base/text.h"
#include "format/format_internal.h"

static int check_name(const char *name, struct err *e)
{
	if (!name[0] || name[0] == '/')
		return err_set(e, ERR_USAGE, "the name inside a signed file is the one that phones ask for: not empty, without a leading slash");
	if (strlen(name) > SGN_NAME_MAX)
		return err_set(e, ERR_USAGE, "the name inside a signed file is longer than %d characters", SGN_NAME_MAX);
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(e, ERR_USAGE, "the name inside a signed file contains a control character");
	return 0;
}

static int build(const struct sgn_spec *spec, const struct list_signer *signer, struct view payload, struct wr *w,
		 struct err *e)
{
	const struct header_spec header = {
		.version = {1, 0},
		.layout = spec->layout,
		.signer = spec->signer,
		.names = spec->names,
		.digest = spec->digest,
		.timestamp = spec->timestamp,
		.file_name = spec->file_name,
	};
	int err = check_name(spec->file_name, e);

	if (!err)
		err = header_build(&header, signer, payload, w, e);
	return err;
}

int sgn_build(const struct sgn_spec *spec, const struct list_signer *signer, struct view payload, uint8_t **data,
	      size_t *len, struct err *e)
{
	struct wr w;

	wr_init(&w, UINT16_MAX + (size_t)TLV_FILE_MAX);
	int err = build(spec, signer, payload, &w, e);
	if (err) {
		wr_clear(&w);
		return err;
	}
	wr_view(&w, payload);
	return wr_finish(&w, data, len, e);
}

struct view sgn_payload(struct view file, const struct tlv_header *h)
{
	struct rd r;

	rd_init(&r, file.p, file.len);
	rd_skip(&r, h->header_len);
	return rd_rest(&r);
}

int sgn_verify_list(struct view file, const struct trust_list *l, int *rec, struct err *e)
{
	struct tlv_header h;
	int err = tlv_header_read(file, &h, e);

	if (err)
		return err;
	return list_verify_file(l, FUNCTION_BIT(FUNCTION_CCM_TFTP) | FUNCTION_BIT(FUNCTION_TFTP), file, &h, rec, e);
}

int sgn_verify_cert(struct view file, const struct cert *c, struct err *e)
{
	struct tlv_header h;
	int err = tlv_header_read(file, &h, e);

	return err ? err : cert_verify_file(c, file, &h, e);
}

bool sgn_name_is(const struct tlv_header *h, const char *name)
{
	return h->file_name.p && view_eq(tlv_text(h->file_name), view_str(name));
}

static bool ends_with(struct view v, const char *suffix)
{
	size_t n = strlen(suffix);

	return v.len >= n && memcmp(v.p + v.len - n, suffix, n) == 0;
}

static bool starts_with(struct view v, const void *octets, size_t n)
{
	return v.len >= n && memcmp(v.p, octets, n) == 0;
}

/* By the version, when the rest of the header is no help (1.5). */
static enum file_kind kind_by_version(const uint8_t *version)
{
	if (version[0] == 2)
		return FILE_ENC_SGN;
	return version[0] == 1 && version[1] >= 2 ? FILE_TRUST_LIST : FILE_SGN;
}

static enum file_kind kind_of_header(const struct tlv_header *h)
{
	const uint8_t version[] = {h->major, h->minor};
	struct view name = tlv_text(h->file_name);

	if (h->wrapped_key.p || h->iv.p || ends_with(name, ".enc.sgn"))
		return FILE_ENC_SGN;
	if (ends_with(name, ".sgn"))
		return FILE_SGN;
	if (ends_with(name, ".tlv"))
		return FILE_TRUST_LIST;
	return kind_by_version(version);
}

/* A header that is not one of ours: firmware has no signature where we know to look, a package is a gzip archive. */
static enum file_kind kind_of_broken(struct view file, const struct err *why)
{
	static const uint8_t gzip[] = {0x1f, 0x8b};
	struct rd r;
	struct view version;
	size_t payload = 0;
	enum file_kind kind;

	rd_init(&r, file.p, file.len);
	rd_skip(&r, 3);
	rd_view(&r, 2, &version);
	kind = kind_by_version(version.p);
	if (kind != FILE_SGN || tlv_header_strip(file, &payload, NULL))
		return kind;
	rd_init(&r, file.p, file.len);
	rd_skip(&r, payload);
	if (text_starts(why->rule, "missing-") || starts_with(rd_rest(&r), gzip, sizeof(gzip)))
		return FILE_FIRMWARE;
	return FILE_SGN;
}

enum file_kind file_kind(struct view file)
{
	static const uint8_t start[] = {HEADER_VERSION, 0, 2};
	struct tlv_header h;
	struct err why = ERR_INIT;

	if (file.len == 0)
		return FILE_EMPTY;
	if (!starts_with(file, start, sizeof(start)) || file.len < 5)
		return FILE_UNKNOWN;
	if (tlv_header_read(file, &h, &why) == 0)
		return kind_of_header(&h);
	if (text_same(why.rule, "headerlength-element"))
		return FILE_UNKNOWN;
	return kind_of_broken(file, &why);
}

const char *file_kind_name(enum file_kind kind)
{
	switch (kind) {
	case FILE_EMPTY: return "empty file";
	case FILE_TRUST_LIST: return "trust list";
	case FILE_SGN: return "signed file";
	case FILE_ENC_SGN: return "signed and encrypted file";
	case FILE_FIRMWARE: return "firmware or package with a header of its own kind";
	default: return "unknown";
	}
}
