#pragma once

#include "pki/keystore.h"

/*
 * A private-key operation, prepared: everything that OpenSSL looks up by name is looked up once, so that one more
 * signature costs what the arithmetic costs. Not for two threads at once.
 */
struct key_op;

/* key_op_new: Errors: ERR_USAGE a scheme that the key cannot do, or an unknown digest; ERR_CRYPTO. */
int key_op_new(EVP_PKEY *key, enum key_scheme scheme, int md_nid, struct key_op **op, struct err *e) MUST_CHECK;
void key_op_free(struct key_op *op); /* accepts NULL */
bool key_op_is(const struct key_op *op, enum key_scheme scheme, int md_nid);

/* key_op_run: req as keystore_ops.sign has it, with the scheme and digest that the operation was made for. */
int key_op_run(struct key_op *op, const struct key_sign *req, uint8_t *sig, size_t *len, struct err *e) MUST_CHECK;
