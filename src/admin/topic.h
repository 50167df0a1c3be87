#pragma once

#include "admin/grammar.h"

/*
 * What administrators look for and no CUCM has: a switch for Security By Default. The answer names what there is instead.
 * Source: behaviour.md 8.3, 9 scenario 39.
 */

/* topic_find: the answer, whole lines, when the words of a line that is no command name such a thing; else NULL. */
const char *topic_find(const struct grammar_line *l);
