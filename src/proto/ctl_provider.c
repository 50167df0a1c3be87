#include "proto/ctl_provider.h"

#include <string.h>

#include "pki/digest.h"

#define DISCRIMINATOR 0x43

#define B(tag) CTLP_BIT(CTLP_TAG_##tag)

/* What a message holds: elements that must be there, and those that may. */
static const struct {
	const char *name;
	uint32_t must, may;
} types[CTLP_TYPE_LAST + 1] = {
	[CTLP_LOGIN] = {"LOGIN", B(USER) | B(PASSWORD), 0},
	[CTLP_WELCOME] = {"WELCOME", 0, 0},
	[CTLP_GET_STATE] = {"GET_STATE", 0, 0},
	[CTLP_STATE] = {"STATE", B(MODE) | B(GENERATION) | B(TIME) | B(LISTS) | B(DIGEST) | B(NAMES) | B(NODE),
			B(SIGNER_VERSION) | B(CAPF) | B(ITLRECOVERY)},
	[CTLP_GET_CTL] = {"GET_CTL", 0, 0},
	[CTLP_CTL] = {"CTL", 0, B(CTL)},
	[CTLP_STORE] = {"STORE", B(CHANGE) | B(GENERATION) | B(CTL), B(SHA1_SIGNATURE) | B(ACCEPTED)},
	[CTLP_STORED] = {"STORED", B(GENERATION), B(NODE) | B(TEXT)},
	[CTLP_WARNED] = {"WARNED", B(TEXT), 0},
	[CTLP_REFUSED] = {"REFUSED", B(REASON) | B(TEXT), B(WAIT)},
};

/* How long an element's value is; numbers have min equal to max. */
static const struct {
	const char *name;
	uint16_t min, max;
} tags[CTLP_TAG_LAST + 1] = {
	[CTLP_TAG_USER] = {"USER", 1, CTLP_USER_MAX},
	[CTLP_TAG_PASSWORD] = {"PASSWORD", 1, CTLP_PASSWORD_MAX},
	[CTLP_TAG_REASON] = {"REASON", 1, 1},
	[CTLP_TAG_WAIT] = {"WAIT", 2, 2},
	[CTLP_TAG_CHANGE] = {"CHANGE", 1, 1},
	[CTLP_TAG_MODE] = {"MODE", 1, 1},
	[CTLP_TAG_GENERATION] = {"GENERATION", 8, 8},
	[CTLP_TAG_TIME] = {"TIME", 4, 4},
	[CTLP_TAG_LISTS] = {"LISTS", 1, 16},
	[CTLP_TAG_DIGEST] = {"DIGEST", 1, 1},
	[CTLP_TAG_NAMES] = {"NAMES", 1, 1},
	[CTLP_TAG_SIGNER_VERSION] = {"SIGNER_VERSION", 2, 2},
	[CTLP_TAG_NODE] = {"NODE", 4, UINT16_MAX},
	[CTLP_TAG_CAPF] = {"CAPF", 1, UINT16_MAX},
	[CTLP_TAG_ITLRECOVERY] = {"ITLRECOVERY", 1, UINT16_MAX},
	[CTLP_TAG_CTL] = {"CTL", 1, UINT16_MAX},
	[CTLP_TAG_SHA1_SIGNATURE] = {"SHA1_SIGNATURE", 1, 512},
	[CTLP_TAG_ACCEPTED] = {"ACCEPTED", 1, 1},
	[CTLP_TAG_TEXT] = {"TEXT", 1, CTLP_TEXT_MAX},
};

const char *ctlp_type_name(unsigned type)
{
	return type <= CTLP_TYPE_LAST ? types[type].name : NULL;
}

/* Questions, and the one answer that each has beside REFUSED and, of STORE, WARNED. */
static const struct {
	uint8_t asked, answer;
} answers[] = {
	{CTLP_LOGIN, CTLP_WELCOME},
	{CTLP_GET_STATE, CTLP_STATE},
	{CTLP_GET_CTL, CTLP_CTL},
	{CTLP_STORE, CTLP_STORED},
	{CTLP_STORE, CTLP_WARNED},
};

bool ctlp_answers(uint8_t answer, uint8_t asked)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].asked == asked && (answers[i].answer == answer || answer == CTLP_REFUSED))
			return true;
	return false;
}

int ctlp_frame_len(struct view v, size_t *len, struct err *e)
{
	struct rd r;
	uint8_t octet;
	uint32_t body;

	rd_init(&r, v.p, v.len);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "no octet has arrived yet");
	if (octet != DISCRIMINATOR)
		return err_rule(e, "discriminator", 0, "the first octet is %02x, a message of the CTL Provider begins with %02x",
				octet, DISCRIMINATOR);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "one octet of eight has arrived");
	if (octet != CTLP_VERSION)
		return err_rule(e, "version", 1, "protocol version %u is unknown, this is %u", octet, CTLP_VERSION);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "two octets of eight have arrived");
	if (!ctlp_type_name(octet))
		return err_rule(e, "message-type", 2, "message type %u is unknown", octet);
	if (!rd_u8(&r, &octet) || !rd_u32(&r, &body))
		return err_set(e, ERR_AGAIN, "the header has not arrived whole");
	if (octet)
		return err_rule(e, "reserved", 3, "the fourth octet is %02x and must be zero", octet);
	if (body > CTLP_FRAME_MAX - CTLP_HEADER_LEN)
		return err_rule(e, "body-length", 4, "a message of %u octets; at most %d are possible", body, CTLP_FRAME_MAX);
	*len = CTLP_HEADER_LEN + (size_t)body;
	return 0;
}

/* --- values --- */

static struct view *slot(struct ctlp_msg *m, uint8_t tag)
{
	switch (tag) {
	case CTLP_TAG_USER: return &m->user;
	case CTLP_TAG_PASSWORD: return &m->password;
	case CTLP_TAG_LISTS: return &m->lists;
	case CTLP_TAG_SIGNER_VERSION: return &m->signer_version;
	case CTLP_TAG_CAPF: return &m->capf;
	case CTLP_TAG_ITLRECOVERY: return &m->itl_recovery;
	case CTLP_TAG_CTL: return &m->ctl;
	case CTLP_TAG_SHA1_SIGNATURE: return &m->sha1_signature;
	default: return NULL;
	}
}

static uint8_t *octet_slot(struct ctlp_msg *m, uint8_t tag)
{
	switch (tag) {
	case CTLP_TAG_REASON: return &m->reason;
	case CTLP_TAG_CHANGE: return &m->change;
	case CTLP_TAG_MODE: return &m->mode;
	case CTLP_TAG_DIGEST: return &m->digest;
	case CTLP_TAG_NAMES: return &m->names;
	default: return NULL;
	}
}

static bool octet_ok(uint8_t tag, uint8_t v)
{
	switch (tag) {
	case CTLP_TAG_REASON: return v >= CTLP_REASON_CREDENTIALS && v <= CTLP_REASON_FAILED;
	case CTLP_TAG_CHANGE: return v >= CTLP_CHANGE_MIXED && v <= CTLP_CHANGE_UPDATE;
	case CTLP_TAG_MODE: return v <= 1;
	case CTLP_TAG_DIGEST: return v == DIGEST_SHA1 || v == DIGEST_SHA512;
	case CTLP_TAG_NAMES: return v == CTLP_NAMES_A || v == CTLP_NAMES_C;
	default: return v == 1; /* ACCEPTED */
	}
}

/* Names and passwords become C strings. */
static bool text_ok(uint8_t tag, struct view v)
{
	const uint32_t octets = B(CTL) | B(SHA1_SIGNATURE) | B(CAPF) | B(ITLRECOVERY) | B(SIGNER_VERSION);

	return octets & CTLP_BIT(tag) || !memchr(v.p, 0, v.len);
}

static bool read_node(struct ctlp_msg *m, struct view v)
{
	struct ctlp_node *n = &m->nodes[m->n_nodes];
	struct rd r;

	rd_init(&r, v.p, v.len);
	if (!rd_view16(&r, &n->name) || !rd_view16(&r, &n->address) || !n->name.len || memchr(n->name.p, 0, n->name.len) ||
	    (n->address.len && memchr(n->address.p, 0, n->address.len)))
		return false;
	n->call_manager = rd_rest(&r);
	m->n_nodes++;
	return true;
}

static bool read_number(struct ctlp_msg *m, uint8_t tag, struct view v)
{
	uint8_t octet, *to = octet_slot(m, tag);
	struct rd r;

	rd_init(&r, v.p, v.len);
	if (tag == CTLP_TAG_WAIT)
		return rd_u16(&r, &m->wait_s);
	if (tag == CTLP_TAG_GENERATION)
		return rd_u64(&r, &m->generation);
	if (tag == CTLP_TAG_TIME)
		return rd_u32(&r, &m->time_s);
	if (!rd_u8(&r, &octet) || !octet_ok(tag, octet))
		return false;
	if (to)
		*to = octet;
	return true;
}

static bool read_value(struct ctlp_msg *m, uint8_t tag, struct view v)
{
	struct view *to = slot(m, tag);

	if (tag == CTLP_TAG_NODE)
		return read_node(m, v);
	if (!to && tag != CTLP_TAG_TEXT)
		return read_number(m, tag, v);
	if (!text_ok(tag, v))
		return false;
	*(to ? to : &m->texts[m->n_texts++]) = v;
	return true;
}

static int full(const struct ctlp_msg *m, uint8_t tag, long offset, struct err *e)
{
	if ((tag == CTLP_TAG_NODE && m->n_nodes == CTLP_NODES_MAX) || (tag == CTLP_TAG_TEXT && m->n_texts == CTLP_TEXTS_MAX))
		return err_rule(e, "too-many-elements", offset, "more than %d elements %s",
				tag == CTLP_TAG_NODE ? CTLP_NODES_MAX : CTLP_TEXTS_MAX, tags[tag].name);
	return 0;
}

static int read_element(struct ctlp_msg *m, struct rd *body, uint8_t *last, struct err *e)
{
	long offset = (long)rd_offset(body);
	struct view v;
	uint8_t tag;

	if (!rd_u8(body, &tag) || !rd_view16(body, &v))
		return err_rule(e, "element-past-body", offset, "an element runs past the end of the message");
	if (tag == 0 || tag > CTLP_TAG_LAST)
		return err_rule(e, "element-unknown", offset, "element %u is unknown", tag);
	if (tag < *last || (tag == *last && tag != CTLP_TAG_NODE && tag != CTLP_TAG_TEXT))
		return err_rule(e, "element-order", offset, "element %s stands behind element %s", tags[tag].name, tags[*last].name);
	if (!((types[m->type].must | types[m->type].may) & CTLP_BIT(tag)))
		return err_rule(e, "element-unexpected", offset, "%s does not hold %s", types[m->type].name, tags[tag].name);
	if (v.len < tags[tag].min || v.len > tags[tag].max)
		return err_rule(e, "element-size", offset, "%s has %zu octets", tags[tag].name, v.len);
	int rc = full(m, tag, offset, e);
	if (rc)
		return rc;
	if (!read_value(m, tag, v))
		return err_rule(e, "element-value", offset, "%s has a value that it cannot have", tags[tag].name);
	m->has |= CTLP_BIT(tag);
	*last = tag;
	return 0;
}

static int complete(const struct ctlp_msg *m, struct err *e)
{
	for (uint8_t tag = 1; tag <= CTLP_TAG_LAST; tag++)
		if (types[m->type].must & ~m->has & CTLP_BIT(tag))
			return err_rule(e, "missing-element", -1, "%s without %s", types[m->type].name, tags[tag].name);
	return 0;
}

int ctlp_msg_read(struct view frame, struct ctlp_msg *m, struct err *e)
{
	uint8_t last = 0;
	struct rd body;
	size_t len;
	int rc = ctlp_frame_len(frame, &len, e);

	if (rc == ERR_AGAIN || (!rc && len != frame.len)) {
		err_clear(e);
		return err_rule(e, "body-length", 4, "the message has %zu octets and says otherwise", frame.len);
	}
	if (rc)
		return rc;
	memset(m, 0, sizeof(*m));
	m->type = frame.p[2];
	rd_init(&body, frame.p, frame.len);
	if (!rd_skip(&body, CTLP_HEADER_LEN))
		return err_set(e, ERR_BUG, "header of a measured frame");
	while (!rd_done(&body))
		if ((rc = read_element(m, &body, &last, e)))
			return rc;
	return complete(m, e);
}

/* --- writing --- */

static void write_number(const struct ctlp_msg *m, uint8_t tag, struct wr *w)
{
	struct ctlp_msg *any = (struct ctlp_msg *)m; /* octet_slot only finds it */
	const uint8_t *octet = octet_slot(any, tag);

	if (tag == CTLP_TAG_WAIT)
		wr_u16(w, m->wait_s);
	else if (tag == CTLP_TAG_GENERATION)
		wr_u64(w, m->generation);
	else if (tag == CTLP_TAG_TIME)
		wr_u32(w, m->time_s);
	else
		wr_u8(w, octet ? *octet : 1);
}

static void write_one(const struct ctlp_msg *m, uint8_t tag, struct wr *w)
{
	const struct view *v = slot((struct ctlp_msg *)m, tag);

	wr_u8(w, tag);
	wr_open16(w);
	if (v)
		wr_view(w, *v);
	else
		write_number(m, tag, w);
	wr_close(w);
}

static void write_node(const struct ctlp_node *n, struct wr *w)
{
	wr_u8(w, CTLP_TAG_NODE);
	wr_open16(w);
	wr_open16(w);
	wr_view(w, n->name);
	wr_close(w);
	wr_open16(w);
	wr_view(w, n->address);
	wr_close(w);
	wr_view(w, n->call_manager);
	wr_close(w);
}

static void write_text(struct view text, struct wr *w)
{
	wr_u8(w, CTLP_TAG_TEXT);
	wr_open16(w);
	wr_view(w, text);
	wr_close(w);
}

static void write_elements(const struct ctlp_msg *m, struct wr *w)
{
	for (uint8_t tag = 1; tag <= CTLP_TAG_LAST; tag++) {
		if (tag == CTLP_TAG_NODE)
			for (size_t i = 0; i < m->n_nodes; i++)
				write_node(&m->nodes[i], w);
		else if (tag == CTLP_TAG_TEXT)
			for (size_t i = 0; i < m->n_texts; i++)
				write_text(m->texts[i], w);
		else if (m->has & CTLP_BIT(tag))
			write_one(m, tag, w);
	}
}

int ctlp_msg_write(const struct ctlp_msg *m, struct wr *w, struct err *e)
{
	struct ctlp_msg again;
	struct err why = ERR_INIT;
	size_t start = w->len;

	if (!ctlp_type_name(m->type))
		return err_set(e, ERR_USAGE, "message type %u does not exist", m->type);
	wr_u8(w, DISCRIMINATOR);
	wr_u8(w, CTLP_VERSION);
	wr_u8(w, m->type);
	wr_u8(w, 0);
	wr_u32(w, 0);
	write_elements(m, w);
	size_t len = w->len - start;
	if (w->failed || len > CTLP_FRAME_MAX)
		return err_set(e, w->failed ? w->failed : ERR_LIMIT, "a message of more than %d octets", CTLP_FRAME_MAX);
	wr_patch_u16(w, start + 6, (uint16_t)(len - CTLP_HEADER_LEN));
	if (ctlp_msg_read((struct view){w->p + start, len}, &again, &why))
		return err_set(e, ERR_USAGE, "%s", why.text);
	return 0;
}
