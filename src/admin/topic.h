#pragma once

#include "admin/grammar.h"

/*
 * What administrators look for in vain: a switch for Security By Default, which no CUCM has, and commands of CUCM that have
 * no meaning here. The answer names what there is instead.
 * Source: behaviour.md 1.5, 1.11, 8.3, 9 scenario 39.
 */

/* topic_find: the answer, whole lines, when the words of a line that is no command name such a thing; else NULL. */
const char *topic_find(const struct grammar_line *l);
