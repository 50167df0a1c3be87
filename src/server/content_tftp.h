#pragma once

#include "net/tftp_server.h"
#include "server/content.h"

/* content_for_tftp: a content as a TFTP server wants it. Logs what was asked for (debug) and what failed. */
struct tftp_content content_for_tftp(struct content *c);
