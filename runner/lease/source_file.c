// SPDX-License-Identifier: Apache-2.0
/* source_file.c - secrets that lie in a file of the host: the operator's own, and what the service
 * manager loaded for drydock's unit.
 *
 * Runs in: the process that becomes the keeper (look), supervisor. */
#include "source.h"

#include "base/named_path.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_it(const struct grant_lease *lease, int *ret_fd, struct dd_err *err)
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

int source_file_look(const struct grant_lease *lease, const struct lease_forge *forge,
                     struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	(void)forge;
	return open_it(lease, &fd, err);
}

int source_file_grant(const struct lease_holder *holder, const struct grant_lease *lease,
                      struct secret_memory *memory, struct lease_value *ret, struct dd_err *err)
{
	(void)holder;
	dd_auto_fd int fd = -1;
	int r = open_it(lease, &fd, err);
	if (r < 0)
		return r;
	char *bytes = secret_alloc(memory, LEASE_VALUE_MAX + 2);
	if (!bytes)
		return dd_err_ctx(err, secret_memory_full(memory, err), "credential %s",
		                  lease->name);
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
	if (lease->as != LEASE_AS_FILE && lease->as != LEASE_AS_FD && len > 0 &&
	    bytes[len - 1] == '\n')
		len--;
	bytes[len] = '\0';
	secret_shrink(memory, bytes, len + 1);
	*ret = (struct lease_value){ .fields = { { "", bytes, len } }, .n = 1 };
	return 0;
}
