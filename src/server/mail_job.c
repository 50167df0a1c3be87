#include "server/mail_job.h"

#include "server/ipc.h"

static bool put_octets(struct wr *w, struct view v)
{
	return v.len <= UINT32_MAX && wr_u32(w, (uint32_t)v.len) && wr_view(w, v);
}

bool mail_job_put(struct wr *w, const struct mail_job *job)
{
	return ipc_put_str(w, job->server) && wr_u16(w, job->port) && wr_u8(w, job->security) && ipc_put_str(w, job->helo) &&
	       ipc_put_str(w, job->user) && ipc_put_str(w, job->password) && ipc_put_str(w, job->sender) &&
	       ipc_put_str(w, job->recipients) && put_octets(w, job->authorities) && put_octets(w, job->message);
}

static bool get_octets(struct rd *r, struct view *v)
{
	uint32_t len;

	return rd_u32(r, &len) && rd_view(r, len, v);
}

int mail_job_get(struct view body, struct mail_job *job, struct err *e)
{
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (ipc_get_str(&r, job->server, sizeof(job->server)) && rd_u16(&r, &job->port) && rd_u8(&r, &job->security) &&
	    ipc_get_str(&r, job->helo, sizeof(job->helo)) && ipc_get_str(&r, job->user, sizeof(job->user)) &&
	    ipc_get_str(&r, job->password, sizeof(job->password)) && ipc_get_str(&r, job->sender, sizeof(job->sender)) &&
	    ipc_get_str(&r, job->recipients, sizeof(job->recipients)) && get_octets(&r, &job->authorities) &&
	    get_octets(&r, &job->message) && rd_done(&r))
		return 0;
	return err_rule(e, "mail-job", -1, "an e-mail from the director is malformed");
}
