// SPDX-License-Identifier: Apache-2.0
/* signed_head.c - makes and checks the signature beside a record.
 *
 * Runs in: keeper, after the supervisor; the command line for `record verify`, which trusts no byte
 * of the file. */
#include "signed_head.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "jwt.h"
#include "record/record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SIGNATURE_MAX = 8192 };

static char *beside(const char *record)
{
	char *path = NULL;
	return asprintf(&path, "%s" SIGNED_HEAD_SUFFIX, record) < 0 ? NULL : path;
}

int signed_head_key_look(const char *key_file, struct dd_err *err)
{
	dd_auto_free char *token = NULL;
	json_t *nothing = json_object();
	int r = nothing ? jws_sign(key_file, SIGNED_HEAD_TYP, NULL, nothing, &token, err)
	                : dd_err_set(err, ENOMEM, "sign the record");
	json_decref(nothing);
	return r < 0 ? dd_err_blame(err, DD_BLAME_CALLER,
	                            dd_err_ctx(err, r, "the record cannot be signed"))
	             : 0;
}

int signed_head_look(const char *key_file, const char *record, struct dd_err *err)
{
	dd_auto_free char *path = beside(record);
	struct stat st;
	int r = path ? signed_head_key_look(key_file, err)
	             : dd_err_set(err, ENOMEM, "sign the record");
	if (r < 0)
		return r;
	if (lstat(path, &st) == 0)
		return dd_err_blame(err, DD_BLAME_CALLER,
		                    dd_err_say(err, EEXIST,
		                               "%s is there already, and a signature is never "
		                               "overwritten: name another record with --record",
		                               path));
	return 0;
}

static int read_state(const char *record, struct record_state *ret, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = record_verify(record, NULL, err);
	if (r == 0)
		r = named_open(record, O_RDONLY | O_NONBLOCK, 0, &fd, NULL, err);
	return r < 0 ? r : record_scan(fd, ret, NULL, NULL, err);
}

static json_t *statement(const struct record_state *state)
{
	char text[40];
	struct tm tm;
	time_t now = time(NULL);
	if (!gmtime_r(&now, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return json_pack("{s:s, s:s, s:I, s:s, s:s}", "run", state->run, "job", state->job, "lines",
	                 (json_int_t)state->lines, "head", state->head, "time", text);
}

/* Whole or not at all: a name that is there holds a signature. */
static int put_file(const char *path, const char *token, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, NULL, err);
	if (r < 0)
		return r;
	if (dprintf(fd, "%s\n", token) == (int)strlen(token) + 1 && fdatasync(fd) == 0)
		return 0;
	r = dd_err_set(err, errno, "write %s", path);
	(void)unlink(path); /* NOLINT: ours since a line ago */
	return r;
}

int signed_head_write(const char *key_file, const char *record, struct dd_err *err)
{
	struct record_state state;
	json_t *jwk = NULL;
	dd_auto_free char *path = beside(record), *token = NULL;
	int r = path ? read_state(record, &state, err) : dd_err_set(err, ENOMEM, "sign the record");
	if (r < 0)
		return r;
	/* a name for the key, where one follows from it */
	const char *kid = jwt_public(key_file, &jwk, NULL) == 0
	                          ? json_string_value(json_object_get(jwk, "kid"))
	                          : NULL;
	json_t *said = statement(&state);
	r = said ? jws_sign(key_file, SIGNED_HEAD_TYP, kid, said, &token, err)
	         : dd_err_set(err, ENOMEM, "sign the record");
	json_decref(said);
	json_decref(jwk);
	return r < 0 ? r : put_file(path, token, err);
}

static int read_token(const char *path, char token[SIGNATURE_MAX], struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, err);
	if (r < 0)
		return r;
	ssize_t n = read(fd, token, SIGNATURE_MAX - 1);
	if (n < 0)
		return dd_err_set(err, errno, "read %s", path);
	token[n] = '\0';
	token[strcspn(token, "\r\n")] = '\0';
	return 0;
}

static int compare(const json_t *said, const char *path, uint64_t lines, const char *head,
                   struct dd_err *err)
{
	const char *signed_head = json_string_value(json_object_get(said, "head"));
	json_int_t n = json_integer_value(json_object_get(said, "lines"));
	if (signed_head && strcmp(signed_head, head) == 0 && n == (json_int_t)lines)
		return 0;
	return dd_err_say(
		err, EBADMSG,
		"%s is for %lld lines with head %.64s, and this record has %llu with head "
		"%s: it was cut or edited, or is another one",
		path, (long long)n, signed_head ? signed_head : "?", (unsigned long long)lines,
		head);
}

int signed_head_verify(const char *public_file, const char *record, const char *sig_file,
                       uint64_t lines, const char *head, char ret_time[40], struct dd_err *err)
{
	char token[SIGNATURE_MAX];
	json_t *said = NULL;
	dd_auto_free char *found = beside(record);
	const char *path = sig_file ? sig_file : found;
	int r = path ? read_token(path, token, err) : dd_err_set(err, ENOMEM, "check a signature");
	if (r == 0)
		r = jws_verify(public_file, SIGNED_HEAD_TYP, token, &said, err);
	if (r < 0)
		return dd_err_ctx(err, r, "the signature %s", path ? path : "");
	r = compare(said, path, lines, head, err);
	const char *when = json_string_value(json_object_get(said, "time"));
	(void)snprintf(ret_time, 40, "%s", when ? when : "?");
	json_decref(said);
	return r;
}
