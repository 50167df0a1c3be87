#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/tftp.h"

static const struct tftp_limits wide = {TFTP_BLKSIZE_MAX, UINT16_MAX};

#define OCTETS(s) {(const uint8_t *)(s), sizeof(s) - 1}
#define LITERAL(s) ((struct view)OCTETS(s))

static void reads_the_request_of_a_7940(void **state)
{
	/* formats-and-protocols.md 8.3: 31 octets, no options. */
	struct view packet = LITERAL("\0\1CTLSEP0006537B84EF.tlv\0octet\0");
	struct tftp_request req;
	struct err e = ERR_INIT;
	int answer;

	(void)state;
	assert_int_equal(packet.len, 31);
	assert_ok(tftp_request_decode(packet, &req, &answer, &e), &e);
	assert_true(view_eq(req.name, view_str("CTLSEP0006537B84EF.tlv")));
	assert_false(req.netascii || req.tsize || req.blksize || req.windowsize || req.timeout_s);
}

static struct tftp_request decoded(struct view packet)
{
	struct tftp_request req = {0};
	struct err e = ERR_INIT;
	int answer;

	assert_ok(tftp_request_decode(packet, &req, &answer, &e), &e);
	return req;
}

static void reads_options(void **state)
{
	struct tftp_request req;

	(void)state;
	req = decoded(LITERAL("\0\1a\0OcTeT\0BlkSize\0001432\0TSIZE\0000\0timeout\0003\0windowsize\00016\0"));
	assert_int_equal(req.blksize, 1432);
	assert_true(req.tsize);
	assert_int_equal(req.timeout_s, 3);
	assert_int_equal(req.windowsize, 16);
	req = decoded(LITERAL("\0\1a\0NETASCII\0blksize\0008\0timeout\000255\0windowsize\00065535\0"));
	assert_true(req.netascii);
	assert_int_equal(req.blksize, 8);
	assert_int_equal(req.timeout_s, 255);
	assert_int_equal(req.windowsize, 65535);
	assert_int_equal(decoded(LITERAL("\0\1a\0octet\0blksize\00065464\0")).blksize, 65464);

	/* Out of range, no number, unknown: as if not there. */
	req = decoded(LITERAL("\0\1a\0octet\0blksize\0007\0tsize\0x\0timeout\000256\0windowsize\0000\0multicast\0\0"));
	assert_false(req.blksize || req.tsize || req.timeout_s || req.windowsize);
	req = decoded(LITERAL("\0\1a\0octet\0blksize\00065465\0timeout\0000\0windowsize\00065536\0tsize\0-1\0"));
	assert_false(req.blksize || req.tsize || req.timeout_s || req.windowsize);
	req = decoded(LITERAL("\0\1a\0octet\0a-name-that-is-longer-than-any-known\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"));
	assert_int_equal(req.blksize, 0);
	/* Padding of boot ROMs. */
	assert_int_equal(decoded(LITERAL("\0\1a\0octet\0blksize\000512\0\0\0\0")).blksize, 512);
}

static void refuses_what_is_no_read_request(void **state)
{
	static const struct {
		struct view packet;
		int code;
		const char *rule;
		int answer;
	} bad[] = {
		{OCTETS(""), ERR_PROTO, "tftp-opcode", -1},
		{OCTETS("\0"), ERR_PROTO, "tftp-opcode", -1},
		{OCTETS("\0\5\0\1no\0"), ERR_PROTO, "tftp-opcode", -1},
		{OCTETS("\0\2a\0octet\0"), ERR_AUTH, NULL, TFTP_ERROR_ACCESS},
		{OCTETS("\0\2"), ERR_AUTH, NULL, TFTP_ERROR_ACCESS},
		{OCTETS("\0\0a\0octet\0"), ERR_PROTO, "tftp-opcode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\3\0\1"), ERR_PROTO, "tftp-opcode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\4\0\1"), ERR_PROTO, "tftp-opcode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\6"), ERR_PROTO, "tftp-opcode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\1\1a\0octet\0"), ERR_PROTO, "tftp-opcode", TFTP_ERROR_ILLEGAL},
		/* pitfalls.md V-1: no NUL, empty name */
		{OCTETS("\0\1"), ERR_PROTO, "tftp-name", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name"), ERR_PROTO, "tftp-name", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1\0octet\0"), ERR_PROTO, "tftp-name", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0"), ERR_PROTO, "tftp-mode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0octet"), ERR_PROTO, "tftp-mode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0\0"), ERR_PROTO, "tftp-mode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0mail\0"), ERR_PROTO, "tftp-mode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0octets-and-more-than-fit\0"), ERR_PROTO, "tftp-mode", TFTP_ERROR_ILLEGAL},
		{OCTETS("\0\1name\0octet\0blksize"), ERR_PROTO, "tftp-options", TFTP_ERROR_OPTION},
		{OCTETS("\0\1name\0octet\0blksize\0"), ERR_PROTO, "tftp-options", TFTP_ERROR_OPTION},
		{OCTETS("\0\1name\0octet\0blksize\000512"), ERR_PROTO, "tftp-options", TFTP_ERROR_OPTION},
		{OCTETS("\0\1name\0octet\0\0x\0"), ERR_PROTO, "tftp-options", TFTP_ERROR_OPTION},
		{OCTETS("\0\1name\0octet\0tsize\0000\0TSIZE\0000\0"), ERR_PROTO, "tftp-options", TFTP_ERROR_OPTION},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tftp_request req;
		struct err e = ERR_INIT;
		int answer = 99;

		if (tftp_request_decode(bad[i].packet, &req, &answer, &e) != bad[i].code)
			fail_msg("case %zu: %s", i, e.text);
		assert_int_equal(answer, bad[i].answer);
		if (bad[i].rule)
			assert_string_equal(e.rule, bad[i].rule);
	}
}

/* A request cut short is refused, except where the cut leaves a whole request. */
static void every_cut_of_a_request(void **state)
{
	struct view whole = LITERAL("\0\1name\0octet\0blksize\000512\0tsize\0000\0");

	(void)state;
	for (size_t n = 0; n <= whole.len; n++) {
		uint8_t *copy = malloc(n ? n : 1); /* exact, so that a sanitizer sees a read beyond it */
		struct tftp_request req;
		int answer;

		memcpy(copy, whole.p, n);
		int code = tftp_request_decode((struct view){copy, n}, &req, &answer, NULL);
		bool complete = n == 13 || n == 25 || n == whole.len;
		assert_int_equal(code, complete ? 0 : ERR_PROTO);
		free(copy);
	}
}

static void long_requests(void **state)
{
	uint8_t packet[TFTP_REQUEST_MAX + 1];
	struct tftp_request req;
	int answer;

	(void)state;
	memset(packet, 'a', sizeof(packet));
	packet[0] = 0;
	packet[1] = TFTP_RRQ;
	memcpy(packet + TFTP_REQUEST_MAX - 7, "\0octet", 7);
	assert_int_equal(tftp_request_decode((struct view){packet, TFTP_REQUEST_MAX}, &req, &answer, NULL), 0);
	assert_int_equal(req.name.len, TFTP_REQUEST_MAX - 9);
	assert_err(tftp_request_decode((struct view){packet, TFTP_REQUEST_MAX + 1}, &req, &answer, NULL), ERR_PROTO);
}

static void errors_are_encoded(void **state)
{
	uint8_t out[TFTP_REPLY_MAX];
	char text[300];

	(void)state;
	assert_int_equal(tftp_error_encode(out, TFTP_ERROR_NOT_FOUND, "gone"), 9);
	assert_memory_equal(out, "\0\5\0\1gone", 9);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(tftp_error_encode(out, TFTP_ERROR_UNDEFINED, text), TFTP_REPLY_MAX);
	assert_int_equal(out[TFTP_REPLY_MAX - 1], 0);
}

static struct view ack(uint16_t block)
{
	static uint8_t packet[4];

	packet[1] = TFTP_ACK;
	packet[2] = (uint8_t)(block >> 8);
	packet[3] = (uint8_t)block;
	return (struct view){packet, 4};
}

static void assert_send(const struct tftp_send *s, uint64_t first, unsigned n)
{
	assert_false(s->oack);
	assert_int_equal(s->n_blocks, n);
	if (n)
		assert_int_equal(s->first_block, first);
}

static void lock_step_without_options(void **state)
{
	struct tftp_request req = {0};
	struct tftp_transfer t;
	struct tftp_send s;

	(void)state;
	tftp_transfer_init(&t, &req, 1024, &wide, 5000, &s);
	assert_send(&s, 1, 1);
	assert_int_equal(t.due_ms, 5000 + TFTP_TIMEOUT_MS);
	assert_int_equal(tftp_block_count(&t), 3);
	tftp_transfer_packet(&t, ack(0), 5001, &s);
	assert_send(&s, 0, 0);
	tftp_transfer_packet(&t, ack(1), 5001, &s);
	assert_send(&s, 2, 1);
	assert_int_equal(tftp_block_offset(&t, 2), 512);
	assert_int_equal(tftp_block_len(&t, 2), 512);
	assert_int_equal(t.due_ms, 5001 + TFTP_TIMEOUT_MS);
	tftp_transfer_packet(&t, ack(1), 5002, &s); /* the Sorcerer's Apprentice */
	assert_send(&s, 0, 0);
	assert_int_equal(t.due_ms, 5001 + TFTP_TIMEOUT_MS);
	tftp_transfer_packet(&t, ack(3), 5002, &s); /* not sent yet */
	assert_send(&s, 0, 0);
	tftp_transfer_packet(&t, ack(2), 5003, &s);
	assert_send(&s, 3, 1);
	assert_int_equal(tftp_block_len(&t, 3), 0); /* a multiple of the block size ends with an empty block */
	tftp_transfer_packet(&t, ack(3), 5004, &s);
	assert_send(&s, 0, 0);
	assert_int_equal(t.state, TFTP_STATE_DONE);
}

static void an_empty_file_is_one_empty_block(void **state)
{
	struct tftp_request req = {0};
	struct tftp_transfer t;
	struct tftp_send s;

	(void)state;
	tftp_transfer_init(&t, &req, 0, &wide, 0, &s);
	assert_send(&s, 1, 1);
	assert_int_equal(tftp_block_len(&t, 1), 0);
	tftp_transfer_packet(&t, ack(1), 0, &s);
	assert_int_equal(t.state, TFTP_STATE_DONE);
}

static void grants_options(void **state)
{
	struct tftp_request req = {.blksize = 9000, .tsize = true, .timeout_s = 3, .windowsize = 100};
	struct tftp_limits limits = {1468, 16};
	uint8_t out[TFTP_REPLY_MAX];
	struct tftp_transfer t;
	struct tftp_send s;

	(void)state;
	tftp_transfer_init(&t, &req, 123456789012, &limits, 0, &s);
	assert_true(s.oack);
	assert_int_equal(s.n_blocks, 0);
	static const char want[] = "\0\6blksize\0001468\0timeout\0003\0tsize\000123456789012\0windowsize\00016";
	assert_int_equal(tftp_oack_encode(out, &t), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(t.due_ms, 3000);
	tftp_transfer_packet(&t, ack(1), 10, &s);
	assert_send(&s, 0, 0);
	tftp_transfer_packet(&t, ack(0), 10, &s);
	assert_send(&s, 1, 16);

	/* One option alone; the others stay as they are without options. */
	req = (struct tftp_request){.tsize = true};
	tftp_transfer_init(&t, &req, 5, &limits, 0, &s);
	assert_true(s.oack);
	assert_int_equal(tftp_oack_encode(out, &t), 10);
	assert_memory_equal(out, "\0\6tsize\0005", 10);
	assert_int_equal(t.blksize, 512);
	assert_int_equal(t.windowsize, 1);
}

static void a_gap_in_a_window_is_filled_from_there(void **state)
{
	struct tftp_request req = {.windowsize = 4};
	struct tftp_transfer t;
	struct tftp_send s;

	(void)state;
	tftp_transfer_init(&t, &req, 512 * 9, &wide, 0, &s);
	tftp_transfer_packet(&t, ack(0), 0, &s);
	assert_send(&s, 1, 4);
	tftp_transfer_packet(&t, ack(2), 0, &s);
	assert_send(&s, 3, 4);
	tftp_transfer_packet(&t, ack(2), 0, &s);
	assert_send(&s, 0, 0);
	tftp_transfer_packet(&t, ack(6), 0, &s);
	assert_send(&s, 7, 4);
	tftp_transfer_packet(&t, ack(5), 0, &s); /* late */
	assert_send(&s, 0, 0);
	tftp_transfer_packet(&t, ack(10), 0, &s);
	assert_int_equal(t.state, TFTP_STATE_DONE);
}

static void repeats_and_gives_up(void **state)
{
	struct tftp_request req = {.windowsize = 2};
	struct tftp_transfer t;
	struct tftp_send s;
	uint64_t now = 0, waited[TFTP_TRIES];

	(void)state;
	tftp_transfer_init(&t, &req, 5000, &wide, now, &s);
	for (int i = 0; i < TFTP_TRIES; i++) {
		tftp_transfer_time(&t, t.due_ms - 1, &s);
		assert_false(s.oack);
		waited[i] = t.due_ms - now;
		now = t.due_ms;
		tftp_transfer_time(&t, now, &s);
		assert_int_equal(s.oack, i < TFTP_TRIES - 1);
	}
	assert_int_equal(t.state, TFTP_STATE_FAILED);
	for (int i = 0; i < TFTP_TRIES; i++)
		assert_int_equal(waited[i], i < 3 ? TFTP_TIMEOUT_MS << i : TFTP_TIMEOUT_MAX_MS);

	/* With the timeout option the client named the pace; a window is repeated whole, and an answer starts anew. */
	req.timeout_s = 2;
	tftp_transfer_init(&t, &req, 5000, &wide, 0, &s);
	tftp_transfer_packet(&t, ack(0), 100, &s);
	tftp_transfer_time(&t, 2100, &s);
	assert_send(&s, 1, 2);
	tftp_transfer_time(&t, 4100, &s);
	assert_send(&s, 1, 2);
	assert_int_equal(t.due_ms, 6100);
	tftp_transfer_packet(&t, ack(2), 5000, &s);
	assert_send(&s, 3, 2);
	assert_int_equal(t.due_ms, 7000);
	for (int i = 1; i < TFTP_TRIES; i++) {
		tftp_transfer_time(&t, t.due_ms, &s);
		assert_send(&s, 3, 2);
	}
	tftp_transfer_time(&t, t.due_ms, &s);
	assert_send(&s, 0, 0);
	assert_int_equal(t.state, TFTP_STATE_FAILED);
	tftp_transfer_packet(&t, ack(4), 90000, &s); /* too late */
	assert_send(&s, 0, 0);
	assert_int_equal(t.state, TFTP_STATE_FAILED);
}

static void other_packets_disturb_nothing(void **state)
{
	static const struct view packets[] = {
		OCTETS(""), OCTETS("\0"), OCTETS("\0\4"), OCTETS("\0\4\0"), OCTETS("\0\4\0\1\0"),
		OCTETS("\0\1a\0octet\0"), OCTETS("\0\3\0\1x"), OCTETS("\0\6blksize\0008\0"), OCTETS("\1\4\0\1"),
		OCTETS("\0\5"), OCTETS("\xff\xff\xff\xff"),
	};
	struct tftp_request req = {0};
	struct tftp_transfer t;
	struct tftp_send s;

	(void)state;
	tftp_transfer_init(&t, &req, 5000, &wide, 0, &s);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct tftp_transfer before = t;

		tftp_transfer_packet(&t, packets[i], 500, &s);
		assert_send(&s, 0, 0);
		assert_memory_equal(&t, &before, sizeof(t));
	}
	tftp_transfer_packet(&t, LITERAL("\0\5\0\0stop\0"), 500, &s);
	assert_send(&s, 0, 0);
	assert_int_equal(t.state, TFTP_STATE_FAILED);
}

/* Every block number of a file of more than 65536 blocks, with a window of one and with one that spans the wrap. */
static void block_numbers_wrap(void **state)
{
	(void)state;
	for (uint16_t window = 1; window <= 1000; window = (uint16_t)(window * 10)) {
		struct tftp_request req = {.blksize = 8, .windowsize = window};
		struct tftp_transfer t;
		struct tftp_send s;
		uint64_t got = 0;
		uint64_t count = 140000;

		tftp_transfer_init(&t, &req, (count - 1) * 8 + 3, &wide, 0, &s);
		tftp_transfer_packet(&t, ack(0), 0, &s);
		while (t.state == TFTP_STATE_DATA) {
			uint8_t header[TFTP_HEADER];

			assert_int_equal(s.first_block, got + 1);
			got += s.n_blocks;
			tftp_data_header(header, got);
			assert_int_equal(header[2] << 8 | header[3], got & 0xffff);
			tftp_transfer_packet(&t, ack((uint16_t)got), 0, &s);
		}
		assert_int_equal(t.state, TFTP_STATE_DONE);
		assert_int_equal(got, count);
	}
}

/*
 * A network between the server's half and a client of the book: it loses, doubles and delays packets, so that they
 * overtake each other.
 */
enum { FLIGHT_MAX = 8192, SIM_LIMIT_MS = 3600000 };

struct flight {
	uint64_t at;
	bool to_client;
	bool oack;
	uint64_t block; /* DATA: counted without wrap, for checking; ACK: as on the wire */
};

struct sim {
	uint64_t rng;
	unsigned lose, twice, delay_ms; /* percent, percent, at most */
	struct flight flights[FLIGHT_MAX];
	size_t n;
	uint64_t data_sent;
	struct tftp_transfer t;
	/* the client */
	uint64_t got;        /* blocks in order */
	unsigned unacked;    /* of the window */
	uint64_t client_due;
	bool started, done;
};

static uint64_t seed(void)
{
	static uint64_t value;
	const char *s = getenv("SEED");

	if (!value) {
		value = s ? strtoull(s, NULL, 0) : (uint64_t)time(NULL);
		print_message("# SEED=%llu\n", (unsigned long long)value);
	}
	return value;
}

static unsigned roll(struct sim *sim, unsigned below)
{
	sim->rng ^= sim->rng << 13;
	sim->rng ^= sim->rng >> 7;
	sim->rng ^= sim->rng << 17;
	return below ? (unsigned)(sim->rng % below) : 0;
}

static void fly(struct sim *sim, uint64_t now, struct flight f)
{
	unsigned copies = roll(sim, 100) < sim->twice ? 2 : 1;

	if (roll(sim, 100) < sim->lose)
		return;
	for (unsigned i = 0; i < copies; i++) {
		assert_true(sim->n < FLIGHT_MAX);
		f.at = now + 1 + roll(sim, sim->delay_ms);
		sim->flights[sim->n++] = f;
	}
}

static void server_sends(struct sim *sim, uint64_t now, const struct tftp_send *s)
{
	if (s->oack)
		fly(sim, now, (struct flight){.to_client = true, .oack = true});
	for (unsigned i = 0; i < s->n_blocks; i++) {
		sim->data_sent++;
		fly(sim, now, (struct flight){.to_client = true, .block = s->first_block + i});
	}
}

static void client_acks(struct sim *sim, uint64_t now)
{
	sim->unacked = 0;
	fly(sim, now, (struct flight){.block = sim->got & 0xffff});
	sim->client_due = now + 1500;
}

static void client_takes(struct sim *sim, uint64_t now, const struct flight *f)
{
	if (f->oack) {
		if (sim->got == 0)
			client_acks(sim, now);
		sim->started = true;
		return;
	}
	if (f->block != sim->got + 1) { /* a gap, or seen before: say what is missing */
		client_acks(sim, now);
		return;
	}
	sim->got++;
	sim->unacked++;
	sim->done = sim->got == tftp_block_count(&sim->t);
	if (sim->done || sim->unacked >= sim->t.windowsize)
		client_acks(sim, now);
	else
		sim->client_due = now + 1500;
}

/* The earliest packet under way, taken out; false when there is none before `before`. */
static bool next_flight(struct sim *sim, uint64_t before, struct flight *f)
{
	size_t best = sim->n;

	for (size_t i = 0; i < sim->n; i++)
		if (sim->flights[i].at <= before && (best == sim->n || sim->flights[i].at < sim->flights[best].at))
			best = i;
	if (best == sim->n)
		return false;
	*f = sim->flights[best];
	sim->flights[best] = sim->flights[--sim->n];
	return true;
}

static void run(struct sim *sim, const struct tftp_request *req, uint64_t size)
{
	struct tftp_send s;
	struct flight f;
	uint64_t now = 0;

	tftp_transfer_init(&sim->t, req, size, &wide, 0, &s);
	sim->client_due = 1500;
	server_sends(sim, 0, &s);
	while (sim->t.state < TFTP_STATE_DONE && now < SIM_LIMIT_MS) {
		uint64_t timer = sim->t.due_ms < sim->client_due ? sim->t.due_ms : sim->client_due;

		if (next_flight(sim, timer, &f)) {
			now = f.at;
			if (f.to_client) {
				client_takes(sim, now, &f);
			} else {
				uint16_t block = (uint16_t)f.block;

				tftp_transfer_packet(&sim->t, ack(block), now, &s);
				server_sends(sim, now, &s);
			}
			continue;
		}
		now = timer;
		if (now == sim->client_due) {
			if (sim->got || sim->started)
				client_acks(sim, now);
			else
				sim->client_due = now + 1500;
		}
		tftp_transfer_time(&sim->t, now, &s);
		server_sends(sim, now, &s);
	}
}

static void a_bad_network(void **state)
{
	static struct sim sim;
	static const struct tftp_request requests[] = {
		{.blksize = 0}, {.blksize = 64}, {.windowsize = 8}, {.windowsize = 64, .blksize = 128},
		{.timeout_s = 1, .tsize = true},
	};
	unsigned whole = 0, given_up = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		memset(&sim, 0, sizeof(sim));
		sim.rng = seed() * 2654435761u + i + 1;
		sim.lose = roll(&sim, 15);
		sim.twice = roll(&sim, 30);
		sim.delay_ms = roll(&sim, 400);
		run(&sim, &requests[i % 5], roll(&sim, 20000));
		if (sim.t.state == TFTP_STATE_DONE) {
			/* The server may only call a transfer complete when the client has it all. */
			assert_true(sim.done);
			whole++;
		} else {
			assert_int_equal(sim.t.state, TFTP_STATE_FAILED);
			given_up += !sim.done;
		}
	}
	print_message("# %u whole, %u given up\n", whole, given_up);
	assert_true(given_up <= 6); /* five losses in a row are possible, not usual */
}

static void doubled_packets_cost_nothing(void **state)
{
	static struct sim sim;
	struct tftp_request req = {0};

	(void)state;
	memset(&sim, 0, sizeof(sim));
	sim.rng = seed() + 1;
	sim.twice = 100; /* each way */
	run(&sim, &req, 512 * 300 + 7);
	assert_int_equal(sim.t.state, TFTP_STATE_DONE);
	assert_true(sim.done);
	assert_int_equal(sim.data_sent, 301); /* each block once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_request_of_a_7940),
		cmocka_unit_test(reads_options),
		cmocka_unit_test(refuses_what_is_no_read_request),
		cmocka_unit_test(every_cut_of_a_request),
		cmocka_unit_test(long_requests),
		cmocka_unit_test(errors_are_encoded),
		cmocka_unit_test(lock_step_without_options),
		cmocka_unit_test(an_empty_file_is_one_empty_block),
		cmocka_unit_test(grants_options),
		cmocka_unit_test(a_gap_in_a_window_is_filled_from_there),
		cmocka_unit_test(repeats_and_gives_up),
		cmocka_unit_test(other_packets_disturb_nothing),
		cmocka_unit_test(block_numbers_wrap),
		cmocka_unit_test(a_bad_network),
		cmocka_unit_test(doubled_packets_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
