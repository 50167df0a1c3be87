#pragma once

#include "base/bytes.h"

/*
 * tls_handshake_message: is m, octet for octet, something that only a TLS server signs in a handshake? That is
 *   TLS 1.3 CertificateVerify: 64 blanks, "TLS 1.3, server CertificateVerify", 00, a transcript hash (RFC 8446 4.4.3);
 *   up to TLS 1.2 ServerKeyExchange: client random, server random, named curve and point (RFC 8422 5.4).
 * The keeper signs nothing else for a worker. The randoms of a ServerKeyExchange are whatever a worker says they are,
 * so one that also is the beginning of a signed file or of a trust list (01 00 02), or a DER SEQUENCE from end to end
 * as the body of a certificate is, is refused; an honest handshake meets that once in 16 million times.
 */
bool tls_handshake_message(struct view m);
