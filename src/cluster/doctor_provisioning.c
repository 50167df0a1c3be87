#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/doctor_internal.h"
#include "cluster/publish.h"
#include "proto/provision.h"

#define MAX_DEPTH 8
#define MAX_FILES 200000
#define MAX_FINDINGS 20 /* of one kind: a folder of ten thousand unreadable files is one mistake */

struct walk {
	struct exam *x;
	int fd;
	const char *prefix;  /* "" or "folder/" */
	unsigned depth;
	struct totals {
		size_t files, unreadable, links, overrides;
	} *totals;
	const struct trust_list *itl; /* in force; NULL: none */
};

/* A list for one phone, put there by hand: would that phone still take the node's next list? */
static void check_override(struct walk *w, const char *name, const struct provision *p)
{
	AUTO(auto_free) uint8_t *data = NULL;
	enum list_type type = p->kind == PROVISION_CTL ? LIST_CTL : LIST_ITL;
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (++w->totals->overrides > MAX_FINDINGS)
		return;
	if (file_read(w->fd, name, TLV_FILE_MAX, &data, &len, &e) ||
	    list_parse((struct view){ data, len }, type, &l, &e) || list_verify_self(l, &e))
		found(w->x, DOCTOR_PROBLEM, "override", "Remove it, and the phone gets the node's own list.",
		      "provisioning/%s%s is served to %s instead of the node's list, and is damaged: %s.", w->prefix, name, p->device,
		      e.text);
	else if (w->itl && list_verify_list(w->itl, l, NULL, NULL))
		found(w->x, DOCTOR_WARNING, "override", "Remove it unless this phone is to follow another cluster.",
		      "provisioning/%s%s is served to %s instead of the node's list and does not know the node's signer: the phone "
		      "cannot come back without TVS.", w->prefix, name, p->device);
	else
		found(w->x, DOCTOR_NOTE, "override", "", "provisioning/%s%s is served to %s instead of the node's list.", w->prefix,
		      name, p->device);
	list_free(l);
}

static void check_list_name(struct walk *w, const char *name)
{
	struct provision p;

	provision_parse(view_str(name), PROVISION_TFTP, &p);
	if (w->prefix[0] || (p.kind != PROVISION_CTL && p.kind != PROVISION_ITL))
		return;
	if (p.device[0])
		check_override(w, name, &p);
	else
		found(w->x, DOCTOR_NOTE, "shadowed", "Keep it elsewhere if it is of an earlier system.",
		      "provisioning/%s is never served: phones get the node's own.", name);
}

static void check_link(struct walk *w, const char *name)
{
	AUTO(auto_close) int fd = -1;
	struct err e = ERR_INIT;

	if (file_open_beneath(w->fd, name, &fd, &e) == 0 || e.sys_errno == EISDIR)
		return;
	if (++w->totals->links <= MAX_FINDINGS)
		found(w->x, DOCTOR_WARNING, "link", "Put the file itself there.",
		      "provisioning/%s%s is a link that leads nowhere or out of the folder: it is not served.", w->prefix, name);
}

/* Workers run as somebody who owns nothing. */
static void check_readable(struct walk *w, const char *name, const struct stat *st)
{
	mode_t needed = S_ISDIR(st->st_mode) ? 0005 : 0004;

	if ((st->st_mode & needed) == needed || ++w->totals->unreadable > MAX_FINDINGS)
		return;
	found(w->x, DOCTOR_WARNING, "unreadable", "chmod a+rX it: phones may load everything in there anyway.",
	      "provisioning/%s%s is not readable by everyone (mode %03o), so a node that was started as root does not serve it.",
	      w->prefix, name, (unsigned)(st->st_mode & 0777));
}

static int walk_entry(void *ctx, const char *name);

static void walk_folder(struct walk *w, const char *name)
{
	struct err e = ERR_INIT;
	char prefix[1024];
	struct walk sub = *w;

	snprintf(prefix, sizeof(prefix), "%s%s/", w->prefix, name);
	if (w->depth == MAX_DEPTH || file_open_dir(w->fd, name, &sub.fd, &e))
		return;
	sub.prefix = prefix;
	sub.depth++;
	if (folder_each(sub.fd, ".", walk_entry, &sub, &e))
		sub.depth = MAX_DEPTH; /* enough files seen, or not readable: said elsewhere */
	close(sub.fd);
}

static int walk_entry(void *ctx, const char *name)
{
	struct walk *w = ctx;
	struct stat st;

	if (++w->totals->files > MAX_FILES)
		return 1;
	if (name[0] == '.' || fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		check_link(w, name);
		return 0;
	}
	check_readable(w, name, &st);
	if (S_ISDIR(st.st_mode))
		walk_folder(w, name);
	else if (S_ISREG(st.st_mode))
		check_list_name(w, name);
	return 0;
}

static struct trust_list *itl_in_force(struct exam *x)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	size_t len;

	if (!x->in->cluster || publish_read(x->in->cluster, LIST_ITL, &data, &len, NULL, NULL) || !data ||
	    list_parse((struct view){ data, len }, LIST_ITL, &l, NULL))
		return NULL;
	return l;
}

void doctor_provisioning(struct exam *x)
{
	struct totals totals = { 0 };
	struct walk w = { .x = x, .prefix = "", .totals = &totals };
	struct err e = ERR_INIT;
	size_t before = x->r->n;

	if (!x->in->provisioning)
		return;
	if (file_open_dir(AT_FDCWD, x->in->provisioning, &w.fd, &e)) {
		found(x, DOCTOR_PROBLEM, "provisioning", "Correct [paths] provisioning in ringfence.conf, or make the folder.",
		      "The provisioning folder cannot be opened: %s.", e.text);
		return;
	}
	struct trust_list *itl = itl_in_force(x);
	w.itl = itl;
	if (folder_each(w.fd, ".", walk_entry, &w, &e) < 0)
		found(x, DOCTOR_PROBLEM, "provisioning", "", "The provisioning folder cannot be read: %s.", e.text);
	if (totals.unreadable > MAX_FINDINGS)
		found(x, DOCTOR_WARNING, "unreadable", "chmod -R a+rX the folder.", "%zu files in provisioning/ are not readable by everyone.",
		      totals.unreadable);
	if (totals.overrides > MAX_FINDINGS)
		found(x, DOCTOR_NOTE, "override", "", "%zu phones get lists of their own from provisioning/.", totals.overrides);
	if (x->r->n == before)
		found(x, DOCTOR_OK, "provisioning", "", "The provisioning folder is readable; %zu entries.", totals.files);
	list_free(itl);
	close(w.fd);
}
