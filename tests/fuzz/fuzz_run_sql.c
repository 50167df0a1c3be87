/*
 * `run sql` with any text: the database's file keeps every octet, no other file appears beside it, work is bounded, and
 * the printed answer has one line a row and no control character.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/device.h"
#include "store/node.h"
#include "store/param.h"
#include "store/sqltable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DATABASE (4 << 20)

static char folder[] = "/tmp/ringfence-fuzz-sql-XXXXXX";
static int folder_fd = -1;
static struct store *store;
static uint8_t *before; /* the database's file */
static size_t before_len;

static void clean_up(void)
{
	store_close(store);
	unlinkat(folder_fd, "store.sqlite3", 0);
	close(folder_fd);
	rmdir(folder);
	free(before);
}

static void must(int rc, const struct err *e)
{
	if (rc) {
		fprintf(stderr, "%s\n", e->text);
		abort();
	}
}

static void fill(struct store *s)
{
	const struct store_node node = {.name = "cucm-a", .address = "192.0.2.10", .role = STORE_NODE_PUBLISHER};
	const struct store_device device = {.name = "SEP001122334455", .description = "Lobby", .model = "8861"};
	struct err e = ERR_INIT;

	must(store_node_add(s, &node, &e), &e);
	must(store_device_add(s, &device, &e), &e);
	must(store_param_set(s, (struct store_param_key){.name = "ClusterSecurityMode"}, "0", &e), &e);
	must(store_param_set(s, (struct store_param_key){.name = "Banner"}, "two\nlines \x1b[31m", &e), &e);
}

static void set_up(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(folder))
		abort();
	must(file_open_dir(AT_FDCWD, folder, &folder_fd, &e), &e);
	must(store_open("sqlite:store.sqlite3", folder, STORE_CREATE, &store, &e), &e);
	fill(store);
	store_close(store); /* the log goes into the file */
	must(store_open("sqlite:store.sqlite3", folder, 0, &store, &e), &e);
	must(file_read(folder_fd, "store.sqlite3", MAX_DATABASE, &before, &before_len, &e), &e);
	atexit(clean_up);
}

static void check_unchanged(void)
{
	uint8_t *now = NULL;
	uint8_t *log = NULL;
	size_t now_len;
	size_t log_len;
	struct err e = ERR_INIT;

	must(file_read(folder_fd, "store.sqlite3", MAX_DATABASE, &now, &now_len, &e), &e);
	must(file_read(folder_fd, "store.sqlite3-wal", MAX_DATABASE, &log, &log_len, &e), &e);
	if (now_len != before_len || memcmp(now, before, now_len) != 0 || log_len != 0)
		abort();
	free(now);
	free(log);

	DIR *d = opendir(folder);
	int names = 0;
	while (d && readdir(d))
		names++;
	if (d)
		closedir(d);
	if (names != 5) /* . and .. and the database with its log and index */
		abort();
}

static void check_text(const struct sqltable *t, const char *text)
{
	size_t lines = 0;

	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			lines++;
		else if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	}
	if (lines != (*text ? sqltable_rows(t) + 2 : 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_sql_limits limits = {.ms = 50, .rows = 1000, .octets = 1 << 20};
	char *text = NULL;

	if (!store)
		set_up();
	char *sql = malloc(size + 1);
	struct sqltable *t = sqltable_new();
	if (!sql || !t)
		abort();
	memcpy(sql, data, size);
	sql[size] = '\0';
	const struct store_sql_sink sink = sqltable_sink(t);
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (here < 0 || fchdir(folder_fd) < 0) /* a file made under a relative name is seen too */
		abort();
	if (store_run_sql(store, sql, &limits, &sink, NULL) == 0 && sqltable_render(t, &text, NULL) == 0)
		check_text(t, text);
	check_unchanged();
	if (fchdir(here) < 0)
		abort();
	close(here);
	free(text);
	sqltable_free(t);
	free(sql);
	return 0;
}
