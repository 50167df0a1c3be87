#include "cluster/web_security.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/node.h"

/* Where the store has them, beside the parameters. */
#define KEY_OU "WebSecurityOrgUnit"
#define KEY_O "WebSecurityOrganization"
#define KEY_L "WebSecurityLocality"
#define KEY_ST "WebSecurityState"
#define KEY_ALTERNATE "WebSecurityAlternateHostName"

static int check_part(const char *what, const char *value, size_t max, struct err *e)
{
	size_t n = text_characters(value);

	if (n == SIZE_MAX)
		return err_set(e, ERR_USAGE, "the %s is not UTF-8 text, or has control characters", what);
	/* Upper bounds of X.520, which count characters. */
	if (n == 0 || n > max)
		return err_set(e, ERR_USAGE, "the %s has 1 to %zu characters", what, max);
	return 0;
}

static int check_country(struct cluster *c, const char *country, struct err *e)
{
	struct cert *own = NULL;
	char now[8] = "";
	int rc = cluster_own_cert(c, NULL, "tomcat", &own, e);

	if (!rc && own && name_get(view_str(cert_subject(own)), "C", now, sizeof(now)) && !text_same(now, country))
		rc = err_set(e, ERR_USAGE, "the country is %s and cannot be changed after installation", now);
	cert_unref(own);
	return rc;
}

int web_security_check(struct cluster *c, const struct web_security *w, struct err *e)
{
	int rc = check_part("organisational unit", w->ou, 64, e);

	if (!rc)
		rc = check_part("organisation", w->o, 64, e);
	if (!rc)
		rc = check_part("locality", w->l, 128, e);
	if (!rc)
		rc = check_part("state", w->st, 128, e);
	if (!rc)
		rc = check_country(c, w->c, e);
	if (!rc && w->alternate)
		rc = node_name_check(w->alternate, e);
	return rc ? rc : regen_try(c, "tomcat", w, e);
}

void web_security_apply(const struct web_security *w, struct template_node *node)
{
	const char *country = node->subject.c;

	node->subject = (struct subject){ .ou = w->ou, .o = w->o, .l = w->l, .st = w->st, .c = country ? country : w->c };
	node->alternate = w->alternate;
}

/* --- in the store --- */

static int get(struct cluster *c, const char *name, char **value, struct err *e)
{
	return store_param_get(c->store, (struct store_param_key){ .name = name }, value, e);
}

int web_security_read(struct cluster *c, struct web_security_texts *t, struct err *e)
{
	int rc = get(c, KEY_OU, &t->ou, e);

	if (!rc)
		rc = get(c, KEY_O, &t->o, e);
	if (!rc)
		rc = get(c, KEY_L, &t->l, e);
	if (!rc)
		rc = get(c, KEY_ST, &t->st, e);
	return rc ? rc : get(c, KEY_ALTERNATE, &t->alternate, e);
}

void web_security_clear(struct web_security_texts *t)
{
	free(t->ou);
	free(t->o);
	free(t->l);
	free(t->st);
	free(t->alternate);
	*t = (struct web_security_texts){ 0 };
}

static int set(struct cluster *c, const char *name, const char *value, struct err *e)
{
	return store_param_set(c->store, (struct store_param_key){ .name = name }, value, e);
}

int web_security_write(struct cluster *c, const struct web_security *w, struct err *e)
{
	int rc = set(c, KEY_OU, w->ou, e);

	if (!rc)
		rc = set(c, KEY_O, w->o, e);
	if (!rc)
		rc = set(c, KEY_L, w->l, e);
	if (!rc)
		rc = set(c, KEY_ST, w->st, e);
	return rc ? rc : set(c, KEY_ALTERNATE, w->alternate, e);
}
