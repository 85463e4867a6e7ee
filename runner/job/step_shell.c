// SPDX-License-Identifier: Apache-2.0
/* step_shell.c - between a person and a step.
 *
 * Runs in: supervisor; the last part in the keeper. From the caller's side come keys, from the
 * step's hostile bytes. They are for a terminal, so they cannot be escaped: a program in the step
 * can do to the caller's terminal what one can at the other end of an ssh. What holds all the same:
 * no value that was granted in the job is shown as it is (the mask), nothing that the step says is
 * ever taken for input of the caller's own shell (its input is thrown away when the terminal is
 * given back), and the step has no descriptor of that terminal.
 */
#include "step_shell.h"

#include "drydock/fd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>

enum {
	CHUNK = 2048,
	SHOWN_EARLY = MASK_MIN - 1, /* of what may become a value */
	DRAIN_MS = 500,
	ANSWER_MS = 100, /* of a terminal that was asked something */
};

struct step_shell {
	struct step_shell_spec spec;
	bool terminal;
	int resized; /* signalfd; -1 without a terminal */
	struct termios before;
	bool is_raw;
	struct mask_stream *mask; /* only with a terminal: a pipe's output goes another way */
	char in[CHUNK];           /* from the caller, to the step */
	size_t in_at, in_len;
	bool in_over;
	size_t out_at, out_len; /* from the step, masked, to the caller */
	char out[CHUNK + MASK_VALUE_MAX + 16];
};

enum { P_CALLER_IN = 0, P_STEP, P_CALLER_OUT, P_RESIZED };

/* Modes of full-screen programs and of line editors, taken back: those that a step's last program
 * did not live to take back itself. */
static const char reset[] = "\033[!p\033[?2004l\033[?1000l\033[?25h";

/* ---- the caller's terminal ---- */

static void hand_size_on(const struct step_shell *s)
{
	struct winsize size;
	/* the step's side gets SIGWINCH from the kernel */
	if (ioctl(s->spec.what->in, TIOCGWINSZ, &size) == 0)
		(void)ioctl(s->spec.terminal, TIOCSWINSZ, &size);
}

static void make_raw(struct step_shell *s)
{
	struct termios raw = s->before;
	cfmakeraw(&raw);
	s->is_raw = tcsetattr(s->spec.what->in, TCSADRAIN, &raw) == 0;
}

static int listen_for_size(struct step_shell *s, struct dd_err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCONT); /* whoever had the terminal meanwhile left it as it liked */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return dd_err_set(err, errno, "hold the signals of a terminal");
	s->resized = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->resized < 0 ? dd_err_set(err, errno, "listen for the terminal's size") : 0;
}

static int set_up(struct step_shell *s, struct dd_err *err)
{
	if (!s->terminal)
		return 0;
	if (tcgetattr(s->spec.what->in, &s->before) < 0)
		return dd_err_set(err, errno, "read the modes of your terminal");
	int r = mask_stream_new(s->spec.mask, &s->mask, err);
	if (r == 0)
		r = listen_for_size(s, err);
	if (r < 0)
		return r;
	hand_size_on(s);
	make_raw(s);
	return s->is_raw ? 0 : dd_err_set(err, errno, "hand your keys on as they are");
}

int step_shell_new(const struct step_shell_spec *spec, struct step_shell **ret, struct dd_err *err)
{
	struct step_shell *s = calloc(1, sizeof(*s));

	if (!s) {
		dd_close(spec->terminal);
		dd_close(spec->input);
		return dd_err_set(err, ENOMEM, "hand on to a shell");
	}
	s->spec = *spec;
	s->terminal = spec->terminal >= 0;
	s->resized = -1;
	int r = set_up(s, err);
	if (r < 0)
		step_shell_free(s);
	else
		*ret = s;
	return r;
}

/* ---- from the caller to the step ---- */

static int step_fd(const struct step_shell *s)
{
	return s->terminal ? s->spec.terminal : s->spec.input;
}

/* Nothing more comes: a step that reads a pipe sees its end. */
static void end_input(struct step_shell *s)
{
	s->in_over = true;
	s->in_at = s->in_len = 0;
	dd_close_p(&s->spec.input);
}

static int read_caller(struct step_shell *s, struct dd_err *err)
{
	ssize_t n = read(s->spec.what->in, s->in, sizeof(s->in));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0) {
		s->in_at = 0;
		s->in_len = (size_t)n;
	} else if (s->terminal) {
		return dd_err_say(err, EPIPE, "its terminal is gone");
	} else {
		end_input(s);
	}
	return 0;
}

static void write_step(struct step_shell *s)
{
	ssize_t n = write(step_fd(s), s->in + s->in_at, s->in_len - s->in_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* it reads no more: that is its own business */
		end_input(s);
		return;
	}
	s->in_at += (size_t)n;
	if (s->in_at == s->in_len)
		s->in_at = s->in_len = 0;
}

/* ---- from the step to the caller ---- */

static int keep_out(void *arg, const char *bytes, size_t len)
{
	struct step_shell *s = arg;
	/* what is held back and one chunk always fit */
	if (len > sizeof(s->out) - s->out_len)
		return -ENOBUFS;
	memcpy(s->out + s->out_len, bytes, len);
	s->out_len += len;
	return 0;
}

static int write_caller(struct step_shell *s, struct dd_err *err)
{
	ssize_t n = write(s->spec.what->out, s->out + s->out_at, s->out_len - s->out_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return dd_err_say(err, EPIPE, "its terminal is gone");
	s->out_at += (size_t)n;
	if (s->out_at == s->out_len)
		s->out_at = s->out_len = 0;
	return 0;
}

/* 1: there was something; 0: nothing now, or nothing any more. */
static int read_step(struct step_shell *s, struct dd_err *err)
{
	char buf[CHUNK];
	ssize_t n = s->spec.terminal < 0 ? 0 : read(s->spec.terminal, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* EIO: nobody has the step's side open any more */
		dd_close_p(&s->spec.terminal);
		s->in_over = true;
		return 0;
	}
	int r = s->spec.said(s->spec.arg, buf, (size_t)n, err);
	if (r == 0 && (mask_feed(s->mask, buf, (size_t)n, keep_out, s) != 0 ||
	               mask_show_held(s->mask, SHOWN_EARLY, keep_out, s) != 0))
		r = dd_err_set(err, ENOBUFS, "mask what the shell says");
	explicit_bzero(buf, sizeof(buf)); /* it may have been a secret */
	return r < 0 ? r : 1;
}

/* ---- both ---- */

void step_shell_poll(const struct step_shell *s, struct pollfd p[STEP_SHELL_POLLS])
{
	bool pending = s->in_len > 0, shown = s->out_len > 0;

	for (int i = 0; i < STEP_SHELL_POLLS; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	if (!s->in_over && !pending)
		p[P_CALLER_IN] = (struct pollfd){ .fd = s->spec.what->in, .events = POLLIN };
	short wanted = (short)((pending ? POLLOUT : 0) | (s->terminal && !shown ? POLLIN : 0));
	if (wanted)
		p[P_STEP] = (struct pollfd){ .fd = step_fd(s), .events = wanted };
	if (shown)
		p[P_CALLER_OUT] = (struct pollfd){ .fd = s->spec.what->out, .events = POLLOUT };
	p[P_RESIZED] = (struct pollfd){ .fd = s->resized, .events = POLLIN };
}

static void serve_resized(struct step_shell *s)
{
	struct signalfd_siginfo info;

	while (read(s->resized, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGCONT)
			make_raw(s);
	hand_size_on(s);
}

int step_shell_serve(struct step_shell *s, const struct pollfd p[STEP_SHELL_POLLS],
                     struct dd_err *err)
{
	int r = 0;

	if (p[P_RESIZED].revents)
		serve_resized(s);
	if (p[P_CALLER_IN].revents)
		r = read_caller(s, err);
	if (r == 0 && p[P_CALLER_OUT].revents)
		r = write_caller(s, err);
	if (r == 0 && s->terminal && (p[P_STEP].revents & (POLLIN | POLLHUP | POLLERR)) &&
	    s->out_len == 0)
		r = read_step(s, err);
	if (r >= 0 && s->in_len > 0 && step_fd(s) >= 0 &&
	    (p[P_STEP].revents & (POLLOUT | POLLERR | POLLHUP) || p[P_CALLER_IN].revents))
		write_step(s);
	return r < 0 ? r : 0;
}

/* ---- the end ---- */

/* All of it, unless the caller does not read any more. */
static void write_rest(struct step_shell *s)
{
	struct pollfd p = { .fd = s->spec.what->out, .events = POLLOUT };

	while (s->out_len > 0 && poll(&p, 1, DRAIN_MS) > 0 && write_caller(s, NULL) == 0)
		;
	s->out_at = s->out_len = 0;
}

/* What answers to a step's questions ("where is the cursor?") has come in is no input for the shell
 * that the caller returns to: it is thrown away. */
static void step_shell_give_back(struct step_shell *s)
{
	const struct timespec answer = { .tv_nsec = ANSWER_MS * 1000000L };

	if (!s->is_raw)
		return;
	(void)nanosleep(&answer, NULL);
	s->is_raw = false;
	(void)tcsetattr(s->spec.what->in, TCSAFLUSH, &s->before);
}

int step_shell_end(struct step_shell *s, struct dd_err *err)
{
	int r = 1;

	if (!s || !s->terminal)
		return 0;
	for (int i = 0; r == 1 && i < 1000; i++) { /* what a terminal holds is less */
		write_rest(s);
		r = read_step(s, err);
	}
	if (mask_flush(s->mask, keep_out, s) == 0)
		(void)keep_out(s, reset, sizeof(reset) - 1);
	write_rest(s);
	step_shell_give_back(s);
	return r < 0 ? r : 0;
}

void step_shell_free(struct step_shell *s)
{
	sigset_t set;

	if (!s)
		return;
	step_shell_give_back(s);
	if (s->resized >= 0) {
		dd_close(s->resized);
		(void)sigemptyset(&set);
		(void)sigaddset(&set, SIGWINCH);
		(void)sigaddset(&set, SIGCONT);
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	mask_stream_free(s->mask);
	dd_close(s->spec.terminal);
	dd_close(s->spec.input);
	explicit_bzero(s->in, sizeof(s->in));
	free(s);
}

/* ---- keeper ---- */

struct step_shell_kept {
	int fd;
	struct termios before;
};

struct step_shell_kept *step_shell_remember(const struct job_shell *what)
{
	struct step_shell_kept *kept = what && what->terminal ? calloc(1, sizeof(*kept)) : NULL;

	if (kept && tcgetattr(what->in, &kept->before) < 0) {
		free(kept);
		return NULL;
	}
	if (kept)
		kept->fd = what->in;
	return kept;
}

void step_shell_restore(struct step_shell_kept *kept)
{
	/* one in the background would be stopped for it, and the terminal is another's then */
	if (kept && tcgetpgrp(kept->fd) == getpgrp())
		(void)tcsetattr(kept->fd, TCSADRAIN, &kept->before);
	free(kept);
}
