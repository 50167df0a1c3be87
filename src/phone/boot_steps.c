#include <stdio.h>
#include <string.h>

#include "phone/boot_internal.h"

static const enum boot_subject subject_of[] = {
	[STEP_CTL] = BOOT_CTL, [STEP_CTL_FILE] = BOOT_CTL, [STEP_ITL] = BOOT_ITL, [STEP_ITL_FILE] = BOOT_ITL,
	[STEP_HTTPS] = BOOT_CONFIG, [STEP_HTTPS_GET] = BOOT_CONFIG,
	[STEP_CONFIG] = BOOT_CONFIG, [STEP_DEFAULT] = BOOT_CONFIG, [STEP_FULL] = BOOT_FULL,
	[STEP_CAPF] = BOOT_ENROLMENT,
	[STEP_DIRECTORY] = BOOT_DIRECTORY,
};

enum boot_subject boot_step_subject(enum step step)
{
	return subject_of[step];
}

/* One octet more than the phone takes is fetched, so that a file that is too large shows as such. */
static void get(struct boot *b, size_t limit)
{
	b->todo.action = BOOT_GET;
	b->todo.limit = limit + 1;
	console_requesting(b->con, b->todo.name, b->server, limit == PHONE_CONFIG_MAX ? limit : 0);
}

static void get_list(struct boot *b, const char *type, bool own)
{
	snprintf(b->todo.name, sizeof b->todo.name, "%s%s.tlv", type, own ? b->p->device : "File");
	console_log(b->con, "SECD: tlRequestFile: Request %s", b->todo.name);
	get(b, traits_list_limit(b->p->traits));
}

static void get_config(struct boot *b, const char *name)
{
	bool secure = phone_wants_signed(b->p);

	console_config_wanted(b->con, name, b->server, secure);
	snprintf(b->todo.name, sizeof b->todo.name, "%s%s", name, secure ? ".sgn" : "");
	get(b, PHONE_CONFIG_MAX);
}

static void connect_directory(struct boot *b)
{
	struct phone_url u;

	if (!phone_url_read(b->config.directory_url, &u)) {
		b->step = STEP_END;
		return;
	}
	console_log(b->con, "JVM: Startup Module Loader|cip.dir.TandunDirectories: ? - Directory url %s",
		    b->config.directory_url);
	b->todo.action = u.tls ? BOOT_CONNECT : BOOT_OPEN;
	if (u.tls)
		console_tls_begin(b->con, u.host, u.port);
	else
		snprintf(b->todo.name, sizeof b->todo.name, "%s", u.path + 1);
	memcpy(b->todo.host, u.host, sizeof b->todo.host);
	b->todo.port = u.port;
	b->todo.url = b->config.directory_url;
}

/* Signer version 1.1 stands for EC and HTTPS provisioning (formats-and-protocols.md 1.3, 8.4). */
static bool wants_https(const struct boot *b)
{
	const struct tlv_header *h = b->p->itl ? &b->p->itl->header : NULL;

	return b->https_port && traits_ec(b->p->traits) && h && h->has_signer_version &&
	       (h->signer_version[0] > 1 || (h->signer_version[0] == 1 && h->signer_version[1] >= 1));
}

static void connect_https(struct boot *b)
{
	console_tls_begin(b->con, b->server, b->https_port);
	b->todo.action = BOOT_CONNECT;
	snprintf(b->todo.host, sizeof b->todo.host, "%s", b->server);
	b->todo.port = b->https_port;
	b->todo.url = "";
}

void boot_start_step(struct boot *b, enum step step)
{
	char name[96];

	b->todo = (struct boot_todo){.action = BOOT_END};
	b->step = step;
	snprintf(name, sizeof name, "%s.cnf.xml", b->p->device);
	switch (step) {
	case STEP_CTL:
	case STEP_CTL_FILE:
		get_list(b, "CTL", step == STEP_CTL);
		break;
	case STEP_ITL:
	case STEP_ITL_FILE:
		if (b->p->traits->asks_tvs == TRAIT_NO) /* without Security By Default there is no ITL */
			boot_start_step(b, STEP_CONFIG);
		else
			get_list(b, "ITL", step == STEP_ITL);
		break;
	case STEP_HTTPS:
		if (wants_https(b))
			connect_https(b);
		else
			boot_start_step(b, STEP_CONFIG);
		break;
	case STEP_HTTPS_GET: /* asked for with .sgn, and meant without (formats-and-protocols.md 8.4) */
		snprintf(b->todo.name, sizeof b->todo.name, "%s.sgn", name);
		b->todo.https = b->https;
		get(b, PHONE_CONFIG_MAX);
		break;
	case STEP_CONFIG:
		if (!b->p->ctl && !b->p->itl)
			console_message(b->con, "No Trust List Installed");
		get_config(b, name);
		break;
	case STEP_DEFAULT:
		get_config(b, "XMLDefault.cnf.xml");
		break;
	case STEP_FULL:
		snprintf(b->todo.name, sizeof b->todo.name, "%s.cnf.xml.enc.sgn", b->p->device);
		get(b, PHONE_CONFIG_MAX);
		break;
	case STEP_CAPF:
		boot_capf_start(b);
		break;
	case STEP_DIRECTORY:
		connect_directory(b);
		break;
	case STEP_END:
		break;
	}
}

/* Behind the configuration: CAPF once, then what a phone with a configuration does. */
static void next_of_config(struct boot *b)
{
	if (!b->again && boot_capf_wanted(b))
		boot_start_step(b, STEP_CAPF);
	else
		boot_start_step(b, boot_configuration(b).len ? STEP_DIRECTORY : STEP_END);
}

void boot_next(struct boot *b)
{
	switch (b->step) {
	case STEP_CTL:
	case STEP_CTL_FILE:
		boot_start_step(b, STEP_ITL);
		break;
	case STEP_ITL:
	case STEP_ITL_FILE:
		boot_start_step(b, STEP_HTTPS);
		break;
	case STEP_HTTPS:
		boot_start_step(b, b->d.verdict == VERDICT_ACCEPT ? STEP_HTTPS_GET : STEP_CONFIG);
		break;
	case STEP_HTTPS_GET:
		if (b->part[BOOT_CONFIG].fate == FATE_TAKEN)
			next_of_config(b);
		else
			boot_start_step(b, STEP_CONFIG);
		break;
	case STEP_CONFIG:
	case STEP_DEFAULT:
	case STEP_FULL:
	case STEP_CAPF:
		next_of_config(b);
		break;
	case STEP_DIRECTORY:
	case STEP_END:
		boot_start_step(b, STEP_END);
		break;
	}
}
