// SPDX-License-Identifier: Apache-2.0
/* courier_vault.c - Vault and OpenBao: login with a JWT, one look, and everything taken back by
 * name.
 *
 * Runs in: courier. A revocation that answers 204 may have failed: a token's leases are ended by a
 * queue. So each lease is revoked by itself, synchronously, and then the token. Of what the server
 * says only known words are repeated: its sentences can quote a token. */
#include "courier_issuers.h"

#include "crash_point.h"
#include "drydock/fd.h"

#include <ctype.h>
#include <stdlib.h>
#include <time.h>

enum { URL_BYTES = 2400, SLACK_SEC = 60 };

struct vault {
	struct http *http;
	const struct lease_issuer *issuer;
	const char *token; /* in an answer; NULL: not logged in */
};

static void json_free_p(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_free_p))) json_t *

static int request(const struct vault *v, const char *method, const char *path, const json_t *body,
                   unsigned wrap_sec, bool creates, struct http_answer *ret, struct dd_err *err)
{
	char url[URL_BYTES], space[300], token[4200], wrap[60];
	struct http_request r = { .method = method,
		                  .url = url,
		                  .headers = { "X-Vault-Request: true" },
		                  .creates = creates };
	size_t n = 1;
	int len = snprintf(url, sizeof(url), "%s/v1/%s", v->issuer->url, path);
	if (len < 0 || (size_t)len >= sizeof(url))
		return dd_err_say(err, ENAMETOOLONG, "an address at the server is too long");
	if (v->issuer->namespace_) {
		(void)snprintf(space, sizeof(space), "X-Vault-Namespace: %.250s",
		               v->issuer->namespace_);
		r.headers[n++] = space;
	}
	if (v->token) {
		(void)snprintf(token, sizeof(token), "X-Vault-Token: %s", v->token);
		r.headers[n++] = token;
	}
	if (wrap_sec) {
		(void)snprintf(wrap, sizeof(wrap), "X-Vault-Wrap-TTL: %us", wrap_sec);
		r.headers[n++] = wrap;
	}
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (text) {
		r.type = "application/json";
		r.body = text;
	}
	int done = http_ask(v->http, &r, ret, err);
	explicit_bzero(token, sizeof(token));
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return done;
}

/* ---- what went wrong ---- */

/* Words of the server's sentence, in lower case, and what they mean to who reads ours. */
static const struct hint_row {
	const char *word, *means;
} hints[] = {
	{ "sealed", "the server is sealed: somebody has to unseal it" },
	{ "audience", "the role does not accept this audience: make `audience` one of its "
	              "bound_audiences" },
	{ "expired",
	  "the identity token is expired: if it is drydock's own, this host's clock is wrong; "
	  "if it comes from a file, nobody has renewed it" },
	{ "not valid yet", "the identity token is from the future: this host's clock is ahead" },
	{ "used before issued",
	  "the identity token is from the future: this host's clock is ahead" },
	{ "(nbf)", "the identity token is from the future: this host's clock is ahead" },
	{ "signature", "the server does not know the key that signed the identity token: publish "
	               "the issuer's public/ again, or let it read the JWKS anew" },
	{ "no known key",
	  "the server does not know the key that signed the identity token: publish "
	  "the issuer's public/ again" },
	{ "issuer", "the server's bound_issuer is not the issuer of this identity token" },
	{ "claim", "a claim of the identity token is not what the role's bound_claims ask for" },
	{ "subject", "the subject of the identity token is not the role's bound_subject" },
	{ "role", "the server has no such role" },
	{ "lease", "the server has no such lease, or could not end it where it was made" },
	{ "permission denied", "the policy of this role does not allow it" },
	{ "unsupported path", "nothing is mounted at that path" },
	{ "no handler", "nothing is mounted at that path" },
};

static const char *hint_of(const struct http_answer *answer)
{
	dd_auto_free char *text = strdup(answer->body);
	for (char *p = text; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (size_t i = 0; text && i < ARRAY_LEN(hints); i++)
		if (strstr(text, hints[i].word))
			return hints[i].means;
	return answer->status == 404   ? "there is nothing, or this role may not see it"
	       : answer->status == 503 ? "the server is sealed or in maintenance"
	       : answer->status / 100 == 3
	               ? "it sends elsewhere, and a token follows no redirect: name that server"
	               : "it gives no reason that is known here";
}

static int refused(const char *what, const struct http_answer *answer, struct dd_err *err)
{
	char skew[80];
	return dd_err_say(err, EACCES, "%s: HTTP %ld: %s%s", what, answer->status, hint_of(answer),
	                  http_skew_text(answer, skew));
}

static bool is_good(const struct http_answer *answer)
{
	return answer->status / 100 == 2;
}

/* ---- login ---- */

/* Into @ret_auth: the `auth` of the answer. */
static int login(struct vault *v, const char *role, json_t **ret_answer, struct dd_err *err)
{
	char path[600];
	struct http_answer answer;
	auto_json body = json_pack("{s:s, s:s*}", "role", role, "jwt", identity_token());
	identity_forget();
	(void)snprintf(path, sizeof(path), "auth/%.500s/login", v->issuer->mount);
	crash_point();
	int r = request(v, "POST", path, body, 0, true, &answer, err);
	crash_point();
	if (r < 0)
		return r;
	json_t *said = is_good(&answer) ? http_json(&answer) : NULL;
	const json_t *auth = json_object_get(said, "auth");
	if (!is_good(&answer))
		r = refused("log in", &answer, err);
	else if (!json_is_string(json_object_get(auth, "client_token")) ||
	         !json_is_string(json_object_get(auth, "accessor")))
		r = dd_err_say(err, EPROTO, "log in: the answer is not one of Vault's");
	http_answer_done(&answer);
	if (r < 0) {
		json_decref(said);
		return r;
	}
	v->token = json_string_value(json_object_get(auth, "client_token"));
	*ret_answer = said;
	return 0;
}

/* ---- taking back ---- */

static int post(const struct vault *v, const char *path, const char *name, const char *value,
                bool sync, struct http_answer *ret, struct dd_err *err)
{
	auto_json body = name ? json_pack("{s:s}", name, value) : NULL;
	if (body && sync)
		(void)json_object_set_new(body, "sync", json_true());
	return request(v, "POST", path, body, 0, false, ret, err);
}

static void put_answer(char *ret, size_t size, const char *what, long status)
{
	size_t len = strlen(ret);
	(void)snprintf(ret + len, size - len, "%s%s %ld", len ? ", " : "revoked: ", what, status);
}

/* One of the two. *@r is the first failure, and @err its sentence. */
static void take_one(const struct vault *v, const char *path, const char *name, const char *value,
                     const char *what, char *ret, size_t size, int *r, struct dd_err *err)
{
	struct http_answer answer;
	crash_point();
	int done = post(v, path, name, value, strcmp(what, "lease") == 0, &answer,
	                *r < 0 ? NULL : err);
	if (done == 0) {
		put_answer(ret, size, what, answer.status);
		/* an accessor or a token that is not known any more is gone */
		bool gone = is_good(&answer) ||
		            (strcmp(what, "lease") != 0 &&
		             (strstr(answer.body, "invalid accessor") || answer.status == 404));
		if (!gone)
			done = refused(what, &answer, *r < 0 ? NULL : err);
		http_answer_done(&answer);
	}
	crash_point();
	*r = *r < 0 ? *r : done;
}

static int take_back_all(struct vault *v, const json_t *handle, bool own, char *ret, size_t size,
                         struct dd_err *err)
{
	const char *lease = json_string_value(json_object_get(handle, "lease_id"));
	const char *accessor = json_string_value(json_object_get(handle, "accessor"));
	const char *wrapped = json_string_value(json_object_get(handle, "wrap_accessor"));
	int r = 0;
	if (wrapped)
		take_one(v, "auth/token/revoke-accessor", "accessor", wrapped, "wrapping", ret,
		         size, &r, err);
	if (lease)
		take_one(v, "sys/leases/revoke", "lease_id", lease, "lease", ret, size, &r, err);
	if (own)
		take_one(v, "auth/token/revoke-self", NULL, NULL, "token", ret, size, &r, err);
	else if (accessor)
		take_one(v, "auth/token/revoke-accessor", "accessor", accessor, "token", ret, size,
		         &r, err);
	return r;
}

int vault_take_back(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                    const char *key, char *ret, size_t size, struct dd_err *err)
{
	struct vault v = { http, issuer, key };
	auto_json said = NULL;
	if (key)
		return take_back_all(&v, handle, true, ret, size, err);
	int r = login(&v, issuer->janitor ? issuer->janitor : issuer->role, &said, err);
	if (r < 0)
		return r;
	r = take_back_all(&v, handle, false, ret, size, err);
	struct http_answer answer;
	if (post(&v, "auth/token/revoke-self", NULL, NULL, false, &answer, NULL) == 0)
		http_answer_done(&answer);
	return r;
}

/* ---- asking ---- */

/* Set what is left of its life: the server may shorten and lengthen it, within its own bounds. */
static long long renew(const struct vault *v, const char *lease, long long left, bool renewable,
                       unsigned ttl_sec)
{
	struct http_answer answer;
	auto_json body = lease ? json_pack("{s:s, s:i}", "lease_id", lease, "increment",
	                                   (int)ttl_sec)
	                       : json_pack("{s:i}", "increment", (int)ttl_sec);
	if (!renewable || left == (long long)ttl_sec)
		return left;
	if (request(v, "POST", lease ? "sys/leases/renew" : "auth/token/renew-self", body, 0, false,
	            &answer, NULL) < 0)
		return left;
	auto_json said = is_good(&answer) ? http_json(&answer) : NULL;
	const json_t *at = lease ? said : json_object_get(said, "auth");
	const json_t *sec = json_object_get(at, "lease_duration");
	http_answer_done(&answer);
	return json_is_integer(sec) ? json_integer_value(sec) : left;
}

/* A server that gives more than the policy says gives it to whoever finds it after a crash. */
static int check_life(const struct issuer_errand *e, const char *what, long long sec,
                      struct dd_err *err)
{
	if (sec > (long long)e->ttl_sec + SLACK_SEC || sec <= 0)
		return dd_err_say(
			err, EACCES,
			"the %s would live for %lld s, and the policy says ttl: %u s; give the "
			"role a token_explicit_max_ttl or max_ttl of about that, or the "
			"credential another `ttl`",
			what, sec, e->ttl_sec);
	return 0;
}

static int say_value(struct issuer_errand *e, const char *name, const json_t *value,
                     struct dd_err *err)
{
	if (json_is_string(value))
		return courier_say_field(e->c, name, json_string_value(value),
		                         json_string_length(value), err);
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	int r = text ? courier_say_field(e->c, name, text, strlen(text), err)
	             : dd_err_set(err, ENOMEM, "read the secret");
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return r;
}

static int no_default(json_t *data, struct dd_err *err)
{
	char has[200] = "";
	const char *name;
	json_t *ignored;
	json_object_foreach(data, name, ignored) if (strlen(has) < 140)(void) snprintf(
		has + strlen(has), sizeof(has) - strlen(has), "%s%.40s", has[0] ? ", " : "", name);
	return dd_err_say(
		err, EINVAL,
		"the secret has several parts (%s), and none is called password: say which "
		"is meant with `field`, or name parts in `as`",
		has);
}

static bool is_named(const struct grant_lease *lease, const char *name)
{
	for (size_t i = 0; i < lease->n_targets; i++)
		if (lease->targets[i].field && strcmp(lease->targets[i].field, name) == 0)
			return true;
	return false;
}

static bool wants_default(const struct grant_lease *lease)
{
	for (size_t i = 0; i < lease->n_targets; i++)
		if (!lease->targets[i].field)
			return true;
	return false;
}

/* The part that is meant where none is named. */
static const char *default_part(const struct lease_issuer *issuer, json_t *data)
{
	return issuer->field                       ? issuer->field
	       : json_object_get(data, "password") ? "password"
	       : json_object_size(data) == 1       ? json_object_iter_key(json_object_iter(data))
	                                           : NULL;
}

/* Only what the policy hands over leaves this process; what is meant without a name comes first. */
static int say_fields(struct issuer_errand *e, json_t *data, struct dd_err *err)
{
	const struct grant_lease *lease = courier_errand_of(e->c)->lease;
	const json_t *user = json_object_get(data, e->issuer->user ? e->issuer->user : "username");
	const char *first = wants_default(lease) ? default_part(e->issuer, data) : NULL, *name;
	json_t *value;
	int r = 0;
	if (wants_default(lease) && !first)
		return no_default(data, err);
	if (first && !json_object_get(data, first))
		return dd_err_say(err, ENOENT, "the secret has no part `%s`", first);
	if (first)
		r = say_value(e, first, json_object_get(data, first), err);
	if (r == 0 && json_is_string(user))
		r = courier_say_user(e->c, json_string_value(user), err);
	json_object_foreach(data, name, value) if (r == 0 && is_named(lease, name) &&
	                                           (!first || strcmp(name, first) != 0) &&
	                                           !json_is_null(value))
		r = say_value(e, name, value, err);
	return r;
}

/* A KV store of version 2 puts the secret one deeper, beside its metadata. */
static json_t *data_of(const json_t *answer)
{
	json_t *data = json_object_get(answer, "data"), *inner = json_object_get(data, "data");
	return json_is_object(inner) && json_is_object(json_object_get(data, "metadata")) ? inner
	                                                                                  : data;
}

static int take_wrapped(struct issuer_errand *e, const json_t *answer, json_t *handle,
                        struct dd_err *err)
{
	const json_t *wrap = json_object_get(answer, "wrap_info");
	const char *token = json_string_value(json_object_get(wrap, "token"));
	const char *made = json_string_value(json_object_get(wrap, "creation_path"));
	if (!token || !made || strcmp(made, e->issuer->read) != 0)
		return dd_err_say(
			err, EPROTO,
			"the server did not wrap what was asked for: the token it sent is for "
			"another path");
	/* it outlives the token that asked for it, and so does what it wraps */
	(void)json_object_set(handle, "wrap_accessor", json_object_get(wrap, "accessor"));
	int r = courier_say_handle(e->c, handle, err);
	return r < 0 ? r : courier_say_field(e->c, "wrapping_token", token, strlen(token), err);
}

/* What the token is for. @handle grows by the lease. */
static int look(struct issuer_errand *e, const struct vault *v, json_t *handle, struct dd_err *err)
{
	struct http_answer answer;
	crash_point();
	int r = request(v, "GET", e->issuer->read, NULL, e->issuer->wrap_sec, true, &answer, err);
	crash_point();
	if (r < 0)
		return r;
	auto_json said = is_good(&answer) ? http_json(&answer) : NULL;
	r = is_good(&answer) ? 0 : refused("read the secret", &answer, err);
	http_answer_done(&answer);
	if (r < 0)
		return r;
	if (e->issuer->wrap_sec)
		return take_wrapped(e, said, handle, err);
	const char *lease = json_string_value(json_object_get(said, "lease_id"));
	if (lease && *lease) {
		(void)json_object_set_new(handle, "lease_id", json_string(lease));
		if ((r = courier_say_handle(e->c, handle, err)) < 0)
			return r;
		long long sec = renew(v, lease,
		                      json_integer_value(json_object_get(said, "lease_duration")),
		                      json_is_true(json_object_get(said, "renewable")), e->ttl_sec);
		if ((r = check_life(e, "secret", sec, err)) < 0 ||
		    (r = courier_say_ttl(
			     e->c, sec, json_is_true(json_object_get(said, "renewable")), err)) < 0)
			return r;
	}
	json_t *data = data_of(said);
	if (!json_is_object(data) || json_object_size(data) == 0)
		return dd_err_say(err, ENOENT, "there is no secret at %s (deleted?)",
		                  e->issuer->read);
	return say_fields(e, data, err);
}

static int ask_with(struct issuer_errand *e, struct vault *v, const json_t *auth, json_t *handle,
                    struct dd_err *err)
{
	const char *type = json_string_value(json_object_get(auth, "token_type"));
	int r = courier_say_handle(e->c, handle, err);
	if (r == 0)
		r = courier_say_key(e->c, v->token, err);
	if (r < 0)
		return r;
	if (!type || strcmp(type, "service") != 0)
		return dd_err_say(
			err, EACCES,
			"the role gives tokens of type `%.20s`, which nobody can revoke: set its "
			"token_type to service",
			type ? type : "unknown");
	long long sec = renew(v, NULL, json_integer_value(json_object_get(auth, "lease_duration")),
	                      json_is_true(json_object_get(auth, "renewable")), e->ttl_sec);
	if ((r = check_life(e, "token", sec, err)) < 0 ||
	    (r = courier_say_ttl(e->c, sec, json_is_true(json_object_get(auth, "renewable")),
	                         err)) < 0)
		return r;
	return e->issuer->read ? look(e, v, handle, err)
	                       : courier_say_field(e->c, "token", v->token, strlen(v->token), err);
}

int vault_ask(struct issuer_errand *e, struct dd_err *err)
{
	struct vault v = { e->http, e->issuer, NULL };
	struct dd_err ignored;
	char answers[200] = "";
	auto_json said = NULL;
	int r = login(&v, e->issuer->role, &said, err);
	if (r < 0)
		return r;
	const json_t *auth = json_object_get(said, "auth");
	/* it may be renewed: then the policy's word is the end */
	long long good = json_integer_value(json_object_get(auth, "lease_duration"));
	if (json_is_true(json_object_get(auth, "renewable")) && good < (long long)e->ttl_sec)
		good = e->ttl_sec;
	auto_json handle = handle_new("vault", e->issuer, good);
	(void)json_object_set(handle, "accessor", json_object_get(auth, "accessor"));
	r = ask_with(e, &v, auth, handle, err);
	if (r < 0) /* whatever it was: nothing stays */
		e->left = take_back_all(&v, handle, true, answers, sizeof(answers), &ignored) < 0;
	return r;
}

/* ---- more time ---- */

static int more(const struct vault *v, const char *lease, unsigned ttl_sec, long long *ret_sec,
                struct dd_err *err)
{
	struct http_answer answer;
	auto_json body = lease ? json_pack("{s:s, s:i}", "lease_id", lease, "increment",
	                                   (int)ttl_sec)
	                       : json_pack("{s:i}", "increment", (int)ttl_sec);
	int r = request(v, "POST", lease ? "sys/leases/renew" : "auth/token/renew-self", body, 0,
	                false, &answer, err);
	if (r < 0)
		return r;
	auto_json said = is_good(&answer) ? http_json(&answer) : NULL;
	const json_t *at = lease ? said : json_object_get(said, "auth");
	const json_t *sec = json_object_get(at, "lease_duration");
	r = is_good(&answer) ? 0
	                     : refused(lease ? "renew the lease" : "renew the token", &answer, err);
	http_answer_done(&answer);
	if (r == 0 && (!json_is_integer(sec) || json_integer_value(sec) <= 0))
		r = dd_err_say(err, EPROTO, "the server does not say for how long it renewed it");
	if (r == 0)
		*ret_sec = json_integer_value(sec);
	return r;
}

/* The token first: what it asked for dies with it. */
int vault_give_more(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
                    const char *key, unsigned ttl_sec, long long *ret_sec, struct dd_err *err)
{
	const struct vault v = { http, issuer, key };
	const char *lease = json_string_value(json_object_get(handle, "lease_id"));
	long long token = 0, secret = 0;
	int r = more(&v, NULL, ttl_sec, &token, err);
	if (r == 0 && lease)
		r = more(&v, lease, ttl_sec, &secret, err);
	if (r == 0)
		*ret_sec = lease && secret < token ? secret : token;
	return r;
}
