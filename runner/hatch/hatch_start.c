// SPDX-License-Identifier: Apache-2.0
/* hatch_start.c - the supervisor's side of a hatch: makes its token, starts both processes, reads
 * what they say, ends them.
 *
 * Runs in: supervisor. What comes over the report socket was written by processes that read
 * hostile bytes, so it is read at exact size and checked. */
#include "hatch_messages.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/own_env.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

enum { BACKLOG = 64 };

/* ---- the token ---- */

static size_t base64url(const unsigned char *in, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = 0;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
		             (left > 2 ? in[i + 2] : 0u);
		for (size_t k = 0; k < (left > 2 ? 4 : left + 1); k++)
			out[len++] = digits[v >> (18 - 6 * k) & 63];
	}
	out[len] = '\0';
	return len;
}

/* The client libraries read the ids of run and job out of the token and never look at its
 * signature: so its signature is what nobody can guess. It is of no use outside of the step's
 * network namespace, nor after the step. */
static int hatch_make_token(const struct hatch_spec *spec, char ret[HATCH_TOKEN_MAX],
                            struct dd_err *err)
{
	static const char head[] = "{\"alg\":\"none\",\"typ\":\"JWT\"}";
	unsigned char chance[32];
	char payload[160];
	int n = snprintf(payload, sizeof(payload),
	                 "{\"scp\":\"Actions.Results:%.40s:%.40s\",\"exp\":4102444800}", spec->run,
	                 spec->job);

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return dd_err_set(err, EIO, "hatch: a token for the step");
	if (strpbrk(spec->run, "\"\\:") || strpbrk(spec->job, "\"\\:"))
		return dd_err_say(err, EINVAL, "hatch: run and job have ids that fit no token");
	size_t at = base64url((const unsigned char *)head, sizeof(head) - 1, ret);
	ret[at++] = '.';
	at += base64url((const unsigned char *)payload, (size_t)n, ret + at);
	ret[at++] = '.';
	(void)base64url(chance, sizeof(chance), ret + at);
	return 0;
}

int hatch_variables(const struct hatch *hatch, char *ret[HATCH_VARIABLES], struct dd_err *err)
{
	int r = 0;
	r |= asprintf(&ret[0], "ACTIONS_RESULTS_URL=http://127.0.0.1:%u/", hatch->port);
	r |= asprintf(&ret[1], "ACTIONS_CACHE_URL=http://127.0.0.1:%u/", hatch->port);
	r |= asprintf(&ret[2], "ACTIONS_RUNTIME_TOKEN=%s", hatch->token);
	r |= asprintf(&ret[3], "ACTIONS_CACHE_SERVICE_V2=true");
	return r < 0 ? dd_err_set(err, ENOMEM, "hatch: variables of the step") : 0;
}

static pid_t hatch_fork(struct dd_err *err)
{
	pid_t pid = -1;
	if (dd_fault("hatch_fork"))
		errno = ENOSYS;
	else
		pid = fork();
	if (pid < 0)
		(void)dd_err_set(err, errno, "hatch: fork");
	return pid;
}

static int hatch_listen(int fd, struct dd_err *err)
{
	/* what paces itself by the round trip (bbr) is ten times slower on `lo`; connections that
	 * are accepted inherit it, and a kernel without it keeps its own */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	return listen(fd, BACKLOG) < 0 ? dd_err_set(err, errno, "hatch: listen") : 0;
}

int hatch_start(const struct hatch_spec *spec, struct hatch *ret, struct dd_err *err)
{
	struct hatch hatch = HATCH_NONE;
	int report[2], ask[2];

	if (spec->switch_ids && (spec->uid == 0 || spec->gid == 0))
		return dd_err_say(err, EINVAL, "hatch: refuses to run as id 0");
	int r = hatch_make_token(spec, hatch.token, err);
	if (r == 0)
		r = own_env_find(err);
	if (r == 0)
		r = hatch_listen(spec->listener, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, report) < 0)
		return dd_err_set(err, errno, "hatch: report socket");
	dd_auto_fd int ours = report[0], theirs = report[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ask) < 0)
		return dd_err_set(err, errno, "hatch: socket to the storekeeper");
	dd_auto_fd int asks = ask[0], answers = ask[1];

	pid_t supervisor = getpid();
	hatch.port = spec->port;
	if ((hatch.keeper = hatch_fork(err)) == 0)
		store_main(spec, answers, theirs, supervisor);
	if (hatch.keeper > 0 && (hatch.pid = hatch_fork(err)) == 0)
		hatch_main(spec, hatch.token, asks, theirs, supervisor);
	if (hatch.keeper < 0 || hatch.pid < 0) {
		hatch_destroy(&hatch);
		return err ? -err->code : -EIO;
	}
	hatch.report = dd_take_fd(&ours);
	*ret = hatch;
	return 0;
}

/* ---- what they say ---- */

static bool hatch_text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool hatch_event_is_sane(const struct hatch_event *e)
{
	return e->type > HATCH_EVENT_INVALID && e->type < HATCH_EVENT__COUNT && e->trusted <= 1 &&
	       e->size <= INT64_MAX && hatch_text_ends(e->name, sizeof(e->name)) &&
	       hatch_text_ends(e->scope, sizeof(e->scope)) &&
	       hatch_text_ends(e->sha256, sizeof(e->sha256)) &&
	       hatch_text_ends(e->why, sizeof(e->why)) &&
	       strspn(e->sha256, "0123456789abcdef") == strlen(e->sha256);
}

int hatch_recv(const struct hatch *hatch, struct hatch_event *ret, struct dd_err *err)
{
	struct hatch_event event;
	int r = dd_recv_msg(hatch->report, &event, sizeof(event), NULL, 0);

	if (r == 0 || r == -EAGAIN)
		return r;
	if (r < 0)
		return dd_err_set(err, -r, "hatch (pid %d): receive a message", (int)hatch->pid);
	if (event.type == HATCH_EVENT_INVALID && hatch_text_ends(event.why, sizeof(event.why)))
		return dd_err_say(err, ECONNABORTED, "%s", event.why);
	if (!hatch_event_is_sane(&event))
		return dd_err_say(err, EPROTO, "hatch (pid %d): malformed message, type %u",
		                  (int)hatch->pid, event.type);
	*ret = event;
	return 1;
}

/* ---- the end ---- */

static void hatch_reap(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL); /* unreaped until the next line, so still our child */
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

void hatch_stop(struct hatch *hatch)
{
	hatch_reap(&hatch->pid);
}

void hatch_destroy(struct hatch *hatch)
{
	int saved = errno;

	hatch_reap(&hatch->pid);
	hatch_reap(&hatch->keeper);
	dd_close(hatch->report);
	*hatch = (struct hatch)HATCH_NONE;
	errno = saved;
}
