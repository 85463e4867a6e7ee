// SPDX-License-Identifier: Apache-2.0
/* identity.c - chooses who runs what and enters the outer user namespace, once.
 *
 * Runs in: the first lines of main(), one thread, before any byte of configuration. Reads only
 * /etc/subuid, /etc/subgid, the account database and its own environment. The maps are written from
 * outside, by a helper forked before the namespace is entered: it still has the caller's rights, or
 * execs newuidmap(1)/newgidmap(1), which have their own.
 */
#include "drydock/identity.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
	RANGE_IDS = 65536,
	RANGE_IDS_MIN = 3,    /* one job: 0, a gate, its steps */
	USERS_FIRST = 100000, /* SUB_UID_MIN of login.defs(5) */
	/* last 65536 of systemd's container range 524288..1879048191 (UIDS-GIDS.md) */
	CONTAINER_FIRST = 1878982656,
};

struct id_range {
	uint32_t first, count;
};

struct id_choice {
	struct id_range uid, gid;
	bool helpers; /* maps through newuidmap and newgidmap */
};

const char *identity_mode_name(enum identity_mode mode)
{
	static const char *const names[] = {
		[IDENTITY_SINGLE] = "single", [IDENTITY_RANGE] = "range"
	};
	return (size_t)mode < ARRAY_LEN(names) ? names[mode] : "unknown";
}

/* ---- subordinate ids ---- */

/* One line "owner:first:count"; owner is a name or a number. Anything malformed is no range. */
static bool range_parse(char *line, const char **ret_owner, struct id_range *ret)
{
	char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL,
	     *end = NULL;

	if (!count || line[0] == '#')
		return false;
	*first++ = '\0';
	*count++ = '\0';
	errno = 0;
	unsigned long long a = strtoull(first, &end, 10);
	if (errno || *end || end == first)
		return false;
	unsigned long long n = strtoull(count, &end, 10);
	if (errno || (*end && *end != '\n') || end == count)
		return false;
	if (n == 0 || a == 0 || a + n > UINT32_MAX) /* a range that holds host root is none */
		return false;
	*ret_owner = line;
	*ret = (struct id_range){ .first = (uint32_t)a, .count = (uint32_t)n };
	return true;
}

static bool range_owner_is(const char *owner, uid_t uid)
{
	char number[16];
	(void)snprintf(number, sizeof(number), "%u", (unsigned)uid);
	if (strcmp(owner, number) == 0)
		return true;
	const struct passwd *pw = getpwuid(uid);
	return pw && strcmp(owner, pw->pw_name) == 0;
}

static bool range_overlaps(struct id_range a, struct id_range b)
{
	return a.first < (uint64_t)b.first + b.count && b.first < (uint64_t)a.first + a.count;
}

/* The largest range of @uid in @path, or (ret_clash) whether any line overlaps @want. A missing
 * file has no ranges. */
static void range_scan(const char *path, uid_t uid, struct id_range *ret, struct id_range want,
                       bool *ret_clash)
{
	FILE *f = fopen(path, "re");
	char line[256];

	*ret = (struct id_range){ 0 };
	*ret_clash = false;
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		const char *owner = NULL;
		struct id_range got;
		if (!range_parse(line, &owner, &got))
			continue;
		*ret_clash = *ret_clash || range_overlaps(got, want);
		if (got.count > ret->count && range_owner_is(owner, uid))
			*ret = got;
	}
	(void)fclose(f);
}

/* The first id behind all ranges of @path, and behind @least. */
static uint64_t range_behind(const char *path, uint64_t least)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		return least;
	while (fgets(line, sizeof(line), f)) {
		const char *owner = NULL;
		struct id_range got;
		if (range_parse(line, &owner, &got) && (uint64_t)got.first + got.count > least)
			least = (uint64_t)got.first + got.count;
	}
	(void)fclose(f);
	return least;
}

void identity_range_command(char *ret, size_t size)
{
	const struct passwd *pw = getpwuid(geteuid());
	uint64_t first = range_behind("/etc/subgid", range_behind("/etc/subuid", USERS_FIRST));

	if (first + RANGE_IDS > CONTAINER_FIRST) /* not systemd's either */
		first = USERS_FIRST;
	uint64_t last = first + RANGE_IDS - 1;
	(void)snprintf(ret, size,
	               "usermod --add-subuids %" PRIu64 "-%" PRIu64 " --add-subgids %" PRIu64
	               "-%" PRIu64 " %s",
	               first, last, first, last, pw ? pw->pw_name : "USER");
}

/* Root without subordinate ids: nobody may live in the range that is taken instead. */
static int range_for_root(struct id_choice *ret, bool clash, struct dd_err *err)
{
	const uid_t first = CONTAINER_FIRST, last = CONTAINER_FIRST + RANGE_IDS - 1;

	if (clash || getpwuid(first) || getpwuid(last) || getgrgid(first) || getgrgid(last))
		return dd_err_say(err, EBUSY,
		                  "root has no subordinate ids and %u..%u is in use; add a line "
		                  "root:FIRST:65536 to "
		                  "/etc/subuid and /etc/subgid",
		                  first, last);
	ret->uid = (struct id_range){ .first = CONTAINER_FIRST, .count = RANGE_IDS };
	ret->gid = ret->uid;
	return 0;
}

static bool have_cap(cap_value_t cap)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;
	if (caps && cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) < 0)
		value = CAP_CLEAR;
	if (caps)
		(void)cap_free(caps);
	return value == CAP_SET;
}

static bool identity_is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

/* 1: range, 0: not here (@note says why). */
static int range_choose(struct id_choice *ret, char note[200], struct dd_err *err)
{
	uid_t uid = geteuid();
	bool privileged = have_cap(CAP_SETUID) && have_cap(CAP_SETGID);
	const struct id_range want = { .first = CONTAINER_FIRST, .count = RANGE_IDS };
	bool clash_u = false, clash_g = false;

	range_scan("/etc/subuid", uid, &ret->uid, want, &clash_u);
	range_scan("/etc/subgid", uid, &ret->gid, want, &clash_g);
	bool have = ret->uid.count >= RANGE_IDS_MIN && ret->gid.count >= RANGE_IDS_MIN;
	const char *why = NULL;
	char command[140], none[200];
	if (!have && uid == 0) {
		int r = range_for_root(ret, clash_u || clash_g, err);
		if (r < 0)
			return r;
		have = true;
	}
	if (!have) {
		identity_range_command(command, sizeof(command));
		(void)snprintf(none, sizeof(none),
		               "no subordinate ids for this user; add them with %s", command);
		why = none;
	} else if (!privileged && (!identity_is_program("/usr/bin/newuidmap") ||
	                           !identity_is_program("/usr/bin/newgidmap")))
		why = "newuidmap is missing; install the package uidmap";
	else if (!privileged && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		why = "no_new_privs is set, so newuidmap has no effect; give the service "
		      "AmbientCapabilities=CAP_SETUID CAP_SETGID";
	ret->helpers = !privileged;
	(void)snprintf(note, 200, "%s", why ? why : "");
	return why ? 0 : 1;
}

/* ---- entering ---- */

static int map_write(pid_t pid, const char *file, unsigned own, struct id_range range)
{
	char path[64], map[96];
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int len = snprintf(map, sizeof(map), "0 %u 1\n1 %u %u\n", own, range.first, range.count);

	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return write(fd, map, (size_t)len) == len ? 0 : -errno;
}

static int map_helper(const char *program, pid_t pid, unsigned own, struct id_range range)
{
	char target[16], self[16], first[16], count[16];
	(void)snprintf(target, sizeof(target), "%d", (int)pid);
	(void)snprintf(self, sizeof(self), "%u", own);
	(void)snprintf(first, sizeof(first), "%u", range.first);
	(void)snprintf(count, sizeof(count), "%u", range.count);
	const char *const argv[] = { program, target, "0", self, "1", "1", first, count, NULL };
	char *const envp[] = { NULL };

	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)execve(program, (char *const *)(uintptr_t)argv, envp);
		_exit(127);
	}
	int status = 0;
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* Forked helper: still outside, waits until the caller has made the namespace, writes both maps,
 * answers by exit status. */
static _Noreturn void map_writer(int ready, pid_t target, uid_t uid, gid_t gid,
                                 const struct id_choice *choice)
{
	char go = 0;
	if (read(ready, &go, 1) != 1)
		_exit(0);
	int r = choice->helpers ? map_helper("/usr/bin/newuidmap", target, uid, choice->uid)
	                        : map_write(target, "uid_map", uid, choice->uid);
	if (r == 0)
		r = choice->helpers ? map_helper("/usr/bin/newgidmap", target, gid, choice->gid)
		                    : map_write(target, "gid_map", gid, choice->gid);
	_exit(-r & 0x7f);
}

static int maps_enter(const struct id_choice *choice, struct dd_err *err)
{
	int ready[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t self = getpid();

	if (pipe2(ready, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "pipe to the map writer");
	pid_t writer = fork();
	if (writer < 0)
		return dd_err_set(err, errno, "fork the map writer");
	if (writer == 0) {
		dd_close(ready[1]);
		map_writer(ready[0], self, uid, gid, choice);
	}
	dd_close(ready[0]);
	int broken = dd_fault("userns") ? ENOSYS : unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	if (!broken && write(ready[1], "g", 1) != 1)
		broken = errno;
	dd_close(ready[1]);
	int status = 0;
	if (waitpid(writer, &status, 0) < 0 && !broken)
		broken = errno;
	if (broken)
		return dd_err_set(err, broken,
		                  "make the outer user namespace (user.max_user_namespaces, "
		                  "kernel.unprivileged_userns_clone, "
		                  "AppArmor's userns restriction: see drydock doctor)");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return dd_err_set(
			err, WIFEXITED(status) ? WEXITSTATUS(status) : EPERM,
			"write the id maps 0 %u 1, 1 %u %u%s", uid, choice->uid.first,
			choice->uid.count,
			choice->helpers
				? " with newuidmap and newgidmap, which in a container or a "
				  "unit need CAP_SYS_ADMIN in the bounding set (or start "
				  "drydock as root of the container, or with "
				  "DRYDOCK_IDENTITY=single, which is weaker)"
				: "");
	return 0;
}

/* What the supervisor keeps in the outer namespace. SYS_PTRACE only reads /proc of a step's
 * process, to name it in a refusal (fd links and the socket they stand for are hidden from another
 * uid without it). The step's own namespace is made with a full set, whatever is kept here. */
static const cap_value_t kept_caps[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,     CAP_FSETID,
	CAP_KILL,  CAP_SETUID,       CAP_SETGID,          CAP_SYS_PTRACE,
};

static bool cap_is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < ARRAY_LEN(kept_caps); i++)
		if (kept_caps[i] == cap)
			return true;
	return false;
}

static int caps_reduce(size_t n_keep, struct dd_err *err)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!(n_keep && cap_is_kept(cap)) && cap_get_bound(cap) == 1 &&
		    have_cap(CAP_SETPCAP) && cap_drop_bound(cap) < 0)
			return dd_err_set(err, errno, "drop capability %d from the bounding set",
			                  cap);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return dd_err_set(err, errno, "clear ambient capabilities");

	cap_t caps = cap_init();
	if (!caps)
		return dd_err_set(err, ENOMEM, "capability set");
	int bad = 0;
	if (n_keep)
		bad = cap_set_flag(caps, CAP_PERMITTED, (int)n_keep, kept_caps, CAP_SET) < 0 ||
		      cap_set_flag(caps, CAP_EFFECTIVE, (int)n_keep, kept_caps, CAP_SET) < 0;
	bad = bad || cap_set_proc(caps) < 0;
	int saved = errno;
	(void)cap_free(caps);
	return bad ? dd_err_set(err, saved, "reduce the supervisor's capabilities") : 0;
}

static int range_enter(struct identity *id, const struct id_choice *choice, struct dd_err *err)
{
	int r = maps_enter(choice, err);
	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return dd_err_set(err, errno, "become id 0 of the outer user namespace");
	id->mode = IDENTITY_RANGE;
	id->ids = 1 +
	          (choice->uid.count < choice->gid.count ? choice->uid.count : choice->gid.count);
	id->host_range = choice->uid.first;
	id->note[0] = '\0';
	r = caps_reduce(ARRAY_LEN(kept_caps), err);
	if (r < 0)
		return r;
	/* setresuid() and capset() may have cleared it; the maps of each step are opened under
	 * /proc by owner. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? dd_err_set(err, errno, "PR_SET_DUMPABLE")
	                                              : 0;
}

static int single_enter(struct identity *id, struct dd_err *err)
{
	if (geteuid() == 0 || getuid() == 0)
		return dd_err_say(err, EPERM,
		                  "identity single is never for root, because a step would be host "
		                  "root: start drydock as an "
		                  "ordinary user, or leave DRYDOCK_IDENTITY unset");
	id->mode = IDENTITY_SINGLE;
	id->ids = 1;
	id->host_range = 0;
	return caps_reduce(0, err);
}

int identity_enter(struct identity *ret, struct dd_err *err)
{
	const char *asked = getenv("DRYDOCK_IDENTITY");
	struct identity id = { .host_uid = geteuid(), .host_gid = getegid() };
	struct id_choice choice = { 0 };
	bool single = asked && strcmp(asked, "single") == 0;

	if (asked && *asked && !single && strcmp(asked, "range") != 0)
		return dd_err_say(err, EINVAL, "DRYDOCK_IDENTITY: range or single expected");
	int r = 0;
	if (single)
		(void)snprintf(id.note, sizeof(id.note),
		               "DRYDOCK_IDENTITY=single asks for it; unset it to get range");
	else
		r = range_choose(&choice, id.note, err);
	if (r == 0 && asked && strcmp(asked, "range") == 0)
		return dd_err_say(err, ENOTSUP, "DRYDOCK_IDENTITY=range, but: %s", id.note);
	if (r >= 0)
		r = r == 1 ? range_enter(&id, &choice, err) : single_enter(&id, err);
	if (r < 0)
		return dd_err_ctx(err, r, "identity");
	*ret = id;
	return 0;
}

int identity_slot(const struct identity *id, unsigned slot, uid_t *ret_gate, uid_t *ret_step,
                  struct dd_err *err)
{
	if (id->mode == IDENTITY_SINGLE) {
		*ret_gate = *ret_step = geteuid();
		return 0;
	}
	uint64_t step = 2 * (uint64_t)slot + 2;
	if (step >= id->ids)
		return dd_err_say(err, ERANGE,
		                  "job slot %u needs id %llu, but the range has only %u ids; give "
		                  "this user a larger range in "
		                  "/etc/subuid and /etc/subgid",
		                  slot, (unsigned long long)step, id->ids);
	*ret_gate = (uid_t)(step - 1);
	*ret_step = (uid_t)step;
	return 0;
}
