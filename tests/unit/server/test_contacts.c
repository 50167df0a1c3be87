#include "server/contacts.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "testing.h"

/* What one process notes, as another one receives it over a real channel. */
struct fixture {
	struct event_base *base;
	struct ipc_channel *worker, *director;
	struct contacts *from, *to;
	unsigned messages;
};

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct fixture *f = ctx;
	struct err e = ERR_INIT;

	(void)ch;
	assert_int_equal(m->type, IPC_CONTACTS);
	assert_ok(contacts_receive(f->to, m->body, &e), &e);
	f->messages++;
}

static void start(struct fixture *f)
{
	struct ipc_handlers h = {.message = on_message, .ctx = f};
	struct err e = ERR_INIT;
	int fd[2];

	*f = (struct fixture){.base = event_base_new()};
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(f->base, fd[0], &h, &f->worker, &e), &e);
	assert_ok(ipc_channel_new(f->base, fd[1], &h, &f->director, &e), &e);
	assert_ok(contacts_new(&f->from, &e), &e);
	assert_ok(contacts_new(&f->to, &e), &e);
}

static void stop(struct fixture *f)
{
	ipc_channel_free(f->worker);
	ipc_channel_free(f->director);
	contacts_free(f->from);
	contacts_free(f->to);
	event_base_free(f->base);
}

static size_t hand_over(struct fixture *f)
{
	struct err e = ERR_INIT;

	assert_ok(contacts_send(f->from, f->worker, &e), &e);
	for (int i = 0; i < 64; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	return contacts_count(f->to);
}

static void files_and_names(void **state)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	const struct sockaddr *at = (const struct sockaddr *)&peer;
	struct fixture f;
	const char *model, *address;

	(void)state;
	start(&f);
	contacts_note_file(f.from, "SEP001122334455.cnf.xml", at, false);
	contacts_note_file(f.from, "SEP001122334455.cnf.xml.enc.sgn", at, false);
	contacts_note_file(f.from, "CTLSEP001122334455.tlv", at, false);
	contacts_note_file(f.from, "ITLSEP001122334466.tlv", at, false);
	contacts_note_file(f.from, "CTLFile.tlv", at, false);
	contacts_note_file(f.from, "ITLFile.tlv", at, false);
	contacts_note_file(f.from, ".cnf.xml", at, false);
	contacts_note_file(f.from, "ringlist.xml.sgn", at, false);
	contacts_note_tvs(f.from, "CP-8861-SEP001122334455", at, false);
	contacts_note_tvs(f.from, "CP-", at, false);
	contacts_note_tvs(f.from, "SEP001122334477", at, false);
	contacts_note(f.from, "../../etc", NULL, "192.0.2.9", false);
	assert_int_equal(hand_over(&f), 2 + 0);
	assert_true(contacts_find(f.to, "SEP001122334455", &model, &address));
	assert_string_equal(model, "8861");
	assert_string_equal(address, "192.0.2.1");
	assert_true(contacts_find(f.to, "SEP001122334466", &model, &address));
	assert_string_equal(model, "");
	assert_int_equal(hand_over(&f), 2); /* nothing is sent twice */
	assert_int_equal(f.messages, 1);
	stop(&f);
}

static void more_than_fit(void **state)
{
	struct fixture f;
	char name[32];

	(void)state;
	start(&f);
	for (int i = 0; i < CONTACTS_MAX + 100; i++) {
		snprintf(name, sizeof(name), "SEP%012X", i);
		contacts_note(f.from, name, "a model whose name is as long as any", "2001:db8::1234:5678:9abc:def0", false);
	}
	assert_int_equal(hand_over(&f), CONTACTS_MAX);
	assert_true(f.messages > 1);
	stop(&f);
}

static void malformed_ones(void **state)
{
	static const uint8_t not_a_flag[] = {0, 3, 'S', 'E', 'P', 0, 0, 0, 0, 4};
	static const uint8_t cut[] = {0, 3, 'S', 'E', 'P', 0, 9, 'x'};
	struct fixture f;
	struct err e = ERR_INIT;

	(void)state;
	start(&f);
	assert_int_equal(contacts_receive(f.to, (struct view){cut, sizeof(cut)}, &e), ERR_PROTO);
	assert_string_equal(e.rule, "contacts");
	err_clear(&e);
	assert_int_equal(contacts_receive(f.to, (struct view){not_a_flag, sizeof(not_a_flag)}, &e), ERR_PROTO);
	assert_int_equal(contacts_count(f.to), 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_names),
		cmocka_unit_test(more_than_fit),
		cmocka_unit_test(malformed_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
