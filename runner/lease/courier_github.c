// SPDX-License-Identifier: Apache-2.0
/* courier_github.c - a token of an installation of a GitHub App, narrowed to repositories and
 * permissions, and taken back.
 *
 * Runs in: courier. The app's private key signs one token of minutes and is freed. */
#include "courier_issuers.h"

#include "drydock/fd.h"

#include "jwt.h"

#include <stdlib.h>
#include <time.h>

enum { APP_TOKEN_SEC = 540, BACK_DATED_SEC = 60, LIFE_SEC = 3600 };

static void json_free_p(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_free_p))) json_t *

static int ask(struct http *http, const char *method, const char *url, const char *token,
               const char *body, bool creates, struct http_answer *ret, struct dd_err *err)
{
	char bearer[5000];
	(void)snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", token);
	const struct http_request request = {
		.method = method,
		.url = url,
		.headers = { bearer, "Accept: application/vnd.github+json",
		             "X-GitHub-Api-Version: 2022-11-28" },
		.type = body ? "application/json" : NULL,
		.body = body,
		.creates = creates,
	};
	int r = http_ask(http, &request, ret, err);
	explicit_bzero(bearer, sizeof(bearer));
	return r;
}

static const struct status_row {
	long status;
	const char *means;
} status_rows[] = {
	{ 401, "it does not take the app's signature: `app` or `key` is wrong, or a clock" },
	{ 403, "the installation is suspended" },
	{ 404, "there is no such installation of this app" },
	{ 422, "a repository or a permission is not the installation's" },
	{ 301, "it sends elsewhere, and a token follows no redirect: name that `url`" },
	{ 307, "it sends elsewhere, and a token follows no redirect: name that `url`" },
};

static int refused(const char *what, const struct http_answer *answer, struct dd_err *err)
{
	const char *means = "it gives no reason that is known here";
	char skew[80];
	for (size_t i = 0; i < ARRAY_LEN(status_rows); i++)
		if (status_rows[i].status == answer->status)
			means = status_rows[i].means;
	return dd_err_say(err, EACCES, "%s: HTTP %ld: %s%s", what, answer->status, means,
	                  http_skew_text(answer, skew));
}

static char *narrowed(const struct lease_issuer *issuer)
{
	auto_json body = json_pack("{s:[], s:{}}", "repositories", "permissions");
	for (size_t i = 0; issuer->repositories[i]; i++)
		(void)json_array_append_new(json_object_get(body, "repositories"),
		                            json_string(issuer->repositories[i]));
	for (size_t i = 0; i < issuer->n_permissions; i++)
		(void)json_object_set_new(json_object_get(body, "permissions"),
		                          issuer->permissions[i].name,
		                          json_string(issuer->permissions[i].value));
	return body ? json_dumps(body, JSON_COMPACT) : NULL;
}

/* It must be no wider than what was asked for. */
static int check_narrow(const struct lease_issuer *issuer, const json_t *said, struct dd_err *err)
{
	const char *chosen = json_string_value(json_object_get(said, "repository_selection")),
		   *name;
	json_t *word;
	if (!chosen || strcmp(chosen, "selected") != 0)
		return dd_err_say(err, EACCES,
		                  "the token is for all repositories of the installation");
	json_object_foreach(json_object_get(said, "permissions"), name, word)
	{
		bool asked = strcmp(name, "metadata") == 0; /* belongs to every one */
		for (size_t i = 0; i < issuer->n_permissions && !asked; i++)
			asked = strcmp(issuer->permissions[i].name, name) == 0;
		if (!asked)
			return dd_err_say(err, EACCES,
			                  "the token has the permission `%.60s`, which was "
			                  "not asked for",
			                  name);
	}
	return 0;
}

int github_app_token(const struct lease_issuer *issuer, char **ret, struct dd_err *err)
{
	long long now = (long long)time(NULL);
	auto_json claims = json_pack("{s:I, s:I, s:s}", "iat", (json_int_t)(now - BACK_DATED_SEC),
	                             "exp", (json_int_t)(now + APP_TOKEN_SEC - BACK_DATED_SEC),
	                             "iss", issuer->app);
	return claims ? jwt_sign(issuer->key, NULL, claims, ret, err)
	              : dd_err_set(err, ENOMEM, "sign for the app");
}

static int delete_token(struct http *http, const struct lease_issuer *issuer, const char *token,
                        char *ret, size_t size, struct dd_err *err)
{
	char url[1100];
	struct http_answer answer;
	(void)snprintf(url, sizeof(url), "%s/installation/token", issuer->url);
	int r = ask(http, "DELETE", url, token, NULL, false, &answer, err);
	if (r < 0)
		return r;
	(void)snprintf(ret, size, "revoked: token %ld", answer.status);
	/* 401: it is not good any more */
	r = answer.status == 204 || answer.status == 401 ? 0 : refused("revoke", &answer, err);
	http_answer_done(&answer);
	return r;
}

static int take(struct issuer_errand *e, const json_t *said, struct dd_err *err)
{
	const char *token = json_string_value(json_object_get(said, "token"));
	auto_json handle = handle_new("github-app", e->issuer, LIFE_SEC);
	char answers[200];
	struct dd_err ignored;
	if (!token)
		return dd_err_say(err, EPROTO, "the answer has no token");
	int r = courier_say_handle(e->c, handle, err);
	if (r == 0)
		r = courier_say_key(e->c, token, err);
	if (r == 0)
		r = check_narrow(e->issuer, said, err);
	if (r == 0)
		r = courier_say_user(e->c, "x-access-token", err);
	if (r == 0)
		r = courier_say_field(e->c, "token", token, strlen(token), err);
	if (r < 0)
		e->left = delete_token(e->http, e->issuer, token, answers, sizeof(answers),
		                       &ignored) < 0;
	return r;
}

int github_app_ask(struct issuer_errand *e, struct dd_err *err)
{
	char url[1200];
	struct http_answer answer;
	dd_auto_free char *body = narrowed(e->issuer);
	if (!body || !identity_token())
		return dd_err_set(err, ENOMEM, "ask for a token");
	(void)snprintf(url, sizeof(url), "%s/app/installations/%s/access_tokens", e->issuer->url,
	               e->issuer->installation);
	int r = ask(e->http, "POST", url, identity_token(), body, true, &answer, err);
	identity_forget();
	if (r < 0)
		return r;
	auto_json said = answer.status == 201 ? http_json(&answer) : NULL;
	r = answer.status == 201 ? take(e, said, err)
	                         : refused("ask for a token of the installation", &answer, err);
	http_answer_done(&answer);
	return r;
}

int github_app_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                         const char *key, char *ret, size_t size, struct dd_err *err)
{
	(void)handle;
	return key ? delete_token(http, issuer, key, ret, size, err)
	           : dd_err_say(err, ESTALE,
	                        "only the token itself could take it back, and nobody has it any "
	                        "more");
}
