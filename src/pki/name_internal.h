#pragma once

#include "pki/name.h"
#include "pki/ossl.h"

/* name_from_x509: as name_from_der, for a name that is decoded already. */
int name_from_x509(const X509_NAME *name, enum name_form form, char *out, size_t size, struct err *e) MUST_CHECK;
