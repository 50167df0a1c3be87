#include "store/certificate_file.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/node.h"
#include "store/store_internal.h"

#define FIRST_TRUST "16" /* STORE_TRUST_TOMCAT: own units are below */
_Static_assert(STORE_TRUST_TOMCAT == 16, "own units have numbers below FIRST_TRUST");

uint64_t store_certificate_changes(const struct store *s)
{
	return s->certificate_changes;
}

static int begin_change(struct store *s, struct err *e)
{
	s->certificate_changes++;
	return store_scope_begin(s, e);
}

static const char *unit_text(enum store_unit unit)
{
	return store_unit_name(unit) ? store_unit_name(unit) : "this";
}

/* What the table holds of a certificate besides the certificate. */
struct facts {
	char sha256[65];
	char *serial;     /* lower-case hex */
	const char *name; /* its common name, or its subject when it has none */
};

static void facts_clear(struct facts *f)
{
	free(f->serial);
}

static int facts_init(struct facts *f, const struct cert *c, struct err *e)
{
	struct view serial = cert_serial(c);

	text_hex(f->sha256, sizeof(f->sha256), (struct view){cert_sha256(c), 32}, '\0', false);
	f->serial = malloc(2 * serial.len + 1);
	if (!f->serial)
		return err_set(e, ERR_NOMEM, "out of memory");
	text_hex(f->serial, 2 * serial.len + 1, serial, '\0', false);
	f->name = *cert_cn(c) ? cert_cn(c) : cert_subject(c);
	return 0;
}

static int find_stored(struct store *s, const struct facts *f, char pkid[STORE_PKID_SIZE], struct err *e)
{
	return store_db_pkid(s, pkid, e, "SELECT pkid FROM certificate WHERE sha256 = $1",
			     VALUES(value_text(f->sha256)));
}

static int insert_hash(struct store *s, const char *pkid, enum digest d, const struct cert *c, struct err *e)
{
	uint8_t digest[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];
	int rc = digest_one(d, cert_der(c), digest, e);

	if (rc)
		return rc;
	text_hex(hex, sizeof(hex), (struct view){digest, digest_len(d)}, '\0', false);
	return store_db_exec(s, NULL, e,
			     "INSERT INTO certificatehashmap (fkcertificate, hashalgorithm, hash) VALUES ($1, $2, $3)",
			     VALUES(value_text(pkid), value_text(digest_name(d)), value_text(hex)));
}

static int insert(struct store *s, const struct cert *c, const struct facts *f,
		  const struct store_certificate_info *info, char pkid[STORE_PKID_SIZE], struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	const char *server = info->server ? info->server : f->name;
	int rc = store_pkid_new(pkid, e);

	if (!rc)
		rc = cert_to_pem(c, &pem, e);
	if (rc)
		return rc;
	rc = store_db_exec(
		s, NULL, e,
		"INSERT INTO certificate (pkid, subjectname, issuername, serialnumber, commonname, servername,"
		" ipv4address, description, notbefore, notafter, sha256, tkcertificatedistribution, timetolive,"
		" certificate) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
		VALUES(value_text(pkid), value_text(cert_subject(c)), value_text(cert_issuer(c)), value_text(f->serial),
		       value_text(f->name), value_text(server), value_text(info->address ? info->address : ""),
		       value_text(info->description ? info->description : ""), value_int(cert_not_before(c)),
		       value_int(cert_not_after(c)), value_text(f->sha256), value_int(info->distribution),
		       value_int(info->ttl_s), value_text(pem)));
	if (!rc)
		rc = insert_hash(s, pkid, DIGEST_SHA1, c, e);
	if (!rc)
		rc = insert_hash(s, pkid, DIGEST_SHA256, c, e);
	return rc;
}

/* An own certificate that was known from elsewhere (a trust store) is now described by its owner. */
static int describe(struct store *s, const char *pkid, const struct store_certificate_info *info, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "UPDATE certificate SET servername = $1, ipv4address = $2, description = $3,"
			     " tkcertificatedistribution = $4, timetolive = $5 WHERE pkid = $6",
			     VALUES(value_text(info->server), value_text(info->address ? info->address : ""),
				    value_text(info->description ? info->description : ""),
				    value_int(info->distribution), value_int(info->ttl_s), value_text(pkid)));
}

static int add_roles(struct store *s, const char *pkid, uint32_t roles, struct err *e)
{
	int rc = 0;

	for (unsigned role = 0; !rc && role < 32; role++) {
		if (!(roles & STORE_ROLE_BIT(role)))
			continue;
		if (!store_role_name(role))
			return err_set(e, ERR_USAGE, "there is no trust role %u", role);
		rc = store_db_exec(s, NULL, e,
				   "INSERT INTO certificatetrustrolemap (fkcertificate, tktrustrole) VALUES ($1, $2) "
				   "ON CONFLICT DO NOTHING",
				   VALUES(value_text(pkid), value_int(role)));
	}
	return rc;
}

static int add_unit(struct store *s, const char *pkid, enum store_unit unit, const char *file, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "INSERT INTO certificateservicecertificatemap (fkcertificate, tkcertificateservice, filename) "
			     "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			     VALUES(value_text(pkid), value_int(unit), value_text(file)));
}

static int add_trust(struct store *s, const char *pkid, enum store_unit trust, const struct cert *c, const struct facts *f,
		     struct err *e)
{
	const struct certificate_naming naming = {.cn = cert_cn(c), .serial = f->serial, .sha256 = f->sha256};
	char file[STORE_FILE_SIZE];
	int rc = certificate_file_choose(s, trust, &naming, file, e);

	return rc ? rc : add_unit(s, pkid, trust, file, e);
}

/* Gone when neither unit nor trust store has it. */
static int forget_unused(struct store *s, const char *pkid, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "DELETE FROM certificate WHERE pkid = $1 AND NOT EXISTS"
			     " (SELECT 1 FROM certificateservicecertificatemap WHERE fkcertificate = $1)",
			     VALUES(value_text(pkid)));
}

static int leave_store(struct store *s, const char *pkid, enum store_unit trust, struct err *e)
{
	int rc = store_db_exec(s, NULL, e,
			       "DELETE FROM certificateservicecertificatemap WHERE fkcertificate = $1 "
			       "AND tkcertificateservice = $2",
			       VALUES(value_text(pkid), value_int(trust)));

	return rc ? rc : forget_unused(s, pkid, e);
}

/* The certificate is no longer the node's; its unit goes with its last node. */
static int leave_node(struct store *s, const char *pkid, const char *node_pkid, struct err *e)
{
	int rc = store_db_exec(s, NULL, e,
			       "DELETE FROM certificateprocessnodemap WHERE fkcertificate = $1 AND fkprocessnode = $2",
			       VALUES(value_text(pkid), value_text(node_pkid)));

	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "DELETE FROM certificateservicecertificatemap WHERE fkcertificate = $1 "
				   "AND tkcertificateservice < " FIRST_TRUST " AND NOT EXISTS"
				   " (SELECT 1 FROM certificateprocessnodemap WHERE fkcertificate = $1)",
				   VALUES(value_text(pkid)));
	return rc ? rc : forget_unused(s, pkid, e);
}

int store_certificate_forget_node(struct store *s, const char *node_pkid, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int rc;

	s->certificate_changes++;
	do {
		rc = store_db_pkid(s, pkid, e,
				"SELECT fkcertificate FROM certificateprocessnodemap WHERE fkprocessnode = $1 LIMIT 1",
				VALUES(value_text(node_pkid)));
		if (!rc && *pkid)
			rc = leave_node(s, pkid, node_pkid, e);
	} while (!rc && *pkid);
	return rc;
}

static int find_own(struct store *s, enum store_unit unit, const char *node_pkid, char pkid[STORE_PKID_SIZE],
		    struct err *e)
{
	return store_db_pkid(s, pkid, e,
			  "SELECT m.fkcertificate FROM certificateservicecertificatemap AS m"
			  " INNER JOIN certificateprocessnodemap AS n ON n.fkcertificate = m.fkcertificate"
			  " WHERE m.tkcertificateservice = $1 AND n.fkprocessnode = $2",
			  VALUES(value_int(unit), value_text(node_pkid)));
}

/* A certificate is the own one of one unit: two units with one key could not be told apart by phones. */
static int check_other_unit(struct store *s, const char *pkid, enum store_unit unit, struct err *e)
{
	int64_t other = 0;
	bool found = false;
	int rc =
		store_db_int(s, &other, &found, e,
			     "SELECT tkcertificateservice FROM certificateservicecertificatemap "
			      "WHERE fkcertificate = $1 "
			     "AND tkcertificateservice < " FIRST_TRUST " AND tkcertificateservice <> $2",
			     VALUES(value_text(pkid), value_int(unit)));

	if (!rc && found)
		return err_set(e, ERR_USAGE, "this certificate belongs to %s: a unit has one of its own",
			       store_unit_name((enum store_unit)other));
	return rc;
}

static int is_on_a_node(struct store *s, const char *pkid, bool *yes, struct err *e)
{
	int64_t n = 0;
	int rc = store_db_int(s, &n, NULL, e, "SELECT count(*) FROM certificateprocessnodemap WHERE fkcertificate = $1",
			      VALUES(value_text(pkid)));

	if (!rc)
		*yes = n > 0;
	return rc;
}

static int put_own(struct store *s, enum store_unit unit, const char *node_pkid, const struct cert *c,
		   const struct facts *f, const struct store_certificate_info *info, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	char old[STORE_PKID_SIZE];
	bool described = false;
	int rc = find_stored(s, f, pkid, e);

	if (!rc && *pkid)
		rc = check_other_unit(s, pkid, unit, e);
	if (!rc)
		rc = find_own(s, unit, node_pkid, old, e);
	if (!rc && *old && strcmp(old, pkid) != 0)
		rc = leave_node(s, old, node_pkid, e);
	if (!rc && *pkid)
		rc = is_on_a_node(s, pkid, &described, e);
	if (!rc && !*pkid)
		rc = insert(s, c, f, info, pkid, e);
	else if (!rc && !described)
		rc = describe(s, pkid, info, e);
	if (!rc)
		rc = add_unit(s, pkid, unit, "", e);
	if (!rc)
		rc = store_db_exec(
			s, NULL, e,
			"INSERT INTO certificateprocessnodemap (fkcertificate, fkprocessnode) VALUES ($1, $2) "
			"ON CONFLICT DO NOTHING",
			VALUES(value_text(pkid), value_text(node_pkid)));
	return rc ? rc : add_roles(s, pkid, info->roles, e);
}

static struct store_certificate_info with_defaults(const struct store_certificate_info *info,
						   enum store_distribution usual)
{
	struct store_certificate_info i = *info;

	if (!i.distribution)
		i.distribution = usual;
	if (!i.ttl_s)
		i.ttl_s = STORE_TTL_DEFAULT;
	return i;
}

static int check_info(const struct store_certificate_info *info, struct err *e)
{
	if (info->description && strlen(info->description) >= STORE_DESCRIPTION_SIZE)
		return err_set(e, ERR_USAGE, "a certificate's description has at most %d octets",
			       STORE_DESCRIPTION_SIZE - 1);
	if (info->server && strlen(info->server) >= STORE_NAME_SIZE)
		return err_set(e, ERR_USAGE, "a server's name has at most %d octets", STORE_NAME_SIZE - 1);
	if (info->address && strlen(info->address) >= STORE_ADDRESS_SIZE)
		return err_set(e, ERR_USAGE, "an address has at most %d octets", STORE_ADDRESS_SIZE - 1);
	return 0;
}

int store_certificate_put_own(struct store *s, enum store_unit unit, const char *node, const struct cert *c,
			      const struct store_certificate_info *info, struct err *e)
{
	struct store_certificate_info i = with_defaults(info, STORE_DIST_THIS_SERVER);
	struct store_node n = {0};
	struct facts f = {0};
	char node_pkid[STORE_PKID_SIZE];
	bool found = false;

	if (store_unit_is_trust(unit) || !store_unit_name(unit))
		return err_set(e, ERR_USAGE, "%s has no certificate of its own", unit_text(unit));
	int rc = check_info(info, e);
	if (!rc)
		rc = begin_change(s, e);
	if (rc)
		return rc;
	rc = store_node_need(s, node, node_pkid, e);
	if (!rc)
		rc = store_node_get(s, node, &n, &found, e);
	i.server = n.name;
	i.address = n.address;
	if (!rc)
		rc = facts_init(&f, c, e);
	if (!rc)
		rc = put_own(s, unit, node_pkid, c, &f, &i, e);
	facts_clear(&f);
	return store_scope_end(s, rc, e);
}

/* The certificate of that name in a trust store. */
struct namesake {
	char pkid[STORE_PKID_SIZE];
	int64_t not_before;
	bool found;
	bool own;        /* and it is a unit's own certificate */
};

static int take_namesake(void *ctx, const struct store_row *r, struct err *e)
{
	struct namesake *n = ctx;

	n->found = true;
	n->not_before = row_int(r, 1);
	n->own = row_int(r, 2) > 0;
	return ROW_COPY(r, 0, n->pkid, e);
}

static int put_trust(struct store *s, enum store_unit trust, const struct cert *c, const struct facts *f,
		     const struct store_certificate_info *info, enum store_put how, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	struct namesake old = {.found = false};
	int rc = find_stored(s, f, pkid, e);

	if (!rc)
		rc = store_db_query(s, take_namesake, &old, e,
				    "SELECT c.pkid, c.notbefore, (SELECT count(*) FROM certificateprocessnodemap AS n"
				    "  WHERE n.fkcertificate = c.pkid) FROM certificate AS c"
				    " INNER JOIN certificateservicecertificatemap AS m ON m.fkcertificate = c.pkid"
				    " WHERE c.commonname = $1 AND m.tkcertificateservice = $2",
				    VALUES(value_text(f->name), value_int(trust)));
	if (rc)
		return rc;
	if (old.found && strcmp(old.pkid, pkid) != 0) {
		if (how == STORE_PUT_UPLOAD && old.own)
			return err_set(e, ERR_USAGE,
				       "%s holds a certificate named %s that is the copy of a unit's own certificate: an upload does "
				       "not take its place",
				       store_unit_name(trust), f->name);
		if (how == STORE_PUT_UPLOAD && cert_not_before(c) <= old.not_before)
			return err_set(e, ERR_USAGE,
				       "%s holds a certificate named %s that begins at the same time or later: "
				       "delete that one first",
				       store_unit_name(trust), f->name);
		rc = leave_store(s, old.pkid, trust, e);
	}
	if (!rc && !*pkid)
		rc = insert(s, c, f, info, pkid, e);
	if (!rc)
		rc = add_trust(s, pkid, trust, c, f, e);
	return rc ? rc : add_roles(s, pkid, info->roles, e);
}

static int check_trust(enum store_unit trust, struct err *e)
{
	if (store_unit_is_trust(trust) && store_unit_name(trust))
		return 0;
	return err_set(e, ERR_USAGE, "%s is not a trust store", unit_text(trust));
}

int store_certificate_put_trust(struct store *s, enum store_unit trust, const struct cert *c,
				const struct store_certificate_info *info, enum store_put how, struct err *e)
{
	struct store_certificate_info i = with_defaults(info, STORE_DIST_CLUSTER_WIDE);
	struct facts f = {0};
	int rc = check_trust(trust, e);

	if (!rc)
		rc = check_info(info, e);
	if (!rc)
		rc = begin_change(s, e);
	if (rc)
		return rc;
	rc = facts_init(&f, c, e);
	if (!rc)
		rc = put_trust(s, trust, c, &f, &i, how, e);
	facts_clear(&f);
	return store_scope_end(s, rc, e);
}

int store_certificate_drop_trust(struct store *s, enum store_unit trust, const char *pkid, struct err *e)
{
	int64_t there = 0;
	int rc = check_trust(trust, e);

	if (!rc)
		rc = begin_change(s, e);
	if (rc)
		return rc;
	rc = store_db_int(s, &there, NULL, e,
			  "SELECT count(*) FROM certificateservicecertificatemap WHERE fkcertificate = $1 "
			  "AND tkcertificateservice = $2",
			  VALUES(value_text(pkid), value_int(trust)));
	if (!rc && !there)
		rc = err_set(e, ERR_USAGE, "%s: this certificate is not in it", store_unit_name(trust));
	if (!rc)
		rc = leave_store(s, pkid, trust, e);
	return store_scope_end(s, rc, e);
}

int store_certificate_drop_own(struct store *s, enum store_unit unit, const char *node, struct err *e)
{
	char node_pkid[STORE_PKID_SIZE];
	char pkid[STORE_PKID_SIZE];
	int rc = begin_change(s, e);

	if (rc)
		return rc;
	rc = store_node_need(s, node, node_pkid, e);
	if (!rc)
		rc = find_own(s, unit, node_pkid, pkid, e);
	if (!rc && !*pkid)
		rc = err_set(e, ERR_USAGE, "%s: this unit has no certificate on %s", unit_text(unit), node);
	if (!rc)
		rc = leave_node(s, pkid, node_pkid, e);
	return store_scope_end(s, rc, e);
}

int store_certificate_set_roles(struct store *s, const char *pkid, uint32_t roles, struct err *e)
{
	int64_t there = 0;
	int rc = begin_change(s, e);

	if (rc)
		return rc;
	rc = store_db_int(s, &there, NULL, e, "SELECT count(*) FROM certificate WHERE pkid = $1",
			  VALUES(value_text(pkid)));
	if (!rc && !there)
		rc = err_set(e, ERR_USAGE, "there is no certificate %s in the store", pkid);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "DELETE FROM certificatetrustrolemap WHERE fkcertificate = $1",
				   VALUES(value_text(pkid)));
	if (!rc)
		rc = add_roles(s, pkid, roles, e);
	return store_scope_end(s, rc, e);
}
