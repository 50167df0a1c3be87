#include "cmd/phone/phone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "cmd/phone/driver.h"
#include "cmd/phone/folder.h"
#include "cmd/phone/models.h"
#include "cmd/phone/report.h"
#include "cmd/phone/stay.h"
#include "net/fetch.h"

#define DEFAULT_MODEL "7975"
#define INTERVAL_MAX 3600 /* seconds */
#define NOW_MAX 253402300799 /* the last second of the year 9999 */

enum option {
	OPT_STATE = CMD_LONG, OPT_DEVICE, OPT_MODEL, OPT_TFTP, OPT_HTTP_PORT, OPT_HTTPS_PORT, OPT_TRANSPORT,
	OPT_MODELS, OPT_NOW, OPT_JSON, OPT_QUIET,
	OPT_MIC, OPT_MIC_KEY, OPT_CAPF_STRING, OPT_CAPF_RETRY, OPT_OLD_FIRMWARE, OPT_STAY, OPT_LISTEN,
};

struct boot_options {
	const char *state, *device, *model, *models;
	struct driver_server server;
	enum driver_transport transport;
	uint64_t now_s; /* 0: the machine's time */
	const char *mic, *mic_key, *capf_string_file;
	uint64_t capf_retry_s;
	bool json, quiet, old_firmware;
	struct stay_options stay;
};

/* ---- boot ---- */

/* Everything one boot needs; cleared as a whole. */
struct session {
	struct traits_table *table;
	struct phone phone;
	struct driver driver;
	struct console console;
	struct clock clock;
	const struct boot_options *o;
	const struct cmd *cmd;
	char capf_string[CAPF_PASSWORD_MAX + 1];
	int exit;
	struct stay stay;
	bool booting, again; /* again: it was told to boot while it did */
};

static int64_t stopped_wall_s(void *ctx)
{
	const struct session *s = ctx;

	return (int64_t)s->o->now_s;
}

static uint64_t running_mono_ms(void *ctx)
{
	(void)ctx;
	return clock_mono_ms(&clock_system);
}

/* With --now the phone's clock stands still, so that what expires at a second can be tried at that second. */
static void set_clock(struct session *s)
{
	s->clock = s->o->now_s ? (struct clock){stopped_wall_s, running_mono_ms, s} : clock_system;
	s->console.clock = &s->clock;
}

static void print_line(void *ctx, const char *text)
{
	(void)ctx;
	puts(text);
}

static void print_message(void *ctx, const char *text)
{
	(void)ctx;
	printf("screen: %s\n", text);
}

static void print_result(const struct session *s, const struct boot *b)
{
	json_t *o;

	if (!s->o->json) {
		report_text(stdout, &s->phone, b);
		return;
	}
	o = report_json(&s->phone, b);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static void boot_soon(struct session *s);

static void booted(void *ctx, const struct boot *b)
{
	struct session *s = ctx;
	enum boot_outcome outcome = boot_outcome(b);
	struct err e = ERR_INIT;

	print_result(s, b);
	fflush(stdout);
	s->exit = outcome == BOOT_TOOK || outcome == BOOT_KEPT ? CMD_OK : CMD_NO;
	if (folder_save(s->o->state, &s->phone, boot_configuration(b), &e))
		s->exit = cmd_error(s->cmd, CMD_NO, "%s", e.text);
	s->booting = false;
	if (s->again)
		boot_soon(s);
	stay_count(&s->stay, &s->o->stay);
}

/* ---- booting again ---- */

static void on_boot(evutil_socket_t fd, short what, void *ctx)
{
	struct session *s = ctx;
	struct err e = ERR_INIT;

	(void)fd;
	(void)what;
	s->again = false;
	if (driver_boot(&s->driver, &s->phone, &s->console, booted, s, &e))
		s->exit = cmd_error(s->cmd, CMD_NO, "%s", e.text);
}

/* From the loop, because what has called may still use what the last boot left. */
static void boot_soon(struct session *s)
{
	static const struct timeval now = {0, 0};

	s->booting = event_base_once(s->driver.base, -1, EV_TIMEOUT, on_boot, s, &now) == 0;
}

static bool told(void *ctx, const char *device, enum sip_action a)
{
	struct session *s = ctx;

	if (strcmp(device, s->phone.device))
		return false;
	if (!s->o->json) {
		printf("told by SIP: %s\n", sip_action_name(a));
		fflush(stdout);
	}
	s->again = true;
	if (!s->booting)
		boot_soon(s);
	return true;
}

/* The phone that the folder holds, or a new one in factory state. */
static int who(struct session *s)
{
	const struct boot_options *o = s->o;
	const char *model = o->model ? o->model : DEFAULT_MODEL;
	struct err e = ERR_INIT;

	phone_init(&s->phone, o->device ? o->device : "", model, traits_find(s->table, model));
	if (!o->device && !folder_exists(o->state))
		return cmd_usage_error(s->cmd, "%s holds no phone yet: --device says which one it is to become", o->state);
	if (folder_load(o->state, s->table, &s->phone, &e))
		return cmd_error(s->cmd, CMD_NO, "%s", e.text);
	if (o->device && strcmp(o->device, s->phone.device))
		return cmd_error(s->cmd, CMD_USAGE, "%s is the folder of %s", o->state, s->phone.device);
	if (o->model) {
		snprintf(s->phone.model, sizeof s->phone.model, "%s", o->model);
		s->phone.traits = traits_find(s->table, o->model);
	}
	return CMD_OK;
}

/* The first line of a file, so that what the user of the phone types stands on no command line. */
static int read_string(struct session *s, struct err *e)
{
	uint8_t *data;
	size_t len;
	int rc = file_read(AT_FDCWD, s->o->capf_string_file, sizeof s->capf_string + 1, &data, &len, e);

	if (rc)
		return rc;
	len = strcspn((const char *)data, "\r\n");
	if (!len || len >= sizeof s->capf_string)
		rc = err_set(e, ERR_USAGE, "%s: the authentication string is one line of at most %d octets",
			     s->o->capf_string_file, CAPF_PASSWORD_MAX);
	else
		memcpy(s->capf_string, data, len);
	secret_wipe(data, len);
	free(data);
	return rc;
}

/* What the user does to the phone by hand before it boots. */
static int set_up(struct session *s, struct err *e)
{
	const struct boot_options *o = s->o;
	int rc = 0;

	if (o->mic)
		rc = folder_identity(AT_FDCWD, o->mic, o->mic_key, &s->phone.mic, e);
	if (!rc && o->capf_string_file)
		rc = read_string(s, e);
	if (!rc)
		rc = driver_init(&s->driver, &o->server, o->transport, e);
	if (rc)
		return rc;
	s->driver.capf_retry_s = (unsigned)o->capf_retry_s;
	s->driver.capf_string = *s->capf_string ? s->capf_string : NULL;
	s->driver.old_firmware = o->old_firmware;
	return 0;
}

static int boot_phone(struct session *s)
{
	const struct boot_options *o = s->o;
	struct err e = ERR_INIT;
	int status;

	if (models_load(o->models, &s->table, &e))
		return cmd_error(s->cmd, CMD_NO, "%s", e.text);
	if ((status = who(s)))
		return status;
	set_clock(s);
	if (!o->json && !o->quiet) {
		s->console.line = print_line;
		s->console.message = print_message;
	}
	s->booting = true;
	if (set_up(s, &e) || stay_begin(&s->stay, s->driver.base, &o->stay, told, s, &e) ||
	    driver_boot(&s->driver, &s->phone, &s->console, booted, s, &e))
		return cmd_error(s->cmd, CMD_NO, "%s", e.text);
	event_base_dispatch(s->driver.base);
	return s->exit;
}

static bool port_option(const char *text, uint16_t *port)
{
	uint64_t n;

	if (!text_number(text, 1, UINT16_MAX, &n))
		return false;
	*port = (uint16_t)n;
	return true;
}

bool phone_interval(const char *text, uint64_t *seconds)
{
	return text_number(text, 0, INTERVAL_MAX, seconds);
}

bool phone_transport(const char *word, enum driver_transport *t)
{
	if (!strcmp(word, "auto"))
		*t = DRIVER_BY_MODEL;
	else if (!strcmp(word, "tftp"))
		*t = DRIVER_TFTP;
	else if (!strcmp(word, "http"))
		*t = DRIVER_HTTP;
	else
		return false;
	return true;
}

/* Those that take whatever they are given. */
static void plain_option(int key, const char *value, struct boot_options *o)
{
	switch (key) {
	case OPT_MODELS: o->models = value; break;
	case OPT_MIC: o->mic = value; break;
	case OPT_MIC_KEY: o->mic_key = value; break;
	case OPT_CAPF_STRING: o->capf_string_file = value; break;
	case OPT_OLD_FIRMWARE: o->old_firmware = true; break;
	case OPT_JSON: o->json = true; break;
	default: o->quiet = true; break;
	}
}

static int boot_option(const struct cmd *c, int key, const char *value, struct boot_options *o)
{
	switch (key) {
	case OPT_STATE:
		o->state = value;
		break;
	case OPT_DEVICE:
		if (!text_is_device_name(value))
			return cmd_usage_error(c, "'%s' is no device name such as SEP001122334455", value);
		o->device = value;
		break;
	case OPT_MODEL:
		if (strlen(value) >= sizeof((struct phone *)0)->model || strchr(value, ' '))
			return cmd_usage_error(c, "'%s' is no model such as 7975", value);
		o->model = value;
		break;
	case OPT_TFTP:
		if (!net_host_port(value, o->server.host, sizeof o->server.host, &o->server.tftp_port))
			return cmd_usage_error(c, "'%s' is no HOST or HOST:PORT", value);
		break;
	case OPT_HTTP_PORT:
	case OPT_HTTPS_PORT:
		if (!port_option(value, key == OPT_HTTP_PORT ? &o->server.http_port : &o->server.https_port))
			return cmd_usage_error(c, "'%s' is no port", value);
		break;
	case OPT_TRANSPORT:
		if (!phone_transport(value, &o->transport))
			return cmd_usage_error(c, "--transport is auto, tftp or http, not '%s'", value);
		break;
	case OPT_NOW:
		if (!text_number(value, 1, NOW_MAX, &o->now_s))
			return cmd_usage_error(c, "'%s' is no time in seconds since 1970", value);
		break;
	case OPT_CAPF_RETRY:
		if (!phone_interval(value, &o->capf_retry_s))
			return cmd_usage_error(c, "'%s' is no number of seconds up to %d", value, INTERVAL_MAX);
		break;
	case OPT_STAY:
		if (!text_number(value, 1, STAY_SECONDS_MAX, &o->stay.seconds))
			return cmd_usage_error(c, "'%s' is no number of seconds", value);
		break;
	case OPT_LISTEN:
		o->stay.listen = value;
		break;
	default:
		plain_option(key, value, o);
		break;
	}
	return CMD_OK;
}

static int boot_run(const struct cmd *c, int argc, char **argv)
{
	struct boot_options o = {.server = DRIVER_SERVER_DEFAULT, .capf_retry_s = DRIVER_CAPF_RETRY_S};
	struct cmd_args args = {.cmd = c, .argc = argc, .argv = argv};
	struct session s = {.o = &o, .cmd = c};
	int key, status;

	while ((key = cmd_opt_next(&args)) > 0)
		if ((status = boot_option(c, key, args.value, &o)))
			return status;
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is too much", args.argv[0]);
	if (!o.state || !*o.server.host)
		return cmd_usage_error(c, "--state and --tftp are needed");
	if (!o.mic != !o.mic_key)
		return cmd_usage_error(c, "--mic and --mic-key go together");
	if (o.stay.listen && !o.stay.seconds)
		return cmd_usage_error(c, "--listen goes with --stay");
	status = boot_phone(&s);
	stay_end(&s.stay);
	driver_clear(&s.driver);
	phone_clear(&s.phone);
	traits_free(s.table);
	secret_wipe(s.capf_string, sizeof s.capf_string);
	return status;
}

static const struct cmd_opt boot_opts[] = {
	{OPT_STATE, "state", "DIR", "folder in which the phone keeps its lists and certificates; made when it is not there"},
	{OPT_DEVICE, "device", "NAME", "device name, SEP and 12 hex digits; needed the first time"},
	{OPT_MODEL, "model", "MODEL", "7975 (default), 8861, 7960, ...: decides what the phone can do"},
	{OPT_TFTP, "tftp", "HOST[:PORT]", "the phone's TFTP server; port 69"},
	{OPT_HTTP_PORT, "http-port", "PORT", "where the same server speaks HTTP; 6970"},
	{OPT_HTTPS_PORT, "https-port", "PORT", "where it speaks HTTPS, for phones with EC; 6971"},
	{OPT_TRANSPORT, "transport", "HOW", "auto (as the model does), tftp or http only"},
	{OPT_MODELS, "models", "FILE", "another table of models"},
	{OPT_MIC, "mic", "CERT", "its manufacturer's certificate (MIC), PEM or DER; kept in the folder"},
	{OPT_MIC_KEY, "mic-key", "KEY", "the private key of the MIC, PEM"},
	{OPT_CAPF_STRING, "capf-string-file", "FILE", "holds the authentication string that somebody types on the phone"},
	{OPT_CAPF_RETRY, "capf-retry-interval", "SECONDS", "between two tries to reach CAPF, of which there are three; 30"},
	{OPT_OLD_FIRMWARE, "old-firmware", NULL, "knows neither CAPF nor encrypted configurations"},
	{OPT_NOW, "now", "SECONDS", "what the phone's clock says during this boot, seconds since 1970"},
	{OPT_JSON, "json", NULL, "only the result, as JSON"},
	{OPT_QUIET, "quiet", NULL, "no console log, only the result"},
	{OPT_STAY, "stay", "SECONDS", "stay for so long after the boot, and boot again when told to"},
	{OPT_LISTEN, "listen", "ADDR[:PORT]", "where SIP NOTIFY can tell it so, with --stay; port 5060"},
	{0},
};

const struct cmd cmd_phone_boot = {
	.name = "phone boot",
	.summary = "boot an emulated phone: lists, configuration, CAPF, TVS, directory",
	.usage = "--state DIR --device NAME --tftp HOST[:PORT] [OPTION...]",
	.opts = boot_opts,
	.more = "The phone decides as a real one does and keeps what it trusts in its folder.\n"
		"Exit status: 0 it took or kept everything; 1 it refused something, is stranded, or got no configuration; 3 usage.",
	.run = boot_run,
};

/* ---- show and erase ---- */

static int load(const struct cmd *c, const char *state, struct traits_table **table, struct phone *p)
{
	struct err e = ERR_INIT;

	if (!folder_exists(state))
		return cmd_error(c, CMD_NO, "%s holds no phone", state);
	if (models_load(NULL, table, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	phone_init(p, "", "", traits_find(*table, ""));
	if (folder_load(state, *table, p, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	return CMD_OK;
}

static int show(const struct cmd *c, const char *state, bool json)
{
	struct traits_table *table = NULL;
	struct phone p = {0};
	int status = load(c, state, &table, &p);

	if (!status && json) {
		json_t *o = report_menu_json(&p);
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else if (!status) {
		report_menu(stdout, &p);
	}
	phone_clear(&p);
	traits_free(table);
	return status;
}

static int erase(const struct cmd *c, const char *state, bool json)
{
	struct traits_table *table = NULL;
	struct phone p = {0};
	struct err e = ERR_INIT;
	int status = load(c, state, &table, &p);

	(void)json;
	if (!status) {
		phone_erase(&p);
		puts("screen: Erasing CTL and ITL files");
		if (folder_save(state, &p, (struct view){0}, &e))
			status = cmd_error(c, CMD_NO, "%s", e.text);
	}
	phone_clear(&p);
	traits_free(table);
	return status;
}

static int menu_run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = {.cmd = c, .argc = argc, .argv = argv};
	const char *state = NULL;
	bool json = false;
	int key;

	while ((key = cmd_opt_next(&args)) > 0)
		if (key == OPT_STATE)
			state = args.value;
		else
			json = true;
	if (key < 0)
		return args.exit;
	if (!state || args.argc)
		return cmd_usage_error(c, "--state DIR is needed, and nothing else");
	return c == &cmd_phone_show ? show(c, state, json) : erase(c, state, json);
}

static const struct cmd_opt show_opts[] = {
	{OPT_STATE, "state", "DIR", "folder of the phone"},
	{OPT_JSON, "json", NULL, "as JSON"},
	{0},
};

const struct cmd cmd_phone_show = {
	.name = "phone show",
	.summary = "the Trust List menu of an emulated phone, and its certificates",
	.usage = "--state DIR [--json]",
	.opts = show_opts,
	.run = menu_run,
};

static const struct cmd_opt erase_opts[] = {
	{OPT_STATE, "state", "DIR", "folder of the phone"},
	{0},
};

const struct cmd cmd_phone_erase = {
	.name = "phone erase",
	.summary = "delete its CTL and ITL, as with **# on its menu",
	.usage = "--state DIR",
	.opts = erase_opts,
	.run = menu_run,
};

static const struct cmd *const subs[] = {&cmd_phone_boot, &cmd_phone_show, &cmd_phone_erase, &cmd_phone_fleet, NULL};

const struct cmd cmd_phone = {
	.name = "phone",
	.summary = "an emulated phone, or ten thousand",
	.usage = "COMMAND [OPTION...]",
	.subs = subs,
};
