// SPDX-License-Identifier: Apache-2.0
/* github_mint.c - see github_mint.h.
 *
 * Runs in: the registration's courier. A personal token and an app's key can do far more than
 * register a runner: neither is written down, and both end with this process. */
#include "github_mint.h"

#include "drydock/fd.h"
#include "github_ask.h"
#include "lease/jwt.h"
#include "message_json.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BACK_SEC = 60, LIFE_SEC = 540, SIGNATURE_MAX = 1024 };

bool github_is_personal(const char *token)
{
	static const char *const prefixes[] = { "ghp_", "github_pat_", "gho_", "ghu_", "ghs_" };
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(token, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int mint_ask(struct http *http, const char *method, const char *url, const char *token,
                    const char *for_what, struct github_answer *ret, struct dd_err *err)
{
	char text[200];
	int r = github_ask(http,
	                   &(struct github_ask){ .method = method, .url = url, .token = token },
	                   ret, err);

	if (r < 0 || (ret->status >= 200 && ret->status <= 299))
		return r;
	r = dd_err_say(err, ret->status == 401 || ret->status == 403 ? EACCES : EIO,
	               "%s: HTTP %ld%s%s", for_what, ret->status, github_answer_text(ret, text),
	               ret->status == 403 || ret->status == 404
	                       ? ": it must be allowed to administer runners there (a personal "
	                         "token: repo, admin:org or manage_runners:enterprise; an app: "
	                         "administration, or self-hosted runners of the organisation)"
	                       : "");
	github_answer_done(ret);
	return r;
}

static int take_token(struct github_answer *answer, const char *what, char ret[MINT_TOKEN_MAX],
                      struct dd_err *err)
{
	const char *token = message_text(answer->said, "token");
	int r = 0;

	if (!token || !*token || strlen(token) >= MINT_TOKEN_MAX || strpbrk(token, " \t\r\n"))
		r = dd_err_say(err, EBADMSG, "%s: the server's answer holds no token", what);
	else
		(void)snprintf(ret, MINT_TOKEN_MAX, "%s", token);
	github_answer_done(answer);
	return r;
}

/* ---- an app ---- */

static char *part_of(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	char *out = text ? jwt_base64url(text, strlen(text)) : NULL;
	free(text);
	json_decref(json);
	return out;
}

/* malloc'ed: what it says of itself, signed. Clocks may differ by a minute. */
static char *app_jwt(const char *app, const char *pem)
{
	unsigned char signature[SIGNATURE_MAX];
	long long from = (long long)time(NULL) - BACK_SEC;
	BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	dd_auto_free char *head = part_of(json_pack("{s:s, s:s}", "typ", "JWT", "alg", "RS256"));
	dd_auto_free char *claims = part_of(json_pack("{s:s, s:I, s:I}", "iss", app, "iat",
	                                              (json_int_t)from, "exp",
	                                              (json_int_t)(from + LIFE_SEC)));
	dd_auto_free char *input = NULL;
	char *whole = NULL;
	size_t len = sizeof(signature);

	bool good = key && ctx && head && claims && asprintf(&input, "%s.%s", head, claims) > 0 &&
	            EVP_PKEY_is_a(key, "RSA") == 1 &&
	            EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	            EVP_DigestSign(ctx, signature, &len, (const unsigned char *)input,
	                           strlen(input)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	dd_auto_free char *last = good ? jwt_base64url(signature, len) : NULL;
	return last && asprintf(&whole, "%s.%s", input, last) > 0 ? whole : NULL;
}

/* The token of the app's installation where the runner is to be. */
static int app_token(struct http *http, const struct github_mint *mint, char ret[MINT_TOKEN_MAX],
                     struct dd_err *err)
{
	struct github_answer answer;
	char url[GITHUB_URL_MAX];
	dd_auto_free char *jwt = app_jwt(mint->app, mint->secret);
	/* "/repos/OWNER/REPO/actions" */
	int entity = (int)strlen(mint->place->entity) - (int)strlen("/actions");

	if (!jwt)
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EINVAL,
		                   "--token-file with --app must hold the app's private "
		                   "key: an RSA key as PEM"));
	(void)snprintf(url, sizeof(url), "%s%.*s/installation", mint->place->api, entity,
	               mint->place->entity);
	int r = mint_ask(http, "GET", url, jwt, "the app's installation", &answer, err);
	if (r < 0)
		return r;
	long long id = message_number(answer.said, "id", 0);
	github_answer_done(&answer);
	if (id <= 0)
		return dd_err_say(err, EBADMSG, "the server does not say which installation it is");
	(void)snprintf(url, sizeof(url), "%s/app/installations/%lld/access_tokens",
	               mint->place->api, id);
	r = mint_ask(http, "POST", url, jwt, "a token of the app's installation", &answer, err);
	return r < 0 ? r : take_token(&answer, "a token of the app's installation", ret, err);
}

/* ---- either ---- */

int github_mint(struct http *http, const struct github_mint *mint, char ret[MINT_TOKEN_MAX],
                struct dd_err *err)
{
	struct github_answer answer;
	char url[GITHUB_URL_MAX], token[MINT_TOKEN_MAX] = "";
	const char *what = mint->remove ? "a token for removals" : "a token for registrations";
	int r = 0;

	if (mint->app)
		r = app_token(http, mint, token, err);
	else
		(void)snprintf(token, sizeof(token), "%s", mint->secret);
	(void)snprintf(url, sizeof(url), "%s%s/runners/%s", mint->place->api, mint->place->entity,
	               mint->remove ? "remove-token" : "registration-token");
	if (r == 0)
		r = mint_ask(http, "POST", url, token, what, &answer, err);
	explicit_bzero(token, sizeof(token));
	return r < 0 ? r : take_token(&answer, what, ret, err);
}
