#include "phone/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "testing.h"

static const struct traits_table *table(void)
{
	static struct traits_table *t;
	struct err e = ERR_INIT;

	if (!t)
		assert_ok(traits_parse(traits_builtin(), "models.conf", &t, &e), &e);
	return t;
}

static void make(struct phone *p)
{
	phone_init(p, "SEP001122334455", "7975", traits_find(table(), "7975"));
	strcpy(p->tvs[0].host, "192.0.2.10");
	p->tvs[0].port = 2445;
	strcpy(p->tvs[1].host, "2001:db8::1");
	p->tvs[1].port = 12445;
	p->n_tvs = 2;
	memset(p->cache[0].sha256, 0xa5, 32);
	p->cache[0].roles = TVS_ROLE(7) | TVS_ROLE(31);
	p->cache[0].expires_s = 1700086400;
	p->n_cache = 1;
}

static void comes_back_as_it_was(void **state)
{
	AUTO(auto_free) char *text = NULL, *again = NULL;
	struct phone p, q;
	struct err e = ERR_INIT;

	(void)state;
	make(&p);
	assert_ok(phone_state_encode(&p, &text, &e), &e);
	phone_init(&q, "SEP000000000000", "", traits_find(table(), ""));
	assert_ok(phone_state_decode(view_str(text), table(), &q, &e), &e);
	assert_string_equal(q.device, "SEP001122334455");
	assert_string_equal(q.traits->family, "7900-colour");
	assert_int_equal(q.tvs[1].port, 12445);
	assert_memory_equal(q.cache[0].sha256, p.cache[0].sha256, 32);
	assert_ok(phone_state_encode(&q, &again, &e), &e);
	assert_string_equal(text, again);
}

static void every_cut_is_refused(void **state)
{
	AUTO(auto_free) char *text = NULL;
	struct phone p, q;
	struct err e = ERR_INIT;

	(void)state;
	make(&p);
	assert_ok(phone_state_encode(&p, &text, &e), &e);
	for (size_t n = 0; n < strlen(text); n++) {
		phone_init(&q, "SEP000000000000", "", traits_find(table(), ""));
		if (n && text[n - 1] == '\n')
			continue; /* a whole number of lines is a state too */
		e = ERR_INIT;
		assert_err(phone_state_decode((struct view){(uint8_t *)text, n}, table(), &q, &e), ERR_PROTO);
		assert_string_equal(e.rule, "state-line");
		assert_string_equal(q.device, "SEP000000000000");
	}
}

static void strange_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"what\n", "device ../../etc\n", "device\n", "tvs host\n", "tvs host 0\n", "tvs host 70000\n", "cache 00 1 2\n",
		"cache zz 1 2\n", "device SEP001122334455 x\n", "model a b c d e f g\n",
	};
	struct phone p;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char text[256];
		struct err e = ERR_INIT;

		snprintf(text, sizeof text, "ringfence-phone 1\n%s", lines[i]);
		phone_init(&p, "SEP000000000000", "", traits_find(table(), ""));
		assert_err(phone_state_decode(view_str(text), table(), &p, &e), ERR_PROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(strange_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
