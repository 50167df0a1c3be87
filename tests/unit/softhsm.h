#pragma once

/* A SoftHSM token of a test's own: real PKCS#11, in files. Debian's softhsm2 package. */
#include <sys/stat.h>

#include "tempdir.h"

#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SOFTHSM_PIN "1234"

struct softhsm {
	struct tempdir dir;
	char tokens[128];
};

static inline void softhsm_run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static inline void softhsm_add_token(struct softhsm *s, const char *label)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "SOFTHSM2_CONF=%s/softhsm2.conf softhsm2-util --init-token --free --label '%s' --pin " SOFTHSM_PIN
		 " --so-pin 12345678 >/dev/null", s->dir.path, label);
	softhsm_run(command);
}

/* The module reads SOFTHSM2_CONF when it is initialised: one at a time. */
static inline void softhsm_make(struct softhsm *s)
{
	char conf[128];

	tempdir_make(&s->dir);
	snprintf(s->tokens, sizeof(s->tokens), "%s/tokens", s->dir.path);
	assert_int_equal(mkdir(s->tokens, 0700), 0);
	snprintf(conf, sizeof(conf), "%s/softhsm2.conf", s->dir.path);
	FILE *f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
		s->tokens);
	assert_int_equal(fclose(f), 0);
	setenv("SOFTHSM2_CONF", conf, 1);
	softhsm_add_token(s, "ringfence");
}

static inline void softhsm_remove(struct softhsm *s)
{
	tempdir_remove(&s->dir);
}
