// SPDX-License-Identifier: Apache-2.0
/* courier_exchange.c - an identity token against an access token: RFC 8693, and what the clouds
 * made of it.
 *
 * Runs in: courier. What a cloud gives nobody can take back: the shortest life that it knows is
 * asked for, and told. */
#include "courier_issuers.h"

#include "drydock/fd.h"

#include "input/xml_leaves.h"

#include <stdlib.h>

enum { AWS_LEAST_SEC = 900, FORM_BYTES = 32 * 1024 };

static void json_free_p(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_free_p))) json_t *

/* ---- forms ---- */

struct form {
	char text[FORM_BYTES];
	size_t len;
	bool full;
};

static void put(struct form *f, const char *name, const char *value)
{
	if (!value)
		return;
	char *escaped = http_escape(value);
	int n = escaped ? snprintf(f->text + f->len, sizeof(f->text) - f->len, "%s%s=%s",
	                           f->len ? "&" : "", name, escaped)
	                : -1;
	if (n < 0 || (size_t)n >= sizeof(f->text) - f->len)
		f->full = true;
	else
		f->len += (size_t)n;
	if (escaped)
		explicit_bzero(escaped, strlen(escaped));
	free(escaped);
}

#define JWT_TYPE      "urn:ietf:params:oauth:token-type:jwt"
#define ACCESS_TYPE   "urn:ietf:params:oauth:token-type:access_token"
#define EXCHANGE_TYPE "urn:ietf:params:oauth:grant-type:token-exchange"

static void fill_rfc8693(struct form *f, const struct issuer_errand *e, const char *jwt)
{
	put(f, "grant_type", EXCHANGE_TYPE);
	put(f, "subject_token", jwt);
	put(f, "subject_token_type", JWT_TYPE);
	put(f, "requested_token_type", ACCESS_TYPE);
	put(f, "audience", e->issuer->form == EXCHANGE_GCP ? e->issuer->resource : NULL);
	put(f, "resource", e->issuer->form == EXCHANGE_GCP ? NULL : e->issuer->resource);
	put(f, "scope",
	    e->issuer->form == EXCHANGE_GCP ? "https://www.googleapis.com/auth/cloud-platform"
	                                    : e->issuer->scope);
	put(f, "client_id", e->issuer->client);
}

static void fill_aws(struct form *f, const struct issuer_errand *e, const char *jwt)
{
	const struct courier_errand *errand = courier_errand_of(e->c);
	char sec[24], session[65];
	(void)snprintf(sec, sizeof(sec), "%u",
	               e->ttl_sec < AWS_LEAST_SEC ? AWS_LEAST_SEC : e->ttl_sec);
	(void)snprintf(session, sizeof(session), "drydock-%.50s", errand->job->run);
	put(f, "Action", "AssumeRoleWithWebIdentity");
	put(f, "Version", "2011-06-15");
	put(f, "RoleArn", e->issuer->role);
	put(f, "RoleSessionName", session);
	put(f, "DurationSeconds", sec);
	put(f, "WebIdentityToken", jwt);
}

static void fill_azure(struct form *f, const struct issuer_errand *e, const char *jwt)
{
	put(f, "grant_type", "client_credentials");
	put(f, "client_id", e->issuer->client);
	put(f, "scope", e->issuer->scope);
	put(f, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	put(f, "client_assertion", jwt);
}

/* ---- answers ---- */

static const struct hint_row {
	const char *code, *means;
} hints[] = {
	{ "invalid_grant",
	  "it does not take the identity token: wrong audience, expired, or an issuer "
	  "that it does not trust" },
	{ "invalid_client", "it does not know the client, or does not take its identity" },
	{ "unauthorized_client", "the client may not exchange tokens" },
	{ "unsupported_grant_type", "it exchanges no tokens" },
	{ "invalid_scope", "it does not give that scope" },
	{ "invalid_target", "it gives no token for that resource or audience" },
	{ "invalid_request", "it cannot make sense of the request" },
	{ "access_denied", "it refuses" },
	{ "ExpiredToken", "the identity token is expired" },
	{ "InvalidIdentityToken",
	  "it does not take the identity token: its audience, its issuer, or its "
	  "signature" },
	{ "IDPRejectedClaim", "it rejects a claim of the identity token" },
	{ "IDPCommunicationError", "it cannot reach the identity's issuer" },
	/* MinIO has one code for all of it, and says which in its sentence */
	{ "Token is expired", "the identity token is expired" },
	{ "must match configured OpenID Client ID",
	  "it does not accept this audience: make `audience` the client id of its OpenID "
	  "configuration" },
	{ "No public key found",
	  "it does not know the key that signed the identity token: publish the issuer's public/ "
	  "again" },
	{ "verification error",
	  "it does not know the key that signed the identity token: publish the issuer's public/ "
	  "again" },
	{ "MalformedPolicyDocument", "the session policy is malformed" },
	{ "AccessDenied", "the role's trust policy does not allow this identity" },
	{ "InvalidParameterValue", "a parameter is not one that it takes" },
	{ "PERMISSION_DENIED", "the account may not be impersonated by this identity" },
};

static int refused(const char *what, const struct http_answer *answer, struct dd_err *err)
{
	const char *means = answer->status / 100 == 3
	                            ? "it sends elsewhere, and a token follows no redirect"
	                            : "it gives no reason that is known here";
	char skew[80];
	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (strstr(answer->body, hints[i].code)) {
			means = hints[i].means;
			break;
		}
	return dd_err_say(err, EACCES, "%s: HTTP %ld: %s%s", what, answer->status, means,
	                  http_skew_text(answer, skew));
}

static int say(struct issuer_errand *e, const char *name, const char *value, struct dd_err *err)
{
	return value ? courier_say_field(e->c, name, value, strlen(value), err)
	             : dd_err_say(err, EPROTO, "the answer has no %s", name);
}

struct aws_answer {
	char key[200], secret[400], *session;
};

static void aws_leaf(void *state, const char *path, const char *text)
{
	struct aws_answer *a = state;
	const char *name = strrchr(path, '/');
	if (!text || !name || !strstr(path, "/Credentials/"))
		return;
	if (strcmp(name, "/AccessKeyId") == 0)
		(void)snprintf(a->key, sizeof(a->key), "%s", text);
	else if (strcmp(name, "/SecretAccessKey") == 0)
		(void)snprintf(a->secret, sizeof(a->secret), "%s", text);
	else if (strcmp(name, "/SessionToken") == 0 && !a->session)
		a->session = strdup(text);
}

static int take_aws(struct issuer_errand *e, const struct http_answer *answer, struct dd_err *err)
{
	struct aws_answer a = { .session = NULL };
	int r = xml_leaves("the answer", answer->body, answer->len, aws_leaf, &a, err);
	if (r == 0)
		r = say(e, "secret_access_key", a.secret[0] ? a.secret : NULL, err);
	if (r == 0)
		r = say(e, "access_key_id", a.key[0] ? a.key : NULL, err);
	if (r == 0)
		r = say(e, "session_token", a.session, err);
	if (a.session)
		explicit_bzero(a.session, strlen(a.session));
	free(a.session);
	explicit_bzero(&a, sizeof(a));
	return r;
}

static int take_token(struct issuer_errand *e, const json_t *said, struct dd_err *err)
{
	const char *token = json_string_value(json_object_get(said, "access_token"));
	const json_t *sec = json_object_get(said, "expires_in");
	int r = token ? 0 : dd_err_say(err, EPROTO, "the answer has no access_token");
	if (r == 0 && e->issuer->revoke) {
		auto_json handle = handle_new(
			"oidc", e->issuer, json_is_integer(sec) ? json_integer_value(sec) : 3600);
		r = courier_say_handle(e->c, handle, err);
		if (r == 0)
			r = courier_say_key(e->c, token, err);
	}
	/* RFC 6749 leaves it out where it is said elsewhere: then the policy's word holds */
	if (r == 0 && json_is_integer(sec) && json_integer_value(sec) > 0)
		r = courier_say_ttl(e->c, json_integer_value(sec), false, err);
	return r < 0 ? r : say(e, "access_token", token, err);
}

/* Google: what the exchange gives may only become an account's token, whose life can be chosen. */
static int impersonate(struct issuer_errand *e, const char *federated, struct dd_err *err)
{
	char url[1200], bearer[8 * 1024], life[32];
	struct http_answer answer;
	(void)snprintf(life, sizeof(life), "%us", e->ttl_sec < 3600 ? e->ttl_sec : 3600);
	auto_json body = json_pack("{s:[s], s:s}", "scope", e->issuer->scope, "lifetime", life);
	dd_auto_free char *text = json_dumps(body, JSON_COMPACT);
	(void)snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", federated);
	int n = snprintf(url, sizeof(url), "%s", e->issuer->account);
	const struct http_request request = { .method = "POST",
		                              .url = url,
		                              .headers = { bearer },
		                              .type = "application/json",
		                              .body = text,
		                              .creates = true };
	int r = n < 0 || (size_t)n >= sizeof(url) || !text
	                ? dd_err_say(err, ENAMETOOLONG, "the address of the account is too long")
	                : http_ask(e->http, &request, &answer, err);
	explicit_bzero(bearer, sizeof(bearer));
	if (r < 0)
		return r;
	auto_json said = answer.status == 200 ? http_json(&answer) : NULL;
	r = answer.status == 200 ? 0 : refused("impersonate the account", &answer, err);
	http_answer_done(&answer);
	if (r == 0) /* as long as it was asked for, not as long as the policy would */
		r = courier_say_ttl(e->c, e->ttl_sec < 3600 ? e->ttl_sec : 3600, false, err);
	return r < 0 ? r
	             : say(e, "access_token",
	                   json_string_value(json_object_get(said, "accessToken")), err);
}

static int take(struct issuer_errand *e, const struct http_answer *answer, struct dd_err *err)
{
	if (answer->status != 200)
		return refused("exchange the identity", answer, err);
	if (e->issuer->form == EXCHANGE_AWS)
		return take_aws(e, answer, err);
	auto_json said = http_json(answer);
	if (e->issuer->form != EXCHANGE_GCP)
		return take_token(e, said, err);
	const char *token = json_string_value(json_object_get(said, "access_token"));
	return token ? impersonate(e, token, err)
	             : dd_err_say(err, EPROTO, "the answer has no access_token");
}

int exchange_ask(struct issuer_errand *e, struct dd_err *err)
{
	static void (*const fill[EXCHANGE__COUNT])(struct form * f, const struct issuer_errand *e,
	                                           const char *jwt) = {
		[EXCHANGE_RFC8693] = fill_rfc8693,
		[EXCHANGE_AWS] = fill_aws,
		[EXCHANGE_AZURE] = fill_azure,
		[EXCHANGE_GCP] = fill_rfc8693,
	};
	struct form *form = calloc(1, sizeof(*form));
	struct http_answer answer;
	int r = form ? 0 : dd_err_set(err, ENOMEM, "exchange the identity");
	if (r == 0) {
		fill[e->issuer->form](form, e, identity_token());
		const struct http_request request = { .method = "POST",
			                              .url = e->issuer->url,
			                              .type = "application/x-www-form-urlencoded",
			                              .body = form->text,
			                              .creates = true };
		r = form->full ? dd_err_say(err, E2BIG, "the identity token is too long")
		               : http_ask(e->http, &request, &answer, err);
	}
	identity_forget();
	if (r == 0) {
		r = take(e, &answer, err);
		http_answer_done(&answer);
	}
	if (form)
		explicit_bzero(form, sizeof(*form));
	free(form);
	return r;
}

/* RFC 7009: also of a token that is not known the answer is 200. */
int exchange_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                       const char *key, char *ret, size_t size, struct dd_err *err)
{
	struct http_answer answer;
	(void)handle;
	if (!key)
		return dd_err_say(err, ESTALE,
		                  "only the token itself could take it back, and nobody has "
		                  "it any more");
	struct form *form = calloc(1, sizeof(*form));
	if (!form)
		return dd_err_set(err, ENOMEM, "revoke a token");
	put(form, "token", key);
	put(form, "token_type_hint", "access_token");
	put(form, "client_id", issuer->client);
	const struct http_request request = { .method = "POST",
		                              .url = issuer->revoke,
		                              .type = "application/x-www-form-urlencoded",
		                              .body = form->text };
	int r = http_ask(http, &request, &answer, err);
	explicit_bzero(form, sizeof(*form));
	free(form);
	if (r < 0)
		return r;
	(void)snprintf(ret, size, "revoked: token %ld", answer.status);
	r = answer.status == 200 ? 0 : refused("revoke the token", &answer, err);
	http_answer_done(&answer);
	return r;
}
