#pragma once

#include <stdio.h>

#include "cmd/cmd.h"
#include "format/list.h"

/* What the tools for files share: inputs, whom the operator trusts, who signs. */

/* offline_read: the file called path, "-" is standard input; the caller frees v->p. Errors: as file_read. */
int offline_read(const char *path, struct view *v, struct err *e) MUST_CHECK;
void offline_free(struct view v);

/*
 * offline_check_out: may out be written? The input is never written to, whatever it is called there; another file only by
 * force. Errors: ERR_USAGE, ERR_IO.
 */
int offline_check_out(const char *in, const char *out, bool force, struct err *e) MUST_CHECK;

/* offline_list: a trust list that must be intact (list_verify_self). Errors: as list_parse and list_verify_self. */
int offline_list(const char *path, struct trust_list **l, struct err *e) MUST_CHECK;

/* Whom the operator trusts: --trust lists, of which each stands for its records, and --cert certificates. */
#define TRUST_MAX 32
struct trust {
	struct {
		const char *path; /* borrowed: a word of the command line */
		struct trust_list *list;
		struct cert *cert;
	} of[TRUST_MAX];
	size_t n;
};

int trust_add_list(struct trust *t, const char *path, struct err *e) MUST_CHECK;
int trust_add_cert(struct trust *t, const char *path, struct err *e) MUST_CHECK;
void trust_clear(struct trust *t);

/*
 * trust_verify: is the file signed by somebody that t trusts?
 * In:     functions the set that a record of a list must be in (FUNCTION_BIT).
 * Out:    who, a phrase: "record 1 (TFTP) of ITLFile.tlv, CN=...".
 * Errors: ERR_AUTH nobody in t is the signer; ERR_CRYPTO somebody is, and the signature does not hold.
 */
int trust_verify(const struct trust *t, uint32_t functions, struct view file, const struct tlv_header *h, char *who,
		 size_t size, struct err *e) MUST_CHECK;
#define SGN_FUNCTIONS (FUNCTION_BIT(FUNCTION_CCM_TFTP) | FUNCTION_BIT(FUNCTION_TFTP))

/* A private key and its certificate out of one PEM file. */
struct pem_signer {
	EVP_PKEY *key;
	struct cert *cert;
};

/*
 * pem_signer_load: a passphrase is asked for on the terminal.
 * Errors: ERR_USAGE no key or no certificate in it, the passphrase is wrong or cannot be asked for, they are no pair.
 */
int pem_signer_load(const char *path, struct pem_signer *s, struct err *e) MUST_CHECK;
/* pem_key_load: the private key alone. Errors: ERR_USAGE as above. */
int pem_key_load(const char *path, EVP_PKEY **key, struct err *e) MUST_CHECK;
void pem_signer_clear(struct pem_signer *s);
struct list_signer pem_signer_of(struct pem_signer *s); /* borrows */

/* Values of options. Each returns false for an unknown word. */
bool option_digest(const char *word, enum digest *d);      /* sha1, sha512 */
bool option_names(const char *word, enum name_form *form); /* A, C */
bool option_role(const char *word, size_t len, uint16_t *function); /* "CCM+TFTP", any case; the first len octets */
const char *role_name(unsigned function); /* as option_role takes it: "SAST"; NULL for an unknown number */

/* view_print: octets of a stranger, printable. */
void view_print(FILE *out, struct view v);
