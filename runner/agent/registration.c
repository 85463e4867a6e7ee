// SPDX-License-Identifier: Apache-2.0
/* registration.c - see registration.h. Runs in: agent, command line. The files are our own, and are
 * read as strictly as anybody's. */
#include "registration.h"

#include "drydock/fd.h"
#include "input/read_file.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { FILE_MAX = 64 * 1024, PATH_BYTES = 600 };

#define MACHINE_ID "/etc/machine-id"

bool runner_name_is_good(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= RUNNER_NAME_MAX && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* ---- files ---- */

int private_dir(const char *path, struct dd_err *err)
{
	char part[PATH_BYTES];
	size_t len = strlen(path);
	if (len >= sizeof(part))
		return dd_err_say(err, ENAMETOOLONG, "the path %.80s... is too long", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return dd_err_set(err, errno, "make directory %s", part);
	}
	return 0;
}

int write_private(const char *dir, const char *name, const char *bytes, size_t len,
                  struct dd_err *err)
{
	char temporary[PATH_BYTES];
	int r = private_dir(dir, err);
	if (r < 0)
		return r;
	dd_auto_fd int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return dd_err_set(err, errno, "open %s", dir);
	(void)snprintf(temporary, sizeof(temporary), ".%.200s.%d", name, (int)getpid());
	dd_auto_fd int fd = openat(at, temporary,
	                           O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dd_err_set(err, errno, "write %s/%s", dir, name);
	for (size_t done = 0; r == 0 && done < len;) {
		ssize_t n = write(fd, bytes + done, len - done);
		if (n < 0 && errno != EINTR)
			r = dd_err_set(err, errno, "write %s/%s", dir, name);
		done += n > 0 ? (size_t)n : 0;
	}
	if (r == 0 && (fsync(fd) < 0 || renameat(at, temporary, at, name) < 0 || fsync(at) < 0))
		r = dd_err_set(err, errno, "write %s/%s", dir, name);
	if (r < 0)
		(void)unlinkat(at, temporary, 0);
	return r;
}

static void runners_dir(const char *state, char ret[PATH_BYTES])
{
	(void)snprintf(ret, PATH_BYTES, "%.500s/runners", state);
}

/* Where registrations are found. What `drydock register` wrote comes first: a token that changed is
 * written there. */
static const struct place_row {
	const char *prefix, *suffix;
	bool by_systemd; /* LoadCredential=runner.NAME:FILE of the service */
} place_rows[] = {
	{ "", ".json", false },
	{ "runner.", "", true },
};

/* False: there is no such directory. */
static bool place_dir(const struct place_row *place, const char *state, char ret[PATH_BYTES])
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	if (!place->by_systemd)
		runners_dir(state, ret);
	else if (credentials)
		(void)snprintf(ret, PATH_BYTES, "%.500s", credentials);
	return !place->by_systemd || credentials;
}

/* ---- one of them ---- */

static const char *text_of(struct plan_arena *arena, const json_t *o, const char *key)
{
	return arena_strdup(arena, json_string_value(json_object_get(o, key)));
}

static int registration_parse(struct plan_arena *arena, const char *path, const json_t *o,
                              struct registration *ret, struct dd_err *err)
{
	ret->forge = text_of(arena, o, "forge");
	ret->url = text_of(arena, o, "url");
	ret->token = text_of(arena, o, "token");
	ret->ca = text_of(arena, o, "ca");
	ret->cert = text_of(arena, o, "cert");
	ret->key = text_of(arena, o, "key");
	ret->id = json_integer_value(json_object_get(o, "id"));
	ret->expires = json_integer_value(json_object_get(o, "expires"));
	ret->since = json_integer_value(json_object_get(o, "since"));
	if (!ret->forge ||
	    (strcmp(ret->forge, "gitlab") != 0 && strcmp(ret->forge, "github") != 0) || !ret->url ||
	    !ret->token || !*ret->token)
		return dd_err_say(err, EINVAL,
		                  "%s is no registration that can be used: register again "
		                  "(`drydock register`)",
		                  path);
	return 0;
}

int registration_read(struct plan_arena *arena, const char *state, const char *name,
                      struct registration *ret, struct dd_err *err)
{
	char dir[PATH_BYTES], path[PATH_BYTES + 80];
	dd_auto_free char *text = NULL;
	size_t len = 0;
	json_error_t ignored;
	if (!runner_name_is_good(name))
		return dd_err_say(err, EINVAL, "`%.80s` cannot be the name of a runner", name);
	bool found = false;
	for (size_t i = 0; !found && i < ARRAY_LEN(place_rows); i++) {
		const struct place_row *place = &place_rows[i];
		if (!place_dir(place, state, dir))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s%s%s", dir, place->prefix, name,
		               place->suffix);
		found = access(path, F_OK) == 0;
	}
	if (!found)
		return dd_err_say(err, ENOENT, "no runner is registered as %s", name);
	int r = read_named_file(path, FILE_MAX, &text, &len, NULL, err);
	if (r < 0)
		return r;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &ignored);
	*ret = (struct registration){ .name = arena_strdup(arena, name) };
	r = registration_parse(arena, path, o, ret, err);
	json_decref(o);
	explicit_bzero(text, len);
	return r;
}

/* "NAME" of a file that is a registration. */
static bool name_of_file(const struct place_row *place, const char *file,
                         char ret[RUNNER_NAME_MAX + 1])
{
	size_t len = strlen(file), before = strlen(place->prefix), after = strlen(place->suffix);
	if (len <= before + after || len - before - after > RUNNER_NAME_MAX ||
	    strncmp(file, place->prefix, before) != 0 ||
	    strcmp(file + len - after, place->suffix) != 0)
		return false;
	memcpy(ret, file + before, len - before - after);
	ret[len - before - after] = '\0';
	return ret[0] != '.';
}

static bool is_listed(const struct registration *list, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

static int add_place(struct plan_arena *arena, const char *state, const struct place_row *place,
                     struct registration ret[RUNNERS_MAX], int *count, struct dd_err *err)
{
	char dir[PATH_BYTES], name[RUNNER_NAME_MAX + 1];
	struct dirent **found = NULL;
	int r = 0;
	int n = place_dir(place, state, dir) ? scandir(dir, &found, NULL, alphasort) : 0;
	if (n < 0)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "read %s", dir);
	for (int i = 0; i < n; i++) {
		if (r == 0 && name_of_file(place, found[i]->d_name, name) &&
		    !is_listed(ret, *count, name)) {
			r = *count < RUNNERS_MAX
			            ? registration_read(arena, state, name, &ret[*count], err)
			            : dd_err_say(err, E2BIG, "more than %d runners in %s",
			                         RUNNERS_MAX, dir);
			*count += r == 0;
		}
		free(found[i]);
	}
	free(found);
	return r;
}

int registration_list(struct plan_arena *arena, const char *state,
                      struct registration ret[RUNNERS_MAX], struct dd_err *err)
{
	int count = 0, r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(place_rows); i++)
		r = add_place(arena, state, &place_rows[i], ret, &count, err);
	return r < 0 ? r : count;
}

int registration_write(const char *state, const struct registration *reg, struct dd_err *err)
{
	char dir[PATH_BYTES], name[RUNNER_NAME_MAX + 8];
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s*, s:s*, s:s*}", "forge",
	                      reg->forge, "url", reg->url, "token", reg->token, "id",
	                      (json_int_t)reg->id, "expires", (json_int_t)reg->expires, "since",
	                      (json_int_t)reg->since, "ca", reg->ca, "cert", reg->cert, "key",
	                      reg->key);
	dd_auto_free char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return dd_err_say(err, EINVAL,
		                  "the registration cannot be written as JSON: is its "
		                  "token text?");
	runners_dir(state, dir);
	(void)snprintf(name, sizeof(name), "%s.json", reg->name);
	int r = write_private(dir, name, text, strlen(text), err);
	explicit_bzero(text, strlen(text));
	return r;
}

int registration_remove(const char *state, const char *name, struct dd_err *err)
{
	char dir[PATH_BYTES], path[PATH_BYTES + 80];
	runners_dir(state, dir);
	(void)snprintf(path, sizeof(path), "%s/%.64s.json", dir, name);
	return unlink(path) < 0 ? dd_err_set(err, errno, "remove %s", path) : 0;
}

/* ---- who this host is ---- */

static bool is_system_id(const char *id)
{
	if (strlen(id) != SYSTEM_ID_LEN || (id[0] != 's' && id[0] != 'r') || id[1] != '_')
		return false;
	for (size_t i = 2; i < SYSTEM_ID_LEN; i++)
		if (!isalnum((unsigned char)id[i]))
			return false;
	return true;
}

/* With a message of our own: another runner on this host is another manager. */
static bool from_machine_id(char ret[SYSTEM_ID_LEN + 1])
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (read_named_file(MACHINE_ID, 256, &text, &len, NULL, NULL) < 0)
		return false;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len < 16 ||
	    !HMAC(EVP_sha256(), text, (int)len, (const unsigned char *)"drydock", 7, mac, &n))
		return false;
	int at = snprintf(ret, SYSTEM_ID_LEN + 1, "s_");
	for (size_t i = 0; i < 6; i++)
		at += snprintf(ret + at, SYSTEM_ID_LEN + 1 - (size_t)at, "%02x", mac[i]);
	return true;
}

static int by_chance(char ret[SYSTEM_ID_LEN + 1], struct dd_err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned char bytes[SYSTEM_ID_LEN];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return dd_err_set(err, errno, "make an identifier of this host");
	(void)snprintf(ret, SYSTEM_ID_LEN + 1, "r_");
	for (size_t i = 2; i < SYSTEM_ID_LEN; i++)
		ret[i] = letters[bytes[i] % (sizeof(letters) - 1)];
	ret[SYSTEM_ID_LEN] = '\0';
	return 0;
}

int system_id_get(const char *state, char ret[SYSTEM_ID_LEN + 1], struct dd_err *err)
{
	char dir[PATH_BYTES], path[PATH_BYTES + 20];
	dd_auto_free char *text = NULL;
	size_t len = 0;
	runners_dir(state, dir);
	(void)snprintf(path, sizeof(path), "%s/system_id", dir);
	if (read_named_file(path, 256, &text, &len, NULL, NULL) == 0) {
		while (len > 0 && isspace((unsigned char)text[len - 1]))
			text[--len] = '\0';
		if (is_system_id(text)) {
			memcpy(ret, text, SYSTEM_ID_LEN + 1);
			return 0;
		}
	}
	int r = from_machine_id(ret) ? 0 : by_chance(ret, err);
	return r < 0 ? r : write_private(dir, "system_id", ret, SYSTEM_ID_LEN, err);
}

/* ---- whom to trust ---- */

/* Where the systems that drydock runs on keep them. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	                               "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };

/* Appends @path, a file of certificates, to *@all. */
static int add_authorities(const char *path, char **all, size_t *len, struct dd_err *err)
{
	dd_auto_free char *own = NULL;
	size_t own_len = 0;
	int r = read_named_file(path, 4 * READ_FILE_TEXT_MAX, &own, &own_len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "the authority of the forge");
	if (!strstr(own, "-----BEGIN CERTIFICATE-----"))
		return dd_err_say(err, EINVAL, "%s holds no certificate in PEM", path);
	char *more = realloc(*all, *len + own_len + 2);
	if (!more)
		return dd_err_set(err, ENOMEM, "read %s", path);
	memcpy(more + *len, own, own_len);
	*len += own_len;
	more[(*len)++] = '\n';
	*all = more;
	return 0;
}

int authorities_write(const char *state, const char *name, const char *ca, const char *more,
                      char ret_path[700], struct dd_err *err)
{
	char dir[PATH_BYTES], file[RUNNER_NAME_MAX + 10];
	dd_auto_free char *all = NULL;
	size_t len = 0;
	int r = ca ? add_authorities(ca, &all, &len, err) : 0;
	if (r == 0 && more)
		r = add_authorities(more, &all, &len, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
		if (access(bundles[i], R_OK) == 0 &&
		    add_authorities(bundles[i], &all, &len, NULL) == 0)
			break;
	runners_dir(state, dir);
	(void)snprintf(file, sizeof(file), "%s.ca.pem", name);
	(void)snprintf(ret_path, 700, "%s/%s", dir, file);
	return write_private(dir, file, all, len, err);
}
