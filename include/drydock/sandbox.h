// SPDX-License-Identifier: Apache-2.0
/* sandbox.h - a complete, validated spec in; a confined process out.
 *
 * Order of use (supervisor):
 *   sandbox_probe_quick()      once: what a few calls tell of this host; refuse early, by name
 *                              (K-12). The rest the first sandbox finds out
 *   sandbox_probe()            when a sandbox could not be built: what is missing, with the remedy
 *   seccomp_program_load()     once per profile: allowlist file -> filter bytes
 *   sandbox_build()            namespaces, maps, network, mounts: all but the last lock and exec.
 *                              Hands back the sockets of the step's netns; no byte of it has run
 *   (verify the rules, start the gate, wait for it)
 *   sandbox_release()          delivers environment and secrets, locks (capabilities, Landlock,
 *                              seccomp), execs
 *   sandbox_recv_status()      when ctl is readable: how the step's main process ended; others of
 *                              it may still live
 *   sandbox_destroy()          kills what is left, reaps, removes the cgroup; afterwards the step
 *                              has no process
 *
 * Roles: the *supervisor* calls; a *zygote* holds the tree that steps have in common; its child is
 * the *launcher* until it has built the rest, then pid 1 of the step (*init*: reaps, forwards
 * signals, nothing else); init's only child becomes the *step*. The spec goes to the zygote packed;
 * secrets are not in it: they come through a pipe that only the process about to exec reads. If the
 * supervisor dies, the zygote dies, and with it the pid namespaces of all its steps.
 */
#ifndef DRYDOCK_SANDBOX_H
#define DRYDOCK_SANDBOX_H

#include "err.h"
#include "identity.h"
#include "netns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SANDBOX_UID = 1001, /* inside: user and group `runner` */
	SANDBOX_GID = 1001,
	SANDBOX_FD_FIRST = 3, /* of the descriptors that are handed over beside 0, 1 and 2 */
	SANDBOX_FDS_MAX = 4,  /* so many at most */
};
#define SANDBOX_FILES_DIR "/run/drydock/step" /* the files of a spec; nothing else is below */
#define SANDBOX_CREDENTIALS_DIR                                                                    \
	"/run/drydock/cred" /* private ramfs 0500, read-only, files 0400; empty without a file     \
	                       lease */

/* ---- seccomp ---- */

struct seccomp_program; /* filter bytes, compiled once, loaded raw */

struct seccomp_summary {
	/* syscalls by what the filter does; the rest gets ENOSYS */
	unsigned allowed, conditional, errno_answered, killed;
};

/* Compile the allowlist data file at @path (format: docs/seccomp.md and the head of
 * configs/seccomp/default.seccomp). Errors name file and line. */
int seccomp_program_load(const char *path, struct seccomp_program **ret, struct dd_err *err);
/* Of which refusals a listener in the supervisor hears, before the call is answered. */
enum seccomp_ask {
	SECCOMP_ASK_NOTHING = 0,
	/* enforcing: those that the profile has a `tell` for; the answer is always the refusal */
	SECCOMP_ASK_TOLD,
	SECCOMP_ASK_ALL, /* observing: every one, and what is not `never` goes on */
};
/* The same, and: @extra (NULL-terminated, or NULL) names system calls that are allowed besides; one
 * that the profile says `never` about, or that does not exist, is -EINVAL. */
int seccomp_program_load_with(const char *path, const char *const *extra, enum seccomp_ask ask,
                              struct seccomp_program **ret, struct dd_err *err);
void seccomp_program_free(struct seccomp_program *prog);
void seccomp_program_summary(const struct seccomp_program *prog, struct seccomp_summary *ret);
bool seccomp_program_asks(const struct seccomp_program *prog); /* then sandbox_asked_recv() must be
                                                                  called until the step ends */
const char *seccomp_program_digest(
	const struct seccomp_program *prog); /* sha256 of the filter bytes, hex; borrowed */

/* ---- spec ---- */

enum {
	SANDBOX_MOUNTS_MAX = 160, /* of one spec; the zygote has no heap */
	SANDBOX_READ_MAX = 128,   /* of them, what a policy may show of the host */
};

enum sandbox_mount_flags {
	SANDBOX_MOUNT_RO = 0,
	SANDBOX_MOUNT_RW = 1 << 0, /* always nosuid,nodev */
	SANDBOX_MOUNT_NOEXEC = 1 << 1,
	SANDBOX_MOUNT_TRY = 1 << 2, /* a missing source is left out; said so in the plan */
	/* @target below the spec's root tree is @source already, so nothing is mounted, and between
	 * all such places files can be renamed and linked: one mount holds them. -EINVAL when a
	 * mount of the spec hides it. Without a root tree it means nothing. */
	SANDBOX_MOUNT_PLACE = 1 << 3,
};

/* Bind @source (host path, opened O_PATH|O_NOFOLLOW by the zygote) at @target (absolute,
 * normalised, inside the new root). */
struct sandbox_mount {
	const char *source;
	const char *target;
	unsigned flags;
};

/* A file made up for this sandbox, read-only, directly below SANDBOX_FILES_DIR: the step's script.
 * What stands in it is late (see struct sandbox_spec). */
enum { SANDBOX_FILES_MAX = 8 };
struct sandbox_file {
	const char *path;
	const void *content;
	size_t len;
	mode_t mode;
};

/* 0 = not limited by drydock. What needs a cgroup controller that is missing is an error in
 * sandbox_build(), never ignored. */
struct sandbox_limits {
	uint64_t memory_bytes; /* cgroup memory.max, swap 0, oom.group */
	unsigned cpu_millis;   /* cgroup cpu.max; 1000 = one core */
	/* RLIMIT_NPROC always (counted per user namespace), and cgroup pids.max where delegated */
	unsigned pids;
	uint64_t file_size_bytes; /* RLIMIT_FSIZE */
	unsigned open_files;      /* RLIMIT_NOFILE; 0 = 1024:65536 */
	uint64_t shm_bytes;       /* size of /dev/shm; 0 = 1 GiB */
	unsigned shm_files;       /* inodes of it; 0 = 200000 */
};

/* The zygotes of one job (sandbox/outside_zygote.c): each holds a finished tree, from which the
 * steps that have the same tree are cloned. */
struct sandbox_zygotes;
/* -ENOMEM. None is started before a sandbox asks for it. */
int sandbox_zygotes_new(struct sandbox_zygotes **ret, struct dd_err *err);
/* Kills what is left in them, every sandbox too; accepts NULL. Before the job's directories go. */
void sandbox_zygotes_free(struct sandbox_zygotes *zygotes);

struct sandbox_spec;
/* Begin the zygote of the tree of @spec, of which only what that tree is made of is read, and go
 * on: the first sandbox that comes from it waits for it. One that could not be begun is told then.
 * @spec->zygotes must be set. -ENOMEM. */
int sandbox_zygote_ahead(const struct sandbox_spec *spec, struct dd_err *err);

/* What a step is. Late are the content of its files, its working directory and its argv: they are
 * read by sandbox_release() alone, so that a sandbox can stand before anybody knows them. */
struct sandbox_spec {
	/* NULL: one for this sandbox alone, which ends with it */
	struct sandbox_zygotes *zygotes;
	const struct identity *identity;
	/* in the caller's user namespace; from identity_slot(); never maps to host root */
	uid_t step_uid;
	gid_t step_gid;
	const char *hostname;
	/* Host directory that becomes "/", writable by mount: what the step may write below it are
	 * the read-write mounts, by Landlock, and by owner where step and supervisor have different
	 * ids. Missing mount points are made in it; nobody but the supervisor may own it or what
	 * lies above those places. NULL: a new tmpfs, read-only. */
	const char *root;
	const char *resolv_conf; /* content of the step's; NULL: the resolver and nothing else */
	const struct sandbox_mount
		*mounts; /* besides the host root view (sandbox/inside_root.c), in order */
	size_t n_mounts;
	const struct sandbox_file *files;
	size_t n_files;
	bool made_sys; /* /sys of made_sys.h; otherwise none */
	/* absolute, inside the new root; walked at release, by the step itself (F-08) */
	const char *workdir;
	/* argv[0] searched in PATH of the delivered environment when it has no slash */
	char *const *argv;
	const struct seccomp_program *seccomp;
	unsigned landlock_abi_min; /* refuse below; 0 = 1 */
	/* The delivery will bring files. Without them nothing is left to do that takes a
	 * capability, so the step puts on every lock before it hears anything. */
	bool secret_files;
	struct sandbox_limits limits;
	const struct net_plan *net;
	/* job cgroup as cgroup_job_make() returned it (file system path), NULL or empty: none */
	const char *cgroup_parent;
	const char *name; /* step label for cgroup and messages: [a-z0-9-]+ */
	int stdout_fd;    /* borrowed; become fds 1 and 2 of the step; fd 0 is /dev/null */
	int stderr_fd;
	int stdin_fd; /* borrowed; 0: none, /dev/null. Never the caller's own descriptor 0 */
	/* 0, 1 and 2 of the step are a pseudo terminal of its own, and the one that controls its
	 * session; the other end is in struct sandbox from release on. What stands above is ignored
	 */
	bool terminal;
};

/* What sandbox_release() delivers. Read by the process about to exec, through a pipe; never part of
 * the spec. */
struct sandbox_secret_file {
	const char *name; /* below SANDBOX_CREDENTIALS_DIR; no slash */
	const void *content;
	size_t len;
	/* no name leads to it: the step inherits a descriptor, the first of them is
	 * SANDBOX_FD_FIRST */
	bool unnamed;
};

struct sandbox_delivery {
	char *const *envp; /* the whole environment, NULL-terminated; may hold secrets */
	const struct sandbox_secret_file *files;
	size_t n_files;
};

struct sandbox_zygote;

struct sandbox {
	struct sandbox_zygote *zygote; /* its own; NULL: it came from one of the job's */
	pid_t pid;                     /* init, as the caller sees it */
	int pidfd;
	int ctl;     /* SEQPACKET to init, non-blocking after sandbox_release() */
	int deliver; /* our end of the delivery socket; -1 after release */
	int net[NET_FD__COUNT];
	bool takes_files; /* as its spec said */
	bool asks;        /* the step was given a filter that asks */
	int asked_fd;     /* listener of that filter, from release on; -1: none */
	bool has_terminal;
	int terminal;     /* our end of the step's terminal, from release on; -1: none, or taken */
	int cgroup_fd;    /* -1: none */
	char cgroup[256]; /* path, empty: none */
	/* one for each of its files, which only the supervisor writes, and only until release */
	int file[SANDBOX_FILES_MAX];
	/* parked: the zygote that has been asked and not been heard yet (borrowed), and what for */
	struct sandbox_zygote *asked_of;
	char *made_for;
};

struct sandbox_status {
	bool exited; /* false: killed by @signal */
	int code;
	int signal;
	uint64_t cpu_usec; /* user + system of all reaped processes */
	/* memory.peak where there is a controller, otherwise the largest resident set (ru_maxrss)
	 */
	uint64_t peak_memory_bytes;
};

#define SANDBOX_NONE                                                                               \
	{                                                                                          \
		.pid = 0, .pidfd = -1, .ctl = -1, .deliver = -1,                                   \
		.net = { -1, -1, -1, -1, -1, -1 }, .asked_fd = -1, .terminal = -1,                 \
		.cgroup_fd = -1, .file = {                                                         \
			-1,                                                                        \
			-1,                                                                        \
			-1,                                                                        \
			-1,                                                                        \
			-1,                                                                        \
			-1,                                                                        \
			-1,                                                                        \
			-1                                                                         \
		}                                                                                  \
	}

/* ---- features ---- */

struct sandbox_feature {
	const char *name; /* "userns", "nftables", "landlock", ... */
	const char *area; /* "host", "identity", "isolation", "network", "locks", "limits" */
	const char *need; /* what it is for */
	bool required;    /* a run without it is refused */
	bool present;
	char found[240]; /* version, count, or errno text */
	const char *remedy;
};

/* Probe this host; must run after identity_enter(). @ret: static storage owned by the callee, valid
 * until the next call. Forks short-lived children and leaves nothing. Returns the number of rows,
 * or -errno. */
int sandbox_probe(const struct sandbox_feature **ret, struct dd_err *err);
/* Of the same table what a few calls answer without a child, in microseconds; and the rows of
 * @also (NULL-terminated, or NULL) as sandbox_probe() asks them. */
int sandbox_probe_quick(const char *const *also, const struct sandbox_feature **ret,
                        struct dd_err *err);
/* The same and what no run depends on: for the doctor. */
int sandbox_probe_all(const struct sandbox_feature **ret, struct dd_err *err);
/* A filter around drydock (a container's, a unit's) that ends whoever makes a call ends drydock in
 * the middle, without a word. 0, or -EPERM: it does so for calls of @among (names with a blank
 * between them; NULL: all that a run makes); @err has their names and the remedy. Asked in
 * children; without a filter nothing is. Before the caller makes such a call itself. */
int sandbox_check_filter(const char *among, struct dd_err *err);

/* Which row of the host view shows @path (absolute, normalised) to every step; NULL: none. @ret_why
 * (may be NULL): what the row is there for. */
const char *sandbox_view_find(const char *path, const char **ret_why);

/* What every step finds at @path (absolute, normalised) where no mount of its spec lies: the host
 * view and what is made up. Pure. */
enum sandbox_access { SANDBOX_ABSENT = 0, SANDBOX_READ_ONLY, SANDBOX_WRITABLE };
struct sandbox_path {
	const char *path; /* of the row that decides; NULL: none, so it is absent */
	enum sandbox_access access;
	const char *why; /* never NULL */
	/* the host's own file is shown, if it has one there and others may read it */
	bool of_host;
};
struct sandbox_path sandbox_path_find(const char *path);

/* Where a step that opens @path (absolute) ends up: the host's links are followed as far as the
 * step sees them, and no farther. Looks at the host's tree with the caller's rights. */
struct sandbox_followed {
	char path[2048]; /* where it ends, without links */
	char link[512];  /* the last link of the host's on the way; empty: there was none */
	struct sandbox_path
		end; /* what is at @path; SANDBOX_ABSENT: the step finds nothing there */
};
/* @shown (NULL-terminated, or NULL): host directories that the step sees besides. -ELOOP,
 * -ENAMETOOLONG, -EINVAL (not absolute). */
int sandbox_path_follow(const char *path, const char *const *shown, struct sandbox_followed *ret);
/* Is @path a file of the host view that is copied, and so what its link on the host leads to? */
bool sandbox_view_is_copy(const char *path);

/* ---- life ---- */

int sandbox_build(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err);
/* The same in two halves, so that a gate can start while the launcher still mounts. After the first
 * @ret->net holds the sockets of a network whose rules are in the kernel; nothing else may be asked
 * of @ret. What fails has been destroyed. @spec lives until the second has returned. */
int sandbox_begin(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err);
int sandbox_built(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err);
/* Ask for a sandbox of which nothing is late, and go on: it is built meanwhile, and waits with
 * every lock on. 1: @ret is asked for, and sandbox_unpark() or sandbox_destroy() must follow before
 * any other sandbox of the same zygotes is built. 0: it would have to be waited for (no zygote of
 * its tree stands), so nothing was done. @spec is not needed afterwards. Nobody hears of it but the
 * zygote: what fails is told by sandbox_unpark(). */
int sandbox_park(const struct sandbox_spec *spec, struct sandbox *ret, struct dd_err *err);
/* Is @sb, which is parked, what @spec asks for in all but what is late? Its directories are looked
 * at again: where one is another by now, it is not. */
bool sandbox_fits(const struct sandbox *sb, const struct sandbox_spec *spec);
/* Its network stands: @sb->net is as after sandbox_begin(). Waits as long as that takes; not at all
 * once ctl is readable. What fails has been destroyed. */
int sandbox_parked_net(struct sandbox *sb, struct dd_err *err);
/* Take over one that fits: what sandbox_begin() does for one that is not parked. */
int sandbox_unpark(const struct sandbox_spec *spec, struct sandbox *sb, struct dd_err *err);
/* @spec: the one it was built for, with what is late. Returns 0 once exec has happened; otherwise
 * @err is the child's own sentence (its bytes are terminated and escaped here). -ENOTDIR: the
 * working directory does not exist, is none, or cannot be entered. -ENOEXEC: every lock held, but
 * the program of argv could not be executed (missing, not executable, no such interpreter). */
int sandbox_release(struct sandbox *sb, const struct sandbox_spec *spec,
                    const struct sandbox_delivery *what, struct dd_err *err);
/* Ask init to send @sig to every process of the step. */
int sandbox_signal(const struct sandbox *sb, int sig, struct dd_err *err);
/* 1: @ret is set; 0: init is gone without a word (killed from outside); -EAGAIN: still running. */
int sandbox_recv_status(const struct sandbox *sb, struct sandbox_status *ret, struct dd_err *err);
/* Did the kernel kill a process of the step for its limit of memory? Until sandbox_destroy(). */
bool sandbox_ran_out_of_memory(const struct sandbox *sb);

/* cgroup.kill where there is one, SIGKILL to init, wait until the pid namespace is empty, rmdir the
 * cgroup, close all. Idempotent. */
int sandbox_destroy(struct sandbox *sb, struct dd_err *err);

/* ---- what the system call filter refuses ---- */

/* One system call that the filter refuses, or would have in observe mode; its thread waits for the
 * answer. */
struct sandbox_asked {
	uint64_t id;
	pid_t pid; /* of the thread, as the caller counts; 0: unknown */
	int nr;
	/* 0: the kernel goes on, in observe mode only; an errno: the call fails with it */
	int answer;
	/* The entry of another architecture (a 32-bit program): its process ends, by SIGSYS if the
	 * caller has seen that this ends it, by SIGKILL otherwise. */
	bool ends, ends_by_sigsys;
	char call[32];   /* name; its number where no name is known here */
	char detail[48]; /* the argument that matters: "AF_VSOCK", "0x5412"; may be empty */
	/* what the profile says to the person about it; borrowed from the program; NULL: nothing */
	const char *tell;
	bool never; /* no policy can allow it */
};

/* Supervisor, when asked_fd is readable. 1: @ret is a question, and sandbox_asked_answer() must
 * follow; 0: none waits; -EPIPE: nobody is left who could ask, stop polling. @prog is the one of
 * the spec. */
int sandbox_asked_recv(const struct sandbox *sb, const struct seccomp_program *prog,
                       struct sandbox_asked *ret, struct dd_err *err);
/* Does the thread still wait? Only then what /proc/PID showed before this call was about it. */
bool sandbox_asked_waits(const struct sandbox *sb, const struct sandbox_asked *asked);
/* As @asked says. The answer rests on numbers that the kernel took from registers, so no other
 * thread can change what was judged. */
int sandbox_asked_answer(const struct sandbox *sb, const struct sandbox_asked *asked,
                         struct dd_err *err);

/* ---- cgroup of a job ---- */

/* A process that will run jobs moves from the group that systemd delegated to it into a leaf below:
 * no controller is handed down while a process sits above (cgroup v2), and its children are born
 * where it is. Before it has any; elsewhere it changes nothing. Agent only. */
void cgroup_leave_top(void);

/* Where the group "drydock-<run>" of a job would be: below the cgroup v2 directory in which this
 * process may make groups. @ret_path is empty when the host offers none (that is no error; limits
 * that need controllers are refused later, by name). Makes nothing: the caller writes the path down
 * first, so that a crash between the two leaves no group that nobody knows of. */
int cgroup_job_plan(const char *run, char ret_path[256], struct dd_err *err);
/* Make it and hand the controllers down. Empties @path when the host does not let us. */
int cgroup_job_make(char path[256], struct dd_err *err);
/* Kill what is inside, remove the tree. Used by the keeper after a crash and by the start-up
 * reaper; touches only names "drydock-*". */
int cgroup_job_remove(const char *path, struct dd_err *err);

#endif
