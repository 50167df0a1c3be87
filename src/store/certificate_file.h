#pragma once

#include "store/certificate.h"

/*
 * The file name of a certificate in a trust store: chosen once, when it comes in, and kept as long as it stays, whatever
 * comes and goes beside it. For this library's own files.
 */
struct certificate_naming {
	const char *cn;      /* "": none */
	const char *serial;  /* hex */
	const char *sha256;  /* hex */
};

/*
 * certificate_file_choose: "<CN>.pem", or "<CN>_<serial hex>.pem" when the store has that name already, in whatever case;
 * blanks become '_', and what cannot stand in a file name too.
 * Source: behaviour.md 2.2.
 */
int certificate_file_choose(struct store *s, enum store_unit trust, const struct certificate_naming *c,
			    char file[STORE_FILE_SIZE], struct err *e) MUST_CHECK;

/* certificate_files_fill: of a schema version: names for all that have none, the same that were made for them so far. */
int certificate_files_fill(struct store *s, struct err *e) MUST_CHECK;
