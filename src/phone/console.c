#include "phone/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

/* Real logs number the two ends of a connection; these are the numbers of seed 003. */
#define SOCKETS "c:8 s:9"
/* The length of a cache flush request between a phone's processes: seed 000. */
#define FLUSH_LEN 3708

/* Unix milliseconds that never go back. The wall clock has no fraction, so the monotonic one goes on from the first line. */
static int64_t now_ms(struct console *c)
{
	uint64_t mono = clock_mono_ms(c->clock);

	if (c->seq == 0)
		c->epoch_ms = clock_wall_s(c->clock) * 1000 + (int64_t)(mono % 1000) - (int64_t)mono;
	return c->epoch_ms + (int64_t)mono;
}

static void PRINTF_LIKE(3, 0) put(struct console *c, const char *kind, const char *fmt, va_list ap)
{
	char text[600], line[700];
	struct tm tm;

	if (!c->line)
		return;
	int64_t now = now_ms(c);
	time_t t = (time_t)(now / 1000);
	vsnprintf(text, sizeof text, fmt, ap);
	localtime_r(&t, &tm);
	snprintf(line, sizeof line, "%u: %s %02d:%02d:%02d.%06u %s", ++c->seq, kind, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned)(now % 1000 * 1000), text);
	c->line(c->ctx, line);
}

void console_log(struct console *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(c, "NOT", fmt, ap);
	va_end(ap);
}

void console_error(struct console *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(c, "ERR", fmt, ap);
	va_end(ap);
}

void console_message(struct console *c, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	if (!c->message)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->message(c->ctx, text);
}

/* ---- downloads ---- */

void console_requesting(struct console *c, const char *name, const char *server, size_t limit)
{
	c->transfer++;
	if (limit)
		console_log(c, "TFTP: [%u]:Requesting %s from %s with size limit of %zu", c->transfer, name, server, limit);
	else
		console_log(c, "TFTP: [%u]:Requesting %s from %s", c->transfer, name, server);
}

void console_finished(struct console *c, size_t octets)
{
	console_log(c, "TFTP: [%u]:Finished --> rcvd %zu bytes", c->transfer, octets);
}

/* our words: no document prints the line of a failed download */
void console_not_found(struct console *c, const char *name)
{
	console_log(c, "TFTP: [%u]:Error --> File not found <%s>", c->transfer, name);
}

/* our words */
void console_no_answer(struct console *c, const char *name, const char *why)
{
	console_error(c, "TFTP: [%u]:Error --> %s <%s>", c->transfer, why, name);
}

void console_config_wanted(struct console *c, const char *name, const char *server, bool secure)
{
	const char *prefix = strchr(server, ':') ? "" : "::ffff:";

	console_log(c, "tftpClient: tftp request rcv'd from /usr/tmp/tftp, srcFile = %s, dstFile = /usr/ram/%s max size = %d",
		    name, name, PHONE_CONFIG_MAX);
	console_log(c, "tftpClient: auth server - tftpList[0] = %s%s", prefix, server);
	console_log(c, "tftpClient: look up server - 0");
	if (!secure) {
		console_log(c, "SECD: lookupCTL: TFTP SRVR not secure"); /* our words */
		return;
	}
	console_log(c, "SECD: lookupCTL: TFTP SRVR secure");
	console_log(c, "tftpClient: secVal = 0x9");
	console_log(c, "tftpClient: %s%s is a secure server", prefix, server);
	console_log(c, "tftpClient: retval = SRVR_SECURE");
	console_log(c, "tftpClient: Secure file requested");
	console_log(c, "tftpClient: authenticated file approved - add .sgn -- %s.sgn", name);
}

/* ---- decisions ---- */

static const char *words_of(const struct decision *d)
{
	return *d->detail ? d->detail : reason_text(d->reason);
}

void console_list_decided(struct console *c, const struct decision *d, size_t header_len)
{
	if (d->verdict == VERDICT_ACCEPT)
		console_log(c, "SECD: validate_file_envelope: File sign verify SUCCESS; header length <%zu>", header_len);
	else if (d->verdict == VERDICT_REFUSE) /* our words behind FAILED */
		console_error(c, "SECD: EROR:validate_file_envelope: File sign verify FAILED; %s", words_of(d));
}

void console_file_decided(struct console *c, const struct decision *d, const char *name)
{
	if (d->reason == REASON_UNSIGNED_OK)
		return; /* nothing was verified */
	if (d->verdict == VERDICT_ACCEPT)
		console_log(c, "SECD: verifyFile: verify SUCCESS </usr/ram/%s>", name);
	else if (d->verdict == VERDICT_REFUSE) /* our words behind FAILED */
		console_error(c, "SECD: EROR:verifyFile: verify FAILED </usr/ram/%s>; %s", name, words_of(d));
}

static void searched(struct console *c, const struct decision *d, const char *function)
{
	for (size_t i = 0; i < d->n_steps; i++)
		if (d->steps[i].where == WHERE_CTL || d->steps[i].where == WHERE_ITL)
			console_log(c, "SECD: %s: Searching TL from %s file", function, where_name(d->steps[i].where));
}

/* Did the decision get as far as the TVS cache? */
static bool cache_searched(const struct decision *d)
{
	for (size_t i = 0; i < d->n_steps; i++)
		if (d->steps[i].where == WHERE_CACHE)
			return true;
	return false;
}

void console_server_decided(struct console *c, const struct decision *d, const char *address)
{
	console_log(c, "SECD: srvr_cert_vfy: Server Certificate Validation needs to be done");
	searched(c, d, "findByCertAndRoleInTL");
	if (d->where == WHERE_CTL || d->where == WHERE_ITL) {
		console_log(c, "SECD: https_cert_vfy: HTTPS cert found in %s, <%s>", where_name(d->where), address); /* our words */
		return;
	}
	console_error(c, "SECD: EROR:https_cert_vfy: HTTPS cert not in CTL, <%s>", address);
	if (cache_searched(d)) {
		console_log(c, "SECD: processTvsClntReq: TVS Certificate Authentication request");
		console_log(c, "SECD: lookupAuthCertTvsCacheEntry: %s",
			    d->reason == REASON_CACHED ? "Found matching entry at cache" /* our words */
						       : "No matching entry found at cache");
	}
	if (d->verdict == VERDICT_REFUSE) /* our words */
		console_error(c, "SECD: EROR:https_cert_vfy: HTTPS cert not trusted, <%s>; %s", address, words_of(d));
}

/* ---- TLS and TVS ---- */

void console_tls_begin(struct console *c, const char *address, unsigned port)
{
	console_log(c, "SECD: clpSetupSsl: Trying to connect to %s, IP: %s, Port : %u", strchr(address, ':') ? "IPV6" : "IPV4",
		    address, port);
	console_log(c, "SECD: clpSetupSsl: TCP connect() waiting, <%s> " SOCKETS " port: %u", address, port);
}

void console_tls_done(struct console *c, const char *address)
{
	console_log(c, "SECD: clpSetupSsl: TCP connected, <%s> " SOCKETS, address);
	console_log(c, "SECD: clpSetupSsl: start SSL/TLS handshake, <%s> " SOCKETS, address);
}

void console_tvs_begin(struct console *c, const struct decision *asking, const char *address, unsigned port)
{
	if (asking->ask.type == TVS_QUERY_REQUEST)
		console_log(c, "SECD: setupSocketToTvsProxy: Connected to TVS proxy server");
	console_log(c, "SECD: processTvsClntReq: No server sock exists, must be created");
	console_log(c, "SECD: connectToTvsServer: Successfully started a TLS connection establishment to the TVS server: "
		    "IP:%s, port:%u%s; Waiting for it to get connected.", address, port, port == TVS_PORT ? " (default)" : "");
}

void console_tvs_server_decided(struct console *c, const struct decision *d, const char *address)
{
	console_log(c, "SECD: srvr_cert_vfy: Server Certificate Validation needs to be done");
	searched(c, d, "findByIssuerAndSerialAndRoleInTL");
	if (d->verdict != VERDICT_ACCEPT) { /* our words */
		console_error(c, "SECD: EROR:tvs_cert_vfy: TVS cert not verified, <%s>; %s", address, words_of(d));
	} else if (d->reason == REASON_RECORD_HASH) {
		console_log(c, "SECD: verifyCertWithHashFromTL: cert hash and hash in TL MATCH");
		console_log(c, "SECD: tvs_cert_vfy: TVS cert verified with hash from TL, <%s>", address);
	} else { /* our words */
		console_log(c, "SECD: tvs_cert_vfy: TVS cert verified with cert from TL, <%s>", address);
	}
}

void console_tvs_sent(struct console *c, const struct decision *asking)
{
	console_log(c, "SECD: sendTvsClientReqToSrvr: %s Certificate : request sent to TVS server - waiting for response",
		    asking->ask.type == TVS_QUERY_REQUEST ? "Query" : "Authenticate"); /* Query: our word */
}

void console_tvs_answered(struct console *c, const struct tvs_msg *answer)
{
	console_log(c, "SECD: processTvsSrvrResponse: %s Response received, status : %u",
		    answer->type == TVS_QUERY_RESPONSE ? "Query" : "Authentication", answer->status);
}

void console_tvs_cached(struct console *c, const struct tvs_msg *answer)
{
	uint32_t ttl = answer->has_ttl ? answer->ttl_s : TVS_TTL_DEFAULT;

	console_log(c, "SECD: saveCertToTvsCache: Saving certificate in TVS cache with %stime-to-live value: %u seconds",
		    ttl == TVS_TTL_DEFAULT ? "default " : "", ttl);
	console_error(c, "SECD: Authenticated the HTTPS conn via TVS"); /* an ERR line in the seed too */
}

void console_tvs_flushed(struct console *c)
{
	console_log(c, "SECD: tvsReqFlushTvsCertCache: Sent Request to TVS proxy, len: %d", FLUSH_LEN);
	console_log(c, "SECD: processTvsClntReq: TVS Certificate cache flush request received");
	console_log(c, "SECD: tvsFlushCertCache: Completed TVS Certificate cache flush request");
}
