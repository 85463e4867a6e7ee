// SPDX-License-Identifier: Apache-2.0
/* github_token.c - see github_token.h.
 *
 * Runs in: the broker's courier. The key is built for one signature and freed. */
#include "github_token.h"

#include "drydock/fd.h"
#include "lease/jwt.h"
#include "message_json.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BACK_SEC = 30, LIFE_SEC = 300, SALT = 32, SIGNATURE_MAX = 1024, NUMBERS = 8 };

/* ---- the key ---- */

static const struct number_row {
	const char *name, *param;
} number_rows[NUMBERS] = {
	{ "modulus", OSSL_PKEY_PARAM_RSA_N },    { "exponent", OSSL_PKEY_PARAM_RSA_E },
	{ "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
	{ "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
	{ "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "inverseQ", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

static BIGNUM *number_of(const json_t *key, const char *name)
{
	const char *text = message_text(key, name);
	size_t len = 0;
	char *bytes = text ? github_unbase64(text, strlen(text), &len) : NULL;
	BIGNUM *number = bytes ? BN_bin2bn((unsigned char *)bytes, (int)len, NULL) : NULL;
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
	return number;
}

static EVP_PKEY *key_of(const json_t *parts)
{
	BIGNUM *numbers[NUMBERS] = { NULL };
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	bool good = build && ctx;

	for (size_t i = 0; good && i < NUMBERS; i++) {
		numbers[i] = number_of(parts, number_rows[i].name);
		good = numbers[i] &&
		       OSSL_PARAM_BLD_push_BN(build, number_rows[i].param, numbers[i]) == 1;
	}
	good = good && (params = OSSL_PARAM_BLD_to_param(build)) &&
	       EVP_PKEY_fromdata_init(ctx) == 1 &&
	       EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1;
	for (size_t i = 0; i < NUMBERS; i++)
		BN_clear_free(numbers[i]);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return good ? key : NULL;
}

/* ---- the assertion ---- */

static bool sign(EVP_PKEY *key, bool pss, const char *text, unsigned char out[SIGNATURE_MAX],
                 size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	*ret_len = SIGNATURE_MAX;
	bool good = ctx && EVP_DigestSignInit(ctx, &how, EVP_sha256(), NULL, key) == 1 &&
	            (!pss || (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
	                      EVP_PKEY_CTX_set_rsa_pss_saltlen(how, SALT) == 1)) &&
	            EVP_DigestSign(ctx, out, ret_len, (const unsigned char *)text, strlen(text)) ==
	                    1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static bool random_guid(char ret[37])
{
	unsigned char b[16];
	if (RAND_bytes(b, sizeof(b)) != 1)
		return false;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[at++] = '-';
		at += (size_t)sprintf(ret + at, "%02x", b[i]);
	}
	return true;
}

static char *encoded(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	char *out = text ? jwt_base64url(text, strlen(text)) : NULL;
	free(text);
	json_decref(json);
	return out;
}

int github_assertion(const struct github_runner *runner, long skew_sec, char **ret,
                     struct dd_err *err)
{
	unsigned char signature[SIGNATURE_MAX];
	long long from = (long long)time(NULL) - skew_sec - BACK_SEC;
	char id[37];
	size_t len = 0;
	char *input = NULL;

	if (!random_guid(id))
		return dd_err_say(err, EIO, "libcrypto gives no random numbers");
	EVP_PKEY *key = key_of(runner->key);
	if (!key || EVP_PKEY_get_bits(key) < 2048) {
		EVP_PKEY_free(key);
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL,
		                               "the runner's configuration holds no RSA key of at "
		                               "least 2048 bits"));
	}
	dd_auto_free char *head = encoded(
		json_pack("{s:s, s:s}", "typ", "JWT", "alg", runner->pss ? "PS256" : "RS256"));
	dd_auto_free char *claims =
		encoded(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "sub", runner->client_id, "iss",
	                          runner->client_id, "aud", runner->authorization, "jti", id, "nbf",
	                          (json_int_t)from, "exp", (json_int_t)(from + LIFE_SEC)));
	bool good = head && claims && asprintf(&input, "%s.%s", head, claims) > 0 &&
	            sign(key, runner->pss, input, signature, &len);
	EVP_PKEY_free(key);
	dd_auto_free char *last = good ? jwt_base64url(signature, len) : NULL;
	good = last && asprintf(ret, "%s.%s", input, last) > 0;
	free(input);
	return good ? 0 : dd_err_say(err, EIO, "libcrypto cannot sign with the runner's key");
}

/* ---- asking ---- */

static enum github_token_end refused(const struct http_answer *answer, long *skew_sec,
                                     struct dd_err *err)
{
	char why[120] = "", skew[80];
	json_t *said = message_json_load(answer->body, answer->len, why, sizeof(why));
	const char *kind = message_text(said, "error"),
		   *text = message_text(said, "error_description");
	enum github_token_end end = GITHUB_TOKEN_FAILED;

	if (text && strstr(text, "Current server time is")) {
		(void)dd_err_say(err, EAGAIN,
		                 "the server does not accept this host's time%s: set the clock",
		                 http_skew_text(answer, skew));
		*skew_sec = answer->skew_sec;
		end = GITHUB_TOKEN_CLOCK;
	} else if (kind && strcmp(kind, "invalid_client") == 0) {
		(void)dd_err_say(err, ENOENT,
		                 "the server does not know this runner any more (invalid_client): "
		                 "register it again");
		end = GITHUB_TOKEN_GONE;
	} else {
		(void)dd_err_say(err, EACCES, "the server gives no token: HTTP %ld%s%.100s",
		                 answer->status, kind ? ", " : "", kind ? kind : "");
		if (answer->status == 401 || answer->status == 403)
			end = GITHUB_TOKEN_GONE;
	}
	json_decref(said);
	return end;
}

static enum github_token_end read_answer(const struct http_answer *answer, long *skew_sec,
                                         char **ret_token, struct dd_err *err)
{
	char why[120];

	if (answer->status < 200 || answer->status > 299)
		return refused(answer, skew_sec, err);
	json_t *said = message_json_load(answer->body, answer->len, why, sizeof(why));
	const char *token = message_text(said, "access_token");
	if (token && *token && !strpbrk(token, " \t\r\n"))
		*ret_token = strdup(token);
	else
		(void)dd_err_say(err, EBADMSG, "the server's answer holds no token");
	if (token)
		explicit_bzero((char *)(uintptr_t)token, strlen(token));
	json_decref(said);
	return *ret_token ? GITHUB_TOKEN_GOT : GITHUB_TOKEN_FAILED;
}

enum github_token_end github_token(struct http *http, const struct github_runner *runner,
                                   long *skew_sec, char **ret_token, struct dd_err *err)
{
	dd_auto_free char *assertion = NULL, *body = NULL;
	struct http_answer answer;

	*ret_token = NULL;
	if (github_assertion(runner, *skew_sec, &assertion, err) < 0)
		return GITHUB_TOKEN_GONE;
	if (asprintf(&body,
	             "grant_type=client_credentials&client_assertion_type=urn%%3Aietf%%3Aparams%%3A"
	             "oauth%%3Aclient-assertion-type%%3Ajwt-bearer&client_assertion=%s",
	             assertion) < 0) {
		body = NULL;
		(void)dd_err_set(err, ENOMEM, "ask for a token");
		return GITHUB_TOKEN_FAILED;
	}
	const struct http_request request = { .method = "POST",
		                              .url = runner->authorization,
		                              .type = "application/x-www-form-urlencoded",
		                              .body = body,
		                              .tls_only = true };
	if (http_ask(http, &request, &answer, err) < 0)
		return GITHUB_TOKEN_FAILED;
	enum github_token_end end = read_answer(&answer, skew_sec, ret_token, err);
	http_answer_done(&answer);
	return end;
}
