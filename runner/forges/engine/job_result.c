// SPDX-License-Identifier: Apache-2.0
/* job_result.c - see job_result.h. Runs in: supervisor (writes) and command line (reads). */
#include "job_result.h"

#include "drydock/fd.h"

#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[JOB_RESULT__COUNT] = {
	[JOB_RESULT_FAILURE] = "failure",
	[JOB_RESULT_SUCCESS] = "success",
	[JOB_RESULT_CANCELLED] = "cancelled",
	[JOB_RESULT_SKIPPED] = "skipped",
};

const char *job_result_name(enum job_result_is is)
{
	return names[is];
}

int job_result_open(struct dd_err *err)
{
	int fd = memfd_create("drydock-job-result", MFD_CLOEXEC);
	return fd < 0 ? dd_err_set(err, errno, "make room for the result of a job") : fd;
}

/* ---- writing ---- */

/* Outputs are pairs of text and origin; bytes that are no UTF-8 never come here: expressions hold
 * them, JSON does not. */
static json_t *output_json(const struct expr_value *v)
{
	json_t *text = json_stringn(v->text, v->len);
	return text ? json_pack("{s:o, s:s?}", "value", text, "outsider", v->outsider) : NULL;
}

static json_t *outputs_json(const struct expr_value *outputs)
{
	json_t *object = json_object();
	for (size_t i = 0; outputs->kind == EXPR_OBJECT && i < outputs->object->n; i++) {
		const struct expr_member *m = &outputs->object->members[i];
		json_t *one = output_json(&m->value);
		if (!one || json_object_setn_new(object, m->key, m->key_len, one) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int put(const char *bytes, size_t len, void *arg)
{
	const int *fd = arg;
	while (len > 0) {
		ssize_t n = write(*fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int job_result_write(int fd, const struct job_result *result, struct dd_err *err)
{
	json_t *outputs = outputs_json(&result->outputs);
	json_t *all = outputs ? json_pack("{s:s, s:o}", "result", names[result->is], "outputs",
	                                  outputs)
	                      : NULL;
	if (!all)
		return dd_err_say(err, EINVAL, "an output of the job is no UTF-8 text");
	int r = lseek(fd, 0, SEEK_SET) == 0 && ftruncate(fd, 0) == 0
	                ? json_dump_callback(all, put, &fd, JSON_COMPACT)
	                : -1;
	json_decref(all);
	return r < 0 ? dd_err_set(err, errno ? errno : EIO, "write the result of the job") : 0;
}

/* ---- reading ---- */

static bool read_output(struct expr_memory *mem, struct expr_value *outputs, const char *key,
                        const json_t *row)
{
	const json_t *value = json_object_get(row, "value"),
		     *outsider = json_object_get(row, "outsider");
	const char *name = expr_strndup(mem, key, strlen(key));
	struct expr_value v;
	if (!name || !json_is_string(value) ||
	    !expr_copy_string(mem, json_string_value(value), json_string_length(value), &v))
		return false;
	if (json_is_string(outsider))
		v.outsider = expr_strndup(mem, json_string_value(outsider),
		                          json_string_length(outsider));
	return expr_object_set(mem, outputs->object, name, strlen(name), v);
}

static bool read_result(struct expr_memory *mem, json_t *all, struct job_result *ret)
{
	const char *is = json_string_value(json_object_get(all, "result"));
	const char *key;
	json_t *row;

	if (!is || !expr_object_new(mem, false, &ret->outputs))
		return false;
	json_object_foreach(json_object_get(all, "outputs"), key,
	                    row) if (!read_output(mem, &ret->outputs, key, row)) return false;
	for (size_t i = 0; i < JOB_RESULT__COUNT; i++)
		if (strcmp(names[i], is) == 0) {
			ret->is = (enum job_result_is)i;
			return true;
		}
	return false;
}

int job_result_read(int fd, struct expr_memory *mem, struct job_result *ret, struct dd_err *err)
{
	struct stat st;

	*ret = (struct job_result){ .is = JOB_RESULT_FAILURE };
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "read the result of a job");
	if (st.st_size == 0)
		return expr_object_new(mem, false, &ret->outputs)
		               ? 0
		               : dd_err_set(err, ENOMEM, "read the result of a job");
	if (st.st_size > 2 * (off_t)JOB_RESULT_BYTES_MAX)
		return dd_err_say(err, E2BIG, "the result of a job has more than %d bytes",
		                  2 * JOB_RESULT_BYTES_MAX);
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return dd_err_set(err, errno, "read the result of a job");
	json_t *all = json_loadb(text, (size_t)st.st_size, JSON_ALLOW_NUL, NULL);
	bool read = all && read_result(mem, all, ret);
	json_decref(all);
	(void)munmap(text, (size_t)st.st_size);
	if (!read) {
		*ret = (struct job_result){ .is = JOB_RESULT_FAILURE };
		return dd_err_say(err, EBADMSG, "the result of a job cannot be read");
	}
	return 0;
}
