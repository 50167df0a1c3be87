#pragma once

#include <stdbool.h>

#include "server/config.h"

/* What the module of a token may reach, that was loaded before. */
struct sandbox_token {
	int folders[CONFIG_MAX_FOLDERS]; /* descriptors: read, write, make and remove files beneath */
	size_t n_folders;
	enum keystore_sockets sockets;
};

/*
 * What a process may still ask of the kernel, once it has opened what it needs. System calls: keeper, worker and mailer have
 * a list of what they may do, the director of what it may not (it is the one with a database and, later, an uplink).
 * Files: Landlock, where the kernel has it. All of it holds for the process's later threads, and for good.
 *
 * Sanitizer builds keep Landlock but not the list of system calls: the sanitizers need many more.
 */
int sandbox_keeper(int keys_dir, const struct sandbox_token *token, struct err *e) MUST_CHECK; /* token NULL: none */
int sandbox_worker(int published_dir, int provisioning_dir, struct err *e) MUST_CHECK;
int sandbox_director(struct err *e) MUST_CHECK;
int sandbox_mailer(struct err *e) MUST_CHECK; /* names and authorities of the system, and connections */
int sandbox_caller(struct err *e) MUST_CHECK; /* no file; sockets to phones */
/* programs: it may start some, which inherit that they cannot do what the kernel's more dangerous calls are for. */
int sandbox_runner(bool programs, struct err *e) MUST_CHECK;

int sandbox_landlock(void);      /* ABI version of the kernel's Landlock, 0 when it has none */
bool sandbox_filters_calls(void); /* false in sanitizer builds */

/* sandbox_limits: no core dumps where there are secrets; as many descriptors as the system lets us have. */
void sandbox_limits(void);
unsigned sandbox_descriptors(void); /* how many a process may have open */
