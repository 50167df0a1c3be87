/* Trust lists: reading, verifying, searching. What parses must tile the file exactly and stay inside it. */
#include <stdlib.h>

#include "format/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void inside(struct view v, const struct trust_list *l)
{
	must(!v.p || (v.p >= l->data && v.len <= l->len && (size_t)(v.p - l->data) <= l->len - v.len));
}

static void check_record(const struct trust_list *l, const struct tlv_record *rec)
{
	struct tlv_element el;
	struct view key;
	struct rd r;

	rd_init(&r, rec->raw.p, rec->raw.len);
	while (tlv_record_element(&r, &el))
		inside(el.value, l);
	must(rd_offset(&r) == rec->raw.len);
	if (list_record_key(rec, &key, NULL) == 0)
		inside(key, l);
	inside(tlv_text(rec->dns_name), l);
}

static void check(struct trust_list *l, size_t size)
{
	size_t end = l->header.header_len;

	for (size_t i = 0; i < l->n_records; i++) {
		must(l->records[i].offset == end);
		end += l->records[i].raw.len;
		check_record(l, &l->records[i]);
	}
	must(end == size);
	size_t found = 0;
	for (int i = -1; (i = list_find(l, i, -1, l->header.ca_name, l->header.serial)) >= 0;)
		must(++found <= l->n_records);
	(void)list_type_of(l);
	must((list_verify_self(l, NULL) == 0) == (l->signer >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	int err = list_parse((struct view){data, size}, LIST_CTL, &l, &e);
	must(err == e.code);
	must(err != ERR_PROTO || e.rule);
	if (!err)
		check(l, size);
	list_free(l);
	return 0;
}
