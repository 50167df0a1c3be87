#include <stdlib.h>
#include <string.h>

#include "phone/traits.h"
#include "testing.h"

#define HEADING "family|models|asks-tvs|sha512|ec|tls10-only|first|list-limit|max-sast|checksum\n"
#define DEFAULT "default|*|?|?|?|?|?|?|?|?\n"

static const struct traits *find(const char *model)
{
	static struct traits_table *t;
	struct err e = ERR_INIT;

	if (!t)
		assert_ok(traits_parse(traits_builtin(), "models.conf", &t, &e), &e);
	return traits_find(t, model);
}

static void the_file_that_ships(void **state)
{
	(void)state;
	assert_string_equal(find("7975")->family, "7900-colour");
	assert_string_equal(find("CP-7975G")->family, "7900-colour");
	assert_string_equal(find("8861")->family, "8800");
	assert_string_equal(find("7841")->family, "7800");
	assert_string_equal(find("7940")->family, "7940-7960");
	assert_string_equal(find("CSFalice")->family, "jabber");
	assert_string_equal(find("")->family, "default");
	assert_string_equal(find("WZ-1")->family, "default");
	assert_true(traits_asks_tvs(find("7975")));
	assert_false(traits_sha512(find("7975")));
	assert_true(traits_sha512(find("8861")));
	assert_false(traits_asks_tvs(find("7960")));
	assert_int_equal(find("7975")->checksum, CHECKSUM_MD5);
	assert_int_equal(find("8861")->transport, TRANSPORT_HTTP);
	assert_int_equal(find("7941")->tls10_only, TRAIT_YES);
}

static void what_nobody_knows_refuses_more(void **state)
{
	const struct traits *t = find("no such phone");

	(void)state;
	assert_int_equal(t->asks_tvs, TRAIT_UNKNOWN);
	assert_false(traits_asks_tvs(t));
	assert_false(traits_sha512(t));
	assert_false(traits_ec(t));
	assert_int_equal(traits_list_limit(t), 65536);
	assert_int_equal(traits_max_sast(t), 2);
}

static void refuses(const char *text, const char *rule, const char *says)
{
	struct traits_table *t = NULL;
	struct err e = ERR_INIT;

	assert_err(traits_parse(view_str(text), "m", &t, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	if (!strstr(e.text, says))
		fail_msg("'%s' does not say '%s'", e.text, says);
	assert_null(t);
}

static void mistakes_are_refused_with_their_line(void **state)
{
	(void)state;
	refuses("", "models-default", "m:");
	refuses("# only a comment\n", "models-default", "m:");
	refuses(HEADING, "models-default", "default");
	refuses("family|models\n", "models-column", "m:1");
	refuses("family|models|asks-tvs|sha1|ec|tls10-only|first|list-limit|max-sast|checksum\n", "models-column", "sha512");
	refuses(HEADING "a|1|?|?|?|?|?|?|?|?|?\n", "models-column", "m:2: too many");
	refuses(HEADING "a|1|yes|?|?|?|?|?|?|?\n" DEFAULT, "models-source", "m:2: 'yes'");
	refuses(HEADING "a|1|yes x y|?|?|?|?|?|?|?\n" DEFAULT, "models-source", "m:2");
	refuses(HEADING "a|1|maybe x|?|?|?|?|?|?|?\n" DEFAULT, "models-value", "maybe");
	refuses(HEADING "a|1|?|?|?|?|udp x|?|?|?\n" DEFAULT, "models-value", "udp");
	refuses(HEADING "a|1|?|?|?|?|?|0 x|?|?\n" DEFAULT, "models-value", "'0'");
	refuses(HEADING "a|1|?|?|?|?|?|1k x|?|?\n" DEFAULT, "models-value", "1k");
	refuses(HEADING "a|1|?|?|?|?|?|?|?|?\na|2|?|?|?|?|?|?|?|?\n" DEFAULT, "models-duplicate", "m:3");
	refuses(HEADING DEFAULT "a|1|?|?|?|?|?|?|?|?\n", "models-default", "last line");
}

static void patterns(void **state)
{
	static const char text[] = HEADING "\n# comment\n"
		"digits | 79x1 | yes x | ? | ? | ? | ? | ? | ? | ?\r\n"
		"rest | ab* 12 | no x | yes y | ? | ? | tftp z | 9000 x | 4 x | sha1 q\n"
		"default | * | ? | ? | ? | ? | ? | ? | ? | ?";
	struct traits_table *t = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(traits_parse(view_str(text), "m", &t, &e), ERR_PROTO); /* a carriage return is not part of the format */
	err_clear(&e);
	char *copy = strdup(text);
	memset(strchr(copy, '\r'), ' ', 1);
	assert_ok(traits_parse(view_str(copy), "m", &t, &e), &e);
	free(copy);
	assert_string_equal(traits_find(t, "7941")->family, "digits");
	assert_string_equal(traits_find(t, "7941G")->family, "default");
	assert_string_equal(traits_find(t, "79a1")->family, "default");
	assert_string_equal(traits_find(t, "ABcd")->family, "rest");
	assert_string_equal(traits_find(t, "12")->family, "rest");
	assert_string_equal(traits_find(t, "123")->family, "default");
	assert_int_equal(traits_at(t, 1)->list_limit, 9000);
	assert_int_equal(traits_at(t, 1)->max_sast, 4);
	assert_int_equal(traits_at(t, 1)->checksum, CHECKSUM_SHA1);
	assert_null(traits_at(t, 3));
	traits_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_that_ships),
		cmocka_unit_test(what_nobody_knows_refuses_more),
		cmocka_unit_test(mistakes_are_refused_with_their_line),
		cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
