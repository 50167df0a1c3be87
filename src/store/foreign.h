#pragma once

#include "base/bytes.h"

/*
 * Databases of other programs, in SQLite: read out of memory, so that neither they nor anything beside them is touched,
 * whoever has them open. Only plain tables are read; views, virtual tables and triggers are passed over, and expressions of
 * the schema can call nothing that has an effect.
 */
struct foreign;

#define FOREIGN_MAX (256 << 20)     /* octets of the largest database that is read */
#define FOREIGN_COLUMNS_MAX 64
#define FOREIGN_ROWS_MAX 1000000    /* of one table */

/* foreign_is: does a file that begins so call itself a database? */
#define FOREIGN_HEAD 16
bool foreign_is(struct view head);

/*
 * foreign_open: name only serves texts; file is copied.
 * Errors: ERR_STORE not a database, or damaged; ERR_LIMIT larger than FOREIGN_MAX; ERR_NOMEM.
 */
int foreign_open(struct view file, const char *name, struct foreign **f, struct err *e) MUST_CHECK;
void foreign_close(struct foreign *f); /* accepts NULL */

struct foreign_table {
	const char *name;
	const char *const *columns;
	size_t n;
};

/* foreign_tables: by name; a non-zero return of cb ends it and is returned. cb may read rows. Errors: as foreign_rows. */
int foreign_tables(struct foreign *f, int (*cb)(void *ctx, const struct foreign_table *t), void *ctx,
		   struct err *e) MUST_CHECK;

enum foreign_kind { FOREIGN_NULL, FOREIGN_NUMBER, FOREIGN_TEXT, FOREIGN_BLOB };

struct foreign_value {
	enum foreign_kind kind;
	struct view octets;   /* of text and blobs; a number in decimal; empty of FOREIGN_NULL */
};

/*
 * foreign_rows: all rows of a table, in no promised order.
 * In:     cb gets a value for each column, which end with the call; a non-zero return ends it and is returned.
 * Errors: ERR_STORE damaged; ERR_LIMIT more columns or rows than the limits above, or it takes too long.
 */
int foreign_rows(struct foreign *f, const struct foreign_table *t,
		 int (*cb)(void *ctx, const struct foreign_value *values), void *ctx, struct err *e) MUST_CHECK;
