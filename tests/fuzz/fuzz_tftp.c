/*
 * A request and what comes to its transfer afterwards.
 *
 * input: request (u16 length, octets), file size u32, largest block u16, largest window u16, then events: 0 and a packet
 * (u8 length, octets), or another octet and milliseconds u16 that pass.
 */
#include <stdlib.h>

#include "proto/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void check(const struct tftp_transfer *t, const struct tftp_send *s)
{
	uint64_t count = tftp_block_count(t);
	uint8_t out[TFTP_REPLY_MAX];

	require(t->sent - t->acked <= t->windowsize);
	require(t->acked <= t->sent && t->sent <= count);
	require(tftp_oack_encode(out, t) <= sizeof(out));
	if (s->n_blocks) {
		uint64_t last = s->first_block + s->n_blocks - 1;

		require(!s->oack && t->state == TFTP_STATE_DATA);
		require(s->first_block == t->acked + 1 && last == t->sent);
		require(tftp_block_offset(t, last) + tftp_block_len(t, last) <= t->size);
	}
}

static void play(struct rd *r, const struct tftp_request *req)
{
	struct tftp_limits limits;
	struct tftp_transfer t;
	struct tftp_send send;
	uint32_t octets;
	uint64_t now = 0;
	uint8_t kind;

	if (!rd_u32(r, &octets) || !rd_u16(r, &limits.blksize) || !rd_u16(r, &limits.windowsize) ||
	    limits.blksize < TFTP_BLKSIZE_MIN || !limits.windowsize)
		return;
	tftp_transfer_init(&t, req, octets, &limits, now, &send);
	check(&t, &send);
	while (rd_u8(r, &kind)) {
		struct rd packet;
		uint16_t ms;

		if (kind == 0) {
			if (!rd_prefixed8(r, &packet))
				return;
			tftp_transfer_packet(&t, rd_rest(&packet), now, &send);
		} else {
			if (!rd_u16(r, &ms))
				return;
			now += ms;
			tftp_transfer_time(&t, now, &send);
		}
		check(&t, &send);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r, request;
	struct tftp_request req;
	struct err e = ERR_INIT;
	int answer;

	rd_init(&r, data, size);
	if (!rd_prefixed16(&r, &request))
		return 0;
	if (tftp_request_decode(rd_rest(&request), &req, &answer, &e) < 0) {
		uint8_t out[TFTP_REPLY_MAX];

		require(answer == -1 || tftp_error_encode(out, (enum tftp_error)answer, e.text) <= sizeof(out));
		return 0;
	}
	require(req.name.len > 0);
	play(&r, &req);
	return 0;
}
