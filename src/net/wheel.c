#include "net/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		LIST_INIT(&w->slots[i]);
	LIST_INIT(&w->ripe);
	w->tick = now_ms / WHEEL_TICK_MS;
}

void wheel_add(struct wheel *w, struct wheel_item *i, uint64_t due_ms)
{
	uint64_t tick = due_ms / WHEEL_TICK_MS + 1; /* behind it, so that the whole of due_ms has passed */

	if (tick <= w->tick)
		tick = w->tick + 1;
	if (tick >= w->tick + WHEEL_SLOTS)
		tick = w->tick + WHEEL_SLOTS - 1;
	LIST_INSERT_HEAD(&w->slots[tick % WHEEL_SLOTS], i, link);
}

void wheel_remove(struct wheel_item *i)
{
	LIST_REMOVE(i, link);
}

static void ripen(struct wheel *w, struct wheel_list *slot)
{
	struct wheel_item *i;

	while ((i = LIST_FIRST(slot))) {
		LIST_REMOVE(i, link);
		LIST_INSERT_HEAD(&w->ripe, i, link);
	}
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
	uint64_t tick = now_ms / WHEEL_TICK_MS;

	if (tick > w->tick + WHEEL_SLOTS) /* one round empties all of them */
		w->tick = tick - WHEEL_SLOTS;
	while (w->tick < tick) {
		w->tick++;
		ripen(w, &w->slots[w->tick % WHEEL_SLOTS]);
	}
}

struct wheel_item *wheel_next(struct wheel *w)
{
	struct wheel_item *i = LIST_FIRST(&w->ripe);

	if (i)
		LIST_REMOVE(i, link);
	return i;
}
