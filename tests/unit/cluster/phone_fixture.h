#pragma once

/* Phones on a node of their own. */
#include "cluster/node_fixture.h"
#include "cluster/phone_capf.h"
#include "cluster/phones.h"
#include "store/audit.h"

#define PHONE "SEP001122334455"

static struct node node;
static struct err e;

/* One node for all tests, because its keys take longest: each begins without phones and in non-secure mode. */
static inline int phones_setup(void **state)
{
	(void)state;
	node_init(&node, NULL);
	return 0;
}

static inline int phones_teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static inline int keep_name(void *ctx, const struct store_device *d)
{
	char (*name)[STORE_NAME_SIZE] = ctx;

	snprintf(*name, sizeof(*name), "%s", d->name);
	return 0;
}

static inline int no_phones(void **state)
{
	char name[STORE_NAME_SIZE];

	(void)state;
	err_clear(&e);
	node.now = NODE_NOW;
	do {
		name[0] = '\0';
		assert_ok(store_device_list(node.store, NULL, 1, keep_name, &name, &e), &e);
		if (*name)
			assert_ok(store_device_delete(node.store, name, &e), &e);
	} while (*name);
	return 0;
}

static inline int set(enum phone_field f, const char *value)
{
	err_clear(&e);
	return phones_set(node.cluster, "test", PHONE, &(struct phone_value){ f, value }, 1, NULL, &e);
}

static inline void add_phone(void)
{
	assert_ok(phones_add(node.cluster, "test", PHONE, NULL, 0, NULL, &e), &e);
}

static inline struct store_device phone(void)
{
	struct store_device d;

	err_clear(&e);
	assert_ok(phones_get(node.cluster, PHONE, &d, &e), &e);
	return d;
}

static inline int keep_outcome(void *ctx, const struct store_audit *a)
{
	char *out = ctx;

	snprintf(out, 1024, "%s|%s|%s|%s|%s|%s", a->who, a->command, a->object, a->before ? a->before : "",
		 a->after ? a->after : "", a->outcome);
	return 0;
}

/* The last audit record: who|command|object|before|after|outcome. */
static inline const char *last_audit(void)
{
	static char text[1024];

	err_clear(&e);
	assert_ok(store_audit_list(node.store, 0, 1, keep_outcome, text, &e), &e);
	return text;
}

#define PHONE_TEST(name) cmocka_unit_test_setup_teardown(name, no_phones, NULL)
