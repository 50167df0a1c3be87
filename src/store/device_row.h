#pragma once

#include "store/device.h"
#include "store/store_internal.h"

/* A device as a row: for device.c and devicecert.c. */
#define DEVICE_ROW_SELECT                                                                                              \
	"SELECT d.name, d.description, d.model, d.devicepool, coalesce(g.name, ''), d.devicesecuritymode, d.transport," \
	" d.encryptconfig, d.certificateoperation, d.authenticationmode, d.keyorder, d.rsakeysize, d.eckeysize,"       \
	" d.upgradefinishtime, d.certificatestatus, CASE WHEN d.authenticationstring IS NULL THEN 'f' ELSE 't' END,"   \
	" d.authenticationfailures, d.authenticationlockeduntil, d.lsc, d.lscissuername, d.lscnotafter, d.lscproven,"  \
	" d.mic, d.micissuername, d.micnotafter, d.lastseen, d.lastaddress, d.encryptedfetched, d.oldtlsseen,"         \
	" d.operationid, d.renewal"                                                                                    \
	" FROM device AS d"                                                                                            \
	" LEFT JOIN callmanagergroup AS g ON g.pkid = d.fkcallmanagergroup"

/* device_row_take: a row of DEVICE_ROW_SELECT. Errors: ERR_STORE. */
int device_row_take(const struct store_row *r, struct store_device *d, struct err *e) MUST_CHECK;

/* device_row_check: can this be stored? Zeroes and "" that stand for defaults are replaced. Errors: ERR_USAGE. */
int device_row_check(struct store_device *d, struct err *e) MUST_CHECK;

bool device_status_known(const char *status);
