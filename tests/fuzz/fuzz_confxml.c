/* An operator's configuration: the short file made of it, and the elements put into it. */
#include <stdlib.h>
#include <string.h>

#include "format/confxml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Errors are of the input, and tell which rule it broke. */
static bool failed(int rc, const struct err *e)
{
	must(rc == 0 || rc == ERR_LIMIT || (rc == ERR_PROTO && e->rule));
	return rc != 0;
}

static void stub(struct view xml)
{
	uint8_t *out, *again;
	size_t len, again_len;
	struct err e = ERR_INIT;

	if (failed(confxml_stub(xml, "6187e67cc9624a4ef0306449313f7de4", &out, &len, &e), &e))
		return;
	/* A short file made of a short file is the same. */
	e = ERR_INIT;
	if (!failed(confxml_stub((struct view){out, len}, "6187e67cc9624a4ef0306449313f7de4", &again, &again_len, &e), &e)) {
		must(view_eq((struct view){out, len}, (struct view){again, again_len}));
		free(again);
	}
	free(out);
}

static void trust(struct view xml)
{
	struct confxml_trust t = confxml_trust_keep;
	uint8_t *out, *again;
	size_t len, again_len;
	struct err e = ERR_INIT;

	t.n_tvs = t.n_capf = 1;
	t.tvs[0] = t.capf[0] = (struct confxml_server){"192.0.2.1&<>", 2445};
	t.capf_auth_mode = 2;
	t.encrypted = 1;
	t.cert_hash = "";
	if (failed(confxml_trust(xml, &t, &out, &len, &e), &e))
		return;
	/* What was written is well-formed, and has all that it was to have. */
	struct view made = {out, len};
	e = ERR_INIT;
	must(confxml_trust(made, &t, &again, &again_len, &e) == 0);
	must(view_eq(made, (struct view){again, again_len}));
	free(again);
	must(confxml_trust(made, &confxml_trust_keep, &again, &again_len, &e) == 0);
	must(view_eq(made, (struct view){again, again_len}));
	free(again);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view xml = {data, size};

	stub(xml);
	trust(xml);
	return 0;
}
