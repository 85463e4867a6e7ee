// SPDX-License-Identifier: Apache-2.0
/* reader_lock.c - locks a process that reads one tree, reckons, and says what it found.
 *
 * Runs in: reader, a child of the supervisor. Of its capabilities one stays, where it has it: files
 * of a step belong to the step's ids, and are read whatever their mode says. A call that is not in
 * the table fails with ENOSYS: the C library tries what is new, and does without. */
#include "drydock/reader_lock.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- Landlock ---- */

enum { LANDLOCK_VERSION_FLAG = 1, RULE_PATH_BENEATH = 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };

/* Every right of the first ABI is handled; to read below the tree is given back. */
static int see_only(int dir_fd, struct dd_err *err)
{
	struct {
		uint64_t fs;
	} attr = { 0x1fff };
	struct {
		uint64_t access;
		int32_t parent_fd;
	} __attribute__((packed)) tree = { READ_FILE | READ_DIR, dir_fd };

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG) < 0 &&
	    (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0; /* `doctor` says so; every path is opened beneath the tree all the same */
	dd_auto_fd int set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (set < 0 || syscall(SYS_landlock_add_rule, set, RULE_PATH_BENEATH, &tree, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return dd_err_set(err, errno, "reader of a tree: Landlock");
	return 0;
}

/* ---- seccomp ---- */

static const int calls[] = {
	/* the tree; openat2 is told by its caller to stay beneath, Landlock holds it there */
	SCMP_SYS(openat2),
	SCMP_SYS(openat),
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(getdents64),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(readlinkat),
	SCMP_SYS(lseek),
	SCMP_SYS(fcntl),
	SCMP_SYS(close),
	/* the answer */
	SCMP_SYS(write),
	/* memory, locks of libraries, time */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(poll),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int reader_enter_filter(struct dd_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return dd_err_set(err, ENOMEM, "reader of a tree: seccomp filter");
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls[i], 0, NULL);
	if (r == 0)
		r = dd_fault("reader_seccomp") ? -ENOSYS : seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? dd_err_set(err, -r,
	                          "reader of a tree: load the seccomp filter (needs "
	                          "CONFIG_SECCOMP_FILTER)")
	             : 0;
}

/* ---- all ---- */

static int keep_reading_only(struct dd_err *err)
{
	static const cap_value_t search[] = { CAP_DAC_READ_SEARCH };
	cap_flag_value_t has = CAP_CLEAR;
	cap_t now = cap_get_proc(), wanted = cap_init();
	int r = now && wanted ? cap_get_flag(now, search[0], CAP_PERMITTED, &has) : -1;

	if (r == 0 && has == CAP_SET)
		r = cap_set_flag(wanted, CAP_PERMITTED, 1, search, CAP_SET) < 0 ||
		                    cap_set_flag(wanted, CAP_EFFECTIVE, 1, search, CAP_SET) < 0
		            ? -1
		            : 0;
	if (r == 0)
		r = cap_set_proc(wanted);
	int code = errno;
	(void)cap_free(now);
	(void)cap_free(wanted);
	return r < 0 ? dd_err_set(err, code, "reader of a tree: drop capabilities") : 0;
}

int reader_lock(int dir_fd, size_t bytes_max, struct dd_err *err)
{
	const struct rlimit none = { 0, 0 }, memory = { bytes_max, bytes_max };
#ifdef __SANITIZE_ADDRESS__
	const bool bounded = false; /* it reserves terabytes */
#else
	const bool bounded = true;
#endif
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0 ||
	    (bounded && setrlimit(RLIMIT_AS, &memory) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "reader of a tree: harden the process");
	int r = keep_reading_only(err);
	if (r == 0)
		r = see_only(dir_fd, err);
	return r < 0 ? r : reader_enter_filter(err);
}
