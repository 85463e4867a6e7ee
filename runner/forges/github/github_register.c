// SPDX-License-Identifier: Apache-2.0
/* github_register.c - see github_register.h.
 *
 * Runs in: command line, as the operator; the conversation and the making of the key in a courier.
 * What the server answers is foreign. */
#include "github_register.h"

#include "courier/courier_process.h"
#include "drydock/fd.h"
#include "forges/actions/runner_facts.h"
#include "github_ask.h"
#include "github_mint.h"
#include "github_runner.h"
#include "input/read_file.h"
#include "message_json.h"

#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum {
	REGISTER_MS = 300 * 1000,
	KEY_BITS = 2048,
	TOKEN_MAX = MINT_TOKEN_MAX,
	SECRET_MAX = 16 * 1024, /* of a file with a token, or a key */
	GROUP_DEFAULT = 1
};
enum github_register_frame { GITHUB_REGISTERED = 1, GITHUB_REFUSED };

/* ---- where ---- */

static bool is_hosted(const char *host, size_t len)
{
	static const char *const whole[] = { "github.com", "www.github.com", "github.localhost" };
	static const char *const tails[] = { ".ghe.com", ".ghe.localhost" };

	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (strlen(whole[i]) == len && strncasecmp(whole[i], host, len) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		size_t n = strlen(tails[i]);
		if (len > n && strncasecmp(host + len - n, tails[i], n) == 0)
			return true;
	}
	return false;
}

static int no_place(struct dd_err *err, const char *url)
{
	return dd_err_blame(
		err, DD_BLAME_CALLER,
		dd_err_say(err, EINVAL,
	                   "%.200s is not the address of a repository, an organisation or "
	                   "an enterprise: https://HOST/OWNER/REPO, https://HOST/ORG or "
	                   "https://HOST/enterprises/NAME",
	                   url));
}

static bool is_segment(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
			return false;
	return len > 0 && len < 150;
}

int github_place(const char *url, struct github_place *ret, struct dd_err *err)
{
	static const char scheme[] = "https://", enterprises[] = "enterprises";
	const char *host = url + sizeof(scheme) - 1, *path[3];
	size_t len[3], n = 0;

	if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
		return no_place(err, url);
	size_t host_len = strcspn(host, "/");
	for (const char *at = host + host_len; *at && n<3; at += len[n], n += len[n]> 0) {
		at += *at == '/';
		path[n] = at;
		len[n] = strcspn(at, "/");
		if (len[n] == 0)
			break;
		if (!is_segment(path[n], len[n]))
			return no_place(err, url);
	}
	if (host_len == 0 || host_len > 255 || strcspn(host, "@?#") < host_len || n == 0 || n > 2)
		return no_place(err, url);
	bool hosted = is_hosted(host, host_len);
	(void)snprintf(ret->api, sizeof(ret->api), "https://%s%.*s%s", hosted ? "api." : "",
	               (int)host_len, host, hosted ? "" : "/api/v3");
	if (n == 1)
		(void)snprintf(ret->entity, sizeof(ret->entity), "/orgs/%.*s/actions", (int)len[0],
		               path[0]);
	else if (len[0] == sizeof(enterprises) - 1 && strncmp(path[0], enterprises, len[0]) == 0)
		(void)snprintf(ret->entity, sizeof(ret->entity), "/enterprises/%.*s/actions",
		               (int)len[1], path[1]);
	else
		(void)snprintf(ret->entity, sizeof(ret->entity), "/repos/%.*s/%.*s/actions",
		               (int)len[0], path[0], (int)len[1], path[1]);
	return 0;
}

/* ---- the key ---- */

static const struct key_row {
	const char *name, *param;
} key_rows[] = {
	{ "modulus", OSSL_PKEY_PARAM_RSA_N },    { "exponent", OSSL_PKEY_PARAM_RSA_E },
	{ "d", OSSL_PKEY_PARAM_RSA_D },          { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
	{ "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
	{ "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 }, { "inverseQ", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

static bool put_number(json_t *into, EVP_PKEY *key, const struct key_row *row)
{
	unsigned char bytes[KEY_BITS / 8];
	BIGNUM *number = NULL;
	bool good = EVP_PKEY_get_bn_param(key, row->param, &number) == 1 &&
	            BN_num_bytes(number) <= (int)sizeof(bytes);
	int len = good ? BN_bn2bin(number, bytes) : 0;
	BN_clear_free(number);
	dd_auto_free char *text = good ? github_base64(bytes, (size_t)len) : NULL;
	explicit_bzero(bytes, sizeof(bytes));
	return text && json_object_set_new(into, row->name, json_string(text)) == 0;
}

static json_t *make_key(void)
{
	EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
	json_t *parts = json_object();
	bool good = key && parts;

	for (size_t i = 0; good && i < ARRAY_LEN(key_rows); i++)
		good = put_number(parts, key, &key_rows[i]);
	EVP_PKEY_free(key);
	if (good)
		return parts;
	json_decref(parts);
	return NULL;
}

/* ---- the conversation ---- */

struct talk {
	const struct github_registering *what;
	struct github_place place;
	const char *secret; /* of the token's file */
	char token[TOKEN_MAX];
	const char *ca, *name, *version;
	long long id; /* of a runner that is to be removed; 0: one is to be made */
	struct http *http;
};

/* @path: below the API. @wanted: more is an error that names @for_what. */
static int talk_ask(struct talk *t, const char *method, const char *path, json_t *body,
                    const char *for_what, struct github_answer *ret, struct dd_err *err)
{
	char url[GITHUB_URL_MAX], text[200];
	(void)snprintf(url, sizeof(url), "%s%s", t->place.api, path);
	int r = github_ask(t->http,
	                   &(struct github_ask){ .method = method,
	                                         .url = url,
	                                         .scheme = "RemoteAuth",
	                                         .token = t->token,
	                                         .body = body },
	                   ret, err);
	json_decref(body);
	if (r < 0 || (ret->status >= 200 && ret->status <= 299))
		return r;
	const char *said = github_answer_text(ret, text);
	r = ret->status == 401 || ret->status == 403
	            ? dd_err_say(err, EACCES,
	                         "%s: the token is not taken (HTTP %ld%s): it is good for an hour, "
	                         "and for what it was made for",
	                         for_what, ret->status, said)
	            : dd_err_say(err, ret->status == 404 ? ENOENT : EIO, "%s: HTTP %ld%s", for_what,
	                         ret->status, said);
	github_answer_done(ret);
	return r;
}

static int exchange(struct talk *t, const char *event, struct dd_err *err)
{
	struct github_answer answer;
	int r = talk_ask(t, "POST", "/actions/runner-registration",
	                 json_pack("{s:s, s:s}", "url", t->what->url, "runner_event", event),
	                 "the registration", &answer, err);
	if (r < 0)
		return r;
	bool v2 = message_truth(answer.said, "use_v2_flow", false);
	github_answer_done(&answer);
	return v2 ? 0
	          : dd_err_say(err, EPROTO,
	                       "this server has only the older protocol (no use_v2_flow), which "
	                       "drydock does not speak yet");
}

static int choose_group(struct talk *t, long long *ret, struct dd_err *err)
{
	struct github_answer answer;
	const json_t *group;
	char path[500];
	size_t i;

	*ret = 0;
	(void)snprintf(path, sizeof(path), "%s/runner-groups", t->place.entity);
	int r = talk_ask(t, "GET", path, NULL, "the groups of runners", &answer, err);
	if (r == -ENOENT && !t->what->group) {
		*ret = GROUP_DEFAULT; /* a place without groups */
		return 0;
	}
	if (r < 0)
		return r;
	json_array_foreach(message_member(answer.said, "runner_groups"), i, group)
	{
		const char *name = message_text(group, "name");
		if (message_truth(group, "is_hosted", false) || !name)
			continue;
		if (t->what->group ? strcmp(name, t->what->group) == 0
		                   : message_truth(group, "default", false))
			*ret = message_number(group, "id", 0);
	}
	github_answer_done(&answer);
	return *ret > 0 ? 0
	                : dd_err_say(err, ENOENT, "there is no group of runners `%.100s`",
	                             t->what->group ? t->what->group : "of the default");
}

static int find_other(struct talk *t, long long *ret, struct dd_err *err)
{
	struct github_answer answer;
	dd_auto_free char *name = http_escape(t->name);
	const json_t *one;
	char path[700];
	size_t i;

	*ret = 0;
	(void)snprintf(path, sizeof(path), "%s/runners?name=%.200s", t->place.entity,
	               name ? name : "");
	int r = talk_ask(t, "GET", path, NULL, "the runners that are there", &answer, err);
	if (r < 0)
		return r;
	json_array_foreach(message_member(answer.said, "runners"), i, one)
	{
		const char *its = message_text(one, "name");
		if (its && strcasecmp(its, t->name) == 0)
			*ret = message_number(one, "id", 0);
	}
	github_answer_done(&answer);
	if (*ret > 0 && !t->what->replace)
		return dd_err_say(
			err, EEXIST,
			"a runner `%.60s` is there already: --name another, or --replace it",
			t->name);
	return 0;
}

static json_t *labels_of(const struct talk *t)
{
	const char *const own[] = { "self-hosted", "Linux", runner_arch() };
	json_t *list = json_array();
	const char *at = t->what->labels ? t->what->labels : "";

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		(void)json_array_append_new(list, json_pack("{s:i, s:s, s:s}", "id", 0, "name",
		                                            own[i], "type", "system"));
	while (*at) {
		size_t len = strcspn(at, ",");
		if (len > 0)
			(void)json_array_append_new(list,
			                            json_pack("{s:i, s:s%, s:s}", "id", 0, "name",
			                                      at, len, "type", "user"));
		at += len + (at[len] == ',');
	}
	return list;
}

static json_t *document_of(const struct talk *t, const json_t *said, json_t *key)
{
	const json_t *a = message_member(said, "authorization");
	const char *legacy = message_text(a, "legacy_authorization_url");
	return json_pack("{s:{s:I, s:s, s:b, s:s, s:b, s:s}, s:{s:s, s:{s:s, s:s, s:b}}, s:O}",
	                 ".runner", "agentId", (json_int_t)message_number(said, "id", 0),
	                 "agentName", t->name, "ephemeral", t->what->ephemeral ? 1 : 0,
	                 "serverUrlV2", message_text(a, "server_url"), "useV2Flow", 1, "gitHubUrl",
	                 t->what->url, ".credentials", "scheme", "OAuth", "data", "clientId",
	                 message_text(a, "client_id"), "authorizationUrl",
	                 legacy ? legacy : message_text(a, "authorization_url"),
	                 "requireFipsCryptography", 1, ".credentials_rsaparams", key);
}

static int make_runner(struct talk *t, json_t **ret, struct dd_err *err)
{
	struct github_answer answer;
	long long group = 0, other = 0;
	int r = exchange(t, "register", err);

	if (r == 0)
		r = choose_group(t, &group, err);
	if (r == 0)
		r = find_other(t, &other, err);
	if (r < 0)
		return r;
	json_t *key = make_key();
	char public[1200];
	(void)snprintf(
		public, sizeof(public),
		"<RSAKeyValue><Modulus>%.600s</Modulus><Exponent>%.20s</Exponent></RSAKeyValue>",
		message_text(key, "modulus") ? message_text(key, "modulus") : "",
		message_text(key, "exponent") ? message_text(key, "exponent") : "");
	json_t *body = json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:o, s:s}", "url", t->what->url,
	                         "group_id", (json_int_t)group, "name", t->name, "version",
	                         t->version, "updates_disabled", 1, "ephemeral",
	                         t->what->ephemeral ? 1 : 0, "labels", labels_of(t), "public_key",
	                         public);
	if (other > 0) {
		(void)json_object_set_new(body, "runner_id", json_integer(other));
		(void)json_object_set_new(body, "replace", json_true());
	}
	r = key ? talk_ask(t, "POST", "/actions/runners/register", body, "the registration",
	                   &answer, err)
	        : dd_err_say(err, EIO, "libcrypto makes no key");
	if (r == 0) {
		*ret = document_of(t, answer.said, key);
		github_answer_done(&answer);
		if (!*ret)
			r = dd_err_say(err, EBADMSG,
			               "the server's answer to the registration lacks "
			               "whom to ask");
	}
	json_decref(key);
	return r;
}

static int remove_runner(struct talk *t, struct dd_err *err)
{
	struct github_answer answer;
	char path[500];
	(void)snprintf(path, sizeof(path), "%s/runners/%lld", t->place.entity, t->id);
	int r = talk_ask(t, "DELETE", path, NULL, "the removal", &answer, err);
	if (r == 0)
		github_answer_done(&answer);
	return r == -ENOENT ? 0 : r; /* it is gone */
}

static int get_token(struct talk *t, struct dd_err *err)
{
	if (t->what->app || github_is_personal(t->secret))
		return github_mint(t->http,
		                   &(struct github_mint){ .place = &t->place,
		                                          .secret = t->secret,
		                                          .app = t->what->app,
		                                          .remove = t->id != 0 },
		                   t->token, err);
	if (strlen(t->secret) >= sizeof(t->token) || strpbrk(t->secret, " \t\r\n"))
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL,
		                               "--token-file holds no token (an app's key needs "
		                               "--app)"));
	(void)snprintf(t->token, sizeof(t->token), "%s", t->secret);
	return 0;
}

static int register_main(void *arg, int sock, const int *lent)
{
	struct talk *t = arg;
	struct dd_err err = { 0 };
	json_t *document = NULL;

	(void)lent;
	int r = http_new(&(struct http_tls){ .ca = t->ca }, &t->http, &err);
	if (r == 0)
		r = get_token(t, &err);
	if (r == 0)
		r = t->id ? remove_runner(t, &err) : make_runner(t, &document, &err);
	explicit_bzero(t->token, sizeof(t->token));
	dd_auto_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	const char *said = r < 0 ? err.msg : text ? text : "";
	(void)frame_send(sock, &(struct frame){ .kind = r < 0 ? GITHUB_REFUSED : GITHUB_REGISTERED,
	                                        .a = r,
	                                        .bytes = (char *)(uintptr_t)said,
	                                        .len = (uint32_t)strlen(said) });
	if (text)
		explicit_bzero(text, strlen(text));
	http_free(t->http);
	return 0;
}

/* The courier's word: *@ret is what it made, heap. */
static int talk_in_courier(struct talk *t, char **ret, struct dd_err *err)
{
	struct courier_process c = COURIER_PROCESS_NONE;
	struct frame frame = { .kind = 0 };
	int r = courier_process_start(
		&(struct courier_work){ .run = register_main, .arg = t, .name = "dd-register" }, &c,
		err);
	if (r < 0)
		return r;
	struct pollfd p = { .fd = c.sock, .events = POLLIN };
	if (poll(&p, 1, REGISTER_MS) <= 0 || frame_recv(c.sock, &frame) <= 0)
		r = dd_err_say(err, EPIPE,
		               "the courier that speaks with the server ended without a "
		               "word");
	(void)courier_process_end(&c, 1000);
	if (r < 0)
		return r;
	if (frame.kind == GITHUB_REFUSED)
		r = dd_err_say(err, frame.a < 0 ? (int)-frame.a : EIO, "%s",
		               frame.bytes ? frame.bytes : "refused");
	else if (ret && frame.bytes)
		*ret = strdup(frame.bytes);
	frame_done(&frame);
	return r;
}

/* ---- on this host ---- */

/* malloc'ed, and the caller wipes. */
static int read_token(const char *file, char **ret, struct dd_err *err)
{
	size_t len = 0;
	int r = read_named_file(file, SECRET_MAX - 1, ret, &len, NULL, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	while (len > 0 && isspace((unsigned char)(*ret)[len - 1]))
		(*ret)[--len] = '\0';
	if (len == 0 || strlen(*ret) != len)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL, "%.200s holds no token", file));
	return 0;
}

/* Of the runner's name what can be the name of a file. */
static void local_name(const char *name, char ret[RUNNER_NAME_MAX + 1])
{
	size_t n = 0;
	for (; *name && n < RUNNER_NAME_MAX; name++) {
		char c = (char)tolower((unsigned char)*name);
		bool fits = isalnum((unsigned char)c) || strchr("_-", c) || (c == '.' && n > 0);
		ret[n++] = (char)(fits ? c : '-');
	}
	ret[n] = '\0';
}

static int keep_document(const struct github_registering *what, char *text, const char *name,
                         struct plan_arena *arena, struct registration *ret, struct dd_err *err)
{
	struct github_runner runner;
	char why[200], local[RUNNER_NAME_MAX + 1];
	json_t *document = message_json_load(text, strlen(text), why, sizeof(why));
	int r = github_runner_of_json(document ? document : json_object(), &runner, err);

	if (r == 0) {
		local_name(name ? name : runner.name, local);
		*ret = (struct registration){ .name = arena_strdup(arena, local),
			                      .forge = "github",
			                      .url = arena_strdup(arena,
			                                          what->url ? what->url : ""),
			                      .token = text,
			                      .ca = arena_strdup(arena, what->ca),
			                      .id = runner.id,
			                      .since = (long long)time(NULL) };
		r = runner_name_is_good(local)
		            ? registration_write(what->state, ret, err)
		            : dd_err_say(err, EINVAL, "`%.80s` cannot be the name of a runner",
		                         local);
		ret->token = "";
	}
	github_runner_done(&runner);
	explicit_bzero(text, strlen(text));
	return r;
}

static int of_jitconfig(const struct github_registering *what, struct plan_arena *arena,
                        struct registration *ret, struct dd_err *err)
{
	struct github_runner runner;
	dd_auto_free char *blob = NULL;
	size_t len = 0;
	int r = read_named_file(what->jitconfig_file, GITHUB_RUNNER_BYTES_MAX, &blob, &len, NULL,
	                        err);

	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	r = github_runner_of_jit(blob, len, &runner, err);
	explicit_bzero(blob, len);
	dd_auto_free char *text = r == 0 ? json_dumps(runner.document, JSON_COMPACT) : NULL;
	github_runner_done(&runner);
	if (r < 0)
		return r;
	return text ? keep_document(what, text, what->name, arena, ret, err)
	            : dd_err_set(err, ENOMEM, "keep a configuration");
}

/* The files of the official runner; it must not run any more, or both take the same jobs. */
static int of_official(const struct github_registering *what, struct plan_arena *arena,
                       struct registration *ret, struct dd_err *err)
{
	static const char *const files[] = { ".runner", ".credentials", ".credentials_rsaparams" };
	json_t *document = json_object();
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
		char path[700], why[200];
		dd_auto_free char *text = NULL;
		size_t len = 0;
		(void)snprintf(path, sizeof(path), "%.600s/%s", what->import_dir, files[i]);
		r = read_named_file(path, GITHUB_RUNNER_BYTES_MAX, &text, &len, NULL, err);
		json_t *file = r == 0 ? message_json_load(text, len, why, sizeof(why)) : NULL;
		if (r == 0 && !file)
			r = dd_err_say(err, EINVAL, "%.600s cannot be read: %.200s", path, why);
		if (file)
			(void)json_object_set_new(document, files[i], file);
		if (text)
			explicit_bzero(text, len);
	}
	dd_auto_free char *text = r == 0 ? json_dumps(document, JSON_COMPACT) : NULL;
	struct github_registering at = *what;
	const char *url = message_text(message_member(document, ".runner"), "gitHubUrl");
	at.url = arena_strdup(arena, url ? url : "");
	json_decref(document);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	return text ? keep_document(&at, text, what->name, arena, ret, err)
	            : dd_err_set(err, ENOMEM, "keep a configuration");
}

/* One conversation, from the file of its token to the end of that. */
static int talk_with(struct talk *t, const char *state, const char *ca_name, const char *ca,
                     const char *token_file, char **ret, struct dd_err *err)
{
	dd_auto_free char *secret = NULL;
	char path[700] = "";
	int r = read_token(token_file, &secret, err);

	t->secret = secret;
	if (r == 0 && ca && (r = authorities_write(state, ca_name, ca, NULL, path, err)) < 0)
		(void)dd_err_blame(err, DD_BLAME_CALLER, r);
	t->ca = path[0] ? path : NULL;
	if (r == 0)
		r = talk_in_courier(t, ret, err);
	t->secret = t->ca = NULL; /* they end here */
	if (secret)
		explicit_bzero(secret, strlen(secret));
	return r;
}

int github_register(const struct github_registering *what, struct plan_arena *arena,
                    struct registration *ret, struct dd_err *err)
{
	char host[65] = "";
	struct talk t = { .what = what };
	dd_auto_free char *text = NULL;

	if (what->jitconfig_file)
		return of_jitconfig(what, arena, ret, err);
	if (what->import_dir)
		return of_official(what, arena, ret, err);
	(void)gethostname(host, sizeof(host) - 1);
	t.name = what->name ? what->name : host[0] ? host : "drydock";
	t.version = what->version ? what->version : GITHUB_RUNNER_VERSION;
	int r = github_place(what->url, &t.place, err);
	if (r == 0)
		r = talk_with(&t, what->state, "register", what->ca, what->token_file, &text, err);
	if (r < 0)
		return r;
	return text ? keep_document(what, text, t.name, arena, ret, err)
	            : dd_err_say(err, EBADMSG, "the server's answer holds no runner");
}

int github_unregister(const char *state, const struct registration *reg, const char *token_file,
                      const char *app, struct dd_err *err)
{
	const struct github_registering what = { .url = reg->url, .state = state, .app = app };
	struct talk t = { .what = &what, .id = reg->id };
	int r = 0;

	if (token_file) {
		r = github_place(reg->url, &t.place, err);
		if (r == 0)
			r = talk_with(&t, state, reg->name, reg->ca, token_file, NULL, err);
	}
	return r < 0 ? r : registration_remove(state, reg->name, err);
}
