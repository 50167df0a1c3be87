#pragma once

#include "server/ipc.h"

/*
 * Bodies of the keeper's requests and replies; str and octets have a u16 length before them, rest has none.
 *     IPC_KEY_GENERATE  str unit, u8 enum key_type, u32 bits            -> str name, octets SubjectPublicKeyInfo
 *     IPC_KEY_PUBLIC    str name                                        -> octets SubjectPublicKeyInfo
 *     IPC_KEY_SIGN      str name, u8 enum key_scheme, u8 message, u32 digest NID, octets input -> rest signature
 *     IPC_KEY_IMPORT    str unit, octets PKCS#8                         -> str name
 *     IPC_KEY_EXPORT    str name                                        -> rest PKCS#8
 *     IPC_KEY_REMOVE    str name                                        -> nothing
 *     IPC_KEY_LIST      u32 names to skip                               -> u8 there are more, str name ...
 */
#define KEEPER_PAGE 32768           /* octets of names in one reply to IPC_KEY_LIST */
#define KEEPER_TIMEOUT_MS 10000
#define KEEPER_SIGN_MS 2000         /* the loop of the process that asks stands still meanwhile */
#define KEEPER_PAUSE_MS 5000        /* after a signature that did not come, others fail at once for so long */
#define KEEPER_GENERATE_MS 180000   /* RSA-4096 on a slow machine */
