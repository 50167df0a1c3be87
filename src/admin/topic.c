#include "admin/topic.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cluster/param.h"

static const char no_switch[] =
	"Security By Default has no switch: phones check what they load by themselves, and no command or parameter of a server\n"
	"ends that. What there is instead:\n"
	"  * The parameter '" PARAM_ROLLBACK "': phones that load its blank ITL accept any file from any\n"
	"    server, signed or not, until they have a full ITL again. HTTPS services stop meanwhile. Do not leave it so.\n"
	"  * http:// in place of https:// in the phones' secured URLs (the parameters 'Secured ... URL', or secureDirectoryURL and\n"
	"    the like in their .cnf.xml): phones use those services without checking who answers.\n"
	"ringfence-admin(1) tells more under \"Security By Default\".\n";

static const char no_authz[] =
	"AUTHZ, the key that signs OAuth refresh logins, belongs to CUCM's web logins. This node has none, and so no key and no\n"
	"certificate for it.\n";

static const char no_default_ca[] =
	"There is no list of default CA certificates: no manufacturer's certificate comes with the program. Those of phones (MICs)\n"
	"are in a trust store when you put them there, and not in it when you take them out: 'set cert import trust CAPF',\n"
	"'set cert delete CAPF', 'show cert list trust'.\n";

static const char no_rename[] =
	"The name and the address of a node are given when it is made (ringfence init --node, --ip) and do not change: its\n"
	"certificates and the lists that phones hold name them. The system's own are set where the system is administered. Another\n"
	"name is another node: make it beside this one and let phones follow by 'set cert bulk' (ringfence-admin(1)).\n";

/* Letters and digits only, in small letters: "Security-By_Default" is "securitybydefault". */
static void squeeze(const struct grammar_line *l, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		for (const char *c = l->tokens[i].text; *c && n + 1 < size; c++)
			if (isalnum((unsigned char)*c))
				out[n++] = (char)tolower((unsigned char)*c);
	out[n] = '\0';
}

static bool has_word(const struct grammar_line *l, const char *const *words)
{
	for (size_t i = 0; i < l->n; i++)
		for (const char *const *w = words; *w; w++)
			if (strcasecmp(l->tokens[i].text, *w) == 0)
				return true;
	return false;
}

const char *topic_find(const struct grammar_line *l)
{
	static const char *const sbd[] = {"SBD", NULL}, *const lists[] = {"ITL", NULL},
				 *const authz[] = {"authz", "AUTHZ/AUTHZ.pem", NULL}, *const default_ca[] = {"default-ca-list", NULL},
				 *const identity[] = {"hostname", "domain", "ip", "gateway", NULL},
				 *const off[] = {"off", "disable", "disabled", "deactivate", "remove", "delete", NULL};
	char text[256];

	squeeze(l, text, sizeof(text));
	if (has_word(l, authz))
		return no_authz;
	if (has_word(l, default_ca))
		return no_default_ca;
	if (l->n >= 3 && strcasecmp(l->tokens[0].text, "set") == 0 && strcasecmp(l->tokens[1].text, "network") == 0 &&
	    has_word(l, identity))
		return no_rename;
	if (has_word(l, sbd) || strstr(text, "securitybydefault") || strstr(text, "securebydefault") ||
	    (has_word(l, lists) && has_word(l, off)))
		return no_switch;
	return NULL;
}
