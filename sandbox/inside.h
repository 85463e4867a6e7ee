// SPDX-License-Identifier: Apache-2.0
/* inside.h - the contract between the files that run after the namespace line.
 *
 * The *zygote* (clone3 -> inside_zygote) opens sources with the supervisor's uid, waits for its id
 * maps, builds the tree that steps have in common, and serves requests for as long as the job
 * lasts. Each makes a *launcher* (clone3 -> inside_main): it builds the network and what of the
 * tree is the step's own, forks, and becomes *init* (inside_init). The forked process waits for the
 * delivery, locks itself and becomes the *step* (inside_step). None of them returns into the
 * supervisor's code.
 */
#ifndef DRYDOCK_SANDBOX_INSIDE_H
#define DRYDOCK_SANDBOX_INSIDE_H

#include "drydock/sandbox.h"

enum {
	INSIDE_VIEW_MAX = 256, /* rows of the host view, globs expanded */
	INSIDE_DEV_MAX = 6,
	INSIDE_MADE_MAX = 3,
	INSIDE_FD_FLOOR = 10, /* fds that must survive are moved up here, away from 0, 1 and 2 */
};

/* ---- ctl: launcher/init <-> supervisor, SEQPACKET, one shape read at exact size ---- */

enum ctl_type {
	CTL_INVALID = 0,
	/* inside -> supervisor */
	CTL_MAPS_WANTED, /* zygote to supervisor, launcher to zygote, each on a socket of its own:
	                    /proc/PID/uid_map can be opened now */
	CTL_NET,         /* the next message is one byte and NET_FD__COUNT descriptors */
	CTL_FILES,       /* likewise, with one for each file of the spec, open for writing */
	CTL_BUILT,
	CTL_FAILED, /* err */
	CTL_STATUS, /* status: the main process of the step has ended */
	CTL_GO,     /* the answer: they are written */
	/* supervisor -> inside */
	CTL_KILL, /* sig: to every process of the step */
};

struct ctl_msg {
	uint32_t type;
	int32_t sig;
	struct sandbox_status status;
	struct dd_err err;
};

/* --- delivery: supervisor -> the process about to exec, a stream socket; one dd_err comes back,
 * EOF means exec ---- Before that come, each as one byte with a descriptor: DELIVERY_TERMINAL, our
 * end of the terminal of a step that has one; DELIVERY_LISTENER, the listener of a filter that
 * asks. */

#define DELIVERY_MAGIC    0x64647632u
#define DELIVERY_LISTENER 'L'
#define DELIVERY_TERMINAL 'T'
enum { DELIVERY_MAX = 8 * 1024 * 1024, DELIVERY_FILES_MAX = 128, DELIVERY_NAME_MAX = 255 };

struct delivery_head {
	uint32_t magic;
	uint32_t n_env, n_argv;
	/* of the strings, each with its NUL: environment, argv, working directory */
	uint32_t bytes;
	uint32_t n_files; /* each: struct delivery_file, name, content */
};

struct delivery_file {
	uint32_t name_len;
	uint32_t content_len;
	uint32_t unnamed; /* 1: of the delivered descriptors the next one, instead of a file */
};

/* What came, for the process about to exec. */
struct delivered {
	char *block;         /* room for the strings, */
	char **envp, **argv; /* and for pointers to them; untouched until they come */
	const char *workdir;
	int fd[SANDBOX_FDS_MAX]; /* CLOEXEC, above INSIDE_FD_FLOOR; they become SANDBOX_FD_FIRST ..
	                          */
	size_t n_fds;
};

/* ---- zygote: supervisor <-> zygote, SEQPACKET, one request at a time ----
 *
 * A request is its head, one byte with the descriptors, and the spec in messages of ZYGOTE_CHUNK
 * bytes: packed at the address where the zygote has the same room, so that its pointers hold. Both
 * took the room before they parted. Nothing secret is in it. The answer is a struct zygote_reply,
 * and when that says 0, one byte with a pidfd of the launcher. */

enum { ZYGOTE_ROOM = 32 * 1024 * 1024, ZYGOTE_CHUNK = 64 * 1024 };

/* In the order in which they cross; @has of the request has a bit for each that does. */
enum zygote_fd {
	ZYGOTE_CTL = 0,
	ZYGOTE_DELIVER,
	ZYGOTE_OUT,
	ZYGOTE_ERR,
	ZYGOTE_INPUT,
	ZYGOTE_CGROUP,
	ZYGOTE_FD__COUNT
};

struct zygote_request {
	uint32_t has;
	uint32_t bytes; /* of the room */
};

/* Where the room begins. */
struct zygote_packed {
	struct sandbox_spec spec;
	bool asks; /* seccomp_program_asks(), whose answer is not packed */
};

struct zygote_reply {
	/* of which request, counted from 1. A sandbox may be killed as soon as its answer is heard,
	 * and its maker with it before that could say that it answered: then there is a second one,
	 * which nobody may take for the answer to the next request */
	uint32_t nth;
	int32_t r;
	struct dd_err err;
};

/* ---- what zygote and launcher know ---- */

struct inside {
	const struct sandbox_spec *spec; /* of the launcher: in @room */
	int zygote;                      /* the zygote's end of its socket */
	uint32_t nth;                    /* request */
	char *room;
	bool asks;
	int maps; /* the launcher's end of the socket over which it is mapped */
	int ctl;
	int deliver;
	int out, err; /* the step's fds 1 and 2 */
	int input;    /* its fd 0; -1: /dev/null */
	/* The supervisor's command line, which /proc/1/cmdline would show to the step, and the
	 * environment that the operator started it with. */
	struct inside_block {
		char *at;
		size_t len;
	} args, env;

	/* Detached copies of host trees, taken with the supervisor's uid, before the new root hides
	 * anything. -1: left out. */
	int view[INSIDE_VIEW_MAX];
	int mounts[SANDBOX_MOUNTS_MAX];
	bool mount_is_dir[SANDBOX_MOUNTS_MAX];
	int dev[INSIDE_DEV_MAX];
	int tree; /* likewise of spec->root; -1: none */

	int root;                  /* the new root */
	int made[INSIDE_MADE_MAX]; /* its directories that hold made-up files */
};

_Noreturn void inside_zygote(struct inside *in); /* inside_zygote.c */
_Noreturn void inside_main(struct inside *in);   /* inside_main.c */
/* Close every descriptor but those in @keep (-1: none). */
enum { INSIDE_KEEP_MAX = 6 };
int inside_close_others(const int keep[INSIDE_KEEP_MAX], struct dd_err *err);
/* Ask the other end of @sock for the id maps; dumpable from here on. */
int inside_ask_for_maps(int sock, struct dd_err *err);
/* Until they are written; the process ends when the other end does. */
void inside_wait_for_maps(int sock);
/* @groups: supplementary ones can be dropped here. */
int inside_become(uid_t uid, gid_t gid, bool groups, struct dd_err *err);
/* Die with the parent; now, if the supervisor, which holds the other end of @sock, is dead already.
 * Not dumpable. After the last change of uid. */
int inside_tie_to_parent(int sock, struct dd_err *err);
/* The command line and the name of the process; what it was is overwritten. */
void inside_rename(const struct inside *in, const char *name);

/* inside_mount.c - thin, checked wrappers of the mount API. Paths in messages are those inside the
 * new root. */
struct mnt_opt {
	const char *key, *value; /* value NULL: a flag; key NULL ends the list */
};
int mnt_clone(int dirfd, const char *path, unsigned clone_flags, uint64_t attrs, int *ret_tree,
              struct dd_err *err);
int mnt_new(const char *fstype, const struct mnt_opt *opts, uint64_t attrs, int *ret_mount,
            struct dd_err *err);
int mnt_set(int dirfd, const char *path, uint64_t attrs, struct dd_err *err);
int mnt_attach(int tree, int target, const char *what, struct dd_err *err);
/* Open @path below @root, following nothing; missing components are made only on the file system of
 * @root itself, never inside a bound host tree. Returns an O_PATH fd. */
int mnt_target(int root, const char *path, bool dir, int *ret_target, struct dd_err *err);
/* A new file at @path, relative to @root and on its own file system. Returns the descriptor, or
 * -errno (EXDEV: a mounted tree is in the way). */
int mnt_create(int root, const char *path, mode_t mode);

/* Where the zygote has its own /proc. */
#define INSIDE_JOB_PROC "/dev/pts"
/* Zygote: inside_root.c - host view, workspace, places; inside_dev.c - devices; inside_etc.c -
 * made-up files. Launcher: inside_own.c - what is the step's own */
int inside_open_view(struct inside *in, struct dd_err *err);
int inside_open_root(struct inside *in, struct dd_err *err); /* after the view */
int inside_open_mounts(struct inside *in, struct dd_err *err);
int inside_open_dev(struct inside *in, struct dd_err *err);
int inside_root(struct inside *in, struct dd_err *err);
int inside_dev(struct inside *in, struct dd_err *err);
/* @ret_files: for each file of @spec a descriptor that writes it; nothing else can. */
int inside_own(const struct sandbox_spec *spec, int ret_files[SANDBOX_FILES_MAX],
               struct dd_err *err);
/* In the step, under all of its locks. */
int inside_workdir(const char *workdir, struct dd_err *err);

/* What lies over a part of /proc; where the kernel does not have it, nothing does. */
enum inside_proc_cover {
	PROC_READ_ONLY = 0, /* readable, for tools that ask; never writable */
	PROC_NULL,          /* a file that reads empty */
	PROC_EMPTY,         /* a directory without entries */
};
struct inside_proc_row {
	const char *name; /* below /proc */
	enum inside_proc_cover cover;
	const char *why;
};
const struct inside_proc_row *inside_proc_row(size_t i); /* NULL behind the last; any role */

int inside_etc(const struct inside *in, struct dd_err *err);
const char *inside_etc_path(
	size_t i); /* of the files that inside_etc() makes; NULL behind the last; any role */
int inside_file(const struct inside *in, const struct sandbox_file *file, struct dd_err *err);
/* Attach @tree at @path of the new root. */
int inside_attach(const struct inside *in, int tree, const char *path, bool dir,
                  struct dd_err *err);
/* The descriptor below which @path is made up or mounted, and the rest of the path from there: some
 * directories of the root are mounts of their own, where new names can be made. */
int inside_base(const struct inside *in, const char *path, const char **ret_rest);
int inside_pivot(const struct inside *in, struct dd_err *err);

/* inside_init.c: never returns; uses only ppoll, read (signalfd), recvmsg, sendmsg, wait4, kill,
 * getrusage, close, exit_group. */
_Noreturn void inside_init(const struct inside *in, pid_t step);
/* inside_exec.c: never returns. */
_Noreturn void inside_step(const struct inside *in);
/* inside_delivery.c: the room first, while memory may be had; there is no heap after a filter. */
int inside_delivery_room(struct delivered *ret, struct dd_err *err);
/* With @files the directory of credentials is filled and sealed; without, it must be sealed, and
 * only read(2) is called. */
int inside_delivery(int sock, bool files, struct delivered *ret, struct dd_err *err);
int inside_seal_credentials(struct dd_err *err);

/* ---- locks, in this order, in the process that will exec (inside_lock.c, landlock.c, seccomp*.c) ---- */

/* What exec could give back; the process itself keeps what it has. Read back. */
int inside_empty_bounding_set(struct dd_err *err);
/* ambient clear, bounding set empty, securebits locked, capset 0 */
int inside_drop_capabilities(struct dd_err *err);
int inside_no_new_privs(struct dd_err *err);
int inside_landlock(const struct sandbox_spec *spec,
                    struct dd_err *err); /* after pivot_root, paths as seen inside */
int inside_seccomp(const struct seccomp_program *prog,
                   struct dd_err *err); /* last, raw seccomp(2) load */
/* The same for a program that asks: the listener goes over @deliver with one byte, and to nobody
 * else. */
int inside_seccomp_asking(const struct seccomp_program *prog, int deliver, struct dd_err *err);
/* init's own filter, capabilities, no_new_privs, not dumpable */
int inside_init_lock(struct dd_err *err);

#endif
