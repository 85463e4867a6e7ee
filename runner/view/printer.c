// SPDX-License-Identifier: Apache-2.0
/* printer.c - hands output to a process that may wait for its reader.
 *
 * Runs in: whoever prints, on its side of the pipe (put, start, end); in the printer, a fork of the
 * process that the user started, on the other. The printer holds the standard descriptors and the
 * pipe, nothing else, no environment either, and ends when nobody is left who could print.
 */
#include "printer.h"

#include "drydock/clock.h"
#include "drydock/err.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PIPE_BYTES = 1 << 20,
	PATIENCE_MS = 500,       /* of a writer, once, until there is room again */
	END_PATIENCE_MS = 30000, /* with a reader that takes nothing any more */
	SIGNAL_PATIENCE_MS = 1000,
	PRINTER_FD = 3, /* where the printer has its end of the pipe */
};

/* What goes through the pipe: one write(2) of at most PIPE_BUF, which the kernel takes whole or not
 * at all. */
struct frame {
	uint16_t len;
	uint16_t to;
	char text[PIPE_BUF - 4];
};
enum { FRAME_HEAD = offsetof(struct frame, text) };
_Static_assert(sizeof(struct frame) == PIPE_BUF, "a frame is one atomic write");

struct printer_counts {
	atomic_ullong lost;  /* lines that found no room, and were not told yet */
	atomic_ullong shown; /* bytes that the reader has taken */
	atomic_ullong put;   /* bytes that are in the pipe, or were */
};

/* ---- the printer's side ---- */

struct sheet {
	int to;
	size_t len;
	bool dead[3]; /* nobody reads this descriptor any more */
	char text[PIPE_BUF];
	struct printer_counts *counts;
};

static void write_out(struct sheet *s)
{
	struct pollfd p = { .fd = s->to, .events = POLLOUT };
	for (size_t done = 0; done < s->len && !s->dead[s->to];) {
		ssize_t n = write(s->to, s->text + done, s->len - done);
		if (n >= 0) {
			done += (size_t)n;
			atomic_fetch_add(&s->counts->shown, (unsigned long long)n);
		} else if (errno == EAGAIN) { /* somebody else made it so */
			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			s->dead[s->to] = true;
			/* a reader that went away is no news */
			if (errno != EPIPE && s->to == STDOUT_FILENO)
				(void)dprintf(
					STDERR_FILENO,
					"drydock: standard output: %s; nothing more is shown\n",
					strerrordesc_np(errno));
		}
	}
	s->len = 0;
}

static void add(struct sheet *s, const struct frame *f)
{
	if (s->len && (s->to != f->to || s->len + f->len > sizeof(s->text)))
		write_out(s);
	s->to = f->to;
	memcpy(s->text + s->len, f->text, f->len);
	s->len += f->len;
}

/* Frames that are whole go to the sheet; returns how many bytes those were. */
static size_t take_frames(struct sheet *s, const char *bytes, size_t n)
{
	struct frame f;
	size_t at = 0;
	while (n - at >= FRAME_HEAD) {
		memcpy(&f, bytes + at, FRAME_HEAD);
		if (f.len > sizeof(f.text) || (f.to != STDOUT_FILENO && f.to != STDERR_FILENO))
			_exit(1);
		if (n - at < FRAME_HEAD + (size_t)f.len)
			break;
		memcpy(f.text, bytes + at + FRAME_HEAD, f.len);
		add(s, &f);
		at += FRAME_HEAD + (size_t)f.len;
	}
	return at;
}

/* who: printer; can do: write to what the user gave us; holds: the standard descriptors, the pipe
 */
_Noreturn static void printer_main(int pipe_fd, struct printer_counts *counts)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	static struct sheet sheet = { .to = STDOUT_FILENO };
	static char bytes[4 * PIPE_BUF];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	for (char **e = environ; e && *e; e++) /* credentials may stand there */
		explicit_bzero(*e, strlen(*e));
	(void)prctl(PR_SET_NAME, "drydock-print");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if ((pipe_fd != PRINTER_FD && dup2(pipe_fd, PRINTER_FD) < 0) ||
	    close_range(PRINTER_FD + 1, ~0u, 0) < 0)
		_exit(1);
	sheet.counts = counts;
	for (;;) {
		ssize_t got = read(PRINTER_FD, bytes + n, sizeof(bytes) - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		size_t took = take_frames(&sheet, bytes, n);
		memmove(bytes, bytes + took, n - took);
		n -= took;
		write_out(&sheet); /* what is there is shown, also when no more comes */
	}
	_exit(0);
}

/* ---- everybody else's side ---- */

static void put_direct(int to, const char *text, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(to, text + done, len - done);
		if (n < 0 && errno != EINTR)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

static int start(struct printer *p)
{
	int fds[2];
	struct printer_counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
	                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return -errno;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		int r = -errno;
		(void)munmap(counts, sizeof(*counts));
		return r;
	}
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* else it is smaller, and drops sooner */
	pid_t pid = fork();
	if (pid == 0)
		printer_main(fds[0], counts);
	int r = pid < 0 ? -errno : fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	(void)close(fds[0]);
	if (r < 0) { /* its end of file sends the printer away */
		(void)close(fds[1]);
		(void)munmap(counts, sizeof(*counts));
		return r;
	}
	p->fd = fds[1];
	p->pid = pid;
	p->counts = counts;
	return 0;
}

void printer_start(struct printer *ret)
{
	*ret = (struct printer){ .fd = -1 };
	int r = start(ret);
	if (r < 0)
		(void)dprintf(STDERR_FILENO,
		              "drydock: the process that prints cannot be started: %s; a reader of "
		              "this output that stalls will hold the job\n",
		              strerrordesc_np(-r));
}

/* Lines leave more than half of the pipe free: small frames waste up to half of a page, and the
 * end of the job must find room behind them. */
static bool has_room(const struct printer *p)
{
	int waiting = 0, size = fcntl(p->fd, F_GETPIPE_SZ);
	return p->last_words || ioctl(p->fd, FIONREAD, &waiting) < 0 || waiting <= size / 8 * 3;
}

static bool wait_for_room(struct printer *p)
{
	const struct timespec tick = { .tv_nsec = 1000L * 1000 };
	if (has_room(p)) {
		p->stalled = false;
		return true;
	}
	for (int64_t until = dd_now_ms() + PATIENCE_MS; !p->stalled && dd_now_ms() < until;) {
		(void)nanosleep(&tick, NULL);
		if (has_room(p))
			return true;
	}
	p->stalled = true;
	return false;
}

/* False: it found no room, not even a part of it when @len fits one frame. */
static bool send_text(const struct printer *p, int to, const char *text, size_t len)
{
	struct frame f = { .to = (uint16_t)to };
	for (size_t at = 0; at < len; at += f.len) {
		size_t n = len - at < sizeof(f.text) ? len - at : sizeof(f.text);
		f.len = (uint16_t)n;
		memcpy(f.text, text + at, n);
		while (write(p->fd, &f, FRAME_HEAD + n) < 0)
			if (errno != EINTR)
				return false;
		atomic_fetch_add(&p->counts->put, (unsigned long long)n);
	}
	return true;
}

static bool tell_lost(const struct printer *p)
{
	char text[200];
	unsigned long long lost = atomic_load(&p->counts->lost);
	if (lost == 0)
		return true;
	int n = snprintf(text, sizeof(text),
	                 "\ndrydock: %llu line%s left out here: nobody read this output in time. "
	                 "The record and the logs have what happened\n",
	                 lost, lost == 1 ? " is" : "s are");
	if (!send_text(p, STDOUT_FILENO, text, (size_t)n))
		return false;
	atomic_store(&p->counts->lost, 0);
	return true;
}

static void count_lost(const struct printer *p, const char *text, size_t len)
{
	unsigned long long lines = 0;
	for (const char *end = text + len; (text = memchr(text, '\n', (size_t)(end - text)));)
		lines++, text++;
	atomic_fetch_add(&p->counts->lost, lines ? lines : 1);
}

void printer_put(struct printer *p, int to, const char *text, size_t len)
{
	if (p->fd < 0)
		put_direct(to, text, len);
	else if (!wait_for_room(p) || !tell_lost(p) || !send_text(p, to, text, len))
		count_lost(p, text, len);
}

void printer_settle(struct printer *p)
{
	const struct timespec tick = { .tv_nsec = 1000L * 1000 };
	if (p->fd < 0)
		return;
	for (int64_t until = dd_now_ms() + PATIENCE_MS; dd_now_ms() < until;) {
		if (atomic_load(&p->counts->shown) >= atomic_load(&p->counts->put))
			return;
		(void)nanosleep(&tick, NULL);
	}
}

/* ---- the end ---- */

/* True: the printer has ended by itself. */
static bool wait_for_reader(const struct printer *p)
{
	dd_auto_fd int pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	struct pollfd look = { .fd = pidfd, .events = POLLIN };
	unsigned long long before = 0;
	int patience = END_PATIENCE_MS;

	if (pidfd < 0)
		return false;
	for (int64_t until = dd_now_ms() + patience;;) {
		int64_t left = until - dd_now_ms();
		int n = left <= 0 ? 0 : poll(&look, 1, left < 1000 ? (int)left : 1000);
		if (n > 0)
			return true;
		if (n < 0 && errno == EINTR && patience > SIGNAL_PATIENCE_MS) {
			patience = SIGNAL_PATIENCE_MS;
			until = dd_now_ms() + patience;
		}
		unsigned long long now = atomic_load(&p->counts->shown);
		if (now != before && patience == END_PATIENCE_MS)
			until = dd_now_ms() + patience;
		else if (left <= 0)
			return false;
		before = now;
	}
}

void printer_end(struct printer *p)
{
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
	int waiting = 0, status = 0;

	if (p->fd < 0)
		return;
	p->last_words = true;
	bool told = tell_lost(p);
	(void)ioctl(p->fd, FIONREAD, &waiting);
	dd_close_p(&p->fd);
	bool good = wait_for_reader(p);
	if (!good)
		(void)kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if ((!good || !told) && poll(&err, 1, 0) > 0 && (err.revents & POLLOUT))
		(void)dprintf(
			STDERR_FILENO,
			"drydock: the end of the output is missing: nobody read it (%llu lines and "
			"%d bytes). The record and the logs have what happened\n",
			(unsigned long long)atomic_load(&p->counts->lost), waiting);
	(void)munmap(p->counts, sizeof(*p->counts));
	*p = (struct printer){ .fd = -1 };
}
