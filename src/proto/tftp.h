#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * TFTP, the server's side of a read request: packets, and one transfer's state. No socket, no clock, no file: the
 * caller hands in packets and time and is told what to send.
 * Source: RFC 1350, 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize);
 * formats-and-protocols.md 8.3.
 */
#define TFTP_BLKSIZE 512        /* without the option */
#define TFTP_BLKSIZE_MIN 8
#define TFTP_BLKSIZE_MAX 65464
#define TFTP_HEADER 4           /* octets in front of the data of a block */
#define TFTP_REQUEST_MAX 1024   /* octets of a request we look at; RFC 2347 says 512 */
#define TFTP_REPLY_MAX 128      /* octets of an OACK or ERROR that we make */
#define TFTP_TRIES 5            /* times that a packet is sent */
#define TFTP_TIMEOUT_MS 1000    /* until the first repetition; doubles each time unless the client named a timeout */
#define TFTP_TIMEOUT_MAX_MS 8000

enum tftp_opcode { TFTP_RRQ = 1, TFTP_WRQ = 2, TFTP_DATA = 3, TFTP_ACK = 4, TFTP_ERROR = 5, TFTP_OACK = 6 };

enum tftp_error {
	TFTP_ERROR_UNDEFINED = 0,
	TFTP_ERROR_NOT_FOUND = 1,
	TFTP_ERROR_ACCESS = 2,
	TFTP_ERROR_ILLEGAL = 4,
	TFTP_ERROR_TID = 5,
	TFTP_ERROR_OPTION = 8,
};

/* A read request. Of the options, 0 means that it was not asked for or that its value was out of range. */
struct tftp_request {
	struct view name;      /* not empty, without NUL; views the packet */
	bool netascii;         /* asked for; served as octet, since nothing that phones fetch is text of another system */
	bool tsize;
	uint16_t blksize;      /* 8..65464 */
	uint16_t windowsize;   /* 1..65535 */
	uint8_t timeout_s;     /* 1..255 */
};

/*
 * tftp_request_decode: a packet that came to the server's port.
 * Out:    *req on success; on failure *answer is the TFTP error to answer with, or -1: answer nothing.
 * Errors: ERR_PROTO, e->text is fit for the ERROR packet; rules "tftp-opcode", "tftp-name", "tftp-mode", "tftp-options";
 *         ERR_AUTH a write request.
 */
int tftp_request_decode(struct view packet, struct tftp_request *req, int *answer, struct err *e) MUST_CHECK;

/* tftp_error_encode: an ERROR packet; text is cut to fit. Returns its octets. */
size_t tftp_error_encode(uint8_t out[TFTP_REPLY_MAX], enum tftp_error code, const char *text);

/* tftp_data_header: the octets in front of block number `block`, which counts from 1 and wraps in the packet. */
void tftp_data_header(uint8_t out[TFTP_HEADER], uint64_t block);

/* What the server grants at most. */
struct tftp_limits {
	uint16_t blksize;     /* largest block: what fits the path's MTU */
	uint16_t windowsize;  /* largest window */
};

enum tftp_state {
	TFTP_STATE_OACK,   /* OACK sent, ACK 0 awaited */
	TFTP_STATE_DATA,   /* blocks sent, their ACK awaited */
	TFTP_STATE_DONE,   /* the last block was acknowledged */
	TFTP_STATE_FAILED, /* the client sent an ERROR, or was not heard of any more */
};

/* One transfer. The fields are for this module and its tests; others read state and due_ms. */
struct tftp_transfer {
	uint64_t size;        /* of the file */
	uint64_t acked;       /* blocks that the client has */
	uint64_t sent;        /* blocks that were sent at least once since */
	uint64_t due_ms;      /* when to call tftp_transfer_time next */
	uint16_t blksize;
	uint16_t windowsize;
	uint8_t tries;        /* times that what is awaited was sent, from 1 */
	uint8_t state;        /* enum tftp_state */
	uint8_t timeout_s;    /* agreed, or 0 */
	uint8_t oack;         /* which options the OACK names */
};

/* What to send now: the OACK, or n_blocks blocks from first_block (they count from 1), or nothing. */
struct tftp_send {
	bool oack;
	uint16_t n_blocks;
	uint64_t first_block;
};

/* tftp_transfer_init: answer a request with a file of size octets. */
void tftp_transfer_init(struct tftp_transfer *t, const struct tftp_request *req, uint64_t size,
			const struct tftp_limits *limits, uint64_t now_ms, struct tftp_send *send);

/*
 * tftp_transfer_packet: a packet from the client's address and port to this transfer's. What is malformed, old, doubled
 * or of another kind is ignored: it neither ends nor advances the transfer and causes no packet.
 */
void tftp_transfer_packet(struct tftp_transfer *t, struct view packet, uint64_t now_ms, struct tftp_send *send);

/* tftp_transfer_time: due_ms has come: repeat what is unanswered, or give up. Before due_ms it does nothing. */
void tftp_transfer_time(struct tftp_transfer *t, uint64_t now_ms, struct tftp_send *send);

/* tftp_oack_encode: the OACK that t stands for. Returns its octets. */
size_t tftp_oack_encode(uint8_t out[TFTP_REPLY_MAX], const struct tftp_transfer *t);

/* Where block (from 1) begins in the file, and its octets: less than blksize for the last one only, possibly none. */
uint64_t tftp_block_offset(const struct tftp_transfer *t, uint64_t block);
size_t tftp_block_len(const struct tftp_transfer *t, uint64_t block);
uint64_t tftp_block_count(const struct tftp_transfer *t); /* at least 1 */
