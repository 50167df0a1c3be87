#pragma once

#include <sqlite3.h>

#include "store/backend.h"

/* sqlite_error: what SQLite said last on db, as an error an administrator understands; path names the database. */
int sqlite_error(sqlite3 *db, int rc, const char *path, struct err *e);

/* sqlite_prudent: switch off what a database of strangers could use against us, and what we do not use. */
void sqlite_prudent(sqlite3 *db);

/* The connection of `run sql`: the engine lets it read and nothing else. */
struct sqlite_reader;
int sqlite_reader_open(const char *path, struct sqlite_reader **r, struct err *e) MUST_CHECK;
void sqlite_reader_close(struct sqlite_reader *r); /* accepts NULL */
int sqlite_reader_run(struct sqlite_reader *r, const char *text, const struct store_sql_limits *limits,
		      const struct store_sql_sink *sink, struct err *e) MUST_CHECK;
