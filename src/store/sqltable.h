#pragma once

#include "store/store.h"

/*
 * The answer of `run sql` as CUCM prints it: a line of column names, a line of `=`, one line a row; columns as wide as
 * their widest value and one blank apart, nothing behind the last. Source: behaviour.md 1.7.
 * A row stays one line: line ends inside a value (PEM) become one blank, those at its end nothing; other control
 * characters and octets that are not UTF-8 are printed as \xNN. NULL is printed as NULL.
 */
struct sqltable;

struct sqltable *sqltable_new(void); /* NULL: out of memory */
void sqltable_free(struct sqltable *t); /* accepts NULL */

/* sqltable_sink: what store_run_sql takes to fill t; borrows t. */
struct store_sql_sink sqltable_sink(struct sqltable *t);
size_t sqltable_rows(const struct sqltable *t);

/* sqltable_render: Out: *text, heap, the caller frees; ends with a newline; "" when the statement has no columns. */
int sqltable_render(const struct sqltable *t, char **text, struct err *e) MUST_CHECK;
