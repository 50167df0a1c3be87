#pragma once

/* What every unit test includes: cmocka with the headers it needs in the order it needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

/*
 * Leave a test that cannot run here, and say why. cmocka's own skip() prints "not ok ... # SKIP", which TAP's readers
 * count as a failure.
 */
#define SKIP_TEST(why)                                                                                                 \
	do {                                                                                                           \
		print_message("# skipped: %s\n", why);                                                                 \
		return;                                                                                                \
	} while (0)

/* The call must fail with exactly this class. */
#define assert_err(call, class)                                                                                        \
	do {                                                                                                           \
		int assert_err_got = (call);                                                                           \
		if (assert_err_got != (class))                                                                         \
			fail_msg("%s: got %s, wanted %s", #call, err_name(assert_err_got), err_name(class));           \
	} while (0)

/* The call must succeed; e is the struct err it was given. */
#define assert_ok(call, e)                                                                                             \
	do {                                                                                                           \
		int assert_ok_got = (call);                                                                            \
		if (assert_ok_got)                                                                                     \
			fail_msg("%s: %s: %s", #call, err_name(assert_ok_got), (e)->text);                             \
	} while (0)
