#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * An e-mail on its way from the director to the mailer, the body of IPC_MAIL:
 *     str server | u16 port | u8 security (enum smtp_security) | str helo | str user | str password | str sender |
 *     str recipients, separated by semicolons | u32 length, authorities (PEM) | u32 length, message
 */
#define MAIL_NAME_MAX 300
#define MAIL_PASSWORD_MAX 256
#define MAIL_RECIPIENTS_MAX 6000

struct mail_job {
	char server[MAIL_NAME_MAX], helo[MAIL_NAME_MAX], user[MAIL_NAME_MAX], sender[MAIL_NAME_MAX];
	char password[MAIL_PASSWORD_MAX];
	char recipients[MAIL_RECIPIENTS_MAX];
	uint16_t port;
	uint8_t security;
	struct view authorities, message; /* of a job that was read: they view the body */
};

/* false: it does not fit. */
bool mail_job_put(struct wr *w, const struct mail_job *job);
/* Errors: ERR_PROTO "mail-job". */
int mail_job_get(struct view body, struct mail_job *job, struct err *e) MUST_CHECK;
