#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone/boot_internal.h"

#define TFTP_ROLES (TVS_ROLE(FUNCTION_CCM_TFTP) | TVS_ROLE(FUNCTION_TFTP))
#define SILENT_MAX 2 /* files without an answer: the server is away, and asking for the others only takes time */

const char *boot_outcome_name(enum boot_outcome o)
{
	static const char *const names[BOOT_OUTCOMES] = {"took", "kept", "refused", "stranded", "failed"};

	return names[o];
}

const char *boot_subject_name(enum boot_subject s)
{
	static const char *const names[BOOT_PARTS] = {"CTL", "ITL", "configuration", "encrypted configuration", "CAPF",
						       "directory"};

	return names[s];
}

struct boot_part *boot_part_of_step(struct boot *b)
{
	return &b->part[boot_step_subject(b->step)];
}

/* ---- what came of it ---- */

void boot_settle(struct boot *b, enum boot_fate fate)
{
	struct boot_part *part_of = boot_part_of_step(b);

	part_of->fate = fate;
	part_of->reason = b->d.reason;
	part_of->where = b->d.where;
	part_of->assumed = b->d.assumed;
	snprintf(part_of->detail, sizeof part_of->detail, "%.*s", (int)sizeof part_of->detail - 1, b->d.detail);
}

static bool is_installed(const struct boot *b, enum list_type type)
{
	const struct trust_list *l = type == LIST_CTL ? b->p->ctl : b->p->itl;

	return l && l->len == b->offer_len && !memcmp(l->data, b->offer, l->len);
}

static void install(struct boot *b, enum list_type type)
{
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	if (is_installed(b, type)) {
		boot_settle(b, FATE_SAME);
		return;
	}
	if (list_parse((struct view){b->offer, b->offer_len}, type, &l, &e)) { /* parsed before: only memory can be short */
		snprintf(b->d.detail, sizeof b->d.detail, "%s", e.text);
		boot_settle(b, FATE_FAILED);
		return;
	}
	phone_install_take(b->p, type, l);
	boot_settle(b, FATE_TAKEN);
	console_tvs_flushed(b->con);
	console_message(b->con, "Trust List Updated");
}

static void list_settled(struct boot *b, enum list_type type)
{
	struct tlv_header h;
	struct err e = ERR_INIT;

	if (tlv_header_read((struct view){b->offer, b->offer_len}, &h, &e))
		h.header_len = 0;
	console_list_decided(b->con, &b->d, h.header_len);
	if (b->d.verdict == VERDICT_ACCEPT) {
		install(b, type);
		return;
	}
	boot_settle(b, FATE_REFUSED);
	console_message(b->con, "Trust List Update Failed");
}

static void directory_settled(struct boot *b)
{
	boot_settle(b, b->d.verdict == VERDICT_ACCEPT ? FATE_TAKEN : FATE_REFUSED);
	if (b->d.verdict == VERDICT_ACCEPT)
		console_error(b->con, "JVM: Startup Module Loader|cip.http.ae:? - listener.httpSucceed: %s",
			      b->config.directory_url); /* an ERR line in the seed too */
	else
		console_message(b->con, "Host Not Found");
}

/* What was just taken only says that the configuration is encrypted. */
static bool is_stub(const struct boot *b)
{
	return (b->step == STEP_CONFIG || b->step == STEP_HTTPS_GET) && b->part[BOOT_CONFIG].fate == FATE_TAKEN &&
	       b->config.encrypted && !b->config.full && !b->old;
}

static void decided(struct boot *b)
{
	switch (b->step) {
	case STEP_CAPF:
		boot_capf_decided(b);
		return;
	case STEP_CTL:
	case STEP_CTL_FILE:
		list_settled(b, LIST_CTL);
		break;
	case STEP_ITL:
	case STEP_ITL_FILE:
		list_settled(b, LIST_ITL);
		break;
	case STEP_HTTPS: /* refused: the file comes from elsewhere, with its signature (8.4) */
		break;
	case STEP_DIRECTORY:
		directory_settled(b);
		break;
	default:
		boot_config_settled(b);
		break;
	}
	if (is_stub(b))
		boot_start_step(b, STEP_FULL);
	else
		boot_next(b);
}

/* ---- TVS ---- */

static void ask_server(struct boot *b)
{
	const struct phone_tvs *t = &b->p->tvs[b->tvs];

	b->todo.action = BOOT_TVS;
	memcpy(b->todo.host, t->host, sizeof b->todo.host);
	b->todo.port = t->port;
	console_tvs_begin(b->con, &b->d, t->host, t->port);
}

static void next_server(struct boot *b)
{
	b->tvs++;
	if (b->tvs < b->p->n_tvs && b->tvs < PHONE_TVS_TRIED) {
		ask_server(b);
		return;
	}
	phone_decide_unreachable(&b->d, b->mismatch ? REASON_TVS_MISMATCH : REASON_TVS_UNREACHABLE);
	decided(b);
}

/* Decided, or a question for TVS first. */
void boot_go_on(struct boot *b)
{
	if (b->d.verdict != VERDICT_ASK_TVS) {
		decided(b);
		return;
	}
	boot_part_of_step(b)->tvs_asked = true;
	b->tvs = 0;
	b->mismatch = false;
	ask_server(b);
}

static int write_question(struct boot *b, struct err *e)
{
	char name[TVS_DEVICE_MAX + 1];
	struct tvs_msg m = b->d.ask;

	phone_tvs_name(b->p, name);
	m.device = view_str(name);
	m.session = b->session++;
	wr_clear(&b->frame);
	return tvs_msg_write(&m, &b->frame, e);
}

void boot_tvs_connected(struct boot *b, const struct cert *server)
{
	struct decision d;
	struct err e = ERR_INIT;

	phone_decide_tvs_server(b->p, server, &d);
	console_tvs_server_decided(b->con, &d, b->todo.host);
	if (d.verdict != VERDICT_ACCEPT) {
		b->mismatch = true;
		next_server(b);
	} else if (write_question(b, &e)) {
		boot_tvs_failed(b, e.text);
	} else {
		b->todo.action = BOOT_ASK;
		b->todo.frame = wr_view_all(&b->frame);
		console_tvs_sent(b->con, &b->d);
	}
}

void boot_tvs_answered(struct boot *b, struct view frame)
{
	bool verify = b->d.ask.type == TVS_VERIFY_REQUEST;
	struct tvs_msg answer;
	struct err e = ERR_INIT;

	if (tvs_msg_read(frame, &answer, &e)) {
		boot_tvs_failed(b, e.text);
		return;
	}
	if (answer.session != b->session - 1) {
		boot_tvs_failed(b, "the answer belongs to another question");
		return;
	}
	console_tvs_answered(b->con, &answer);
	phone_decide_tvs_answer(b->p, (struct view){b->offer, b->offer_len}, &answer, clock_wall_s(b->con->clock), &b->d);
	if (verify && b->d.verdict == VERDICT_ACCEPT)
		console_tvs_cached(b->con, &answer);
	decided(b);
}

void boot_tvs_failed(struct boot *b, const char *why)
{
	console_error(b->con, "SECD: EROR:connectToTvsServer: TVS server IP:%s, port:%u: %s", b->todo.host, b->todo.port, why);
	next_server(b);
}

/* ---- reports ---- */

int boot_take_offer(struct boot *b, struct view data, struct err *e)
{
	uint8_t *copy = malloc(data.len + 1);

	if (!copy)
		return err_set(e, ERR_NOMEM, "no memory for %zu octets", data.len);
	if (data.len)
		memcpy(copy, data.p, data.len);
	free(b->offer);
	b->offer = copy;
	b->offer_len = data.len;
	return 0;
}

static bool asked_signed(const struct boot *b)
{
	size_t len = strlen(b->todo.name);

	return len > 4 && !strcmp(b->todo.name + len - 4, ".sgn");
}

int boot_got(struct boot *b, struct view data, struct err *e)
{
	int rc = boot_take_offer(b, data, e);
	struct view offer = {b->offer, b->offer_len};

	if (rc)
		return rc;
	b->silent = 0;
	console_finished(b->con, data.len);
	if (b->step <= STEP_ITL_FILE)
		phone_decide_list(b->p, boot_step_subject(b->step) == BOOT_CTL ? LIST_CTL : LIST_ITL, offer, &b->d);
	else if (b->step == STEP_HTTPS_GET)
		b->d.payload = 0; /* the server's certificate was accepted, and nobody else can have sent this */
	else
		phone_decide_file(b->p, offer, asked_signed(b), &b->d);
	boot_go_on(b);
	return 0;
}

void boot_missing(struct boot *b)
{
	b->silent = 0;
	console_not_found(b->con, b->todo.name);
	boot_part_of_step(b)->fate = FATE_MISSING;
	switch (b->step) {
	case STEP_CTL:
		boot_start_step(b, STEP_CTL_FILE);
		break;
	case STEP_ITL:
		boot_start_step(b, STEP_ITL_FILE);
		break;
	case STEP_CTL_FILE:
		console_message(b->con, "File Not Found <CTLFile.tlv>");
		boot_next(b);
		break;
	case STEP_HTTPS_GET:
		boot_start_step(b, STEP_CONFIG);
		break;
	case STEP_CONFIG:
		boot_start_step(b, STEP_DEFAULT);
		break;
	case STEP_DEFAULT:
		console_message(b->con, "File not found <Cfg File>");
		boot_next(b);
		break;
	default: /* also without the encrypted form: CAPF, to which .cnf.xml.sgn leads, may bring it */
		boot_next(b);
		break;
	}
}

static void part_failed(struct boot_part *q, const char *why)
{
	q->fate = FATE_FAILED;
	snprintf(q->detail, sizeof q->detail, "%s", why);
}

void boot_failed(struct boot *b, const char *why)
{
	console_no_answer(b->con, b->todo.name, why);
	part_failed(boot_part_of_step(b), why);
	if (b->step == STEP_HTTPS_GET || ++b->silent < SILENT_MAX) {
		boot_next(b);
		return;
	}
	part_failed(&b->part[BOOT_CONFIG], why);
	boot_start_step(b, STEP_END);
}

void boot_connected(struct boot *b, const struct cert *server)
{
	struct err e = ERR_INIT;

	console_tls_done(b->con, b->todo.host);
	if (boot_take_offer(b, cert_der(server), &e)) {
		boot_not_connected(b, e.text);
		return;
	}
	memcpy(b->https, cert_sha256(server), sizeof b->https);
	phone_decide_server(b->p, server, b->step == STEP_HTTPS ? TFTP_ROLES : TVS_ROLE(FUNCTION_APP_SERVER),
			    clock_wall_s(b->con->clock), &b->d);
	if (b->d.verdict == VERDICT_ASK_TVS)
		b->d.ask.certificate = (struct view){b->offer, b->offer_len};
	console_server_decided(b->con, &b->d, b->todo.host);
	boot_go_on(b);
}

void boot_opened(struct boot *b)
{
	b->d = (struct decision){.verdict = VERDICT_ACCEPT, .reason = REASON_HTTP, .record = -1};
	decided(b);
}

void boot_not_connected(struct boot *b, const char *why)
{
	if (b->todo.action == BOOT_OPEN) /* our words */
		console_error(b->con, "JVM: Startup Module Loader|cip.http.ae:? - listener.httpFailed: %s: %s",
			      b->config.directory_url, why);
	else
		console_error(b->con, "SECD: EROR:clpSetupSsl: <%s> port: %u: %s", b->todo.host, b->todo.port, why);
	b->d.verdict = VERDICT_REFUSE;
	if (b->step == STEP_DIRECTORY)
		console_message(b->con, "Host Not Found");
	part_failed(boot_part_of_step(b), why);
	boot_next(b);
}

/* ---- ends ---- */

int boot_new(struct phone *p, struct console *con, const char *server, struct boot **out, struct err *e)
{
	struct boot *b = calloc(1, sizeof *b);

	if (!b)
		return err_set(e, ERR_NOMEM, "no memory for a phone");
	b->p = p;
	b->con = con;
	b->server = server;
	b->session = 1001; /* as real phones number their questions (formats-and-protocols.md 6.1) */
	wr_init(&b->frame, TVS_FRAME_MAX);
	*out = b;
	boot_start_step(b, STEP_CTL);
	return 0;
}

void boot_free(struct boot *b)
{
	if (!b)
		return;
	wr_clear(&b->frame);
	free(b->offer);
	free(b->configuration);
	free(b);
}

void boot_set_https(struct boot *b, uint16_t port)
{
	b->https_port = port;
}

const struct boot_todo *boot_todo(const struct boot *b)
{
	return &b->todo;
}

const struct boot_part *boot_part(const struct boot *b, enum boot_subject s)
{
	return &b->part[s];
}

/* What it took last is the short file, and it got nothing that this could stand for. */
static bool lacks_full(const struct boot *b)
{
	enum boot_fate full = b->part[BOOT_FULL].fate;

	return b->part[BOOT_CONFIG].fate == FATE_TAKEN && !b->config.full && !b->old &&
	       (full == FATE_MISSING || full == FATE_NOT_TRIED);
}

struct view boot_configuration(const struct boot *b)
{
	enum boot_fate full = b->part[BOOT_FULL].fate;

	if (full == FATE_REFUSED || full == FATE_FAILED || lacks_full(b) || b->part[BOOT_CONFIG].fate != FATE_TAKEN)
		return (struct view){0};
	return (struct view){b->configuration, b->configuration_len};
}

enum boot_outcome boot_outcome(const struct boot *b)
{
	const struct boot_part *q = b->part;

	if (q[BOOT_CONFIG].fate == FATE_REFUSED || q[BOOT_FULL].fate == FATE_REFUSED || lacks_full(b))
		return BOOT_STRANDED;
	if (q[BOOT_CONFIG].fate != FATE_TAKEN || q[BOOT_FULL].fate == FATE_FAILED)
		return BOOT_FAILED;
	for (int i = 0; i < BOOT_PARTS; i++)
		if (q[i].fate == FATE_REFUSED)
			return BOOT_REFUSED;
	return q[BOOT_CTL].fate == FATE_TAKEN || q[BOOT_ITL].fate == FATE_TAKEN ? BOOT_TOOK : BOOT_KEPT;
}
