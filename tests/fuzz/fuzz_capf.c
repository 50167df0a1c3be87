/*
 * CAPF messages: what is read can be written and reads back the same; both machines take any octets in any pieces;
 * proofs and public keys of strangers are judged without a crash. */
#include <stdlib.h>

#include "pki/lsc.h"
#include "proto/capf_client.h"
#include "proto/capf_proof.h"
#include "proto/capf_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool same(const struct capf_msg *a, const struct capf_msg *b)
{
	return a->command == b->command && a->session == b->session && a->has_reason == b->has_reason &&
	       a->reason == b->reason &&
	       view_eq(a->device, b->device) && view_eq(a->password, b->password) &&
	       view_eq(a->certificate, b->certificate) &&
	       view_eq(a->public_key, b->public_key) && view_eq(a->signed_data, b->signed_data) &&
	       view_eq(a->sha2_signed_data, b->sha2_signed_data) && view_eq(a->sudi_data, b->sudi_data) &&
	       a->version == b->version && a->key_bits == b->key_bits && a->key_type == b->key_type && a->curve == b->curve;
}

static void judge(const struct capf_msg *m)
{
	const struct key_spec asked[] = {{KEY_RSA, 2048}, {KEY_EC, 384}};
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	for (size_t i = 0; m->public_key.len && i < 2; i++) {
		struct err why = ERR_INIT;
		int rc = lsc_key_check(m->public_key, asked[i], &why);
		must(!rc || rc == ERR_AUTH);
	}
	if (m->sudi_data.len && !capf_sudi_verify(m->session, m->sudi_data, &c, &e))
		cert_unref(c);
	err_clear(&e);
	if (!m->certificate.len || cert_from_der(m->certificate, &c, &e))
		return;
	if (!capf_proof_verify(m->device, c, m->signed_data, m->sha2_signed_data, &e))
		must(m->signed_data.len && m->sha2_signed_data.len);
	cert_unref(c);
}

static void read_and_write(struct view frame)
{
	struct capf_msg m, again;
	struct err e = ERR_INIT;
	struct wr w;

	if (capf_msg_read(frame, &m, &e)) {
		must((e.code == ERR_PROTO && e.rule) || e.code == ERR_AGAIN);
		return;
	}
	must(m.device.len <= CAPF_DEVICE_MAX && m.password.len <= CAPF_PASSWORD_MAX);
	judge(&m);
	wr_init(&w, CAPF_FRAME_MAX);
	if (!capf_msg_write(&m, &w, &e)) {
		must(!capf_msg_read(wr_view_all(&w), &again, &e));
		must(same(&m, &again));
	}
	wr_clear(&w);
}

/* The last octet says what is decided each time. */
static void serve(struct view in, uint8_t choice)
{
	const struct capf_decision d = {.action = (enum capf_action)(choice % 6), .reason = choice, .key_bits = 2048,
					.key_type = choice >> 4 & 1};
	struct capf_conn conn;
	enum capf_want want = CAPF_WANT_WRITE;
	size_t used = 1;

	capf_conn_init(&conn, 0x00010203, 0);
	while (want == CAPF_WANT_WRITE || want == CAPF_WANT_DECISION || (want == CAPF_WANT_READ && used)) {
		enum capf_question question;
		struct err e = ERR_INIT;
		struct wr out;

		wr_init(&out, CAPF_FRAME_MAX);
		if (want == CAPF_WANT_DECISION) {
			want = capf_conn_decide(&conn, &d, 0, &out, &e);
			must(out.len > 0);
		} else {
			want = capf_conn_step(&conn, in, 0, &used, &question, &out, &e);
			must(used <= in.len && (want != CAPF_WANT_WRITE || out.len > 0));
			in = (struct view){in.len > used ? in.p + used : NULL, in.len - used};
		}
		wr_clear(&out);
	}
}

static void visit(struct view in)
{
	const struct capf_identity me = {.device = "SEP001122334455", .password = "1234", .version = 3};
	enum capf_client_want want = CAPF_CLIENT_WRITE;
	struct capf_client client;

	capf_client_init(&client, &me);
	while (want == CAPF_CLIENT_WRITE) {
		struct err e = ERR_INIT;
		struct wr out;
		size_t used;

		wr_init(&out, CAPF_FRAME_MAX);
		want = capf_client_step(&client, in, &used, &out, &e);
		must(used <= in.len && (want != CAPF_CLIENT_FAIL || e.code));
		in = (struct view){in.len > used ? in.p + used : NULL, in.len - used};
		wr_clear(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = {data, size};

	read_and_write(in);
	visit(in);
	serve(in, size ? data[size - 1] : 0);
	return 0;
}
