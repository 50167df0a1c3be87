/* TVS messages: what is read can be written and reads back the same; a connection takes any octets in any pieces. */
#include <stdlib.h>
#include <string.h>

#include "proto/tvs_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool yes_verify(void *ctx, struct view der, struct tvs_answer *a)
{
	(void)ctx;
	*a = (struct tvs_answer){der, TVS_ROLE(7), 60};
	return der.len % 2;
}

static bool yes_query(void *ctx, struct view subject, struct view issuer, struct view serial, struct tvs_answer *a)
{
	(void)ctx;
	(void)subject;
	must(issuer.len && serial.len);
	*a = (struct tvs_answer){issuer, TVS_ROLE(0), 60};
	return serial.len % 2;
}

static void read_and_write(struct view frame)
{
	struct tvs_msg m, again;
	struct err e = ERR_INIT;
	struct wr w;

	if (tvs_msg_read(frame, &m, &e)) {
		must(e.code == ERR_PROTO && e.rule);
		return;
	}
	must(m.device.len <= TVS_DEVICE_MAX);
	wr_init(&w, TVS_FRAME_MAX);
	if (!tvs_msg_write(&m, &w, &e)) {
		must(!tvs_msg_read(wr_view_all(&w), &again, &e));
		must(again.type == m.type && again.session == m.session);
		must(m.type % 2 == 0 || (view_eq(again.certificate, m.certificate) && view_eq(again.issuer, m.issuer) &&
					 view_eq(again.serial, m.serial) && view_eq(again.device, m.device)));
	}
	wr_clear(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tvs_lookup lookup = {yes_verify, yes_query, NULL};
	struct tvs_counters counters = {0};
	struct view in = {data, size};
	struct tvs_conn conn;
	struct tvs_event ev;
	enum tvs_want want = TVS_WANT_WRITE;
	size_t used;

	read_and_write(in);
	tvs_conn_init(&conn, &lookup, &counters, 0);
	while (want == TVS_WANT_WRITE) {
		struct err e = ERR_INIT;
		struct wr out;

		wr_init(&out, TVS_FRAME_MAX);
		want = tvs_conn_step(&conn, in, 0, &used, &out, &ev, &e);
		must(used <= in.len && (want != TVS_WANT_WRITE) == (used == 0));
		must((out.len > 0) == (want == TVS_WANT_WRITE) && (want == TVS_WANT_CLOSE) == (e.code != 0));
		wr_clear(&out);
		in = (struct view){in.p + used, in.len - used};
	}
	return 0;
}
