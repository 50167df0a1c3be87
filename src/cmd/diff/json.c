#include "cmd/diff/diff.h"

#include <jansson.h>

#include "cmd/json.h"

static json_t *input(const struct diff_input *in)
{
	json_t *o = json_object();

	json_object_set_new(o, "file", json_text(view_str(in->path)));
	json_object_set_new(o, "type", json_string(list_type_name(in->type)));
	json_object_set_new(o, "length", json_integer((json_int_t)in->file.len));
	json_object_set_new(o, "header", json_header(&in->list->header, false));
	json_object_set_new(o, "warnings", json_warnings(in->list));
	return o;
}

static json_t *change(const struct diff_change *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "record_a", c->a < 0 ? json_null() : json_integer(c->a + 1));
	json_object_set_new(o, "record_b", c->b < 0 ? json_null() : json_integer(c->b + 1));
	json_object_set_new(o, "field", json_string(c->field));
	json_object_set_new(o, "from", json_text(view_str(c->from)));
	json_object_set_new(o, "to", json_text(view_str(c->to)));
	return o;
}

static void set_changes(json_t *o, const struct diff_input *a, const struct diff_input *b, const struct diff *d)
{
	json_t *header = json_array(), *changed = json_array(), *removed = json_array(), *added = json_array();

	for (size_t i = 0; i < d->n_changes; i++) {
		const struct diff_change *c = &d->changes[i];
		switch (c->kind) {
		case DIFF_FIELD: json_array_append_new(c->a < 0 ? header : changed, change(c)); break;
		case DIFF_REMOVED: json_array_append_new(removed, json_record(&a->list->records[c->a])); break;
		case DIFF_ADDED: json_array_append_new(added, json_record(&b->list->records[c->b])); break;
		}
	}
	json_object_set_new(o, "header", header);
	json_object_set_new(o, "changed", changed);
	json_object_set_new(o, "removed", removed);
	json_object_set_new(o, "added", added);
	json_object_set_new(o, "reordered", json_boolean(d->moved));
	json_object_set_new(o, "same_file", json_boolean(d->same_file));
}

int diff_json(const struct diff_input *a, const struct diff_input *b, const struct diff *d, const struct decision *taken,
	      const char *words, struct err *e)
{
	static const char *const verdicts[] = {"accept", "refuse", "ask-tvs"};
	json_t *o = json_object();

	json_object_set_new(o, "a", input(a));
	json_object_set_new(o, "b", input(b));
	set_changes(o, a, b, d);
	json_object_set_new(o, "taken", json_boolean(taken->verdict == VERDICT_ACCEPT));
	json_object_set_new(o, "verdict", json_string(verdicts[taken->verdict]));
	json_object_set_new(o, "reason", json_string(reason_name(taken->reason)));
	json_object_set_new(o, "record", taken->record < 0 ? json_null() : json_integer(taken->record + 1));
	json_object_set_new(o, "assumed", json_boolean(taken->assumed));
	json_object_set_new(o, "text", json_text(view_str(words)));
	return json_print(o, e);
}
