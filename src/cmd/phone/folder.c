#include "cmd/phone/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "phone/state.h"

#define CONFIGURATION "configuration.xml"

static int load_list(int dir, enum list_type type, struct phone *p, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;
	int rc = file_read(dir, list_type_file_name(type), TLV_FILE_MAX, &data, &len, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (!rc)
		rc = list_parse((struct view){data, len}, type, &l, e);
	if (rc)
		return rc;
	*(type == LIST_CTL ? &p->ctl : &p->itl) = l; /* not phone_install_take: the cache belongs to these lists */
	return 0;
}

static int load_state(int dir, const struct traits_table *table, struct phone *p, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc = file_read(dir, PHONE_STATE_NAME, PHONE_STATE_MAX, &data, &len, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	return rc ? rc : phone_state_decode((struct view){data, len}, table, p, e);
}

int folder_load(const char *path, const struct traits_table *table, struct phone *p, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	int rc = file_open_dir(AT_FDCWD, path, &dir, e);

	if (rc && e->sys_errno == ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc || (rc = load_state(dir, table, p, e)) || (rc = load_list(dir, LIST_CTL, p, e)) ||
	    (rc = load_list(dir, LIST_ITL, p, e)))
		err_prefix(e, "%s", path);
	return rc;
}

bool folder_exists(const char *path)
{
	AUTO(auto_close) int dir = -1;
	struct stat st;

	return !file_open_dir(AT_FDCWD, path, &dir, NULL) && !fstatat(dir, PHONE_STATE_NAME, &st, 0);
}

static int save_list(int dir, enum list_type type, const struct trust_list *l, struct err *e)
{
	const char *name = list_type_file_name(type);

	if (l)
		return file_replace_unsynced(dir, name, (struct view){l->data, l->len}, 0644, e);
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return err_sys(e, ERR_IO, "removing %s", name);
	return 0;
}

int folder_save(const char *path, const struct phone *p, struct view configuration, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	AUTO(auto_free) char *text = NULL;
	int rc = file_mkdir(AT_FDCWD, path, 0755, e);

	if (rc || (rc = file_open_dir(AT_FDCWD, path, &dir, e)) || (rc = phone_state_encode(p, &text, e)) ||
	    (rc = save_list(dir, LIST_CTL, p->ctl, e)) || (rc = save_list(dir, LIST_ITL, p->itl, e)) ||
	    (configuration.len && (rc = file_replace_unsynced(dir, CONFIGURATION, configuration, 0644, e))) ||
	    (rc = file_replace_unsynced(dir, PHONE_STATE_NAME, view_str(text), 0644, e)))
		err_prefix(e, "%s", path);
	return rc;
}
