#pragma once

#include <arpa/inet.h>

/* sockaddr_text: the numeric address of an IPv4 or IPv6 peer, without its port; "?" for another family. */
void sockaddr_text(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN]);
