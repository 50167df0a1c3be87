#pragma once

#include "base/bytes.h"

/*
 * tls_handshake_message: is m, octet for octet, something that only a TLS server signs in a handshake? That is
 *   TLS 1.3 CertificateVerify: 64 blanks, "TLS 1.3, server CertificateVerify", 00, a transcript hash (RFC 8446 4.4.3);
 *   TLS 1.2 ServerKeyExchange: client random, server random, named curve and point (RFC 8422 5.4).
 * The keeper signs nothing else for a worker: neither form can be mistaken for a certificate, a trust list or a signed
 * file, which begin with a DER SEQUENCE or with 01 00 02.
 */
bool tls_handshake_message(struct view m);
