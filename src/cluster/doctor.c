#include "cluster/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "cluster/doctor_internal.h"

const char *doctor_severity_name(enum doctor_severity s)
{
	static const char *const names[] = { "ok", "note", "warning", "problem" };

	return names[s];
}

void doctor_report_clear(struct doctor_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->findings[i].what);
		free(r->findings[i].remedy);
	}
	free(r->findings);
	*r = (struct doctor_report){ 0 };
}

enum doctor_severity doctor_worst(const struct doctor_report *r)
{
	enum doctor_severity worst = DOCTOR_OK;

	for (size_t i = 0; i < r->n; i++)
		if (r->findings[i].severity > worst)
			worst = r->findings[i].severity;
	return worst;
}

void found(struct exam *x, enum doctor_severity severity, const char *check, const char *remedy, const char *fmt, ...)
{
	struct doctor_finding f = { .severity = severity, .check = check, .remedy = strdup(remedy) };
	struct doctor_finding *grown;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&f.what, fmt, ap) < 0)
		f.what = NULL;
	va_end(ap);
	grown = f.what && f.remedy ? realloc(x->r->findings, (x->r->n + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(f.what);
		free(f.remedy);
		x->failed = ERR_NOMEM;
		return;
	}
	x->r->findings = grown;
	x->r->findings[x->r->n++] = f;
}

static void doctor_opens(struct exam *x)
{
	if (x->in->cluster)
		found(x, DOCTOR_OK, "store", "", "The store opens and knows the node %s.", x->in->node);
	else
		found(x, DOCTOR_PROBLEM, "store", "Put right what the message names, or restore the folder from a backup.",
		      "The node cannot be opened: %s.", x->in->cluster_error ? x->in->cluster_error : "no reason given");
}

int doctor_run(const struct doctor_input *in, struct doctor_report *r, struct err *e)
{
	static void (*const checks[])(struct exam *) = {
		doctor_opens, doctor_modes, doctor_keys, doctor_adapter, doctor_certs, doctor_renewal, doctor_lists,
		doctor_recovery, doctor_clock, doctor_ports, doctor_name, doctor_tls, doctor_provisioning, doctor_disk,
	};
	struct doctor_report report = { 0 };
	struct exam x = { .in = in, .r = &report };

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&x);
	if (x.failed) {
		doctor_report_clear(&report);
		return err_set(e, x.failed, "out of memory");
	}
	*r = report;
	return 0;
}

/* --- for people and for programs --- */

static const char *const colours[] = { "\033[32m", "\033[36m", "\033[33m", "\033[31m" };

void doctor_print(FILE *out, const struct doctor_report *r, bool colour)
{
	size_t n[DOCTOR_PROBLEM + 1] = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		const struct doctor_finding *f = &r->findings[i];

		n[f->severity]++;
		fprintf(out, "%s%-8s%s %s\n", colour ? colours[f->severity] : "", doctor_severity_name(f->severity),
			colour ? "\033[0m" : "", f->what);
		if (f->remedy[0])
			fprintf(out, "         %s\n", f->remedy);
	}
	fprintf(out, "\n%zu problems, %zu warnings, %zu notes, %zu checks passed.\n", n[DOCTOR_PROBLEM], n[DOCTOR_WARNING],
		n[DOCTOR_NOTE], n[DOCTOR_OK]);
}

int doctor_print_json(FILE *out, const struct doctor_report *r, struct err *e)
{
	json_t *list = json_array();
	int rc = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct doctor_finding *f = &r->findings[i];
		json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "severity", doctor_severity_name(f->severity), "check",
					 f->check, "what", f->what, "remedy", f->remedy);

		if (json_array_append_new(list, item) < 0)
			rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	json_t *root = json_pack("{s:s, s:o}", "worst", doctor_severity_name(doctor_worst(r)), "findings", list);
	if (!root)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (!rc && json_dumpf(root, out, JSON_INDENT(2)) < 0)
		rc = err_set(e, ERR_IO, "the output cannot be written");
	fputc('\n', out);
	json_decref(root);
	return rc;
}
