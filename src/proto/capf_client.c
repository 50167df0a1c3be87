#include "proto/capf_client.h"

#include <string.h>

#include "proto/capf_proof.h"

void capf_client_init(struct capf_client *c, const struct capf_identity *me)
{
	*c = (struct capf_client){.me = me, .version = me->version};
}

static int say(struct capf_client *c, struct capf_msg *m, struct wr *out, struct err *e)
{
	m->session = c->session;
	c->asked = CAPF_CLIENT_READ;
	return capf_msg_write(m, out, e);
}

/* Version 2 names itself without password and proofs, as Jabber does (7.10). */
static int auth_response(struct capf_client *c, struct wr *out, struct err *e)
{
	const struct capf_identity *me = c->me;
	struct capf_msg m = {
		.command = CAPF_AUTH_RESPONSE,
		.has_reason = true,
		.reason = CAPF_REASON_SUCCESS,
		.has_version = true,
		.version = c->version,
		.device = view_str(me->device),
		.has_password = c->version >= 3 || me->password,
		.password = view_str(me->password ? me->password : ""),
	};
	struct wr sig, sha2, sudi;
	int code = 0;

	wr_init(&sig, UINT16_MAX);
	wr_init(&sha2, UINT16_MAX);
	wr_init(&sudi, UINT16_MAX);
	if (me->cert) {
		code = capf_proof_make(m.device, me->cert, me->key, &sig, &sha2, e);
		m.certificate = cert_der(me->cert);
		m.certificate_type = me->cert_type;
		m.signed_data = wr_view_all(&sig);
		m.sha2_signed_data = wr_view_all(&sha2);
	}
	if (!code && me->sudi) {
		code = capf_sudi_make(c->session, me->sudi, me->sudi_key, &sudi, e);
		m.sudi_data = wr_view_all(&sudi);
	}
	if (!code)
		code = say(c, &m, out, e);
	wr_clear(&sig);
	wr_clear(&sha2);
	wr_clear(&sudi);
	return code;
}

static enum capf_client_want greet(struct capf_client *c, const struct capf_msg *m, struct wr *out, struct err *e)
{
	c->greeted = true;
	c->session = m->session;
	if (m->has_version && m->version < c->version)
		c->version = m->version;
	return auth_response(c, out, e) ? CAPF_CLIENT_FAIL : CAPF_CLIENT_WRITE;
}

static enum capf_client_want generate(struct capf_client *c, const struct capf_msg *m, struct err *e)
{
	c->key_type = m->has_key_type ? m->key_type : CAPF_KEY_RSA;
	c->key_bits = m->key_bits;
	c->curve = m->curve;
	if ((c->key_type == CAPF_KEY_RSA && !m->has_key_size) || (c->key_type == CAPF_KEY_EC && !m->has_curve) ||
	    c->key_type > CAPF_KEY_EC) {
		err_rule(e, "key-request", -1, "the server asks for a key without saying which");
		return CAPF_CLIENT_FAIL;
	}
	c->n_keys++;
	return c->asked = c->last = CAPF_CLIENT_GENERATE;
}

/* One operation per connection (7): a certificate may follow a key, and a second key the first, when that did not do. */
static bool may_follow(const struct capf_client *c, uint8_t command)
{
	switch (command) {
	case CAPF_FETCH_CERTIFICATE_REQUEST:
	case CAPF_DELETE_CERTIFICATE_REQUEST: return c->last == CAPF_CLIENT_READ;
	case CAPF_STORE_CERTIFICATE_REQUEST: return c->last == CAPF_CLIENT_READ || c->last == CAPF_CLIENT_GENERATE;
	case CAPF_KEY_GENERATE_REQUEST:
		return c->last == CAPF_CLIENT_READ || (c->last == CAPF_CLIENT_GENERATE && c->n_keys < CAPF_CLIENT_KEYS);
	default: return true;
	}
}

static enum capf_client_want obey(struct capf_client *c, const struct capf_msg *m, struct err *e)
{
	if (!may_follow(c, m->command)) {
		err_rule(e, "one-operation", 1, "the server wants more than one operation: %s", capf_command_name(m->command));
		return CAPF_CLIENT_FAIL;
	}
	switch (m->command) {
	case CAPF_KEY_GENERATE_REQUEST: return generate(c, m, e);
	case CAPF_FETCH_CERTIFICATE_REQUEST: return c->asked = c->last = CAPF_CLIENT_FETCH;
	case CAPF_DELETE_CERTIFICATE_REQUEST: return c->asked = c->last = CAPF_CLIENT_DELETE;
	case CAPF_STORE_CERTIFICATE_REQUEST:
		if (!m->certificate.p) {
			err_rule(e, "missing-certificate", -1, "the server gives a certificate that is not there");
			return CAPF_CLIENT_FAIL;
		}
		c->certificate = m->certificate;
		return c->asked = c->last = CAPF_CLIENT_STORE;
	case CAPF_RETRY_LATER:
		c->retry = true;
		c->retry_s = m->retry_delay_s;
		return CAPF_CLIENT_END;
	case CAPF_END_SESSION:
		c->reason = m->has_reason ? m->reason : CAPF_REASON_INVALID;
		return CAPF_CLIENT_END;
	default:
		err_rule(e, "unexpected-message", 1, "%s does not belong here", capf_command_name(m->command));
		return CAPF_CLIENT_FAIL;
	}
}

enum capf_client_want capf_client_step(struct capf_client *c, struct view in, size_t *used, struct wr *out, struct err *e)
{
	struct capf_msg m;
	size_t len;

	*used = 0;
	if (c->asked != CAPF_CLIENT_READ)
		return c->asked;
	int code = capf_frame_len(in, &len, e);
	if (code == ERR_AGAIN || (!code && in.len < len)) {
		err_clear(e);
		return CAPF_CLIENT_READ;
	}
	if (code || capf_msg_read((struct view){in.p, len}, &m, e))
		return CAPF_CLIENT_FAIL;
	*used = len;
	if (!c->greeted && m.command == CAPF_AUTH_REQUEST)
		return greet(c, &m, out, e);
	if (!c->greeted || m.session != c->session || m.command == CAPF_AUTH_REQUEST) {
		err_rule(e, "unexpected-message", 1, "%s does not belong here", capf_command_name(m.command));
		return CAPF_CLIENT_FAIL;
	}
	return obey(c, &m, e);
}

int capf_client_progress(struct capf_client *c, struct wr *out, struct err *e)
{
	const struct capf_msg m = {.command = CAPF_REQUEST_IN_PROGRESS, .session = c->session};

	return capf_msg_write(&m, out, e);
}

int capf_client_key(struct capf_client *c, struct view spki, struct wr *out, struct err *e)
{
	struct capf_msg m = {.command = CAPF_KEY_GENERATE_RESPONSE};

	if (spki.len) {
		m.public_key = spki;
	} else {
		m.has_reason = true;
		m.reason = CAPF_REASON_INVALID;
	}
	return say(c, &m, out, e);
}

int capf_client_certificate(struct capf_client *c, const struct cert *cert, uint8_t type, struct wr *out, struct err *e)
{
	struct capf_msg m = {.command = CAPF_FETCH_CERTIFICATE_RESPONSE, .has_reason = true};

	m.reason = cert ? CAPF_REASON_SUCCESS : CAPF_REASON_INVALID;
	if (cert) {
		m.certificate = cert_der(cert);
		m.certificate_type = type;
	}
	return say(c, &m, out, e);
}

int capf_client_done(struct capf_client *c, bool ok, struct wr *out, struct err *e)
{
	struct capf_msg m = {.has_reason = true, .reason = ok ? CAPF_REASON_SUCCESS : CAPF_REASON_INVALID};

	m.command = c->asked == CAPF_CLIENT_DELETE ? CAPF_DELETE_CERTIFICATE_RESPONSE : CAPF_STORE_CERTIFICATE_RESPONSE;
	return say(c, &m, out, e);
}
