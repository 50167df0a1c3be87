#pragma once

#include <libxml/tree.h>

#include "format/confxml.h"

/*
 * confxml_parse: the tree of a configuration. Errors: those of confxml.h.
 * Out: *doc, freed with xmlFreeDoc; *device its root.
 */
int confxml_parse(struct view xml, xmlDoc **doc, xmlNode **device, struct err *e) MUST_CHECK;

/* One element directly below <device>, in the octets of the file. */
struct confxml_span {
	size_t start, end;  /* from its "<" to behind its last ">" */
	size_t blank;       /* where the blanks in front of it begin */
	struct view name;
};

#define CONFXML_CHILDREN 4096

/* Where things stand in a file that confxml_parse found to be well-formed. */
struct confxml_map {
	struct confxml_span *children;
	size_t n;
	size_t open_end;    /* behind the ">" of <device ...> */
	size_t close;       /* at the "<" of </device>; equal to open_end for <device/> */
	bool empty;         /* <device/> */
};

/* confxml_map: Errors: ERR_PROTO "config-xml", ERR_LIMIT more than CONFXML_CHILDREN, ERR_NOMEM. */
int confxml_map(struct view xml, struct confxml_map *m, struct err *e) MUST_CHECK;
void confxml_map_clear(struct confxml_map *m);
