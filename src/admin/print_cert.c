#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "admin/print.h"
#include "base/cleanup.h"
#include "base/text.h"

#define HEX_COLUMNS 84 /* digits a line of the key value, as in seed 000 */

static const struct {
	int nid;
	const char *java;
} signature_names[] = {
	{NID_md5WithRSAEncryption, "MD5withRSA"},
	{NID_sha1WithRSAEncryption, "SHA1withRSA"},
	{NID_sha224WithRSAEncryption, "SHA224withRSA"},
	{NID_sha256WithRSAEncryption, "SHA256withRSA"},
	{NID_sha384WithRSAEncryption, "SHA384withRSA"},
	{NID_sha512WithRSAEncryption, "SHA512withRSA"},
	{NID_rsassaPss, "RSASSA-PSS"},
	{NID_ecdsa_with_SHA1, "SHA1withECDSA"},
	{NID_ecdsa_with_SHA256, "SHA256withECDSA"},
	{NID_ecdsa_with_SHA384, "SHA384withECDSA"},
	{NID_ecdsa_with_SHA512, "SHA512withECDSA"},
};

static const char *signature_name(const struct cert *c)
{
	int nid = X509_get_signature_nid(cert_x509(c));

	for (size_t i = 0; i < sizeof(signature_names) / sizeof(signature_names[0]); i++)
		if (signature_names[i].nid == nid)
			return signature_names[i].java;
	return nid == NID_undef ? "unknown" : OBJ_nid2ln(nid);
}

/* The name as Java prints it: the last attribute first, ", " between them. */
static void put_name(BIO *bio, const X509_NAME *name)
{
	X509_NAME_print_ex(bio, name, 0,
			   XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_DN_REV | XN_FLAG_FN_SN |
				   (ASN1_STRFLGS_RFC2253 & ~ASN1_STRFLGS_ESC_MSB));
}

static void put_oid(BIO *bio, const ASN1_OBJECT *oid)
{
	char text[128] = "";

	OBJ_obj2txt(text, sizeof(text), oid, 1);
	BIO_puts(bio, text);
}

static void put_hex(BIO *bio, struct view v)
{
	const size_t row = HEX_COLUMNS / 2;
	char line[HEX_COLUMNS + 1];

	for (; v.len; v = (struct view){v.p + (v.len < row ? v.len : row), v.len < row ? 0 : v.len - row}) {
		text_hex(line, sizeof(line), (struct view){v.p, v.len < row ? v.len : row}, '\0', false);
		BIO_printf(bio, "%s\n", line);
	}
}

static void put_key(BIO *bio, const struct cert *c)
{
	ASN1_OBJECT *oid = NULL;

	X509_PUBKEY_get0_param(&oid, NULL, NULL, NULL, X509_get_X509_PUBKEY(cert_x509(c)));
	BIO_printf(bio, "Key: %s (",
		   cert_key_type(c) == CERT_KEY_RSA ? "RSA" : cert_key_type(c) == CERT_KEY_EC ? "EC" : "other");
	put_oid(bio, oid);
	BIO_puts(bio, ")\nKey value:\n");
	put_hex(bio, cert_public_key(c));
}

static void put_extension(BIO *bio, X509_EXTENSION *x)
{
	ASN1_OBJECT *oid = X509_EXTENSION_get_object(x);
	char name[128] = "";

	OBJ_obj2txt(name, sizeof(name), oid, 0);
	BIO_printf(bio, "[\n   Extension: %s (OID.", name);
	put_oid(bio, oid);
	BIO_printf(bio, ")\n   Critical: %s\n", X509_EXTENSION_get_critical(x) ? "true" : "false");
	if (!X509V3_EXT_print(bio, x, X509V3_EXT_DUMP_UNKNOWN, 3))
		BIO_puts(bio, "   (not readable)");
	BIO_puts(bio, "\n]\n");
}

static void put_extensions(BIO *bio, const X509 *x)
{
	int n = X509_get_ext_count(x);

	BIO_printf(bio, "Extensions: %d present\n", n);
	for (int i = 0; i < n; i++)
		put_extension(bio, X509_get_ext(x, i));
}

static void put_block(BIO *bio, const struct cert *c)
{
	const X509 *x = cert_x509(c);
	char serial[128], from[PRINT_TIME_MAX], to[PRINT_TIME_MAX];
	const X509_ALGOR *alg;

	X509_get0_signature(NULL, &alg, x);
	text_hex(serial, sizeof(serial), cert_serial(c), '\0', true);
	BIO_printf(bio, "[\nVersion: V%ld\nSerial Number: %s\nSignatureAlgorithm: %s (", X509_get_version(x) + 1, serial,
		   signature_name(c));
	put_oid(bio, alg->algorithm);
	BIO_puts(bio, ")\nIssuer Name: ");
	put_name(bio, X509_get_issuer_name(x));
	BIO_printf(bio, "\nValidity From: %s\n              To: %s\nSubject Name: ", print_time(cert_not_before(c), from),
		   print_time(cert_not_after(c), to));
	put_name(bio, X509_get_subject_name(x));
	BIO_puts(bio, "\n");
	put_key(bio, c);
	put_extensions(bio, x);
	BIO_puts(bio, "]\n");
}

int print_cert(FILE *out, const struct cert *c, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	if (!bio)
		return err_openssl(e, ERR_NOMEM, "certificate");
	put_block(bio, c);
	long n = BIO_get_mem_data(bio, &text);
	if (n < 0)
		return err_openssl(e, ERR_CRYPTO, "certificate");
	/* Extensions are the certificate's own text: nothing of it may steer a terminal. */
	for (long i = 0; i < n; i++)
		fputc((text[i] >= ' ' && text[i] != 0x7f) || text[i] == '\n' || (text[i] & 0x80) ? text[i] : '?', out);
	return 0;
}

json_t *print_cert_json(const struct cert *c)
{
	char serial[128], sha256[72];
	AUTO(auto_free) char *pem = NULL;
	struct err e = ERR_INIT;

	if (cert_to_pem(c, &pem, &e) < 0)
		return NULL;
	text_hex(serial, sizeof(serial), cert_serial(c), '\0', true);
	text_hex(sha256, sizeof(sha256), (struct view){cert_sha256(c), 32}, '\0', false);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:s, s:s, s:s}", "subject", cert_subject(c), "issuer",
			 cert_issuer(c), "serial", serial, "not_before", (json_int_t)cert_not_before(c), "not_after",
			 (json_int_t)cert_not_after(c), "key",
			 cert_key_type(c) == CERT_KEY_RSA ? "RSA" : cert_key_type(c) == CERT_KEY_EC ? "EC" : "other",
			 "key_bits", (int)cert_key_bits(c), "signature", signature_name(c), "sha256", sha256, "pem", pem);
}
