/* Messages of the CTL Provider: what is read can be written and is the same octets; both machines take any octets. */
#include <stdlib.h>

#include "proto/ctl_provider_client.h"
#include "proto/ctl_provider_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void read_and_write(struct view frame)
{
	static struct ctlp_msg m;
	struct err e = ERR_INIT;
	struct wr w;

	if (ctlp_msg_read(frame, &m, &e)) {
		must(e.code == ERR_PROTO && e.rule);
		return;
	}
	wr_init(&w, CTLP_FRAME_MAX);
	must(!ctlp_msg_write(&m, &w, &e) && view_eq(wr_view_all(&w), frame));
	wr_clear(&w);
}

static void serve(struct view in)
{
	static const uint8_t welcome[] = {0x43, 1, CTLP_WELCOME, 0, 0, 0, 0, 0};
	struct ctlp_conn c;
	size_t used = 1;

	ctlp_conn_init(&c, 0);
	for (;;) {
		struct err e = ERR_INIT;
		unsigned delay;
		enum ctlp_want want = ctlp_conn_step(&c, in, 0, &used, &e);

		must(used <= in.len && (want != CTLP_WANT_CLOSE || e.code));
		if (want != CTLP_WANT_DECISION)
			return;
		in = (struct view){in.len > used ? in.p + used : NULL, in.len - used};
		/* Only a login is welcomed; any other question ends here. */
		if (ctlp_conn_decide(&c, (struct view){welcome, sizeof(welcome)}, 0, &delay, &e) == CTLP_WANT_CLOSE)
			return;
	}
}

static void ask(struct view in)
{
	static struct ctlp_msg m;

	for (uint8_t type = CTLP_LOGIN; type <= CTLP_STORE; type++) {
		struct ctlp_client c = {.asked = type};
		struct err e = ERR_INIT;
		size_t used = 0;

		if (!ctlp_client_take(&c, in, &used, &m, &e))
			must(used <= in.len && ctlp_answers(m.type, type));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = {data, size};

	read_and_write(in);
	serve(in);
	ask(in);
	return 0;
}
