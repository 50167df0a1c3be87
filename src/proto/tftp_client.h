#pragma once

#include "proto/tftp.h"

/*
 * TFTP, a client's side of a read request, as old phones do it: no options, blocks of 512 octets
 * (formats-and-protocols.md 8.3). No socket and no clock. The caller sends what send says to the server's port until its
 * first answer, then to the port that this answer came from, and hands in only packets from there.
 */
#define TFTP_CLIENT_SEND_MAX 512

enum tftp_client_state {
	TFTP_CLIENT_WAITING,
	TFTP_CLIENT_DONE,      /* the file is whole, or cut at the limit */
	TFTP_CLIENT_MISSING,   /* "file not found" */
	TFTP_CLIENT_FAILED,    /* another error, or silence: see why */
};

struct tftp_client {
	struct wr data;        /* what has come so far */
	size_t limit;
	uint64_t blocks;       /* that have come */
	uint64_t due_ms;       /* when to call tftp_client_time */
	unsigned tries;
	enum tftp_client_state state;
	uint8_t send[TFTP_CLIENT_SEND_MAX];
	size_t send_len;       /* to be sent now and set to 0 by the caller after that is done */
	uint8_t last[TFTP_CLIENT_SEND_MAX];
	size_t last_len;
	char why[128];         /* what the server said, printable */
};

/* tftp_client_init: the request. A file longer than limit octets is cut there. Errors: ERR_USAGE a name of no or too many
 * octets. */
int tftp_client_init(struct tftp_client *c, const char *name, size_t limit, uint64_t now_ms, struct err *e) MUST_CHECK;
void tftp_client_clear(struct tftp_client *c);

/* What is malformed, old or doubled is ignored. */
void tftp_client_packet(struct tftp_client *c, struct view packet, uint64_t now_ms);
void tftp_client_time(struct tftp_client *c, uint64_t now_ms); /* due_ms has come: repeat, or give up */
