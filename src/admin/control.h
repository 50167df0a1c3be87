#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * Messages between `ringfence admin` and a node, over the UNIX stream socket <data>/run/control.sock.
 *     type u8 | length u32 | length octets
 * A client sends one REQUEST, answers each PROMPT with an ANSWER, and reads until DONE; then it may send another.
 * Texts are UTF-8 as they are to be shown, newlines included; they carry no NUL.
 */
#define CONTROL_SOCKET "run/control.sock"
#define CONTROL_HEADER 5
#define CONTROL_BODY_MAX 65536
#define CONTROL_CHUNK 32768      /* octets of text or file in one message, at most, as the server cuts them */
#define CONTROL_WORDS_MAX 64
#define CONTROL_UPLOAD_MAX (64 << 20) /* octets of a file that a command takes */
#define CONTROL_VERSION 1

enum control_type {
	/* client to node */
	CONTROL_REQUEST = 1,   /* struct control_request */
	CONTROL_ANSWER = 2,    /* text, without the newline */
	CONTROL_CANCEL = 3,    /* empty: Ctrl-C; answered with DONE unless that is on its way already */
	CONTROL_UPLOAD = 4,    /* octets of the file that was asked for with CONTROL_PROMPT_FILE */
	CONTROL_UPLOAD_END = 5, /* empty: the file is whole */

	/* node to client */
	CONTROL_OUTPUT = 16,   /* text for standard output */
	CONTROL_ERROR = 17,    /* text for standard error */
	CONTROL_PROMPT = 18,   /* u8 enum control_prompt, text */
	CONTROL_FILE = 19,     /* u64 octets to come, name: a file begins (`file get`) */
	CONTROL_DATA = 20,     /* octets of the file */
	CONTROL_FILE_END = 21, /* empty: the file is whole. DONE without it: throw away what came */
	CONTROL_DONE = 22,     /* u8 exit status */
};

enum control_prompt {
	CONTROL_PROMPT_LINE = 0,   /* the answer may be seen while it is typed */
	CONTROL_PROMPT_SECRET = 1, /* it may not */
	CONTROL_PROMPT_FILE = 2,   /* send the file that the command names (admin/command.h: upload); the text is empty */
};

struct control_frame {
	enum control_type type;
	struct view body;
};

enum control_flag {
	CONTROL_TTY = 1, /* a person sits at a terminal: questions can be asked */
};

struct control_request {
	uint8_t flags;          /* enum control_flag */
	uint16_t columns;       /* of the terminal; 0: not known */
	size_t n_words;
	struct view words[CONTROL_WORDS_MAX];
	bool quoted[CONTROL_WORDS_MAX]; /* the word is an argument, whatever it looks like */
};

/*
 * control_next: the first message in `in`.
 * Out:    *f, whose body views `in`; *used, its octets.
 * Errors: ERR_AGAIN not all of it is there yet; ERR_PROTO "control-type" no such type, "control-length" longer than
 *         CONTROL_BODY_MAX. Both are seen from the header alone.
 */
int control_next(struct view in, struct control_frame *f, size_t *used, struct err *e) MUST_CHECK;

/* control_put: append a message. False when w's cap is reached or the body is too long; w is then failed. */
bool control_put(struct wr *w, enum control_type type, struct view body);
bool control_put_text(struct wr *w, enum control_type type, struct view text); /* in pieces of CONTROL_CHUNK */
bool control_put_prompt(struct wr *w, enum control_prompt kind, const char *text);
bool control_put_file(struct wr *w, uint64_t size, const char *name);
bool control_put_done(struct wr *w, uint8_t status);

/* control_put_request: Errors: ERR_LIMIT too many words or too long. */
int control_put_request(struct wr *w, const struct control_request *r, struct err *e) MUST_CHECK;

/*
 * Bodies taken apart; views are into the body.
 * Errors: ERR_PROTO "control-version" of another release, "control-body" wrong length, "control-text" NUL in a text,
 *         "control-words" none or too many, "control-name" a file name that is not one name within a folder.
 */
int control_get_request(struct view body, struct control_request *r, struct err *e) MUST_CHECK;
int control_get_text(struct view body, struct view *text, struct err *e) MUST_CHECK;
int control_get_prompt(struct view body, enum control_prompt *kind, struct view *text, struct err *e) MUST_CHECK;
int control_get_file(struct view body, uint64_t *size, struct view *name, struct err *e) MUST_CHECK;
int control_get_done(struct view body, uint8_t *status, struct err *e) MUST_CHECK;
