#pragma once

#include <sys/stat.h>

#include "admin/command.h"

/*
 * The files that `file list|view|get|delete` know: what phones are served. `tftp` is the published lists and, beneath
 * them, the provisioning folder; `activelog` has the published lists alone, at cm/tftpdata. Source: behaviour.md 1.6.
 */
enum served_place { SERVED_TFTP, SERVED_ACTIVELOG };

#define SERVED_LOG_FOLDER "cm/tftpdata"
#define SERVED_MAX 100000 /* names that one pattern may match */

struct served_file {
	char *name;      /* as it was asked for: "locale/de.xml", "cm/tftpdata/CTLFile.tlv" */
	bool folder;
	bool published;  /* a trust list; otherwise the operator's */
	off_t size;
	time_t modified;
};

struct served_set {
	struct served_file *files;
	size_t n, size;
};

/*
 * served_find: the files that spec names: a name, a pattern in its last part ("SEP*.xml"), or a folder for what is in it;
 * sorted by name, folders first. Nothing found is no error.
 * Errors: ERR_USAGE spec leads out of the folder or has a pattern in another part; ERR_LIMIT; ERR_IO.
 */
int served_find(const struct admin_host *host, enum served_place place, const char *spec, struct served_set *set,
		struct err *e) MUST_CHECK;
void served_set_clear(struct served_set *set);

/* served_open: for reading. Errors: ERR_IO. */
int served_open(const struct admin_host *host, const struct served_file *f, int *fd, struct err *e) MUST_CHECK;
const char *served_base(const struct served_file *f); /* its name without folders */
