#pragma once

#include "cmd/offline.h"
#include "format/sgn.h"

enum inspect_status {
	INSPECT_VERIFIED,   /* signed by somebody that --trust or --cert names */
	INSPECT_INTACT,     /* a trust list that verifies with a record of its own, which makes it nobody's */
	INSPECT_UNVERIFIED, /* well-formed, but nobody that is trusted here signed it */
	INSPECT_BROKEN,     /* breaks a rule of its format, or was changed after it was signed */
};

/* What is to be said of a file. */
struct inspection {
	const char *path;
	struct view file;
	int64_t modified_s;
	enum file_kind kind;
	bool has_header;
	struct tlv_header header;
	struct trust_list *list;   /* of a trust list that could be read */
	enum inspect_status status;
	const char *rule;          /* that it broke, or NULL */
	char text[900];            /* the verdict in words */
	char note[400];            /* FILENAME inside a signed file is another; empty: nothing to say */
};

const char *inspect_status_name(enum inspect_status s); /* "verified", "intact", "unverified", "malformed" */

/* inspect_json: the inspection as a JSON object, on standard output. */
int inspect_json(const struct inspection *in, struct err *e) MUST_CHECK;

extern const struct cmd_opt inspect_opts[];
extern const struct cmd cmd_inspect;
