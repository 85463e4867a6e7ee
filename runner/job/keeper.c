// SPDX-License-Identifier: Apache-2.0
/* keeper.c - forks the supervisor, waits for it, and leaves nothing behind.
 *
 * Runs in: keeper, before and after the supervisor's life. Holds no secret: leases are read by the
 * supervisor alone. Why a process of its own: kill -9 of the supervisor must leave no step, no
 * cgroup and no tree. The kernel ends the step (its pid namespace hangs on the supervisor's life),
 * but somebody has to remove directories.
 */
#include "keeper.h"

#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "base/exit_code.h"
#include "host_check.h"
#include "lease/crash_point.h"
#include "lease/escrow.h"
#include "lease/journal.h"
#include "lease/lease.h"
#include "lease/replay.h"
#include "lease/signed_head.h"
#include "step_shell.h"
#include "supervisor.h"
#include "record/event_write.h"
#include "record/record_mirror.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { ORPHAN_GRACE_MS = 10000 };

static volatile sig_atomic_t supervisor_pid;

static void forward(int sig)
{
	int saved = errno;
	if (supervisor_pid > 0)
		(void)kill((pid_t)supervisor_pid, sig);
	errno = saved;
}

/* Block the signals that cancel a job, so that none is lost before the supervisor can read them.
 * Returns the set in @ret. */
static void hold_signals(sigset_t *ret)
{
	static const int cancelling[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = forward };

	(void)sigemptyset(&sa.sa_mask);
	(void)sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_LEN(cancelling); i++) {
		(void)sigaction(cancelling[i], &sa, NULL);
		(void)sigaddset(ret, cancelling[i]);
	}
	(void)sigprocmask(SIG_BLOCK, ret, NULL);
}

/* Children that this process had before it became a keeper: `drydock run > >(tee log)` inherits tee
 * from the shell. They are not ours. */
struct strangers {
	pid_t pid[64];
	size_t n;
};

static FILE *open_children(void)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return fopen(path, "re");
}

static void note_strangers(struct strangers *ret)
{
	FILE *f = open_children();
	int pid;

	ret->n = 0;
	while (f && ret->n < ARRAY_LEN(ret->pid) && fscanf(f, "%d", &pid) == 1)
		ret->pid[ret->n++] = pid;
	if (f)
		(void)fclose(f);
}

static bool is_stranger(const struct strangers *strangers, pid_t pid)
{
	for (size_t i = 0; i < strangers->n; i++)
		if (strangers->pid[i] == pid)
			return true;
	return false;
}

/* Reap what has ended; returns how many of ours still live. */
static unsigned count_orphans(const struct strangers *strangers)
{
	FILE *f = open_children();
	unsigned alive = 0;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		if (!is_stranger(strangers, pid) && waitpid(pid, NULL, WNOHANG) == 0)
			alive++;
	if (f)
		(void)fclose(f);
	return alive;
}

/* The supervisor's orphans (init, gate) hang below us, their subreaper. The kernel kills them when
 * the supervisor dies; wait until that is true. */
static int reap_orphans(const struct strangers *strangers, struct dd_err *err)
{
	const struct timespec tick = { .tv_nsec = 5L * 1000 * 1000 };

	for (int waited = 0; waited < ORPHAN_GRACE_MS; waited += 5) {
		if (count_orphans(strangers) == 0)
			return 0;
		(void)nanosleep(&tick, NULL);
	}
	return dd_err_say(err, ETIMEDOUT,
	                  "processes of the job are still alive %d s after its end: look for "
	                  "children of pid %d",
	                  ORPHAN_GRACE_MS / 1000, (int)getpid());
}

static void tell_lease(void *arg, const char *text)
{
	const struct job *job = arg;
	sink_note(&job->sinks, NULL, SINK_WARN, "%s", text);
}

/* Nothing is open in the journal of a run that ended well. */
static void settle_leases(struct job *job)
{
	struct dd_err err = { 0 };

	crash_point();
	if (job->leasing.journal && journal_settle(job->leasing.journal, &err) < 0)
		sink_note(&job->sinks, NULL, SINK_WARN, "%s", err.msg);
	lease_job_done(&job->leasing);
}

/* The supervisor died without a word: what it held is taken back, and the record says so. */
static void end_record(struct job *job, const char *how)
{
	struct dd_err err = { 0 };

	int r = record_resume(job->rec, &err);
	lease_after_death(&job->leasing, r == 0 ? job->rec : NULL, tell_lease, job);
	if (r == 0)
		r = record_run_end(job->rec,
		                   &(struct record_facts){ .status = "broken", .end_why = how },
		                   &err);
	if (r < 0 && r != -EALREADY)
		sink_note(&job->sinks, NULL, SINK_WARN, "the record %s could not be ended: %s",
		          job->record_path, err.msg);
}

static int verdict_of(struct job *job, int status)
{
	char how[240];

	if (WIFEXITED(status) && WEXITSTATUS(status) != DRYDOCK_EXIT_INTERNAL)
		return WEXITSTATUS(status);
	if (WIFEXITED(status))
		(void)snprintf(how, sizeof(how), "the supervisor ended with an internal error");
	else
		(void)snprintf(how, sizeof(how), "the supervisor was killed by signal %d (%s)%s",
		               WTERMSIG(status), strsignal(WTERMSIG(status)),
		               WTERMSIG(status) == SIGSYS
		                       ? ", as a system call filter around drydock does: `drydock "
		                         "doctor` names the calls that it takes away"
		                       : "");
	sink_note(&job->sinks, NULL, SINK_WARN,
	          "%s; the step it ran is dead, nothing of it was pushed after that", how);
	end_record(job, how);
	return DRYDOCK_EXIT_INTERNAL;
}

/* Its last line is written: sign it, and see that the collectors have it. */
static int finish_record(struct job *job, int code)
{
	struct dd_err err = { 0 };
	const char *why = NULL;
	uint64_t lost = mirror_end(job->mirror, &why);

	job->mirror = NULL;
	if (lost > 0)
		sink_note(
			&job->sinks, NULL, SINK_WARN,
			"%llu line%s of the record did not reach a collector (%s); the record has "
			"%s",
			(unsigned long long)lost, lost == 1 ? "" : "s", why,
			lost == 1 ? "it" : "them");
	if (!job->record_key || signed_head_write(job->record_key, job->record_path, &err) == 0)
		return code;
	sink_note(&job->sinks, NULL, SINK_WARN, "the record is not signed: %s", err.msg);
	return code == DRYDOCK_EXIT_OK ? DRYDOCK_EXIT_INTERNAL : code;
}

int keeper_run(struct job *job)
{
	struct dd_err err = { 0 };
	struct step_shell_kept *terminal;
	struct strangers strangers;
	sigset_t held;
	int status = 0;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "become the reaper of the job's processes: %s", strerror(errno));
		return DRYDOCK_EXIT_HOST;
	}
	note_strangers(&strangers);
	hold_signals(&held);
	terminal = step_shell_remember(job->shell);
	pid_t keeper = getpid();
	pid_t pid = fork();
	if (pid < 0) {
		step_shell_restore(terminal);
		sink_note(&job->sinks, NULL, SINK_WARN, "fork the supervisor: %s", strerror(errno));
		return DRYDOCK_EXIT_HOST;
	}
	if (pid == 0)
		/* who: supervisor; can do: all of ours; holds: job directories, lock, slot */
		_exit(supervisor_main(job, keeper, &held));

	supervisor_pid = pid;
	lease_forget(job->plan, job->forge);
	if (escrow_hold(job->leasing.escrow, &err) < 0)
		sink_note(&job->sinks, NULL, SINK_WARN, "%s", err.msg);
	(void)sigprocmask(SIG_UNBLOCK, &held, NULL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	supervisor_pid = 0;
	step_shell_restore(terminal);
	/* first: a courier that nobody hears any more takes back what it got */
	int orphans = reap_orphans(&strangers, &err);
	int code = verdict_of(job, status);
	settle_leases(job);
	record_free(job->rec);
	job->rec = NULL;
	code = finish_record(job, code);
	if (orphans == 0)
		orphans = job_dirs_destroy(&job->dirs, &err);
	if (orphans < 0) {
		sink_note(&job->sinks, NULL, SINK_WARN,
		          "clean-up is not complete: %s (the next start tries again)", err.msg);
		code = code == DRYDOCK_EXIT_OK ? DRYDOCK_EXIT_INTERNAL : code;
	}
	job_dirs_close(&job->dirs);
	return host_check_after(job, code);
}
