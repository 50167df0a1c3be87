#include "proto/tftp.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum oack_option { OACK_BLKSIZE = 1, OACK_TIMEOUT = 2, OACK_TSIZE = 4, OACK_WINDOWSIZE = 8 };

/* A string that ends in NUL: it is copied to out when it fits (else out is ""), and *v views all of it. */
static bool get_string(struct rd *r, struct view *v, char *out, size_t size)
{
	const uint8_t *nul = r->left ? memchr(r->p, '\0', r->left) : NULL;

	if (!nul || !rd_view(r, (size_t)(nul - r->p), v) || !rd_skip(r, 1))
		return false;
	out[0] = '\0';
	if (v->len < size) {
		memcpy(out, v->p, v->len);
		out[v->len] = '\0';
	}
	return true;
}

/* The value of an option, or 0 when it is no number or out of range: such an option is as if it were not there. */
static uint16_t option_number(const char *value, uint16_t min, uint16_t max)
{
	uint64_t v;

	return text_number(value, min, max, &v) ? (uint16_t)v : 0;
}

static void take_option(struct tftp_request *req, enum oack_option which, const char *value)
{
	uint64_t any;

	switch (which) {
	case OACK_BLKSIZE:
		req->blksize = option_number(value, TFTP_BLKSIZE_MIN, TFTP_BLKSIZE_MAX);
		break;
	case OACK_TIMEOUT:
		req->timeout_s = (uint8_t)option_number(value, 1, UINT8_MAX);
		break;
	case OACK_TSIZE:
		req->tsize = text_number(value, 0, UINT64_MAX, &any);
		break;
	case OACK_WINDOWSIZE:
		req->windowsize = option_number(value, 1, UINT16_MAX);
		break;
	}
}

/* Zeros behind the last option are padding of boot ROMs. */
static bool only_zeros(const struct rd *r)
{
	for (size_t i = 0; i < r->left; i++)
		if (r->p[i])
			return false;
	return true;
}

static int decode_options(struct rd *r, struct tftp_request *req, struct err *e)
{
	static const struct {
		const char *name;
		enum oack_option which;
	} known[] = {
		{"blksize", OACK_BLKSIZE},
		{"timeout", OACK_TIMEOUT},
		{"tsize", OACK_TSIZE},
		{"windowsize", OACK_WINDOWSIZE},
	};
	unsigned seen = 0;

	while (!only_zeros(r)) {
		long at = (long)rd_offset(r);
		struct view v;
		char name[16], value[24];

		if (!get_string(r, &v, name, sizeof(name)) || !v.len || !get_string(r, &v, value, sizeof(value)))
			return err_rule(e, "tftp-options", at, "malformed option");
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (!text_same(name, known[i].name))
				continue;
			if (seen & known[i].which)
				return err_rule(e, "tftp-options", at, "option %s is given twice", known[i].name);
			seen |= known[i].which;
			take_option(req, known[i].which, value);
		}
	}
	return 0;
}

static int decode_read(struct rd *r, struct tftp_request *req, int *answer, struct err *e)
{
	struct view v;
	char mode[16], unused[1];

	*answer = TFTP_ERROR_ILLEGAL;
	if (!get_string(r, &req->name, unused, sizeof(unused)))
		return err_rule(e, "tftp-name", 2, "the name does not end");
	if (!req->name.len)
		return err_rule(e, "tftp-name", 2, "the name is empty");
	long at = (long)rd_offset(r);
	if (!get_string(r, &v, mode, sizeof(mode)))
		return err_rule(e, "tftp-mode", at, "the mode does not end");
	req->netascii = text_same(mode, "netascii");
	if (!req->netascii && !text_same(mode, "octet"))
		return err_rule(e, "tftp-mode", at, "only mode octet is served");
	*answer = TFTP_ERROR_OPTION;
	return decode_options(r, req, e);
}

int tftp_request_decode(struct view packet, struct tftp_request *req, int *answer, struct err *e)
{
	struct tftp_request got = {0};
	struct rd r;
	uint16_t opcode;

	rd_init(&r, packet.p, packet.len);
	*answer = -1;
	if (!rd_u16(&r, &opcode))
		return err_rule(e, "tftp-opcode", 0, "shorter than an opcode");
	if (opcode == TFTP_ERROR) /* never answer an error with an error */
		return err_rule(e, "tftp-opcode", 0, "an error that belongs to no transfer");
	if (opcode == TFTP_WRQ) {
		*answer = TFTP_ERROR_ACCESS;
		return err_set(e, ERR_AUTH, "files are not taken here");
	}
	*answer = TFTP_ERROR_ILLEGAL;
	if (opcode != TFTP_RRQ)
		return err_rule(e, "tftp-opcode", 0, "not a request");
	if (packet.len > TFTP_REQUEST_MAX)
		return err_rule(e, "tftp-name", 0, "the request is longer than %d octets", TFTP_REQUEST_MAX);
	int code = decode_read(&r, &got, answer, e);
	if (code)
		return code;
	*req = got;
	return 0;
}

static void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

size_t tftp_error_encode(uint8_t out[TFTP_REPLY_MAX], enum tftp_error code, const char *text)
{
	size_t n = strnlen(text, TFTP_REPLY_MAX - 5);

	put_u16(out, TFTP_ERROR);
	put_u16(out + 2, (uint16_t)code);
	memcpy(out + 4, text, n);
	out[4 + n] = '\0';
	return 5 + n;
}

void tftp_data_header(uint8_t out[TFTP_HEADER], uint64_t block)
{
	put_u16(out, TFTP_DATA);
	put_u16(out + 2, (uint16_t)block);
}

static size_t put_option(uint8_t *out, size_t used, const char *name, uint64_t value)
{
	char *p = (char *)out + used;
	size_t room = TFTP_REPLY_MAX - used;
	int n = snprintf(p, room, "%s%c%llu", name, '\0', (unsigned long long)value);

	return used + (size_t)n + 1;
}

size_t tftp_oack_encode(uint8_t out[TFTP_REPLY_MAX], const struct tftp_transfer *t)
{
	size_t n = 2;

	put_u16(out, TFTP_OACK);
	if (t->oack & OACK_BLKSIZE)
		n = put_option(out, n, "blksize", t->blksize);
	if (t->oack & OACK_TIMEOUT)
		n = put_option(out, n, "timeout", t->timeout_s);
	if (t->oack & OACK_TSIZE)
		n = put_option(out, n, "tsize", t->size);
	if (t->oack & OACK_WINDOWSIZE)
		n = put_option(out, n, "windowsize", t->windowsize);
	return n;
}

uint64_t tftp_block_count(const struct tftp_transfer *t)
{
	return t->size / t->blksize + 1;
}

uint64_t tftp_block_offset(const struct tftp_transfer *t, uint64_t block)
{
	return (block - 1) * t->blksize;
}

size_t tftp_block_len(const struct tftp_transfer *t, uint64_t block)
{
	return block < tftp_block_count(t) ? t->blksize : (size_t)(t->size % t->blksize);
}

static void set_due(struct tftp_transfer *t, uint64_t now_ms)
{
	uint64_t wait = (uint64_t)TFTP_TIMEOUT_MS << (t->tries - 1);

	if (t->timeout_s)
		wait = (uint64_t)t->timeout_s * 1000;
	else if (wait > TFTP_TIMEOUT_MAX_MS)
		wait = TFTP_TIMEOUT_MAX_MS;
	t->due_ms = now_ms + wait;
}

/* The blocks behind acked, as many as the window takes. */
static void send_window(struct tftp_transfer *t, struct tftp_send *send)
{
	uint64_t count = tftp_block_count(t);
	uint64_t end = t->acked + t->windowsize;

	t->sent = end < count ? end : count;
	*send = (struct tftp_send){
		.n_blocks = (uint16_t)(t->sent - t->acked),
		.first_block = t->acked + 1,
	};
}

static uint16_t min_u16(uint16_t a, uint16_t b)
{
	return a < b ? a : b;
}

void tftp_transfer_init(struct tftp_transfer *t, const struct tftp_request *req, uint64_t size,
			const struct tftp_limits *limits, uint64_t now_ms, struct tftp_send *send)
{
	*t = (struct tftp_transfer){
		.size = size,
		.blksize = req->blksize ? min_u16(req->blksize, limits->blksize) : TFTP_BLKSIZE,
		.windowsize = req->windowsize ? min_u16(req->windowsize, limits->windowsize) : 1,
		.timeout_s = req->timeout_s,
		.tries = 1,
	};
	if (req->blksize)
		t->oack |= OACK_BLKSIZE;
	if (req->timeout_s)
		t->oack |= OACK_TIMEOUT;
	if (req->tsize)
		t->oack |= OACK_TSIZE;
	if (req->windowsize)
		t->oack |= OACK_WINDOWSIZE;
	set_due(t, now_ms);
	if (t->oack) {
		t->state = TFTP_STATE_OACK;
		*send = (struct tftp_send){.oack = true};
	} else {
		t->state = TFTP_STATE_DATA;
		send_window(t, send);
	}
}

static void take_ack(struct tftp_transfer *t, uint16_t block, uint64_t now_ms, struct tftp_send *send)
{
	uint16_t ahead = (uint16_t)(block - (uint16_t)t->acked);

	if (t->state == TFTP_STATE_OACK) {
		if (block != 0)
			return;
		t->state = TFTP_STATE_DATA;
	} else if (ahead == 0 || ahead > t->sent - t->acked) {
		/* Doubled or late. Answering it would send every later block twice, too (RFC 1123 4.2.3.1). */
		return;
	}
	/* An ACK within the window says where the client has a gap: go on from there (RFC 7440 4). */
	t->acked += ahead;
	t->tries = 1;
	if (t->acked == tftp_block_count(t)) {
		t->state = TFTP_STATE_DONE;
		return;
	}
	send_window(t, send);
	set_due(t, now_ms);
}

static bool over(const struct tftp_transfer *t)
{
	return t->state == TFTP_STATE_DONE || t->state == TFTP_STATE_FAILED;
}

void tftp_transfer_packet(struct tftp_transfer *t, struct view packet, uint64_t now_ms, struct tftp_send *send)
{
	struct rd r;
	uint16_t opcode, number;

	*send = (struct tftp_send){0};
	rd_init(&r, packet.p, packet.len);
	if (over(t) || !rd_u16(&r, &opcode) || !rd_u16(&r, &number))
		return;
	if (opcode == TFTP_ERROR)
		t->state = TFTP_STATE_FAILED;
	else if (opcode == TFTP_ACK && rd_done(&r))
		take_ack(t, number, now_ms, send);
}

void tftp_transfer_time(struct tftp_transfer *t, uint64_t now_ms, struct tftp_send *send)
{
	*send = (struct tftp_send){0};
	if (over(t) || now_ms < t->due_ms)
		return;
	if (t->tries >= TFTP_TRIES) {
		t->state = TFTP_STATE_FAILED;
		return;
	}
	t->tries++;
	set_due(t, now_ms);
	if (t->state == TFTP_STATE_OACK)
		send->oack = true;
	else
		send_window(t, send);
}
