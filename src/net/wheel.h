#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * Deadlines for very many items, most of which are put off before they come: putting one off costs nothing, since the
 * owner only writes down the new time, and adds the item again when the wheel hands it out too early.
 */
#define WHEEL_TICK_MS 64
#define WHEEL_SLOTS 256 /* a deadline behind WHEEL_TICK_MS * (WHEEL_SLOTS - 1), 16 s, comes early */

struct wheel_item {
	LIST_ENTRY(wheel_item) link;
};

LIST_HEAD(wheel_list, wheel_item);

struct wheel {
	struct wheel_list slots[WHEEL_SLOTS];
	struct wheel_list ripe;
	uint64_t tick; /* slots up to this one were emptied */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_add(struct wheel *w, struct wheel_item *i, uint64_t due_ms); /* never handed out before due_ms, except as above */
void wheel_remove(struct wheel_item *i);                                /* of an item that was added and not handed out */
void wheel_advance(struct wheel *w, uint64_t now_ms);                   /* time has come this far */
struct wheel_item *wheel_next(struct wheel *w);                         /* take out an item whose slot has passed, or NULL */
