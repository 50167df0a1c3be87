#pragma once

#include "admin/command.h"

/* What command_confirm, command_question and command_send_file leave behind for the connection that runs the command. */
#define COMMAND_ANSWERS_MAX 8

enum command_ask_kind { COMMAND_ASK_NOTHING, COMMAND_ASK_CONFIRM, COMMAND_ASK_LINE, COMMAND_ASK_SECRET };

struct command_ask {
	enum command_ask_kind kind;
	char *text;
	char *answers[COMMAND_ANSWERS_MAX]; /* in memory of secret_new */
	unsigned n_answers;
};

struct command_file {
	int fd;
	char name[256];
	uint64_t left;
};

struct command_send {
	struct command_file files[COMMAND_FILES_MAX];
	size_t n;
	size_t at;      /* the one on its way */
	bool announced; /* FILE was sent for it */
};

void command_ask_clear(struct command_ask *a); /* the question; answers stay */
void command_ask_wipe(struct command_ask *a);  /* both */
int command_ask_add(struct command_ask *a, const char *text, size_t len, struct err *e) MUST_CHECK;
void command_send_clear(struct command_send *s); /* closes what was not sent */
