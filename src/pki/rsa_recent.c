#include "pki/rsa.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define N_RECENT 4 /* signers of CTL and ITL, before and after a change */

struct recent {
	uint8_t *pkcs1;
	size_t len;
	struct rsa_pub *key;
};

/* Keys have scratch space of their own and so belong to one thread. */
static _Thread_local struct recent recent[N_RECENT];
static _Thread_local unsigned oldest;

static pthread_key_t at_exit;
static pthread_once_t at_exit_once = PTHREAD_ONCE_INIT;
static bool at_exit_works;

static void slot_clear(struct recent *r)
{
	rsa_pub_free(r->key);
	free(r->pkcs1);
	*r = (struct recent){0};
}

static void forget_all(void *slots)
{
	struct recent *r = slots;

	for (unsigned i = 0; i < N_RECENT; i++)
		slot_clear(&r[i]);
}

static void at_exit_init(void)
{
	at_exit_works = pthread_key_create(&at_exit, forget_all) == 0;
}

static int slot_fill(struct recent *r, struct view pkcs1, struct err *e)
{
	struct recent fresh = {.len = pkcs1.len};
	int err = rsa_pub_new(pkcs1, &fresh.key, e);

	if (err)
		return err;
	fresh.pkcs1 = malloc(pkcs1.len); /* not empty: rsa_pub_new took it */
	if (!fresh.pkcs1) {
		rsa_pub_free(fresh.key);
		return err_set(e, ERR_NOMEM, "RSA public key: out of memory");
	}
	memcpy(fresh.pkcs1, pkcs1.p, pkcs1.len);
	slot_clear(r);
	*r = fresh;
	pthread_once(&at_exit_once, at_exit_init);
	if (at_exit_works)
		pthread_setspecific(at_exit, recent); /* without it only the memory of ended threads is lost */
	return 0;
}

int rsa_pub_get(struct view pkcs1, const struct rsa_pub **key, struct err *e)
{
	for (unsigned i = 0; i < N_RECENT; i++) {
		if (recent[i].key && view_eq(pkcs1, (struct view){recent[i].pkcs1, recent[i].len})) {
			*key = recent[i].key;
			return 0;
		}
	}
	int err = slot_fill(&recent[oldest], pkcs1, e);
	if (err)
		return err;
	*key = recent[oldest].key;
	oldest = (oldest + 1) % N_RECENT;
	return 0;
}
