/* What the certificates of trust stores are called as files. Source: behaviour.md 2.2. */
#include <ctype.h>
#include <stdio.h>

#include "base/text.h"
#include "store/certificate_file.h"
#include "store/store_internal.h"

/* So that the longest name that is made fits what file systems take, 255 octets. */
#define NAME_OCTETS 150
#define SERIAL_DIGITS 64

static void plain_name(const char *cn, char out[STORE_FILE_SIZE])
{
	size_t used = text_append(out, STORE_FILE_SIZE, 0, "%.*s", NAME_OCTETS, cn[0] ? cn : "certificate");

	for (size_t i = 0; i < used; i++)
		if (!isalnum((unsigned char)out[i]) && !strchr("._-", out[i]))
			out[i] = '_';
	if (out[0] == '.')
		out[0] = '_';
}

void store_certificate_file(const struct cert *c, char out[STORE_FILE_SIZE])
{
	char name[STORE_FILE_SIZE];

	plain_name(cert_cn(c), name);
	text_append(out, STORE_FILE_SIZE, 0, "%s.pem", name);
}

static int is_taken(struct store *s, enum store_unit trust, const char *file, bool *taken, struct err *e)
{
	int64_t n = 0;
	int rc = store_db_int(s, &n, NULL, e,
			      "SELECT count(*) FROM certificateservicecertificatemap"
			      " WHERE tkcertificateservice = $1 AND lower(filename) = lower($2)",
			      VALUES(value_int(trust), value_text(file)));

	*taken = n > 0;
	return rc;
}

int certificate_file_choose(struct store *s, enum store_unit trust, const struct certificate_naming *c,
			    char file[STORE_FILE_SIZE], struct err *e)
{
	char name[STORE_FILE_SIZE];
	bool taken;

	plain_name(c->cn, name);
	text_append(file, STORE_FILE_SIZE, 0, "%s.pem", name);
	int rc = is_taken(s, trust, file, &taken, e);
	if (rc || !taken)
		return rc;
	text_append(file, STORE_FILE_SIZE, 0, "%s_%.*s.pem", name, SERIAL_DIGITS, c->serial);
	rc = is_taken(s, trust, file, &taken, e);
	/* Two authorities may give the same serial number. */
	if (!rc && taken)
		text_append(file, STORE_FILE_SIZE, 0, "%s_%.*s_%.16s.pem", name, SERIAL_DIGITS, c->serial, c->sha256);
	return rc;
}

/* --- those that were there before names were kept --- */

struct unnamed {
	char pkid[STORE_PKID_SIZE], sha256[65];
	int64_t trust;
	char *cn, *serial;
};

static int take(void *ctx, const struct store_row *r, struct err *e)
{
	struct unnamed *u = store_list_add(ctx);

	if (!u)
		return err_set(e, ERR_NOMEM, "out of memory");
	/* Without a common name the table has the subject in its place. */
	u->cn = strdup(strcmp(row_text(r, 2), row_text(r, 3)) == 0 ? "" : row_text(r, 2));
	u->serial = strdup(row_text(r, 4));
	u->trust = row_int(r, 1);
	if (!u->cn || !u->serial)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = ROW_COPY(r, 0, u->pkid, e);
	return rc ? rc : ROW_COPY(r, 5, u->sha256, e);
}

static int name_one(struct store *s, const struct unnamed *u, struct err *e)
{
	const struct certificate_naming naming = {.cn = u->cn, .serial = u->serial, .sha256 = u->sha256};
	char file[STORE_FILE_SIZE];
	int rc = certificate_file_choose(s, (enum store_unit)u->trust, &naming, file, e);

	return rc ? rc : store_db_exec(s, NULL, e,
				       "UPDATE certificateservicecertificatemap SET filename = $1"
				       " WHERE fkcertificate = $2 AND tkcertificateservice = $3",
				       VALUES(value_text(file), value_text(u->pkid), value_int(u->trust)));
}

int certificate_files_fill(struct store *s, struct err *e)
{
	struct store_list l = {.item = sizeof(struct unnamed)};
	/* In the order that decided about the names so far. */
	int rc = store_db_query(s, take, &l, e,
				"SELECT c.pkid, m.tkcertificateservice, c.commonname, c.subjectname, c.serialnumber, c.sha256"
				" FROM certificateservicecertificatemap AS m INNER JOIN certificate AS c ON c.pkid = m.fkcertificate"
				" WHERE m.tkcertificateservice >= $1"
				" ORDER BY m.tkcertificateservice, c.commonname, c.notbefore, c.pkid",
				VALUES(value_int(STORE_TRUST_TOMCAT)));
	struct unnamed *list = (struct unnamed *)(void *)l.items;

	for (size_t i = 0; i < l.n; i++) {
		if (!rc)
			rc = name_one(s, &list[i], e);
		free(list[i].cn);
		free(list[i].serial);
	}
	free(list);
	return rc;
}
