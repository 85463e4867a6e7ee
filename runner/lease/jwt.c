// SPDX-License-Identifier: Apache-2.0
/* jwt.c - JSON Web Tokens with libcrypto.
 *
 * Runs in: courier; keeper (signs the head of a record); the command line for `drydock issuer` and
 * `record verify`. A private key is read, used once and freed (libcrypto clears it) before the
 * network is touched. */
#include "jwt.h"

#include "base/named_path.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { P256 = 32 };

static void key_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}
#define auto_key __attribute__((cleanup(key_free))) EVP_PKEY *

static void json_free_p(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_free_p))) json_t *

char *jwt_base64url(const void *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *in = bytes;
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;
	for (size_t i = 0; text && i < len; i += 3) {
		unsigned three = 0;
		for (size_t k = 0; k < 3; k++)
			three = three << 8 | (i + k < len ? in[i + k] : 0);
		for (size_t k = 0; k < 4 && i + k <= len; k++)
			*out++ = digits[three >> (18 - 6 * k) & 63];
	}
	if (text)
		*out = '\0';
	return text;
}

/* A key that others may read is a key of others. */
static int key_read(const char *path, EVP_PKEY **ret, struct dd_err *err)
{
	struct stat st;
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "private key");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0077))
		return dd_err_say(
			err, EPERM,
			"the private key %s is not a regular file of its owner alone: chmod "
			"0600 it",
			path);
	FILE *file = fdopen(fd, "r");
	if (!file)
		return dd_err_set(err, errno, "read %s", path);
	(void)dd_take_fd(&fd);
	*ret = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	(void)fclose(file);
	return *ret ? 0 : dd_err_say(err, EINVAL, "%s holds no private key in PEM form", path);
}

/* ---- signing ---- */

/* libcrypto's signature is a DER sequence of two integers; a token wants both at full width. */
static int raw_signature(const unsigned char *der, size_t len, unsigned char raw[2 * P256])
{
	const unsigned char *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	bool good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, P256) == P256 &&
	            BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + P256, P256) == P256;
	ECDSA_SIG_free(sig);
	return good ? 0 : -EIO;
}

static int sign(EVP_PKEY *key, const char *text, unsigned char out[1024], size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 1024;
	bool good = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	            EVP_DigestSign(ctx, out, &len, (const unsigned char *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(ctx);
	*ret_len = len;
	return good ? 0 : -EIO;
}

static char *encode_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	char *out = text ? jwt_base64url(text, strlen(text)) : NULL;
	free(text);
	return out;
}

int jwt_sign(const char *key_file, const char *kid, const json_t *claims, char **ret,
             struct dd_err *err)
{
	return jws_sign(key_file, "JWT", kid, claims, ret, err);
}

int jws_sign(const char *key_file, const char *typ, const char *kid, const json_t *claims,
             char **ret, struct dd_err *err)
{
	unsigned char der[1024], raw[2 * P256];
	auto_key key = NULL;
	size_t len = 0;
	char *input = NULL;
	int r = key_read(key_file, &key, err);
	if (r < 0)
		return r;
	bool ec = EVP_PKEY_is_a(key, "EC");
	if (!(ec ? EVP_PKEY_get_bits(key) == 256
	         : EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 2048 &&
	                      EVP_PKEY_get_bits(key) <= 4096))
		return dd_err_say(err, EINVAL,
		                  "%s is neither a P-256 key nor one of RSA with 2048 to 4096 bits",
		                  key_file);
	auto_json head = json_pack("{s:s, s:s, s:s*}", "alg", ec ? "ES256" : "RS256", "typ", typ,
	                           "kid", kid);
	dd_auto_free char *first = head ? encode_json(head) : NULL;
	dd_auto_free char *second = encode_json(claims);
	if (!first || !second || asprintf(&input, "%s.%s", first, second) < 0)
		return dd_err_set(err, ENOMEM, "sign with %s", key_file);
	r = sign(key, input, der, &len);
	if (r == 0 && ec)
		r = raw_signature(der, len, raw);
	char *third = r < 0 ? NULL : jwt_base64url(ec ? raw : der, ec ? sizeof(raw) : len);
	r = !third || asprintf(ret, "%s.%s", input, third) < 0 ? -EIO : 0;
	free(third);
	free(input);
	return r < 0 ? dd_err_say(err, EIO, "libcrypto cannot sign with %s", key_file) : 0;
}

/* ---- keys ---- */

static char *coordinate(EVP_PKEY *key, const char *name)
{
	unsigned char bytes[P256];
	BIGNUM *n = NULL;
	bool good = EVP_PKEY_get_bn_param(key, name, &n) == 1 &&
	            BN_bn2binpad(n, bytes, P256) == P256;
	BN_free(n);
	return good ? jwt_base64url(bytes, sizeof(bytes)) : NULL;
}

/* RFC 7638: the digest of the members that make the key, in order, without blanks. */
static char *thumbprint(const char *x, const char *y)
{
	unsigned char digest[32];
	unsigned n = sizeof(digest);
	char *text = NULL;
	if (asprintf(&text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y) <
	    0)
		return NULL;
	bool good = EVP_Digest(text, strlen(text), digest, &n, EVP_sha256(), NULL) == 1;
	free(text);
	return good ? jwt_base64url(digest, n) : NULL;
}

static json_t *jwk_of(EVP_PKEY *key)
{
	dd_auto_free char *x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
	dd_auto_free char *y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
	dd_auto_free char *kid = x && y ? thumbprint(x, y) : NULL;
	return kid ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256",
	                       "x", x, "y", y, "kid", kid, "alg", "ES256", "use", "sig")
	           : NULL;
}

int jwt_make_key(int fd, json_t **ret_jwk, struct dd_err *err)
{
	auto_key key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
	bool good = key && bio &&
	            PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	            fsync(fd) == 0;
	BIO_free(bio);
	json_t *jwk = good ? jwk_of(key) : NULL;
	if (!jwk)
		return dd_err_say(err, EIO, "libcrypto cannot make a P-256 key");
	*ret_jwk = jwk;
	return 0;
}

int jwt_public(const char *key_file, json_t **ret_jwk, struct dd_err *err)
{
	auto_key key = NULL;
	int r = key_read(key_file, &key, err);
	if (r < 0)
		return r;
	json_t *jwk = EVP_PKEY_is_a(key, "EC") ? jwk_of(key) : NULL;
	if (!jwk)
		return dd_err_say(err, EINVAL, "%s is no P-256 key", key_file);
	*ret_jwk = jwk;
	return 0;
}

/* ---- checking ---- */

/* malloc'ed; NULL: that is no base64url. */
static unsigned char *decode(const char *text, size_t len, size_t *ret_len)
{
	size_t padded = (len + 3) / 4 * 4;
	dd_auto_free char *in = malloc(padded + 1);
	unsigned char *out = malloc(padded + 1);
	for (size_t i = 0; in && i < padded; i++)
		in[i] = (char)(i >= len         ? '='
		               : text[i] == '-' ? '+'
		               : text[i] == '_' ? '/'
		                                : text[i]);
	int n = in && out && len % 4 != 1 ? EVP_DecodeBlock(out, (unsigned char *)in, (int)padded)
	                                  : -1;
	if (n < 0) {
		free(out);
		return NULL;
	}
	*ret_len = (size_t)n - (padded - len);
	out[*ret_len] = '\0';
	return out;
}

static json_t *decode_json(const char *text, size_t len)
{
	size_t n = 0;
	dd_auto_free unsigned char *bytes = decode(text, len, &n);
	return bytes ? json_loadb((char *)bytes, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static EVP_PKEY *key_of_jwk(const json_t *jwk)
{
	unsigned char point[1 + 2 * P256] = { 4 };
	const char *names[] = { "x", "y" };
	for (size_t i = 0; i < 2; i++) {
		const char *text = json_string_value(json_object_get(jwk, names[i]));
		size_t n = 0;
		dd_auto_free unsigned char *bytes = text ? decode(text, strlen(text), &n) : NULL;
		if (!bytes || n != P256)
			return NULL;
		memcpy(point + 1 + i * P256, bytes, (size_t)P256);
	}
	char group[] = "P-256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Of the key set of an issuer the one that is meant. */
static EVP_PKEY *key_of_set(const char *path, const char *kid)
{
	auto_json set = json_load_file(path, 0, NULL);
	const json_t *jwk;
	size_t i;
	json_array_foreach(json_object_get(set, "keys"), i, jwk)
	{
		const char *one = json_string_value(json_object_get(jwk, "kid"));
		if (kid && one && strcmp(kid, one) == 0)
			return key_of_jwk(jwk);
	}
	return NULL;
}

static int public_read(const char *path, const char *kid, EVP_PKEY **ret, struct dd_err *err)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return dd_err_set(err, errno, "public key %s", path);
	*ret = PEM_read_PUBKEY(file, NULL, NULL, NULL);
	(void)fclose(file);
	if (!*ret)
		*ret = key_of_set(path, kid);
	return *ret ? 0
	            : dd_err_say(err, EINVAL,
	                         "%s holds no public key in PEM form, and is no key set (JWKS) "
	                         "with the key %s",
	                         path, kid ? kid : "that signed");
}

/* The other way round than raw_signature(). Returns the length; 0: that is no signature. */
static size_t der_signature(const unsigned char *raw, size_t len, unsigned char **ret_der)
{
	ECDSA_SIG *both = ECDSA_SIG_new();
	bool whole = len == (size_t)2 * P256;
	BIGNUM *r = whole ? BN_bin2bn(raw, P256, NULL) : NULL;
	BIGNUM *s = whole ? BN_bin2bn(raw + P256, P256, NULL) : NULL;
	int made = -1;
	if (both && r && s && ECDSA_SIG_set0(both, r, s) == 1) {
		made = i2d_ECDSA_SIG(both, ret_der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(both);
	return made > 0 ? (size_t)made : 0;
}

static bool signature_holds(EVP_PKEY *key, const char *text, size_t len, const unsigned char *sig,
                            size_t n)
{
	unsigned char *der = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ec = EVP_PKEY_is_a(key, "EC");
	if (ec) {
		n = der_signature(sig, n, &der);
		sig = der;
	}
	bool good = ctx && n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	            EVP_DigestVerify(ctx, sig, n, (const unsigned char *)text, len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return good;
}

int jws_verify(const char *public_file, const char *typ, const char *token, json_t **ret_claims,
               struct dd_err *err)
{
	const char *dot = strchr(token, '.'), *last = strrchr(token, '.');
	auto_key key = NULL;
	size_t n = 0;
	if (!dot || dot == last || strchr(dot + 1, '.') != last)
		return dd_err_say(err, EBADMSG, "that is no signature of drydock's");
	auto_json head = decode_json(token, (size_t)(dot - token));
	const char *alg = json_string_value(json_object_get(head, "alg"));
	const char *is = json_string_value(json_object_get(head, "typ"));
	const char *kid = json_string_value(json_object_get(head, "kid"));
	if (!alg || !is || strcmp(is, typ) != 0)
		return dd_err_say(err, EBADMSG, "that is no signature of this kind (%s)", typ);
	int r = public_read(public_file, kid, &key, err);
	if (r < 0)
		return r;
	dd_auto_free unsigned char *sig = decode(last + 1, strlen(last + 1), &n);
	json_t *claims = decode_json(dot + 1, (size_t)(last - dot - 1));
	/* the key decides what it signs with, not the head */
	if (!sig || !claims || strcmp(alg, EVP_PKEY_is_a(key, "EC") ? "ES256" : "RS256") != 0 ||
	    !signature_holds(key, token, (size_t)(last - token), sig, n)) {
		json_decref(claims);
		return dd_err_say(err, EBADMSG, "it was not signed with the key of %s",
		                  public_file);
	}
	*ret_claims = claims;
	return 0;
}
