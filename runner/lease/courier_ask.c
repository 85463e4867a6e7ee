// SPDX-License-Identifier: Apache-2.0
/* courier_ask.c - the table of issuers as the courier sees it, and the job's identity.
 *
 * Runs in: courier. */
#include "courier_issuers.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "issuer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct issuer_row {
	enum lease_from from;
	int (*ask)(struct issuer_errand *e, struct dd_err *err);
	int (*take_back)(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
	                 const char *key, char *ret, size_t size, struct dd_err *err);
	/* NULL: nobody gives more time */
	int (*give_more)(struct http *http, const struct lease_issuer *issuer, const json_t *handle,
	                 const char *key, unsigned ttl_sec, long long *ret_sec, struct dd_err *err);
} issuer_rows[] = {
	{ LEASE_FROM_VAULT, vault_ask, vault_take_back, vault_give_more },
	{ LEASE_FROM_OIDC, exchange_ask, exchange_take_back, NULL },
	{ LEASE_FROM_GITHUB_APP, github_app_ask, github_app_take_back, NULL },
};

int courier_ask(struct courier *c, const struct grant_lease *lease, bool *left, struct dd_err *err)
{
	const struct lease_issuer *issuer = lease->issuer;
	/* the app's key signs and is no client's */
	bool mutual = lease->from != LEASE_FROM_GITHUB_APP;
	const struct http_tls tls = { issuer->ca, mutual ? issuer->certificate : NULL,
		                      mutual ? issuer->key : NULL };
	struct issuer_errand e = { .c = c, .issuer = issuer, .ttl_sec = lease->ttl_sec };
	int r = http_new(&tls, &e.http, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(issuer_rows); i++)
		if (issuer_rows[i].from == lease->from) {
			r = issuer_rows[i].ask(&e, err);
			break;
		}
	http_free(e.http);
	*left = e.left;
	return r;
}

/* ---- handles ---- */

static const struct member_row {
	const char *name;
	size_t at;
} members[] = {
	{ "url", offsetof(struct lease_issuer, url) },
	{ "identity", offsetof(struct lease_issuer, identity) },
	{ "audience", offsetof(struct lease_issuer, audience) },
	{ "mount", offsetof(struct lease_issuer, mount) },
	{ "role", offsetof(struct lease_issuer, role) },
	{ "namespace", offsetof(struct lease_issuer, namespace_) },
	{ "janitor", offsetof(struct lease_issuer, janitor) },
	{ "ca", offsetof(struct lease_issuer, ca) },
	{ "certificate", offsetof(struct lease_issuer, certificate) },
	{ "key", offsetof(struct lease_issuer, key) },
	{ "client", offsetof(struct lease_issuer, client) },
	{ "revoke", offsetof(struct lease_issuer, revoke) },
};

json_t *handle_new(const char *kind, const struct lease_issuer *issuer, long long good_sec)
{
	json_t *handle = json_pack("{s:s, s:I}", "kind", kind, "until",
	                           (json_int_t)(time(NULL) + good_sec));
	for (size_t i = 0; handle && i < ARRAY_LEN(members); i++) {
		const char *value;
		memcpy(&value, (const char *)issuer + members[i].at, sizeof(value));
		if (value)
			(void)json_object_set_new(handle, members[i].name, json_string(value));
	}
	return handle;
}

static void handle_read(const json_t *handle, struct lease_issuer *ret)
{
	*ret = (struct lease_issuer){ .form = EXCHANGE_RFC8693 };
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const char *value = json_string_value(json_object_get(handle, members[i].name));
		memcpy((char *)ret + members[i].at, &value, sizeof(value));
	}
}

/* What a handle says, opened: who is to be asked, by which row. */
struct handled {
	json_t *said;
	struct lease_issuer issuer;
	struct http *http;
	const struct issuer_row *row;
};

static void handled_done(struct handled *h)
{
	http_free(h->http);
	json_decref(h->said);
}

static int handled_open(const char *handle, struct handled *h, struct dd_err *err)
{
	json_error_t why;
	*h = (struct handled){ .said = json_loads(handle, JSON_REJECT_DUPLICATES, &why) };
	const char *kind = json_string_value(json_object_get(h->said, "kind"));
	for (size_t i = 0; kind && i < ARRAY_LEN(issuer_rows); i++)
		if (strcmp(lease_from_names[issuer_rows[i].from], kind) == 0)
			h->row = &issuer_rows[i];
	if (!h->row)
		return dd_err_say(err, EBADMSG, "what was remembered of it cannot be read");
	handle_read(h->said, &h->issuer);
	if (!h->issuer.url)
		return dd_err_say(err, EBADMSG, "it does not say where it is from");
	bool mutual = h->row->from != LEASE_FROM_GITHUB_APP;
	const struct http_tls tls = { h->issuer.ca, mutual ? h->issuer.certificate : NULL,
		                      mutual ? h->issuer.key : NULL };
	return http_new(&tls, &h->http, err);
}

int courier_take_back(const char *handle, const char *key, char *ret, size_t size,
                      struct dd_err *err)
{
	struct handled h;
	int r = handled_open(handle, &h, err);
	if (r == 0)
		r = h.row->take_back(h.http, &h.issuer, h.said, key, ret, size, err);
	handled_done(&h);
	return r;
}

int courier_give_more(const char *handle, const char *key, unsigned ttl_sec, long long *ret_sec,
                      struct dd_err *err)
{
	struct handled h;
	int r = handled_open(handle, &h, err);
	if (r == 0)
		r = h.row->give_more && key
		            ? h.row->give_more(h.http, &h.issuer, h.said, key, ttl_sec, ret_sec,
		                               err)
		            : dd_err_say(err, EOPNOTSUPP, "its issuer renews nothing");
	handled_done(&h);
	return r;
}

/* ---- who asks ---- */

/* A colon separates the parts of a subject. */
static void put_part(char *ret, size_t size, const char *name, const char *value)
{
	size_t len = strlen(ret);
	(void)snprintf(ret + len, size - len, ":%s:", name);
	for (; *value; value++) {
		len = strlen(ret);
		(void)snprintf(ret + len, size - len, *value == ':' ? "%%3A" : "%c", *value);
	}
}

static json_t *claims_of(const struct courier_errand *errand)
{
	const struct plan *plan = errand->job->plan;
	const struct event_facts *ev = &plan->spec->event;
	char host[65] = "", sub[1400];
	const char *repository = ev->local ? "local" : ev->repository;
	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(sub, sizeof(sub), "drydock:%s", host);
	put_part(sub, sizeof(sub), "repo", repository);
	if (ev->ref[0])
		put_part(sub, sizeof(sub), "ref", ev->ref);
	put_part(sub, sizeof(sub), "phase", dd_phase_name(errand->phase));
	put_part(sub, sizeof(sub), "step", errand->step);
	/* what relying parties compare are texts */
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s*, s:{s:s, s:s, s:s, s:s, s:s, s:s*, s:s, s:s}}",
		"sub", sub, "repository", repository, "ref", ev->ref, "ref_protected",
		ev->ref_protected ? "true" : "false", "event", ev->name, "environment",
		plan->spec->about.environment, "drydock", "runner", host, "run", errand->job->run,
		"job", plan->spec->id, "step", errand->step, "phase", dd_phase_name(errand->phase),
		"policy", plan->policy_path, "policy_sha256", plan->policy_sha256, "mode",
		errand->job->observe ? "observe" : "enforce");
}

static json_t *claims_of_janitor(void)
{
	char host[65] = "", sub[100];
	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(sub, sizeof(sub), "drydock:%s:janitor", host);
	return json_pack("{s:s, s:{s:s}}", "sub", sub, "drydock", "runner", host);
}

static int token_read(const char *path, char **ret, struct dd_err *err)
{
	enum { TOKEN_MAX = 16 * 1024 };
	dd_auto_fd int fd = -1;
	struct stat st;
	int r = named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "identity");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0022))
		return dd_err_say(
			err, EPERM,
			"identity: %s is not a regular file that only its owner may write", path);
	char *text = calloc(1, TOKEN_MAX + 1);
	ssize_t n = text ? read(fd, text, TOKEN_MAX) : -1;
	if (n <= 0) {
		free(text);
		return dd_err_say(err, EINVAL, "identity: %s holds no token", path);
	}
	text[strcspn(text, " \t\r\n")] = '\0';
	*ret = text;
	return 0;
}

static char *identity;

static int read_or_sign(const struct lease_issuer *issuer, json_t *claims, struct dd_err *err)
{
	if (!issuer->identity || !claims)
		return dd_err_say(err, EINVAL, "no identity is named to ask with");
	return issuer_is_dir(issuer->identity)
	               ? issuer_sign(issuer->identity, issuer->audience, claims, &identity, err)
	               : token_read(issuer->identity, &identity, err);
}

int identity_prepare(const struct courier_errand *errand, enum lease_from from,
                     const struct lease_issuer *issuer, struct dd_err *err)
{
	if (from == LEASE_FROM_GITHUB_APP)
		return github_app_token(issuer, &identity, err);
	json_t *claims = claims_of(errand);
	int r = read_or_sign(issuer, claims, err);
	json_decref(claims);
	return r;
}

/* Where the secret itself is needed, an identity helps nobody. */
int identity_prepare_again(const char *handle, struct dd_err *err)
{
	json_error_t why;
	struct lease_issuer issuer;
	json_t *said = json_loads(handle, JSON_REJECT_DUPLICATES, &why);
	handle_read(said, &issuer);
	json_t *claims = claims_of_janitor();
	int r = issuer.identity && json_object_get(said, "accessor")
	                ? read_or_sign(&issuer, claims, err)
	                : 0;
	json_decref(claims);
	json_decref(said);
	return r;
}

const char *identity_token(void)
{
	return identity;
}

void identity_forget(void)
{
	if (identity)
		explicit_bzero(identity, strlen(identity));
	free(identity);
	identity = NULL;
}
