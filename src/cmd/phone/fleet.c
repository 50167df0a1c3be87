/*
 * Many phones at once in one process. Each has its own state; `concurrency` of them boot at a time, the next one starts
 * when one is through, and a phone's memory is released when it is.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cmd/phone/driver.h"
#include "cmd/phone/folder.h"
#include "cmd/phone/models.h"
#include "cmd/phone/phone.h"
#include "cmd/phone/report.h"
#include "cmd/phone/stay.h"
#include "net/fetch.h"

#define COUNT_MAX 1000000
#define CONCURRENCY_MAX 4096
#define CONCURRENCY 256
#define HOLDING_MAX 2
#define ONCE_MORE 2
#define SHOWN_PHONES 20   /* stranded phones that the summary names */
#define PROGRESS_MS 200

enum option {
	OPT_COUNT = CMD_LONG, OPT_TFTP, OPT_HTTP_PORT, OPT_HTTPS_PORT, OPT_TRANSPORT,
	OPT_MODEL, OPT_MODELS, OPT_FIRST, OPT_STATE,
	OPT_CONCURRENCY, OPT_HOLDING, OPT_TVS, OPT_JSON, OPT_CAPF_KEY, OPT_CAPF_RETRY, OPT_STAY, OPT_LISTEN,
};

struct fleet_options {
	uint64_t count, concurrency, first;
	struct driver_server server;
	enum driver_transport transport;
	const char *model, *models, *state;
	const char *holding[HOLDING_MAX];
	size_t n_holding;
	struct phone_tvs tvs;
	const char *capf_key;
	uint64_t capf_retry_s;
	bool json;
	struct stay_options stay;
};

struct fleet {
	const struct cmd *cmd;
	const struct fleet_options *o;
	struct traits_table *table;
	struct driver driver;
	struct view holding[HOLDING_MAX]; /* lists that every new phone begins with */
	uint64_t started, ended;
	uint64_t outcomes[BOOT_OUTCOMES];
	uint64_t reasons[REASON_COUNT];   /* of what was refused */
	uint64_t asked_tvs;
	uint64_t capf[BOOT_CAPF_RESULTS];
	EVP_PKEY *capf_key;
	char shown[SHOWN_PHONES][64];
	size_t n_shown;
	uint64_t begun_ms, shown_ms;
	bool terminal;
	bool io_failed;

	/* Of those that stay. */
	struct stay stay;
	uint8_t *booting;                 /* of each phone: it boots now, or must ONCE_MORE */
	uint64_t told, again[BOOT_OUTCOMES]; /* phones that were told to boot; how boots ended that followed */
};

/* One phone of the fleet, from its start to its end. */
struct member {
	struct fleet *f;
	uint64_t n;           /* which it is */
	bool again;           /* not its first boot */
	struct phone phone;
	struct console console;
};

static void start_more(struct fleet *f);
static int member_start(struct fleet *f, uint64_t n, bool again, struct err *e);
static bool first_option(const char *text, uint64_t *first);

static void member_free(struct member *m)
{
	phone_clear(&m->phone);
	free(m);
}

static void folder_of(const struct fleet *f, const struct phone *p, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", f->o->state, p->device);
}

/* ---- counting ---- */

static void count_reasons(struct fleet *f, const struct boot *b)
{
	bool asked = false;

	for (int s = 0; s < BOOT_PARTS; s++) {
		const struct boot_part *q = boot_part(b, s);

		asked |= q->tvs_asked;
		if (q->fate == FATE_REFUSED)
			f->reasons[q->reason]++;
	}
	f->asked_tvs += asked;
}

static void show_progress(struct fleet *f)
{
	uint64_t now = clock_mono_ms(&clock_system);

	if (!f->terminal || (now - f->shown_ms < PROGRESS_MS && f->ended < f->o->count))
		return;
	f->shown_ms = now;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " phones: took %" PRIu64 ", kept %" PRIu64 ", refused %" PRIu64
		", stranded %" PRIu64 ", failed %" PRIu64 "%s", f->ended, f->o->count, f->outcomes[BOOT_TOOK],
		f->outcomes[BOOT_KEPT], f->outcomes[BOOT_REFUSED], f->outcomes[BOOT_STRANDED], f->outcomes[BOOT_FAILED],
		f->ended == f->o->count ? "\n" : "");
}

static void save(struct fleet *f, const struct member *m, const struct boot *b)
{
	char path[4200];
	struct err e = ERR_INIT;

	if (!f->o->state || f->io_failed)
		return;
	folder_of(f, &m->phone, path, sizeof path);
	if (folder_save(path, &m->phone, boot_configuration(b), &e)) {
		f->io_failed = true;
		cmd_error(f->cmd, CMD_NO, "%s", e.text);
	}
}

/* One that was told to boot while it did has to once more: it may have fetched what is old by now. */
static void end_boot(struct member *m)
{
	struct fleet *f = m->f;
	struct err e = ERR_INIT;
	uint64_t n = m->n;
	bool once_more = f->booting[n] == ONCE_MORE;

	member_free(m);
	f->booting[n] = false;
	if (once_more && member_start(f, n, true, &e))
		cmd_error(f->cmd, CMD_NO, "%s", e.text);
}

static void booted_again(struct member *m, const struct boot *b)
{
	m->f->again[boot_outcome(b)]++;
	save(m->f, m, b);
	end_boot(m);
}

static void member_done(void *ctx, const struct boot *b)
{
	struct member *m = ctx;
	struct fleet *f = m->f;
	enum boot_outcome outcome = boot_outcome(b);

	if (m->again) {
		booted_again(m, b);
		return;
	}
	f->outcomes[outcome]++;
	f->capf[boot_capf(b)]++;
	count_reasons(f, b);
	if (outcome == BOOT_STRANDED && f->n_shown < SHOWN_PHONES)
		snprintf(f->shown[f->n_shown++], sizeof *f->shown, "%s", m->phone.device);
	save(f, m, b);
	end_boot(m);
	f->ended++;
	show_progress(f);
	start_more(f);
	if (f->ended == f->o->count)
		stay_count(&f->stay, &f->o->stay);
}

/* ---- starting ---- */

/* The model of phone number n: --model may name several, separated by commas. */
static void model_of(const struct fleet *f, uint64_t n, char *out, size_t size)
{
	const char *list = f->o->model;
	uint64_t models = 1;

	for (const char *s = list; *s; s++)
		models += *s == ',';
	for (n %= models; n; n--)
		list = strchr(list, ',') + 1;
	snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
}

static int begin_with(const struct fleet *f, struct phone *p, struct err *e)
{
	for (size_t i = 0; i < f->o->n_holding; i++) {
		struct trust_list *l = NULL;
		int rc = list_parse(f->holding[i], LIST_ITL, &l, e);

		if (rc)
			return rc;
		phone_install_take(p, list_type_of(l), l);
	}
	if (f->o->tvs.port) {
		p->tvs[0] = f->o->tvs;
		p->n_tvs = 1;
	}
	return 0;
}

static int member_start(struct fleet *f, uint64_t n, bool again, struct err *e)
{
	struct member *m = calloc(1, sizeof *m);
	char device[32], model[32], path[4200];
	int rc = 0;

	if (!m)
		return err_set(e, ERR_NOMEM, "no memory for a phone");
	snprintf(device, sizeof device, "SEP%012" PRIX64, (f->o->first + n) & 0xffffffffffff);
	model_of(f, n, model, sizeof model);
	m->f = f;
	m->n = n;
	m->again = again;
	m->console.clock = &clock_system;
	phone_init(&m->phone, device, model, traits_find(f->table, model));
	if (f->o->state) {
		folder_of(f, &m->phone, path, sizeof path);
		rc = folder_load(path, f->table, &m->phone, e);
	}
	if (!rc && (!f->o->state || !folder_exists(path)))
		rc = begin_with(f, &m->phone, e);
	f->booting[n] = !rc;
	if (!rc)
		rc = driver_boot(&f->driver, &m->phone, &m->console, member_done, m, e);
	if (rc) {
		f->booting[n] = false;
		member_free(m);
	}
	return rc;
}

static bool told(void *ctx, const char *device, enum sip_action a)
{
	struct fleet *f = ctx;
	struct err e = ERR_INIT;
	uint64_t number;

	(void)a;
	if (!first_option(device, &number))
		return false;
	uint64_t n = (number - f->o->first) & 0xffffffffffff;
	if (n >= f->o->count)
		return false;
	f->told++;
	if (n >= f->started)
		return true; /* it boots anyway */
	if (f->booting[n])
		f->booting[n] = ONCE_MORE;
	else if (member_start(f, n, true, &e))
		cmd_error(f->cmd, CMD_NO, "%s", e.text);
	return true;
}

static void start_more(struct fleet *f)
{
	struct err e = ERR_INIT;

	while (f->started < f->o->count && f->started - f->ended < f->o->concurrency)
		if (member_start(f, f->started++, false, &e)) {
			cmd_error(f->cmd, CMD_NO, "%s", e.text);
			f->io_failed = true;
			f->outcomes[BOOT_FAILED]++;
			f->ended++;
			err_clear(&e);
		}
}

/* ---- the summary ---- */

static long peak_kib(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) ? 0 : u.ru_maxrss;
}

static void summary_text(const struct fleet *f, double seconds)
{
	printf("%" PRIu64 " phones in %.2f s (%.0f a second), %" PRIu64 " at a time, %.1f MiB\n", f->ended, seconds,
	       (double)f->ended / seconds, f->o->concurrency, (double)peak_kib() / 1024);
	for (int o = 0; o < BOOT_OUTCOMES; o++)
		printf("  %-10s %" PRIu64 "\n", boot_outcome_name(o), f->outcomes[o]);
	printf("  asked TVS  %" PRIu64 "\n", f->asked_tvs);
	for (int r = BOOT_CAPF_NOT_TRIED + 1; r < BOOT_CAPF_RESULTS; r++)
		if (f->capf[r])
			printf("  CAPF       %" PRIu64 " %s\n", f->capf[r], boot_capf_name(r));
	for (int r = 0; r < REASON_COUNT; r++)
		if (f->reasons[r])
			printf("refused %" PRIu64 " times: %s\n", f->reasons[r], reason_text(r));
	if (f->told) {
		printf("told to boot again: %" PRIu64 "\n", f->told);
		for (int o = 0; o < BOOT_OUTCOMES; o++)
			printf("  %-10s %" PRIu64 "\n", boot_outcome_name(o), f->again[o]);
	}
	for (size_t i = 0; i < f->n_shown; i++)
		printf("stranded: %s\n", f->shown[i]);
	if (f->outcomes[BOOT_STRANDED] > f->n_shown)
		printf("stranded: %" PRIu64 " more\n", f->outcomes[BOOT_STRANDED] - f->n_shown);
}

static json_t *capf_json(const struct fleet *f)
{
	const uint64_t *n = f->capf;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "nothing", (json_int_t)n[BOOT_CAPF_NOTHING], "installed",
			 (json_int_t)n[BOOT_CAPF_INSTALLED], "fetched", (json_int_t)n[BOOT_CAPF_FETCHED], "deleted",
			 (json_int_t)n[BOOT_CAPF_DELETED], "refused",
			 (json_int_t)(n[BOOT_CAPF_DECLINED] + n[BOOT_CAPF_DISTRUSTED]), "failed",
			 (json_int_t)(n[BOOT_CAPF_NO_STRING] + n[BOOT_CAPF_LATER] + n[BOOT_CAPF_FAILED]));
}

static void summary_json(const struct fleet *f, double seconds)
{
	json_t *o = json_object(), *reasons = json_object(), *stranded = json_array(), *again = json_object();

	json_object_set_new(o, "phones", json_integer((json_int_t)f->ended));
	for (int i = 0; i < BOOT_OUTCOMES; i++)
		json_object_set_new(o, boot_outcome_name(i), json_integer((json_int_t)f->outcomes[i]));
	json_object_set_new(o, "told", json_integer((json_int_t)f->told));
	for (int i = 0; i < BOOT_OUTCOMES; i++)
		json_object_set_new(again, boot_outcome_name(i), json_integer((json_int_t)f->again[i]));
	json_object_set_new(o, "again", again);
	json_object_set_new(o, "asked_tvs", json_integer((json_int_t)f->asked_tvs));
	json_object_set_new(o, "capf", capf_json(f));
	for (int r = 0; r < REASON_COUNT; r++)
		if (f->reasons[r])
			json_object_set_new(reasons, reason_name(r), json_integer((json_int_t)f->reasons[r]));
	for (size_t i = 0; i < f->n_shown; i++)
		json_array_append_new(stranded, json_string(f->shown[i]));
	json_object_set_new(o, "reasons", reasons);
	json_object_set_new(o, "stranded_first", stranded);
	json_object_set_new(o, "seconds", json_real(seconds));
	json_object_set_new(o, "peak_kib", json_integer(peak_kib()));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* ---- the command ---- */

/* Every phone that boots has a socket, and a second one for a moment. */
static void raise_descriptors(uint64_t wanted)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= wanted)
		return;
	l.rlim_cur = l.rlim_max == RLIM_INFINITY || l.rlim_max > wanted ? wanted : l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int prepare(struct fleet *f, struct err *e)
{
	const struct fleet_options *o = f->o;
	int rc = models_load(o->models, &f->table, e);

	for (size_t i = 0; !rc && i < o->n_holding; i++) {
		uint8_t *data = NULL;
		size_t len;

		rc = file_read(AT_FDCWD, o->holding[i], TLV_FILE_MAX, &data, &len, e);
		if (!rc)
			f->holding[i] = (struct view){data, len};
	}
	if (!rc && o->state)
		rc = file_mkdir(AT_FDCWD, o->state, 0755, e);
	if (!rc && o->capf_key)
		rc = folder_key(AT_FDCWD, o->capf_key, &f->capf_key, e);
	if (!rc)
		rc = driver_init(&f->driver, &o->server, o->transport, e);
	f->driver.capf_key = f->capf_key;
	f->driver.capf_retry_s = (unsigned)o->capf_retry_s;
	f->booting = calloc(o->count, 1);
	if (!rc && !f->booting)
		rc = err_set(e, ERR_NOMEM, "no memory for %" PRIu64 " phones", o->count);
	return rc ? rc : stay_begin(&f->stay, f->driver.base, &o->stay, told, f, e);
}

static int run(const struct cmd *c, const struct fleet_options *o)
{
	struct fleet f = {.cmd = c, .o = o, .terminal = isatty(STDERR_FILENO) && !o->json};
	struct err e = ERR_INIT;
	double seconds;
	int status = CMD_OK;

	raise_descriptors(2 * o->concurrency + 64);
	if (prepare(&f, &e)) {
		status = cmd_error(c, CMD_NO, "%s", e.text);
	} else {
		f.begun_ms = clock_mono_ms(&clock_system);
		start_more(&f);
		event_base_dispatch(f.driver.base);
		seconds = (double)(clock_mono_ms(&clock_system) - f.begun_ms + 1) / 1000;
		if (o->json)
			summary_json(&f, seconds);
		else
			summary_text(&f, seconds);
		if (f.io_failed || f.outcomes[BOOT_TOOK] + f.outcomes[BOOT_KEPT] != o->count)
			status = CMD_NO;
	}
	stay_end(&f.stay);
	driver_clear(&f.driver);
	EVP_PKEY_free(f.capf_key);
	traits_free(f.table);
	free(f.booting);
	for (size_t i = 0; i < HOLDING_MAX; i++)
		free((void *)(uintptr_t)f.holding[i].p);
	return status;
}

static bool first_option(const char *text, uint64_t *first)
{
	uint8_t octets[6];
	size_t len;

	if (!text_starts(text, "SEP") || strlen(text) != 15 || !text_unhex(text + 3, octets, sizeof octets, &len) || len != 6)
		return false;
	*first = 0;
	for (size_t i = 0; i < 6; i++)
		*first = *first << 8 | octets[i];
	return true;
}

/* Is the value of this option good? Then it is taken. */
static bool take(int key, const char *v, struct fleet_options *o)
{
	uint64_t port;

	switch (key) {
	case OPT_COUNT:
		return text_number(v, 1, COUNT_MAX, &o->count);
	case OPT_CONCURRENCY:
		return text_number(v, 1, CONCURRENCY_MAX, &o->concurrency);
	case OPT_TFTP:
		return net_host_port(v, o->server.host, sizeof o->server.host, &o->server.tftp_port);
	case OPT_HTTP_PORT:
	case OPT_HTTPS_PORT:
		if (!text_number(v, 1, UINT16_MAX, &port))
			return false;
		*(key == OPT_HTTP_PORT ? &o->server.http_port : &o->server.https_port) = (uint16_t)port;
		return true;
	case OPT_TRANSPORT:
		return phone_transport(v, &o->transport);
	case OPT_FIRST:
		return first_option(v, &o->first);
	case OPT_HOLDING:
		if (o->n_holding == HOLDING_MAX)
			return false;
		o->holding[o->n_holding++] = v;
		return true;
	case OPT_TVS:
		o->tvs.port = TVS_PORT;
		return net_host_port(v, o->tvs.host, sizeof o->tvs.host, &o->tvs.port);
	case OPT_MODEL:
		o->model = v;
		return *v && !strchr(v, ' ');
	case OPT_MODELS:
		o->models = v;
		return true;
	case OPT_STATE:
		o->state = v;
		return true;
	case OPT_CAPF_KEY:
		o->capf_key = v;
		return true;
	case OPT_CAPF_RETRY:
		return phone_interval(v, &o->capf_retry_s);
	case OPT_STAY:
		return text_number(v, 1, STAY_SECONDS_MAX, &o->stay.seconds);
	case OPT_LISTEN:
		o->stay.listen = v;
		return true;
	default:
		o->json = true;
		return true;
	}
}

static int fleet_run(const struct cmd *c, int argc, char **argv)
{
	struct fleet_options o = {.concurrency = CONCURRENCY, .first = 1, .server = DRIVER_SERVER_DEFAULT, .model = "7975",
				  .capf_retry_s = DRIVER_CAPF_RETRY_S};
	struct cmd_args args = {.cmd = c, .argc = argc, .argv = argv};
	int key;

	while ((key = cmd_opt_next(&args)) > 0)
		if (!take(key, args.value, &o))
			return cmd_usage_error(c, "the value '%s' is not allowed there", args.value);
	if (key < 0)
		return args.exit;
	if (o.stay.listen && !o.stay.seconds)
		return cmd_usage_error(c, "--listen goes with --stay");
	if (args.argc || !o.count || !*o.server.host)
		return cmd_usage_error(c, "--count and --tftp are needed, and nothing but options");
	return run(c, &o);
}

static const struct cmd_opt fleet_opts[] = {
	{OPT_COUNT, "count", "N", "how many phones"},
	{OPT_TFTP, "tftp", "HOST[:PORT]", "their TFTP server; port 69"},
	{OPT_HTTP_PORT, "http-port", "PORT", "where the same server speaks HTTP; 6970"},
	{OPT_HTTPS_PORT, "https-port", "PORT", "where it speaks HTTPS, for phones with EC; 6971"},
	{OPT_TRANSPORT, "transport", "HOW", "auto (as the model does), tftp or http only"},
	{OPT_MODEL, "model", "MODEL[,...]", "7975 (default), 8861, ...; several take turns"},
	{OPT_MODELS, "models", "FILE", "another table of models"},
	{OPT_FIRST, "first", "NAME", "name of the first phone, the others count on; SEP000000000001"},
	{OPT_STATE, "state", "DIR", "keep each phone's state in a folder DIR/NAME; without it\nevery phone is new and forgotten afterwards"},
	{OPT_CONCURRENCY, "concurrency", "N", "phones that boot at the same time; 256"},
	{OPT_HOLDING, "holding", "FILE", "a CTL or ITL that new phones have installed already (twice at most)"},
	{OPT_TVS, "tvs", "HOST[:PORT]", "TVS server that new phones know already"},
	{OPT_CAPF_KEY, "capf-key", "KEY", "a private key, PEM, that all phones give CAPF instead of making one each:\nfor load tests only"},
	{OPT_CAPF_RETRY, "capf-retry-interval", "SECONDS", "between two tries of a phone to reach CAPF; 30"},
	{OPT_STAY, "stay", "SECONDS", "stay for so long after the last boot, and boot again when told to"},
	{OPT_LISTEN, "listen", "ADDR[:PORT]", "where SIP NOTIFY can tell them so, by their names, with --stay; port 5060"},
	{OPT_JSON, "json", NULL, "the summary as JSON"},
	{0},
};

const struct cmd cmd_phone_fleet = {
	.name = "phone fleet",
	.summary = "boot many phones at once and count what becomes of them",
	.usage = "--count N --tftp HOST[:PORT] [OPTION...]",
	.opts = fleet_opts,
	.more = "Exit status: 0 every phone took or kept what it was offered; 1 not every one; 3 usage.",
	.run = fleet_run,
};
