#include "cmd/pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "cmd/passphrase.h"
#include "pki/pkcs11.h"

#define VARIABLE "RINGFENCE_PIN"

/* Neither a child nor whoever reads /proc later finds it: the octets are wiped where they stand. */
static int from_environment(char *value, char *out, struct err *e)
{
	size_t n = strlen(value);
	int rc = 0;

	if (n == 0)
		rc = err_set(e, ERR_USAGE, VARIABLE ": the PIN is empty");
	else if (n >= PKCS11_PIN_MAX)
		rc = err_set(e, ERR_LIMIT, VARIABLE ": a PIN has at most %d octets", PKCS11_PIN_MAX - 1);
	else
		memcpy(out, value, n + 1);
	secret_wipe(value, n);
	unsetenv(VARIABLE);
	return rc;
}

static int from_terminal(const char *label, char *out, struct err *e)
{
	char prompt[256], shown[200];
	const struct passphrase_ask how = { .what = "PIN", .prompt = prompt, .option = "--pin-file" };
	char *typed = NULL;

	text_escape(shown, sizeof(shown), view_str(label)); /* whoever made the token may have put anything into it */
	snprintf(prompt, sizeof(prompt), "PIN of the token %s: ", shown);
	int rc = passphrase_get(&how, NULL, &typed, e);
	if (rc)
		return rc;
	if (strlen(typed) >= PKCS11_PIN_MAX)
		rc = err_set(e, ERR_LIMIT, "a PIN has at most %d octets", PKCS11_PIN_MAX - 1);
	else
		memcpy(out, typed, strlen(typed) + 1);
	secret_free(typed, PASSPHRASE_MAX);
	return rc;
}

bool pin_in_environment(void)
{
	return getenv(VARIABLE) != NULL;
}

int pin_get(int dir_fd, const char *file, const char *label, char **pin, struct err *e)
{
	char *variable = getenv(VARIABLE);

	if (file)
		return pkcs11_pin_read(dir_fd, file, pin, e);
	char *out = secret_new(PKCS11_PIN_MAX);
	if (!out)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = variable ? from_environment(variable, out, e) : from_terminal(label, out, e);
	if (rc)
		secret_free(out, PKCS11_PIN_MAX);
	else
		*pin = out;
	return rc;
}
