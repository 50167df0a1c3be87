#include "phone/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MAGIC "ringfence-phone 1"
#define SHA256_LEN 32
#define LINE_MAX_LEN 512
#define WORDS 5

int phone_state_encode(const struct phone *p, char **text, struct err *e)
{
	char hex[2 * SHA256_LEN + 1], line[LINE_MAX_LEN];
	uint8_t *out;
	struct wr w;
	size_t len;
	int rc;

	wr_init(&w, PHONE_STATE_MAX);
	wr_bytes(&w, MAGIC "\n", strlen(MAGIC) + 1);
	len = (size_t)snprintf(line, sizeof line, "device %s\nmodel %s\n", p->device, *p->model ? p->model : "-");
	wr_bytes(&w, line, len);
	for (size_t i = 0; i < p->n_tvs; i++) {
		len = (size_t)snprintf(line, sizeof line, "tvs %s %u\n", p->tvs[i].host, p->tvs[i].port);
		wr_bytes(&w, line, len);
	}
	for (size_t i = 0; i < p->n_cache; i++) {
		text_hex(hex, sizeof hex, (struct view){p->cache[i].sha256, SHA256_LEN}, '\0', false);
		len = (size_t)snprintf(line, sizeof line, "cache %s %" PRIu32 " %" PRId64 "\n", hex, p->cache[i].roles,
				       p->cache[i].expires_s);
		wr_bytes(&w, line, len);
	}
	wr_u8(&w, 0);
	rc = wr_finish(&w, &out, &len, e);
	if (!rc)
		*text = (char *)out;
	return rc;
}

/* The words of a line, cut in place; 0 when there are more than fit. */
static size_t words(char *line, char *out[WORDS])
{
	size_t n = 0;

	for (char *save, *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (n == WORDS)
			return 0;
		out[n++] = w;
	}
	return n;
}

static bool take_tvs(struct phone *p, char *const w[])
{
	struct phone_tvs *t = &p->tvs[p->n_tvs];
	uint64_t port;

	if (p->n_tvs == PHONE_TVS_MAX || strlen(w[1]) >= sizeof t->host || !text_number(w[2], 1, UINT16_MAX, &port))
		return false;
	snprintf(t->host, sizeof t->host, "%s", w[1]);
	t->port = (uint16_t)port;
	p->n_tvs++;
	return true;
}

static bool take_cached(struct phone *p, char *const w[])
{
	struct phone_cached *c = &p->cache[p->n_cache];
	uint64_t roles, expires;
	size_t len;

	if (p->n_cache == PHONE_CACHE_MAX || !text_unhex(w[1], c->sha256, sizeof c->sha256, &len) ||
	    len != SHA256_LEN || !text_number(w[2], 0, UINT32_MAX, &roles) || !text_number(w[3], 0, INT64_MAX, &expires))
		return false;
	c->roles = (uint32_t)roles;
	c->expires_s = (int64_t)expires;
	p->n_cache++;
	return true;
}

static bool take_line(struct phone *p, char *line)
{
	char *w[WORDS];
	size_t n = words(line, w);

	if (n == 2 && !strcmp(w[0], "device") && text_is_device_name(w[1]) && strlen(w[1]) < sizeof p->device)
		snprintf(p->device, sizeof p->device, "%s", w[1]);
	else if (n == 2 && !strcmp(w[0], "model") && strlen(w[1]) < sizeof p->model)
		snprintf(p->model, sizeof p->model, "%s", strcmp(w[1], "-") ? w[1] : "");
	else if (n == 3 && !strcmp(w[0], "tvs"))
		return take_tvs(p, w);
	else if (n == 4 && !strcmp(w[0], "cache"))
		return take_cached(p, w);
	else
		return false;
	return true;
}

int phone_state_decode(struct view text, const struct traits_table *table, struct phone *p, struct err *e)
{
	struct phone out = *p;
	char line[LINE_MAX_LEN];
	unsigned number = 0;
	struct rd r;
	uint8_t octet;

	out.n_tvs = 0;
	out.n_cache = 0;
	rd_init(&r, text.p, text.len);
	do {
		size_t n = 0;

		number++;
		while (n < sizeof line - 1 && rd_u8(&r, &octet) && octet && octet != '\n')
			line[n++] = (char)octet;
		line[n] = '\0';
		if (r.failed || octet != '\n' || (number == 1 ? strcmp(line, MAGIC) != 0 : !take_line(&out, line)))
			return err_rule(e, "state-line", (long)rd_offset(&r), "line %u of the phone's state is damaged", number);
	} while (!rd_done(&r));
	out.traits = traits_find(table, out.model);
	*p = out;
	return 0;
}
