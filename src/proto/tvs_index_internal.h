#pragma once

#include "proto/tvs_index.h"

/* The file's layout, for its builder and its reader. */
#define INDEX_MAGIC "RFTVSIDX"
#define INDEX_VERSION 1
#define HEADER_LEN 64
#define CHECKSUM_AT 32   /* octets of the header before the checksum */
#define SHA256_LEN 32
#define ENTRY_LEN 56
#define HASH_SLOT_LEN 4
#define KEY_LEN 16       /* octets of SHA-256 that name slots keep: nobody finds two identities with the same ones */
#define NAME_SLOT_LEN (KEY_LEN + 4)
#define ENTRIES_MAX 4000000
#define FILE_MAX_LEN ((size_t)1 << 36)


/* tvs_index_key: the identity that a name slot stands for: serial, with its length before it, and normalised issuer. */
int tvs_index_key(struct view serial, const char *name, size_t name_len, uint8_t key[KEY_LEN], struct err *e) MUST_CHECK;

uint32_t tvs_index_slot(const uint8_t *key, uint32_t n_slots); /* where the search for a key begins */

/* tvs_index_checksum: of the whole file, its own place counted as zeros. */
int tvs_index_checksum(struct view file, uint8_t out[SHA256_LEN], struct err *e) MUST_CHECK;
