#pragma once

#include <jansson.h>

#include "admin/command.h"
#include "store/service.h"

/* The services of this node as `utils service list` and `show status` show them. */
int service_list(const struct admin_host *host, struct store_service **list, size_t *n, struct err *e) MUST_CHECK;
const char *service_state(const struct admin_host *host, const struct store_service *s, const char **why);
void service_print(FILE *out, const struct admin_host *host, const struct store_service *list, size_t n);
json_t *service_json(const struct admin_host *host, const struct store_service *list, size_t n); /* NULL: out of memory */
