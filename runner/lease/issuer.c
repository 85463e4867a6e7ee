// SPDX-License-Identifier: Apache-2.0
/* issuer.c - the directory of drydock's own issuer.
 *
 * Runs in: command line (made, rotated, shown), the process that becomes the keeper (looked at),
 * courier (signs). Every file is replaced whole, so a crash leaves the old or the new one. */
#include "issuer.h"

#include "drydock/fd.h"
#include "jwt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEYS_MAX = 16, FILE_BYTES_MAX = 64 * 1024, PATH_BYTES = 1200 };

static void json_free_p(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_free_p))) json_t *

bool issuer_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int path_of(const char *dir, const char *name, char ret[PATH_BYTES], struct dd_err *err)
{
	int n = snprintf(ret, PATH_BYTES, "%s/%s", dir, name);
	return n < 0 || n >= PATH_BYTES
	               ? dd_err_say(err, ENAMETOOLONG, "issuer: %.80s... is too long", dir)
	               : 0;
}

/* Whoever may write it chooses who drydock says it is. */
static int check_owned(int fd, const char *path, struct dd_err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "look at %s", path);
	if (st.st_mode & 0022)
		return dd_err_say(err, EPERM, "%s can be written by others; chmod go-w it", path);
	return 0;
}

static int config_read(const char *dir, json_t **ret, struct dd_err *err)
{
	char path[PATH_BYTES];
	json_error_t why;
	int r = path_of(dir, "issuer.json", path, err);
	if (r < 0)
		return r;
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return dd_err_set(err, errno, "%s (make it with `drydock issuer init`)", path);
	if ((r = check_owned(fd, path, err)) < 0)
		return r;
	json_t *config = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	if (!config || !json_is_string(json_object_get(config, "issuer")) ||
	    !json_is_array(json_object_get(config, "audiences")) ||
	    !json_is_array(json_object_get(config, "keys"))) {
		json_decref(config);
		return dd_err_say(err, EINVAL, "%s is no configuration of an issuer", path);
	}
	*ret = config;
	return 0;
}

/* Beside it, then over it. */
static int file_write(const char *dir, const char *name, mode_t mode, const json_t *json,
                      struct dd_err *err)
{
	char path[PATH_BYTES], beside[PATH_BYTES + 8];
	int r = path_of(dir, name, path, err);
	if (r < 0)
		return r;
	dd_auto_free char *text = json_dumps(json, JSON_INDENT(1));
	if (!text)
		return dd_err_set(err, ENOMEM, "write %s", path);
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	(void)unlink(beside);
	dd_auto_fd int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	                         mode);
	size_t len = strlen(text);
	if (fd < 0 || fchmod(fd, mode) < 0 || write(fd, text, len) != (ssize_t)len ||
	    write(fd, "\n", 1) != 1 || fsync(fd) < 0 || rename(beside, path) < 0)
		return dd_err_set(err, errno, "write %s", path);
	return 0;
}

/* ---- keys ---- */

static long long from_of(const json_t *key)
{
	return json_integer_value(json_object_get(key, "use_from"));
}

static const char *kid_of(const json_t *key)
{
	const char *kid = json_string_value(json_object_get(json_object_get(key, "jwk"), "kid"));
	return kid ? kid : "";
}

/* The youngest whose time has come; NULL: none yet. */
static const json_t *key_in_use(const json_t *keys, time_t now)
{
	const json_t *best = NULL, *key;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)keys, i,
	                   key) if (from_of(key) <= now && (!best || from_of(key) >= from_of(best)))
		best = key;
	return best;
}

static int key_path(const char *dir, const json_t *key, char ret[PATH_BYTES], struct dd_err *err)
{
	char name[JWT_KID + 16];
	const char *kid = kid_of(key);
	if (!*kid || strlen(kid) >= JWT_KID || strchr(kid, '/') || kid[0] == '.')
		return dd_err_say(err, EINVAL, "%s/issuer.json names a key without a kid", dir);
	(void)snprintf(name, sizeof(name), "keys/%s.pem", kid);
	return path_of(dir, name, ret, err);
}

static int key_add(const char *dir, json_t *config, long ahead_sec, struct dd_err *err)
{
	char making[PATH_BYTES], path[PATH_BYTES];
	json_t *jwk = NULL, *keys = json_object_get(config, "keys");
	int r = path_of(dir, "keys/new.pem", making, err);
	if (r < 0)
		return r;
	if (json_array_size(keys) >= KEYS_MAX)
		return dd_err_say(err, E2BIG, "%s has %d keys; wait until one is over", dir,
		                  KEYS_MAX);
	(void)unlink(making);
	dd_auto_fd int fd = open(making, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	                         0600);
	if (fd < 0)
		return dd_err_set(err, errno, "make %s", making);
	if ((r = jwt_make_key(fd, &jwk, err)) < 0)
		return r;
	json_t *key = json_pack("{s:o, s:I}", "jwk", jwk, "use_from",
	                        (json_int_t)time(NULL) + ahead_sec);
	if (!key || (r = key_path(dir, key, path, err)) < 0 || rename(making, path) < 0) {
		json_decref(key);
		return r < 0 ? r : dd_err_set(err, errno, "keep the new key in %s", dir);
	}
	return json_array_append_new(keys, key) < 0 ? dd_err_set(err, ENOMEM, "keep a key") : 0;
}

/* Keys that another one replaced an hour ago and longer. */
static int keys_drop_old(const char *dir, json_t *config, struct dd_err *err)
{
	json_t *keys = json_object_get(config, "keys");
	time_t now = time(NULL);
	const json_t *used = key_in_use(keys, now);
	for (size_t i = json_array_size(keys); used && i-- > 0;) {
		char path[PATH_BYTES];
		const json_t *key = json_array_get(keys, i);
		if (key == used || from_of(key) > now ||
		    from_of(used) + ISSUER_AFTER_SEC + ISSUER_TOKEN_SEC > now)
			continue;
		int r = key_path(dir, key, path, err);
		if (r < 0)
			return r;
		(void)unlink(path);
		(void)json_array_remove(keys, i);
		used = key_in_use(keys, now);
	}
	return 0;
}

/* ---- documents ---- */

static int publish(const char *dir, const json_t *config, struct dd_err *err)
{
	auto_json set = json_array();
	const json_t *key;
	size_t i;
	json_array_foreach(json_object_get(config, "keys"), i, key)(void)
		json_array_append(set, json_object_get(key, "jwk"));
	const char *url = json_string_value(json_object_get(config, "issuer"));
	auto_json jwks = json_pack("{s:O}", "keys", set);
	auto_json about = json_pack(
		"{s:s, s:s+, s:[s], s:[s], s:[s], s:[s,s,s,s,s,s,s,s,s,s,s,s,s]}", "issuer", url,
		"jwks_uri", url, "/jwks", "response_types_supported", "id_token",
		"subject_types_supported", "public", "id_token_signing_alg_values_supported",
		"ES256", "claims_supported", "iss", "sub", "aud", "exp", "iat", "nbf", "jti",
		"drydock", "repository", "ref", "ref_protected", "event", "environment");
	if (!jwks || !about)
		return dd_err_set(err, ENOMEM, "publish the issuer's keys");
	int r = file_write(dir, "public/jwks", 0644, jwks, err);
	return r < 0 ? r
	             : file_write(dir, "public/.well-known/openid-configuration", 0644, about, err);
}

static int save(const char *dir, const json_t *config, struct dd_err *err)
{
	int r = publish(dir, config, err); /* first: no key is used that nobody can look up */
	return r < 0 ? r : file_write(dir, "issuer.json", 0600, config, err);
}

static int check_url(const char *url, struct dd_err *err)
{
	size_t len = strlen(url);
	bool local = strncmp(url, "http://127.0.0.1", 16) == 0;
	if ((strncmp(url, "https://", 8) != 0 && !local) || len > 500 || url[len - 1] == '/' ||
	    strpbrk(url, " \t\n?#@\"\\"))
		return dd_err_say(
			err, EINVAL,
			"the address of an issuer is https://HOST[/PATH], without a slash at "
			"its end, a query or a user: `%.100s` is none",
			url);
	return 0;
}

int issuer_init(const char *dir, const char *url, const char *const *audiences, struct dd_err *err)
{
	static const char *const subs[] = { "", "/keys", "/public", "/public/.well-known" };
	auto_json allowed = json_array();
	int r = check_url(url, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	for (; *audiences; audiences++)
		(void)json_array_append_new(allowed, json_string(*audiences));
	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		char path[PATH_BYTES];
		if ((r = path_of(dir, subs[i] + (subs[i][0] == '/'), path, err)) < 0)
			return r;
		if (mkdir(path, i < 2 ? 0700 : 0755) < 0 && (errno != EEXIST || i > 0))
			return dd_err_set(err, errno, "make %s", path);
	}
	auto_json config = json_pack("{s:s, s:O, s:[]}", "issuer", url, "audiences", allowed,
	                             "keys");
	if (!config)
		return dd_err_set(err, ENOMEM, "make an issuer");
	r = key_add(dir, config, 0, err);
	return r < 0 ? r : save(dir, config, err);
}

int issuer_rotate(const char *dir, long ahead_sec, struct dd_err *err)
{
	auto_json config = NULL;
	int r = config_read(dir, &config, err);
	if (r == 0)
		r = keys_drop_old(dir, config, err);
	if (r == 0)
		r = key_add(dir, config, ahead_sec, err);
	return r < 0 ? r : save(dir, config, err);
}

int issuer_show(const char *dir, FILE *out, struct dd_err *err)
{
	auto_json config = NULL;
	const json_t *item;
	size_t i;
	int r = config_read(dir, &config, err);
	if (r < 0)
		return r;
	time_t now = time(NULL);
	const json_t *keys = json_object_get(config, "keys"), *used = key_in_use(keys, now);
	(void)fprintf(out, "issuer    %s\n", json_string_value(json_object_get(config, "issuer")));
	json_array_foreach(json_object_get(config, "audiences"), i, item)(void)
		fprintf(out, "audience  %s\n", json_string_value(item));
	json_array_foreach((json_t *)(uintptr_t)keys, i, item)(void)
		fprintf(out, "key       %s  %s\n", kid_of(item),
	                item == used          ? "in use"
	                : from_of(item) > now ? "published, used later"
	                                      : "published, used before");
	(void)fprintf(out, "publish   %s/public below that address\n", dir);
	return 0;
}

/* ---- tokens ---- */

static int check_audience(const char *dir, const json_t *config, const char *audience,
                          struct dd_err *err)
{
	const json_t *item;
	size_t i;
	json_array_foreach(json_object_get(config, "audiences"), i,
	                   item) if (json_is_string(item) &&
	                             strcmp(json_string_value(item), audience) == 0) return 0;
	return dd_err_say(
		err, EACCES,
		"the issuer of %s signs for no audience `%.150s`: add it to `audiences` in "
		"%s/issuer.json if it is meant",
		dir, audience, dir);
}

int issuer_look(const char *dir, const char *audience, struct dd_err *err)
{
	auto_json config = NULL;
	char path[PATH_BYTES];
	int r = config_read(dir, &config, err);
	if (r == 0)
		r = check_audience(dir, config, audience, err);
	const json_t *key = r < 0 ? NULL : key_in_use(json_object_get(config, "keys"), time(NULL));
	if (r < 0)
		return r;
	if (!key)
		return dd_err_say(err, ENOKEY, "no key of %s is in use yet", dir);
	if ((r = key_path(dir, key, path, err)) < 0)
		return r;
	return access(path, R_OK) < 0 ? dd_err_set(err, errno, "%s", path) : 0;
}

static int draw_jti(char ret[33], struct dd_err *err)
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return dd_err_set(err, errno, "draw the id of a token");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int issuer_sign(const char *dir, const char *audience, const json_t *claims, char **ret,
                struct dd_err *err)
{
	auto_json config = NULL;
	char path[PATH_BYTES], jti[33];
	int r = config_read(dir, &config, err);
	if (r == 0)
		r = check_audience(dir, config, audience, err);
	if (r == 0)
		r = draw_jti(jti, err);
	if (r < 0)
		return r;
	time_t now = time(NULL);
	const json_t *key = key_in_use(json_object_get(config, "keys"), now);
	if (!key)
		return dd_err_say(err, ENOKEY, "no key of %s is in use yet", dir);
	if ((r = key_path(dir, key, path, err)) < 0)
		return r;
	auto_json all = json_pack("{s:O, s:s, s:I, s:I, s:I, s:s}", "iss",
	                          json_object_get(config, "issuer"), "aud", audience, "iat",
	                          (json_int_t)now, "nbf", (json_int_t)now - 5, "exp",
	                          (json_int_t)now + ISSUER_TOKEN_SEC, "jti", jti);
	/* what every token has is not for the caller to say */
	if (!all || json_object_update_missing(all, (json_t *)(uintptr_t)claims) < 0)
		return dd_err_set(err, ENOMEM, "make an identity token");
	return jwt_sign(path, kid_of(key), all, ret, err);
}
