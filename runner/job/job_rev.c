// SPDX-License-Identifier: Apache-2.0
/* job_rev.c - runs git read-tree on the job's own copy of a repository.
 *
 * Runs in: supervisor. There is no gate process: nobody listens in the step's network, and the
 * rules that reject everything are read back. Limits are those of a build step.
 */
#include "job_rev.h"

#include "base/interrupt.h"
#include "base/text_escape.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "input/config_path.h"
#include "meter.h"
#include "model/places.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define PLACE_BORROWED "/run/drydock/objects"

enum { SAID_MAX = 4096 };

/* Where the host view shows it, if it is there. */
static const char *const gits[] = { "/usr/bin/git", "/bin/git", "/usr/local/bin/git" };

struct checking_out {
	struct job *job;
	const char *git;
	struct seccomp_program *seccomp;
	struct net_plan *net;
	struct sandbox_spec spec;
	const char *argv[32];
	char sha[65];
	struct sandbox sb;
	int said_fd;
	char said[SAID_MAX + 1]; /* its last words */
	size_t said_len;
	char work[600];
	char borrowed[GIT_STORES_MAX][600], target[GIT_STORES_MAX][64];
	struct sandbox_mount mounts[GIT_STORES_MAX + 1];
	size_t n_mounts;
	struct meter meter;
};

static int find_git(struct checking_out *c, struct dd_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(gits); i++)
		if (access(gits[i], X_OK) == 0) {
			c->git = gits[i];
			return 0;
		}
	return dd_err_say(
		err, ENOENT,
		"--rev needs git, and this host has none in /usr/bin, /bin or "
		"/usr/local/bin: install it (apt-get install git), or leave --rev out and "
		"run on what stands on disk");
}

static int job_rev_prepare(struct checking_out *c, struct dd_err *err)
{
	static const struct egress_list nothing = { .entries = NULL };
	char profile[512];
	int r;

	if ((r = config_path_seccomp("default", profile, sizeof(profile), err)) < 0 ||
	    (r = seccomp_program_load(profile, &c->seccomp, err)) < 0)
		return r;
	return net_plan_new(&nothing, &c->net, err);
}

/* Objects that the clone borrows are shown to this git, and to no step: the file that names them
 * may name any directory of the caller's. */
static int job_rev_borrow(struct checking_out *c, const struct job_rev *how, struct dd_err *err)
{
	const struct checkout *checkout = c->job->checkout;
	int r = 0;

	for (size_t i = 1; i < checkout->stores.n && r == 0; i++) {
		char name[32];
		dd_auto_fd int fd = -1;
		(void)snprintf(name, sizeof(name), "borrowed-%zu", i);
		(void)snprintf(c->borrowed[i], sizeof(c->borrowed[i]), "%s/%s", c->job->dirs.root,
		               name);
		(void)snprintf(c->target[i], sizeof(c->target[i]), PLACE_BORROWED "/%zu", i);
		r = job_dirs_sub(&c->job->dirs, name, 0755, &fd, err);
		if (r == 0 && how->owner.change && fchown(fd, how->owner.uid, how->owner.gid) < 0)
			r = dd_err_set(err, errno, "give borrowed objects to the step's id");
		if (r == 0)
			r = checkout_copy_store(checkout, i, how->owner, fd, err);
		c->mounts[c->n_mounts++] = (struct sandbox_mount){ .source = c->borrowed[i],
			                                           .target = c->target[i],
			                                           .flags = SANDBOX_MOUNT_RO };
	}
	return r;
}

static void job_rev_give_back(const struct checking_out *c)
{
	for (size_t i = 1; i < c->job->checkout->stores.n; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "borrowed-%zu", i);
		(void)job_dirs_drop(&c->job->dirs, name, NULL);
	}
}

static const struct grant_terms *build_terms(const struct job *job)
{
	for (size_t i = 0; i < job->plan->n_grants; i++)
		if (job->plan->grants[i].phase == DD_PHASE_BUILD)
			return job->plan->grants[i].terms;
	return job->plan->n_grants ? job->plan->grants[0].terms : NULL;
}

static int job_rev_build(struct checking_out *c, const struct grant_terms *terms,
                         struct dd_err *err)
{
	const struct job *job = c->job;
	/* Plumbing: it moves no ref, runs no hook, enters no submodule. */
	const char *const argv[] = { c->git,
		                     "-c",
		                     "core.hooksPath=/dev/null",
		                     "-c",
		                     "core.fsmonitor=false",
		                     "-c",
		                     "core.attributesFile=/dev/null",
		                     "-c",
		                     "core.protectNTFS=true",
		                     "-c",
		                     "core.protectHFS=true",
		                     "-c",
		                     "core.splitIndex=false",
		                     "-c",
		                     "index.sparse=false",
		                     "-c",
		                     "checkout.workers=1",
		                     "-c",
		                     "protocol.allow=never",
		                     "-c",
		                     "submodule.recurse=false",
		                     "read-tree",
		                     "--reset",
		                     "-u",
		                     "--no-sparse-checkout",
		                     c->sha,
		                     NULL };
	int ends[2];

	_Static_assert(sizeof(argv) <= sizeof(c->argv), "room for all of them");
	memcpy(c->argv, argv, sizeof(argv));
	(void)snprintf(c->sha, sizeof(c->sha), "%s", job->checkout->facts.sha);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "make a pipe for git");
	c->said_fd = ends[0];
	dd_auto_fd int out = ends[1];
	if (fcntl(c->said_fd, F_SETFL, O_NONBLOCK) < 0)
		return dd_err_set(err, errno, "make a pipe for git");
	c->mounts[c->n_mounts++] = (struct sandbox_mount){ .source = c->work,
		                                           .target = PLACE_WORKSPACE,
		                                           .flags = SANDBOX_MOUNT_RW };
	c->spec = (struct sandbox_spec){ .identity = job->id,
		                         .step_uid = job->step_uid,
		                         .step_gid = job->step_uid,
		                         .hostname = "drydock",
		                         .mounts = c->mounts,
		                         .n_mounts = c->n_mounts,
		                         .workdir = PLACE_WORKSPACE,
		                         .argv = (char *const *)(uintptr_t)c->argv,
		                         .seccomp = c->seccomp,
		                         .limits = terms->limits.sandbox,
		                         .net = c->net,
		                         .cgroup_parent = job->cgroup[0] ? job->cgroup : NULL,
		                         .name = "checkout",
		                         .stdout_fd = out,
		                         .stderr_fd = out };
	int r = sandbox_build(&c->spec, &c->sb, err);
	return r < 0 ? r : net_rules_verify(c->sb.net[NET_FD_RULES], c->net, false, err);
}

static int job_rev_release(struct checking_out *c, struct dd_err *err)
{
	char alternates[GIT_STORES_MAX * 72] = "GIT_ALTERNATE_OBJECT_DIRECTORIES=";
	static const char git_dir[] = "GIT_DIR=" PLACE_WORKSPACE "/.git";
	static const char work_tree[] = "GIT_WORK_TREE=" PLACE_WORKSPACE;
	const char *const envp[] = { "PATH=/usr/bin:/bin",
		                     "LC_ALL=C",
		                     "HOME=/nonexistent",
		                     git_dir,
		                     work_tree,
		                     "GIT_CONFIG_NOSYSTEM=1",
		                     "GIT_CONFIG_GLOBAL=/dev/null",
		                     "GIT_ATTR_NOSYSTEM=1",
		                     "GIT_NO_REPLACE_OBJECTS=1",
		                     "GIT_NO_LAZY_FETCH=1",
		                     "GIT_TERMINAL_PROMPT=0",
		                     alternates,
		                     NULL };

	for (size_t i = 1; i < c->job->checkout->stores.n; i++) {
		size_t len = strlen(alternates);
		(void)snprintf(alternates + len, sizeof(alternates) - len, "%s%s", i > 1 ? ":" : "",
		               c->target[i]);
	}
	const struct sandbox_delivery what = { .envp = (char *const *)(uintptr_t)envp };
	return sandbox_release(&c->sb, &c->spec, &what, err);
}

/* Its last SAID_MAX bytes. */
static bool job_rev_hear(struct checking_out *c)
{
	char buf[SAID_MAX];
	ssize_t n = read(c->said_fd, buf, sizeof(buf));
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	size_t got = (size_t)n, room = SAID_MAX - c->said_len;
	if (got > room) {
		memmove(c->said, c->said + got - room, c->said_len - (got - room));
		c->said_len -= got - room;
	}
	memcpy(c->said + c->said_len, buf, got);
	c->said_len += got;
	return true;
}

/* Until it has ended, or must. */
static int watch(struct checking_out *c, const struct grant_terms *terms,
                 struct sandbox_status *ret, struct dd_err *err)
{
	const int64_t until = dd_now_ms() + (int64_t)terms->limits.time_sec * 1000;
	char why[160];
	int r = 0;

	meter_start(&c->meter, &terms->limits, c->job->dirs.root_fd, false, dd_now_ms());
	c->meter.init = c->sb.pid;
	while (r == 0) {
		int64_t now = dd_now_ms(), next = meter_check(&c->meter, now, why, sizeof(why));
		if (next < 0)
			return dd_err_blame(err, DD_BLAME_CALLER,
			                    dd_err_say(err, EDQUOT, "%s", why));
		if (terms->limits.time_sec && now >= until)
			return dd_err_blame(err, DD_BLAME_CALLER,
			                    dd_err_say(err, ETIME,
			                               "it ran longer than limits.time = %u s",
			                               terms->limits.time_sec));
		struct pollfd p[] = { { .fd = c->said_fd, .events = POLLIN },
			              { .fd = c->sb.ctl, .events = POLLIN },
			              { .fd = c->job->signal_fd, .events = POLLIN } };
		if (poll(p, ARRAY_LEN(p), next < 1000 ? (int)next + 1 : 1000) < 0 && errno != EINTR)
			return dd_err_set(err, errno, "wait for git");
		if (p[2].revents && (r = interrupt_check(err)) < 0)
			return r;
		if (p[0].revents && !job_rev_hear(c))
			dd_close_p(&c->said_fd);
		if (p[1].revents && (r = sandbox_recv_status(&c->sb, ret, err)) == 0)
			r = dd_err_say(err, ECHILD, "the sandbox of git was killed from outside");
		r = r == -EAGAIN ? 0 : r;
	}
	return r < 0 ? r : 0;
}

/* What went wrong by git's own word: its bytes are a repository's. */
static int job_rev_judge(struct checking_out *c, const struct sandbox_status *st,
                         struct dd_err *err)
{
	char shown[TEXT_ESCAPE_MAX * 300 + 1];

	if (st->exited && st->code == 0)
		return 0;
	if (!st->exited && st->signal == SIGXFSZ)
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EFBIG, "a file of the commit is larger than limits.disk"));
	for (bool more = c->said_fd >= 0; more;) { /* all writers are dead */
		errno = 0;
		more = job_rev_hear(c) && errno != EAGAIN;
	}
	while (c->said_len > 0 && c->said[c->said_len - 1] == '\n')
		c->said_len--;
	c->said[c->said_len] = '\0';
	const char *last = strrchr(c->said, '\n');
	last = last ? last + 1 : c->said;
	(void)text_escape(shown, last, strnlen(last, 300));
	return dd_err_blame(err, DD_BLAME_CALLER,
	                    dd_err_say(err, EIO, "git %s %d%s%.400s",
	                               st->exited ? "ended with" : "was ended by signal",
	                               st->exited ? st->code : st->signal, shown[0] ? ": " : "",
	                               shown));
}

static int run_git(struct checking_out *c, const struct job_rev *how, struct dd_err *err)
{
	const struct grant_terms *terms = build_terms(c->job);
	struct sandbox_status st = { .exited = false };
	int r;

	if (!terms)
		return dd_err_say(err, EINVAL, "a job without a step has no limits");
	(void)snprintf(c->work, sizeof(c->work), "%s", how->work);
	if ((r = job_rev_prepare(c, err)) < 0 || (r = job_rev_borrow(c, how, err)) < 0 ||
	    (r = job_rev_build(c, terms, err)) < 0 || (r = job_rev_release(c, err)) < 0 ||
	    (r = watch(c, terms, &st, err)) < 0)
		return r;
	return job_rev_judge(c, &st, err);
}

int job_rev_checkout(struct job *job, const struct job_rev *how, struct dd_err *err)
{
	struct checking_out *c = calloc(1, sizeof(*c));

	if (!c)
		return dd_err_set(err, ENOMEM, "check a commit out");
	*c = (struct checking_out){ .job = job, .sb = SANDBOX_NONE, .said_fd = -1 };
	int r = find_git(c, err);
	if (r == 0)
		r = run_git(c, how, err);
	int ended = sandbox_destroy(&c->sb, r < 0 ? NULL : err);
	job_rev_give_back(c);
	dd_close(c->said_fd);
	net_plan_free(c->net);
	seccomp_program_free(c->seccomp);
	free(c);
	return r < 0 ? r : ended;
}
