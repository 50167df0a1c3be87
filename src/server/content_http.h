#pragma once

#include "net/http.h"
#include "server/content.h"

/* content_for_http: a content as an HTTP server wants it. Logs what was asked for (debug) and what failed. */
struct http_handler content_for_http(struct content *c);
