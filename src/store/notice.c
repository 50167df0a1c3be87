#include "store/notice.h"

#include <stdio.h>

#include "store/store_internal.h"

#define OF_NODE "fkprocessnode = (SELECT pkid FROM processnode WHERE lower(name) = lower($1))"

static int take_monitor(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_monitor *m = ctx;

	m->last_run = row_int(r, 0);
	m->next_run = row_int(r, 1);
	m->mail_tried = row_int(r, 2);
	m->mail_sent = row_int(r, 3);
	m->mail_retry = row_int(r, 4);
	m->mail_failures = (unsigned)row_int(r, 5);
	return ROW_COPY(r, 6, m->mail_error, e);
}

int store_monitor_get(struct store *s, const char *node, struct store_monitor *m, struct err *e)
{
	struct store_monitor got = {0};
	int rc = store_db_query(s, take_monitor, &got, e,
				"SELECT lastrun, nextrun, mailtried, mailsent, mailretry, mailfailures, mailerror"
				" FROM certificatemonitor WHERE " OF_NODE, VALUES(value_text(node)));

	if (!rc)
		*m = got;
	return rc;
}

int store_monitor_set(struct store *s, const char *node, const struct store_monitor *m, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e,
			       "INSERT INTO certificatemonitor (fkprocessnode, lastrun, nextrun, mailtried, mailsent, mailretry,"
			       " mailfailures, mailerror)"
			       " SELECT pkid, $2, $3, $4, $5, $6, $7, $8 FROM processnode WHERE lower(name) = lower($1)"
			       " ON CONFLICT (fkprocessnode) DO UPDATE SET lastrun = $2, nextrun = $3, mailtried = $4,"
			       " mailsent = $5, mailretry = $6, mailfailures = $7, mailerror = $8",
			       VALUES(value_text(node), value_int(m->last_run), value_int(m->next_run),
				      value_int(m->mail_tried), value_int(m->mail_sent), value_int(m->mail_retry),
				      value_int(m->mail_failures), value_text(m->mail_error)));

	return rc || changed ? rc : err_set(e, ERR_USAGE, "there is no node '%s'", node);
}

static int take_notice(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_notice *n = ctx;

	(void)e;
	n->alarmed = row_int(r, 0);
	n->mailed = row_int(r, 1);
	return 0;
}

int store_notice_get(struct store *s, const char *node, const char *name, const char *sha256, struct store_notice *n,
		     struct err *e)
{
	*n = (struct store_notice){0};
	return store_db_query(s, take_notice, n, e,
			      "SELECT alarmed, mailed FROM certificatenotice WHERE " OF_NODE " AND name = $2 AND sha256 = $3",
			      VALUES(value_text(node), value_text(name), value_text(sha256)));
}

int store_notice_set(struct store *s, const char *node, const char *name, const char *sha256,
		     const struct store_notice *n, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e,
			       "INSERT INTO certificatenotice (fkprocessnode, name, sha256, alarmed, mailed)"
			       " SELECT pkid, $2, $3, $4, $5 FROM processnode WHERE lower(name) = lower($1)"
			       " ON CONFLICT (fkprocessnode, name, sha256) DO UPDATE SET alarmed = $4, mailed = $5",
			       VALUES(value_text(node), value_text(name), value_text(sha256), value_int(n->alarmed),
				      value_int(n->mailed)));

	return rc || changed ? rc : err_set(e, ERR_USAGE, "there is no node '%s'", node);
}

int store_notice_forget(struct store *s, const char *node, int64_t before, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "DELETE FROM certificatenotice WHERE " OF_NODE " AND alarmed < $2 AND mailed < $2",
			     VALUES(value_text(node), value_int(before)));
}
