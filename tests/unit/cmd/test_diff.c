#include "format/vectors.h"

#include "cmd/diff/diff.h"

static struct trust_list *parse(const char *name)
{
	struct view v = golden(name);
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	assert_ok(list_parse(v, LIST_CTL, &l, &e), &e);
	golden_free(v);
	return l;
}

static void swap(struct trust_list *l, size_t i, size_t j)
{
	struct tlv_record r = l->records[i];

	l->records[i] = l->records[j];
	l->records[j] = r;
}

static const struct diff_change *field(const struct diff *d, int record, const char *name)
{
	for (size_t i = 0; i < d->n_changes; i++)
		if (d->changes[i].kind == DIFF_FIELD && d->changes[i].a == record && strcmp(d->changes[i].field, name) == 0)
			return &d->changes[i];
	return NULL;
}

static struct diff d; /* too large for the stack */

static void test_same(void **state)
{
	struct trust_list *a = parse("tlv/ctl-4947.tlv");

	(void)state;
	diff_lists(a, a, &d);
	assert_int_equal(d.n_changes, 0);
	assert_true(d.same_file);
	assert_false(d.moved);
	list_free(a);
}

static void test_moved(void **state)
{
	struct trust_list *a = parse("tlv/ctl-4947.tlv");
	struct trust_list *b = parse("tlv/ctl-4947.tlv");

	(void)state;
	swap(b, 2, 3);
	diff_lists(a, b, &d);
	assert_int_equal(d.n_changes, 0);
	assert_true(d.moved);
	list_free(a);
	list_free(b);
}

/* Two records of one subject with different functions are told apart; a renewed certificate is a change, no exchange. */
static void test_renewed(void **state)
{
	struct trust_list *a = parse("tlv/ctl-4947.tlv");
	struct trust_list *b = parse("tlv/ctl-6113.tlv");

	(void)state;
	diff_lists(a, b, &d);
	assert_non_null(field(&d, -1, "signature"));
	assert_string_equal(field(&d, -1, "signature")->to, "RSA-2048");
	assert_null(field(&d, -1, "SIGNERNAME"));
	for (int i = 0; i < 2; i++) {
		assert_non_null(field(&d, i, "certificate"));
		assert_int_equal(field(&d, i, "SERIALNUMBER")->b, i);
		assert_null(field(&d, i, "DNSNAME"));
	}
	assert_int_equal(d.n_changes, 2 + 2 * 2);
	list_free(a);
	list_free(b);
}

/* What a non-secure CTL does to a record: the host stays, the certificate goes. */
static void test_emptied(void **state)
{
	struct trust_list *a = parse("tlv/ctl-4947.tlv");
	struct trust_list *b = parse("tlv/ctl-4947.tlv");
	struct tlv_record *rec = &b->records[3];

	(void)state;
	rec->subject = rec->issuer = rec->serial = rec->certificate = (struct view){0};
	rec->raw.len = 33;
	diff_lists(a, b, &d);
	assert_string_equal(field(&d, 3, "certificate")->to, "none");
	assert_string_equal(field(&d, 3, "SUBJECTNAME")->to, "none");
	assert_int_equal(d.n_changes, 4);
	list_free(a);
	list_free(b);
}

static void test_added_and_removed(void **state)
{
	struct trust_list *a = parse("tlv/ctl-4947.tlv");
	struct trust_list *b = parse("tlv/ctl-4947.tlv");

	(void)state;
	b->n_records--;
	diff_lists(a, b, &d);
	assert_int_equal(d.n_changes, 1);
	assert_int_equal(d.changes[0].kind, DIFF_REMOVED);
	assert_int_equal(d.changes[0].a, 3);
	diff_lists(b, a, &d);
	assert_int_equal(d.n_changes, 1);
	assert_int_equal(d.changes[0].kind, DIFF_ADDED);
	assert_int_equal(d.changes[0].b, 3);
	list_free(a);
	list_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_emptied),
		cmocka_unit_test(test_added_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
