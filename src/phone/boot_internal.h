#pragma once

#include "phone/boot.h"

/*
 * The insides of a boot, for its files: boot_steps.c says what is wanted next, boot.c what came of it, boot_config.c what
 * of configurations, and boot_capf.c what of CAPF.
 */

/* Steps of a boot, in order. Each but the last asks for one file or server. */
enum step {
	STEP_CTL, STEP_CTL_FILE, STEP_ITL, STEP_ITL_FILE,
	STEP_HTTPS, STEP_HTTPS_GET, /* the configuration by HTTPS: is it the right server, then the file */
	STEP_CONFIG, STEP_DEFAULT, STEP_FULL,
	STEP_CAPF, /* and once more from STEP_HTTPS */
	STEP_DIRECTORY, STEP_END
};

struct boot {
	struct phone *p;
	struct console *con;
	const char *server;
	uint16_t https_port;       /* 0: none */
	uint8_t https[32];         /* SHA-256 of the certificate that was accepted there */
	enum step step;
	struct boot_todo todo;
	struct boot_part part[BOOT_PARTS];
	struct phone_config config;
	bool old;                  /* firmware without CAPF and encryption */
	/* CAPF */
	struct capf_identity me;
	struct enrolment enrol;
	const char *string;        /* authentication string, or NULL */
	enum boot_capf capf;
	size_t capf_server;        /* of config.capf: the one that is asked */
	unsigned capf_tries;       /* rounds through the servers that are over */
	bool capf_confirmed;       /* TVS vouched for the certificate capf_sha256 */
	uint8_t capf_sha256[32];
	bool again;                /* the configuration was tried once more */
	/* what is being decided */
	uint8_t *offer;            /* the file, or the DER of the server */
	size_t offer_len;
	struct decision d;
	struct wr frame;           /* the question to TVS */
	uint32_t session;
	size_t tvs;                /* server that is being asked */
	bool mismatch;             /* one of those tried so far was not the one the list names */
	unsigned silent;           /* files in a row for which nobody answered */
	uint8_t *configuration;
	size_t configuration_len;
};

/* boot_start_step: set what is wanted next, or go on to a later step when this one wants nothing. */
void boot_start_step(struct boot *b, enum step step);

/* boot_next: the step behind a file or server that is settled. */
void boot_next(struct boot *b);

enum boot_subject boot_step_subject(enum step step); /* what a step is about */

struct boot_part *boot_part_of_step(struct boot *b);
void boot_settle(struct boot *b, enum boot_fate fate); /* as the decision says */
int boot_take_offer(struct boot *b, struct view data, struct err *e) MUST_CHECK; /* a copy */
void boot_go_on(struct boot *b); /* decided, or a question for TVS first */

void boot_config_settled(struct boot *b); /* a configuration, its stub or its encrypted file was decided */

/* boot_capf_wanted: with this configuration, does the phone contact CAPF? */
bool boot_capf_wanted(const struct boot *b);
void boot_capf_start(struct boot *b);
void boot_capf_decided(struct boot *b); /* what the phone thinks of the server */
