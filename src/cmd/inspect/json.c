#include "cmd/inspect/inspect.h"

#include "cmd/json.h"

static void set_list(json_t *o, const struct trust_list *l)
{
	json_t *records = json_array();

	for (size_t i = 0; i < l->n_records; i++)
		json_array_append_new(records, json_record(&l->records[i]));
	json_object_set_new(o, "type", json_string(list_type_name(list_type_of(l))));
	json_object_set_new(o, "header", json_header(&l->header, false));
	json_object_set_new(o, "records", records);
	json_object_set_new(o, "signer_record", l->signer < 0 ? json_null() : json_integer(l->signer + 1));
	json_object_set_new(o, "signature_reversed", json_boolean(l->sig_reversed));
}

static json_t *warnings(const struct inspection *in)
{
	json_t *a = in->list ? json_warnings(in->list) : json_array();

	if (in->note[0])
		json_array_append_new(a, json_text(view_str(in->note)));
	return a;
}

int inspect_json(const struct inspection *in, struct err *e)
{
	json_t *o = json_object();

	json_object_set_new(o, "file", json_text(view_str(in->path)));
	json_object_set_new(o, "kind", json_string(file_kind_name(in->kind)));
	json_object_set_new(o, "length", json_integer((json_int_t)in->file.len));
	json_object_set_new(o, "md5", json_digest(DIGEST_MD5, in->file));
	json_object_set_new(o, "sha1", json_digest(DIGEST_SHA1, in->file));
	json_object_set_new(o, "status", json_string(inspect_status_name(in->status)));
	json_object_set_new(o, "rule", in->rule ? json_string(in->rule) : json_null());
	json_object_set_new(o, "text", json_text(view_str(in->text)));
	if (in->list)
		set_list(o, in->list);
	else if (in->has_header)
		json_object_set_new(o, "header", json_header(&in->header, in->kind == FILE_ENC_SGN));
	json_object_set_new(o, "warnings", warnings(in));
	return json_print(o, e);
}
