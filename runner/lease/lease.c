// SPDX-License-Identifier: Apache-2.0
/* lease.c - reads, grants and wipes the credentials of one step.
 *
 * Runs in: supervisor; lease_forget_environment() in the keeper, which got the same environment and
 * needs none of it.
 */
#include "lease.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "secret_memory.h"
#include "record/event_write.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Values that came in drydock's own environment, until they are granted. One for the process: the
 * environment is, too. */
static struct captured {
	struct secret_memory *memory;
	const char *name[LEASES_MAX];
	char *value[LEASES_MAX];
	size_t n;
} captured;

static const char *captured_value(const char *name)
{
	for (size_t i = 0; i < captured.n; i++)
		if (strcmp(captured.name[i], name) == 0)
			return captured.value[i];
	return NULL;
}

static int capture(const struct grant_lease *lease, struct dd_err *err)
{
	char *value = getenv(lease->source);

	if (!value || captured_value(lease->source))
		return 0; /* absent: the step that wants it says so */
	if (captured.n == LEASES_MAX)
		return dd_err_say(err, E2BIG, "more than %d credentials come from the environment",
		                  LEASES_MAX);
	if (!captured.memory) {
		int r = secret_memory_new((size_t)LEASES_MAX * 4096, &captured.memory, err);
		if (r < 0)
			return r;
	}
	size_t len = strlen(value);
	char *copy = secret_alloc(captured.memory, len + 1);
	if (!copy)
		return dd_err_say(
			err, E2BIG,
			"the value of %s is too long for secret memory; deliver it as a file",
			lease->source);
	memcpy(copy, value, len + 1);
	/* Where it stood is the process's initial stack: every child gets a copy of that page. */
	explicit_bzero(value, len);
	captured.name[captured.n] = lease->source;
	captured.value[captured.n++] = copy;
	(void)unsetenv(lease->source);
	return 0;
}

static int each_from_environment(const struct plan *plan,
                                 int (*fn)(const struct grant_lease *lease, struct dd_err *err),
                                 struct dd_err *err)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t j = 0; j < plan->grants[i].n_leases; j++) {
			const struct grant_lease *lease = &plan->grants[i].leases[j];
			int r = lease->from == LEASE_FROM_ENV ? fn(lease, err) : 0;
			if (r < 0)
				return r;
		}
	return 0;
}

int lease_capture_environment(const struct plan *plan, struct dd_err *err)
{
	return each_from_environment(plan, capture, err);
}

static int forget(const struct grant_lease *lease, struct dd_err *err)
{
	char *value = getenv(lease->source);
	(void)err;

	if (value)
		explicit_bzero(value, strlen(value));
	(void)unsetenv(lease->source);
	return 0;
}

void lease_forget_environment(const struct plan *plan)
{
	(void)each_from_environment(plan, forget, NULL);
}

/* ---- reading ---- */

struct value {
	char *bytes; /* in secret memory, NUL-terminated */
	size_t len;
};

static int open_file(const struct grant_lease *lease, int *ret_fd, struct dd_err *err)
{
	struct stat st;
	dd_auto_fd int fd = -1;
	int r = named_open(lease->source, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "credential %s", lease->name);
	if (fstat(fd, &st) < 0)
		return dd_err_set(err, errno, "credential %s: look at %s", lease->name,
		                  lease->source);
	if (!S_ISREG(st.st_mode))
		return dd_err_say(err, EINVAL, "credential %s: %s is not a regular file",
		                  lease->name, lease->source);
	if (st.st_mode & 0022)
		return dd_err_say(err, EPERM,
		                  "credential %s: %s can be written by others; chmod go-w it",
		                  lease->name, lease->source);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int look(const struct grant_lease *lease, struct dd_err *err)
{
	dd_auto_fd int fd = -1;

	if (lease->from == LEASE_FROM_FILE)
		return open_file(lease, &fd, err);
	return getenv(lease->source) ? 0
	                             : dd_err_say(err, ENOENT,
	                                          "credential %s: the variable %s is not set in "
	                                          "drydock's environment",
	                                          lease->name, lease->source);
}

int lease_look(const struct plan *plan, struct dd_err *err)
{
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t j = 0; j < plan->grants[i].n_leases; j++) {
			int r = look(&plan->grants[i].leases[j], err);
			if (r < 0)
				return r;
		}
	return 0;
}

static int read_file(struct lease_set *set, const struct grant_lease *lease, struct value *ret,
                     struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int r = open_file(lease, &fd, err);
	if (r < 0)
		return r;
	char *bytes = secret_alloc(set->memory, LEASE_VALUE_MAX + 2);
	if (!bytes)
		return dd_err_set(err, ENOMEM, "credential %s: secret memory is full", lease->name);
	size_t len = 0;
	for (ssize_t n = 1; n > 0 && len <= LEASE_VALUE_MAX; len += (size_t)n) {
		n = read(fd, bytes + len, LEASE_VALUE_MAX + 1 - len);
		if (n < 0)
			return dd_err_set(err, errno, "credential %s: read %s", lease->name,
			                  lease->source);
	}
	if (len > LEASE_VALUE_MAX)
		return dd_err_say(err, EFBIG, "credential %s: %s is longer than %d bytes",
		                  lease->name, lease->source, LEASE_VALUE_MAX);
	/* Editors end a file with a newline that is not part of the token. */
	if (lease->as == LEASE_AS_ENV && len > 0 && bytes[len - 1] == '\n')
		len--;
	bytes[len] = '\0';
	*ret = (struct value){ bytes, len };
	return 0;
}

static int read_value(struct lease_set *set, const struct grant_lease *lease, struct value *ret,
                      struct dd_err *err)
{
	if (lease->from == LEASE_FROM_FILE)
		return read_file(set, lease, ret, err);
	const char *value = captured_value(lease->source);
	if (!value)
		return dd_err_say(
			err, ENOENT,
			"credential %s: the variable %s is not set in drydock's environment",
			lease->name, lease->source);
	size_t len = strlen(value);
	char *bytes = secret_alloc(set->memory, len + 1);
	if (!bytes)
		return dd_err_set(err, ENOMEM, "credential %s: secret memory is full", lease->name);
	memcpy(bytes, value, len + 1);
	*ret = (struct value){ bytes, len };
	return 0;
}

/* C-14: what cannot be masked or would break out of a variable is not handed over in one. */
static int check_value(const struct grant_lease *lease, const struct value *v, struct dd_err *err)
{
	if (v->len < 4)
		return dd_err_say(
			err, EINVAL,
			"credential %s has %zu characters; fewer than 4 cannot be masked in output",
			lease->name, v->len);
	if (lease->as == LEASE_AS_ENV &&
	    (memchr(v->bytes, '\n', v->len) || memchr(v->bytes, '\0', v->len)))
		return dd_err_say(
			err, EINVAL,
			"credential %s has a newline or NUL; deliver it `as: { file: ... }`",
			lease->name);
	return 0;
}

static int place(struct lease_set *set, const struct grant_lease *lease, const struct value *v,
                 struct dd_err *err)
{
	if (lease->as == LEASE_AS_FILE) {
		set->files[set->n_files++] = (struct sandbox_secret_file){ .name = lease->target,
			                                                   .content = v->bytes,
			                                                   .len = v->len };
		return 0;
	}
	size_t name_len = strlen(lease->target);
	char *pair = secret_alloc(set->memory, name_len + 1 + v->len + 1);
	if (!pair)
		return dd_err_set(err, ENOMEM, "credential %s: secret memory is full", lease->name);
	memcpy(pair, lease->target, name_len);
	pair[name_len] = '=';
	memcpy(pair + name_len + 1, v->bytes, v->len + 1);
	set->env[set->n_env++] = pair;
	return 0;
}

/* ---- life ---- */

static int grant_one(const struct grant_lease *lease, struct mask *mask, struct lease_set *set,
                     struct dd_err *err)
{
	struct value v = { 0 };
	int r;

	if ((r = read_value(set, lease, &v, err)) < 0 || (r = check_value(lease, &v, err)) < 0 ||
	    (r = place(set, lease, &v, err)) < 0)
		return r;
	r = mask_add(mask, v.bytes, v.len, err);
	return r < 0 ? dd_err_ctx(err, r, "credential %s: prepare its mask", lease->name) : 0;
}

static char *kind_and_name(const char *kind, const char *name)
{
	char *text;
	return asprintf(&text, "%s:%s", kind, name) < 0 ? NULL : text;
}

static int record_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                        struct dd_err *err)
{
	const char *from = lease->from == LEASE_FROM_FILE ? "file" : "env",
		   *as = lease->as == LEASE_AS_FILE ? "file" : "env";

	dd_auto_free char *source = kind_and_name(from, lease->source);
	dd_auto_free char *target = kind_and_name(as, lease->target);
	if (!source || !target)
		return dd_err_set(err, ENOMEM, "record the credential %s", lease->name);
	return record_cred_grant(holder->rec, holder->step, holder->phase,
	                         &(struct facts_lease){ .name = lease->name,
	                                                .kind = from,
	                                                .delivery = as,
	                                                .from = source,
	                                                .as = target,
	                                                .ttl_sec = lease->ttl_sec },
	                         err);
}

int lease_record(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int r = 0;

	for (; r == 0 && set->n_granted < holder->n; set->n_granted++)
		r = record_grant(holder, &holder->leases[set->n_granted], err);
	return r;
}

int lease_grant(const struct lease_holder *holder, struct mask *mask, struct lease_set *ret,
                struct dd_err *err)
{
	int r;

	*ret = (struct lease_set){ .memory = NULL };
	if (holder->n == 0)
		return 0;
	if (holder->n > LEASES_MAX)
		return dd_err_say(err, E2BIG, "more than %d credentials for one step", LEASES_MAX);
	if ((r = secret_memory_new(holder->n * (size_t)(3 * LEASE_VALUE_MAX), &ret->memory, err)) <
	    0)
		return r;
	for (size_t i = 0; i < holder->n && r == 0; i++)
		r = grant_one(&holder->leases[i], mask, ret, err);
	return r; /* on failure the caller revokes, which wipes */
}

const struct grant_lease *lease_shortest(const struct lease_holder *holder)
{
	const struct grant_lease *shortest = NULL;
	for (size_t i = 0; i < holder->n; i++)
		if (!shortest || holder->leases[i].ttl_sec < shortest->ttl_sec)
			shortest = &holder->leases[i];
	return shortest;
}

int lease_revoke(const struct lease_holder *holder, struct lease_set *set, struct dd_err *err)
{
	int r = 0;

	secret_memory_free(set->memory);
	for (size_t i = 0; i < set->n_granted && r == 0; i++)
		r = record_cred_revoke(
			holder->rec, holder->step, holder->phase,
			&(struct facts_lease){
				.name = holder->leases[i].name,
				.result = "wiped here; a static secret stays valid at its issuer" },
			err);
	*set = (struct lease_set){ .memory = NULL };
	return r;
}
