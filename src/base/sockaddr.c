#include "base/sockaddr.h"

#include <netinet/in.h>
#include <stdio.h>

void sockaddr_text(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	const void *ip = sa->sa_family == AF_INET ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;

	if (!inet_ntop(sa->sa_family, ip, out, INET6_ADDRSTRLEN))
		snprintf(out, INET6_ADDRSTRLEN, "?");
}
