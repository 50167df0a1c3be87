/* What the fields of a device may say. Source: behaviour.md 5.1 (AXL), 6. */
#include "store/device.h"

#include <string.h>

#include "store/device_row.h"

const char *const device_security_names[] = {"Non Secure", "Authenticated", "Encrypted", NULL};
const char *const device_transport_names[] = {"TCP+UDP", "TCP", "UDP", "TLS", NULL};
const char *const device_operation_names[] = {"No Pending Operation", "Install/Upgrade", "Delete", "Troubleshoot", NULL};
const char *const device_auth_names[] = {
	"By Null String", "By Authentication String", "By Existing Certificate (Precedence to LSC)",
	"By Existing Certificate (Precedence to MIC)", NULL};
const char *const device_key_order_names[] = {"RSA Only", "EC Only", "EC Preferred, RSA Backup", NULL};

enum device_auth device_auth_due(const struct store_device *d)
{
	return d->renewal ? DEVICE_AUTH_LSC : d->auth;
}

/* The reasons that each operation can fail for are literals, because these are what an administrator searches for. */
#define REASONS(op)                                                                                                    \
	{                                                                                                              \
		[DEVICE_FAILED] = op " Failed",                                                                        \
		[DEVICE_FAILED_LSC] = op " Failed: Invalid LSC",                                                       \
		[DEVICE_FAILED_STRING] = op " Failed: Invalid Authentication String",                                  \
		[DEVICE_FAILED_MIC] = op " Failed: Invalid MIC",                                                       \
		[DEVICE_FAILED_CREDENTIALS] = op " Failed: Invalid Credentials",                                       \
		[DEVICE_FAILED_COMMUNICATION] = op " Failed: Phone Communication Failure",                             \
		[DEVICE_FAILED_KEY] = op " Failed: Key Generation Failed/Timeout",                                     \
		[DEVICE_FAILED_LATE] = op " Failed: User Initiated Request Late/Timedout",                             \
		[DEVICE_FAILED_CA_COMMUNICATION] = op " Failed: CA Communication Failure",                             \
		[DEVICE_FAILED_CA_REJECTED] = op " Failed: CA Rejected Connection",                                    \
		[DEVICE_FAILED_EC_ONLY] = op " Failed: No Support for EC only in CAPF version 3",                      \
	}
#define N_FAILURES (DEVICE_FAILED_EC_ONLY + 1)

static const char *const failed[][N_FAILURES] = {
	[DEVICE_INSTALL] = REASONS("Upgrade"),
	[DEVICE_DELETE] = REASONS("Delete"),
	[DEVICE_TROUBLESHOOT] = REASONS("Troubleshoot"),
};

static const char *const success[] = {
	[DEVICE_INSTALL] = "Upgrade Success",
	[DEVICE_DELETE] = "Delete Success",
	[DEVICE_TROUBLESHOOT] = "Troubleshoot Success",
};

const char *device_status_success(enum device_operation op)
{
	return op <= DEVICE_TROUBLESHOOT ? success[op] : NULL;
}

const char *device_status_failed(enum device_operation op, enum device_failure why)
{
	bool ca = why == DEVICE_FAILED_CA_COMMUNICATION || why == DEVICE_FAILED_CA_REJECTED;

	if (op > DEVICE_TROUBLESHOOT || why >= N_FAILURES || (ca && op == DEVICE_TROUBLESHOOT) ||
	    (why == DEVICE_FAILED_EC_ONLY && op != DEVICE_INSTALL))
		return NULL;
	return failed[op][why];
}

bool device_status_known(const char *status)
{
	if (strcmp(status, DEVICE_STATUS_NONE) == 0 || strcmp(status, DEVICE_STATUS_PENDING) == 0)
		return true;
	for (enum device_operation op = DEVICE_INSTALL; op <= DEVICE_TROUBLESHOOT; op++) {
		if (strcmp(status, success[op]) == 0)
			return true;
		for (enum device_failure why = 0; why < N_FAILURES; why++) {
			const char *text = device_status_failed(op, why);
			if (text && strcmp(status, text) == 0)
				return true;
		}
	}
	return false;
}
