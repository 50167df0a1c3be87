#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/doctor_internal.h"

#define TCP_LISTEN 10 /* state 0A of /proc/net/tcp, proc(5) */

/* The inode of the socket that is bound to port in one of /proc/net's tables; 0 when none is. */
static uint64_t socket_inode(const char *table, bool udp, uint16_t port)
{
	AUTO(auto_fclose) FILE *f = fopen(table, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned bound, state;
		uint64_t inode;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %" SCNu64, &bound,
			   &state, &inode) != 3)
			continue;
		if (bound == port && (udp || state == TCP_LISTEN))
			return inode;
	}
	return 0;
}

static bool has_socket(const char *pid, const char *wanted)
{
	char path[300], target[64];
	bool has = false;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	for (struct dirent *d; !has && (d = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			has = strcmp(target, wanted) == 0;
		}
	}
	closedir(dir);
	return has;
}

static void describe(const char *pid, char *out, size_t size)
{
	char path[300], name[64] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	AUTO(auto_fclose) FILE *f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	snprintf(out, size, "%s (pid %s)", name[0] ? name : "a process", pid);
}

void doctor_port_holder(bool udp, uint16_t port, char *out, size_t size)
{
	char wanted[64];
	uint64_t inode = socket_inode(udp ? "/proc/net/udp" : "/proc/net/tcp", udp, port);

	out[0] = '\0';
	if (!inode)
		inode = socket_inode(udp ? "/proc/net/udp6" : "/proc/net/tcp6", udp, port);
	DIR *proc = inode ? opendir("/proc") : NULL;
	if (!proc)
		return;
	snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	for (struct dirent *d; (d = readdir(proc));) {
		if (isdigit((unsigned char)d->d_name[0]) && has_socket(d->d_name, wanted)) {
			describe(d->d_name, out, size);
			break;
		}
	}
	closedir(proc);
}
