#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "proto/sip.h"

/* What a stranger sends to the process that tells phones to reset, or to an emulated phone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct view v, const uint8_t *data, size_t size)
{
	assert(!v.p || (v.p >= data && v.p + v.len <= data + size));
}

static void one(const uint8_t *data, size_t size, bool stream)
{
	struct sip_message m, again;
	enum sip_action action;
	char user[64];
	struct err e = ERR_INIT;
	size_t used;
	struct wr w;

	if (sip_parse((struct view){data, size}, stream, &m, &used, NULL))
		return;
	assert(used <= size && used <= SIP_MAX);
	within(m.via, data, used);
	within(m.from, data, used);
	within(m.to, data, used);
	within(m.body, data, used);
	within(sip_branch(m.via), data, used);
	if (sip_uri_user(m.uri, user, sizeof(user)))
		assert(text_is_device_name(user));
	if (sip_action_read(m.body, &action, NULL) == 0)
		assert(action < SIP_N_ACTIONS);
	if (!m.method.len)
		return;
	/* Its answer can be read, and goes back the same way. */
	wr_init(&w, 4 * SIP_MAX);
	sip_answer_write(&w, &m, 200, "OK", "1");
	struct view all = wr_view_all(&w);
	/* One field more than the request may have had: Content-Length. */
	if (all.len <= SIP_MAX && sip_parse(all, true, &again, &used, &e) == 0) {
		assert(again.status == 200);
		assert(view_eq(sip_branch(again.via), sip_branch(m.via)) && view_eq(again.call_id, m.call_id));
	} else {
		assert(all.len > SIP_MAX || strcmp(e.rule, "sip-field") == 0);
	}
	wr_clear(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	one(data, size, false);
	one(data, size, true);
	return 0;
}
