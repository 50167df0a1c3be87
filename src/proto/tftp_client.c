#include "proto/tftp_client.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MODE "octet"

/* Repetitions wait longer each time, as the server's do. */
static void set_due(struct tftp_client *c, uint64_t now_ms)
{
	uint64_t wait = (uint64_t)TFTP_TIMEOUT_MS << (c->tries - 1);

	c->due_ms = now_ms + (wait > TFTP_TIMEOUT_MAX_MS ? TFTP_TIMEOUT_MAX_MS : wait);
}

static void send(struct tftp_client *c, const struct wr *packet, uint64_t now_ms)
{
	memcpy(c->send, packet->p, packet->len);
	memcpy(c->last, packet->p, packet->len);
	c->send_len = c->last_len = packet->len;
	c->tries = 1;
	set_due(c, now_ms);
}

int tftp_client_init(struct tftp_client *c, const char *name, size_t limit, uint64_t now_ms, struct err *e)
{
	struct wr w;
	int rc = 0;

	*c = (struct tftp_client){.limit = limit};
	wr_init(&c->data, limit + TFTP_BLKSIZE);
	wr_init(&w, TFTP_CLIENT_SEND_MAX);
	wr_u16(&w, TFTP_RRQ);
	wr_bytes(&w, name, strlen(name) + 1);
	wr_bytes(&w, MODE, sizeof MODE);
	if (!*name || w.failed)
		rc = err_set(e, ERR_USAGE, "a file name of %zu octets cannot be asked for by TFTP", strlen(name));
	else
		send(c, &w, now_ms);
	wr_clear(&w);
	return rc;
}

void tftp_client_clear(struct tftp_client *c)
{
	wr_clear(&c->data);
}

static void acknowledge(struct tftp_client *c, uint16_t block, uint64_t now_ms)
{
	struct wr w;

	wr_init(&w, TFTP_HEADER);
	wr_u16(&w, TFTP_ACK);
	wr_u16(&w, block);
	if (w.failed)
		c->send_len = 0; /* no memory: the repetition of the block asks for it again */
	else
		send(c, &w, now_ms);
	wr_clear(&w);
}

static void take_block(struct tftp_client *c, struct rd *r, uint64_t now_ms)
{
	struct view block;
	uint16_t number;

	if (!rd_u16(r, &number) || number != (uint16_t)(c->blocks + 1))
		return; /* an old one was acknowledged before; answering again would double the traffic (RFC 1123 4.2.3.1) */
	block = rd_rest(r);
	if (block.len > TFTP_BLKSIZE)
		return;
	if (!wr_view(&c->data, block)) {
		c->state = TFTP_CLIENT_FAILED;
		snprintf(c->why, sizeof c->why, "no memory");
		return;
	}
	c->blocks++;
	acknowledge(c, number, now_ms);
	if (c->data.len >= c->limit)
		c->data.len = c->limit;
	if (block.len < TFTP_BLKSIZE || c->data.len >= c->limit)
		c->state = TFTP_CLIENT_DONE;
}

static void take_error(struct tftp_client *c, struct rd *r)
{
	struct view text;
	uint16_t code;

	if (!rd_u16(r, &code))
		return;
	text = rd_rest(r);
	if (text.len && memchr(text.p, 0, text.len))
		text.len = (size_t)((const uint8_t *)memchr(text.p, 0, text.len) - text.p);
	text_escape(c->why, sizeof c->why, text);
	c->state = code == TFTP_ERROR_NOT_FOUND ? TFTP_CLIENT_MISSING : TFTP_CLIENT_FAILED;
}

void tftp_client_packet(struct tftp_client *c, struct view packet, uint64_t now_ms)
{
	struct rd r;
	uint16_t opcode;

	rd_init(&r, packet.p, packet.len);
	if (c->state != TFTP_CLIENT_WAITING || !rd_u16(&r, &opcode))
		return;
	if (opcode == TFTP_DATA)
		take_block(c, &r, now_ms);
	else if (opcode == TFTP_ERROR)
		take_error(c, &r);
}

void tftp_client_time(struct tftp_client *c, uint64_t now_ms)
{
	if (c->state != TFTP_CLIENT_WAITING || now_ms < c->due_ms)
		return;
	if (c->tries == TFTP_TRIES) {
		c->state = TFTP_CLIENT_FAILED;
		snprintf(c->why, sizeof c->why, "the server does not answer");
		return;
	}
	c->tries++;
	memcpy(c->send, c->last, c->last_len);
	c->send_len = c->last_len;
	set_due(c, now_ms);
}
