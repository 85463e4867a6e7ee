// SPDX-License-Identifier: Apache-2.0
/* gl_register.c - see gl_register.h.
 *
 * Runs in: command line, as the operator; the conversation in a courier. */
#include "gl_register.h"

#include "courier/courier_process.h"
#include "drydock/fd.h"
#include "gl_api.h"
#include "input/read_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { REGISTER_MS = 400000 };
enum { FRAME_VERIFIED = 1, FRAME_REMOVED };

/* ---- courier ---- */

struct errand {
	struct gl_instance instance;
	bool remove;
};

static int register_in_courier(void *arg, int sock, const int *lent)
{
	const struct errand *errand = arg;
	struct wire *w = NULL;
	struct dd_err err = { 0 };
	struct gl_verified verified = { .id = 0 };
	enum gl_verdict verdict = GL_MAYBE;
	(void)lent;
	int r = gl_wire(&errand->instance, &w, &err);
	if (r == 0 && errand->remove)
		r = gl_unregister(w, &errand->instance, &err);
	else if (r == 0)
		verdict = gl_verify(w, &errand->instance, &verified);
	wire_free(w);
	if (errand->remove) {
		err.code = r < 0 ? -r : 0;
		return frame_send(sock, &(struct frame){ .kind = FRAME_REMOVED,
		                                         .len = sizeof(err),
		                                         .bytes = (char *)&err });
	}
	if (r < 0)
		(void)snprintf(verified.said, sizeof(verified.said), "%.390s", err.msg);
	return frame_send(sock, &(struct frame){ .kind = FRAME_VERIFIED,
	                                         .a = verdict,
	                                         .len = sizeof(verified),
	                                         .bytes = (char *)&verified });
}

static int ask(struct errand *errand, uint32_t kind, size_t size, struct frame *ret,
               struct dd_err *err)
{
	struct courier_process c = COURIER_PROCESS_NONE;
	int r = courier_process_start(&(struct courier_work){ .run = register_in_courier,
	                                                      .arg = errand,
	                                                      .name = "drydock-forge" },
	                              &c, err);
	if (r < 0)
		return r;
	r = frame_recv(c.sock, ret);
	(void)courier_process_end(&c, REGISTER_MS);
	if (r == 1 && ret->kind == kind && ret->len == size)
		return 0;
	if (r == 1)
		frame_done(ret);
	return dd_err_say(err, ECHILD, "the process that asks the forge ended without a word");
}

/* ---- register ---- */

static int read_token(const char *path, struct plan_arena *arena, const char **ret,
                      struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	int r = read_named_file(path, RUNNER_TOKEN_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "the token");
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]))
			len = 0;
	if (len == 0)
		return dd_err_say(err, EINVAL, "%s holds no token: one line, without blanks", path);
	if (strncmp(text, "GR1348941", 9) == 0)
		return dd_err_say(
			err, EINVAL,
			"%s holds a registration token, which GitLab gives up; create the "
			"runner in GitLab and use its authentication token (glrt-...)",
			path);
	*ret = arena_strdup(arena, text);
	explicit_bzero(text, len);
	return 0;
}

static const char *name_of(struct plan_arena *arena, const char *url)
{
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	char *name = arena_strndup(arena, host, strcspn(host, "/"));
	if (strlen(name) > RUNNER_NAME_MAX)
		name[RUNNER_NAME_MAX] = '\0';
	for (char *p = name; *p; p++)
		*p = isalnum((unsigned char)*p) || strchr("._-", *p)
		             ? (char)tolower((unsigned char)*p)
		             : '-';
	return name;
}

static int verify(const struct gl_instance *instance, struct gl_verified *ret, struct dd_err *err)
{
	struct errand errand = { .instance = *instance };
	struct frame f = { .bytes = NULL };
	int r = ask(&errand, FRAME_VERIFIED, sizeof(*ret), &f, err);
	if (r < 0)
		return r;
	memcpy(ret, f.bytes, sizeof(*ret));
	ret->said[sizeof(ret->said) - 1] = '\0';
	enum gl_verdict verdict = f.a == GL_GOOD        ? GL_GOOD
	                          : f.a == GL_BAD_TOKEN ? GL_BAD_TOKEN
	                                                : GL_MAYBE;
	frame_done(&f);
	if (verdict == GL_BAD_TOKEN)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EACCES,
		                               "GitLab does not take this token (%s): create the "
		                               "runner anew, or reset its token",
		                               ret->said));
	if (verdict != GL_GOOD || ret->id <= 0)
		return dd_err_say(err, EHOSTUNREACH,
		                  "GitLab does not say whether the token is "
		                  "good: %s",
		                  ret->said);
	return 0;
}

/* Absolute, and readable now: the agent reads it from elsewhere, and at night. */
static int whole_path(const char *path, struct plan_arena *arena, const char **ret,
                      struct dd_err *err)
{
	dd_auto_free char *whole = path ? realpath(path, NULL) : NULL;
	if (path && (!whole || access(whole, R_OK) < 0))
		return dd_err_set(err, errno, "%s", path);
	*ret = arena_strdup(arena, whole);
	return 0;
}

int gl_register(const struct gl_registering *what, struct plan_arena *arena,
                struct registration *ret, bool *ret_replaced, struct dd_err *err)
{
	char base[WIRE_URL_MAX], system_id[SYSTEM_ID_LEN + 1], ca[700];
	struct gl_verified verified;
	struct registration before;
	int r = wire_base(what->url, "", base, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	base[strlen(base) - 1] = '\0';
	*ret = (struct registration){ .name = what->name ? what->name : name_of(arena, base),
		                      .forge = "gitlab",
		                      .url = arena_strdup(arena, base),
		                      .since = (long long)time(NULL) };
	if (!runner_name_is_good(ret->name))
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EINVAL,
		                               "`%.80s` cannot be the name of a runner: a-z, 0-9, "
		                               "`.`, `_` and `-`",
		                               ret->name));
	if ((r = read_token(what->token_file, arena, &ret->token, err)) < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	dd_auto_free char *whole = what->ca ? realpath(what->ca, NULL) : NULL;
	if (what->ca && !whole)
		return dd_err_blame(err, DD_BLAME_CALLER, dd_err_set(err, errno, "%s", what->ca));
	ret->ca = arena_strdup(arena, whole);
	if (whole && (r = authorities_write(what->state, ret->name, whole, NULL, ca, err)) < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	if ((r = system_id_get(what->state, system_id, err)) < 0)
		return r;
	if ((r = whole_path(what->cert, arena, &ret->cert, err)) < 0 ||
	    (r = whole_path(what->key, arena, &ret->key, err)) < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	const struct gl_instance instance = { .url = ret->url,
		                              .ca = whole ? ca : NULL,
		                              .certificate = ret->cert,
		                              .key = ret->key,
		                              .token = ret->token,
		                              .system_id = system_id };
	if ((r = verify(&instance, &verified, err)) < 0)
		return r;
	ret->id = verified.id;
	ret->expires = verified.expires;
	*ret_replaced = registration_read(arena, what->state, ret->name, &before, NULL) == 0 &&
	                strcmp(before.token, ret->token) != 0;
	return registration_write(what->state, ret, err);
}

int gl_unregister_runner(const char *state, const struct registration *reg, struct dd_err *err)
{
	char system_id[SYSTEM_ID_LEN + 1], ca[700];
	struct frame f = { .bytes = NULL };
	int r = system_id_get(state, system_id, err);
	if (r == 0 && reg->ca)
		r = authorities_write(state, reg->name, reg->ca, NULL, ca, err);
	if (r < 0)
		return r;
	struct errand errand = { .instance = { .url = reg->url,
		                               .ca = reg->ca ? ca : NULL,
		                               .certificate = reg->cert,
		                               .key = reg->key,
		                               .token = reg->token,
		                               .system_id = system_id },
		                 .remove = true };
	struct dd_err said;
	if ((r = ask(&errand, FRAME_REMOVED, sizeof(said), &f, err)) < 0)
		return r;
	memcpy(&said, f.bytes, sizeof(said));
	said.msg[sizeof(said.msg) - 1] = '\0';
	frame_done(&f);
	/* a token that GitLab does not know any more is as good as removed */
	if (said.code && said.code != EACCES)
		return dd_err_say(err, said.code, "%s", said.msg);
	return registration_remove(state, reg->name, err);
}
