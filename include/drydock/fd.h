// SPDX-License-Identifier: Apache-2.0
/* fd.h - the variable is the owner: file descriptors and heap blocks that release themselves, and
 * fds that travel.
 *
 * Everything is CLOEXEC from birth; what a step inherits is listed in one array
 * (sandbox/inside_exec.c). Handlers keep errno, accept "nothing", and never retry close(2): Linux
 * frees the number first.
 */
#ifndef DRYDOCK_FD_H
#define DRYDOCK_FD_H

#include "err.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void dd_close(int fd)
{
	if (fd < 0)
		return;
	int saved = errno;
	(void)close(fd);
	errno = saved;
}

static inline void dd_close_p(int *fd)
{
	dd_close(*fd);
	*fd = -1;
}

static inline void dd_free_p(void *p)
{
	int saved = errno;
	free(*(void **)p);
	errno = saved;
}

#define dd_auto_fd   __attribute__((cleanup(dd_close_p)))
#define dd_auto_free __attribute__((cleanup(dd_free_p)))

/* Ownership leaves the variable. */
static inline int dd_take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

enum { DD_FDS_MAX = 8 };

/* Send one message of exactly @len bytes with @n_fds (<= DD_FDS_MAX) descriptors over a SEQPACKET
 * socket. @n_fds may be 0. Never raises SIGPIPE. Returns 0 or -errno. */
static inline int dd_send_msg(int sock, const void *buf, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * DD_FDS_MAX)];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > DD_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = &control.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	ssize_t sent;
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EMSGSIZE;
}

/* Receive one message of exactly @len bytes and exactly @n_fds descriptors (CLOEXEC, owned by the
 * caller afterwards). Returns 1 for a message, 0 at end of file, -EAGAIN on an empty non-blocking
 * socket, -EBADMSG when size or descriptor count differ: descriptors that nobody announced are
 * closed, never kept. */
static inline int dd_recv_msg(int sock, void *buf, size_t len, int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * DD_FDS_MAX)];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = control.bytes,
		              .msg_controllen = sizeof(control.bytes) };
	ssize_t got;
	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;

	int arrived[DD_FDS_MAX];
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && n < DD_FDS_MAX; i++, n++)
			memcpy(&arrived[n], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	if (got == 0 && n == 0)
		return 0;
	if ((size_t)got != len || n != n_fds || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < n; i++)
			dd_close(arrived[i]);
		return -EBADMSG;
	}
	for (size_t i = 0; i < n; i++)
		fds[i] = arrived[i];
	return 1;
}

#endif
