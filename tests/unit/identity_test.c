// SPDX-License-Identifier: Apache-2.0
/* identity_test.c - who a supervisor becomes, seen by entering for real in a child of its own for
 * each case.
 *
 * identity_enter() cannot be taken back, so each test forks, enters there, and answers over a pipe.
 * As root the ordinary user is played by the uid 65534, which has no subordinate ids.
 */
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { ORDINARY = 65534 };

struct answer {
	int r;
	struct dd_err err;
	struct identity id;
	uid_t euid;
	int groups;
	uint64_t effective, bounding;
	char uid_map[256];
};

static uint64_t status_mask(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t mask = ~0ULL;
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			mask = strtoull(line + strlen(name) + 1, NULL, 16);
	if (f)
		(void)fclose(f);
	return mask;
}

static void enter_and_answer(int fd, bool ordinary, const char *mode, const char *fault)
{
	struct answer a = { .r = -1 };

	if (ordinary && (setgroups(0, NULL) < 0 || setresgid(ORDINARY, ORDINARY, ORDINARY) < 0 ||
	                 setresuid(ORDINARY, ORDINARY, ORDINARY) < 0))
		_exit(2);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (mode)
		(void)setenv("DRYDOCK_IDENTITY", mode, 1);
	if (fault)
		(void)setenv("DRYDOCK_FAULT", fault, 1);
	dd_fault_init();
	a.r = identity_enter(&a.id, &a.err);
	a.euid = geteuid();
	a.groups = getgroups(0, NULL);
	a.effective = status_mask("CapEff:");
	a.bounding = status_mask("CapBnd:");
	int map = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	ssize_t n = map < 0 ? 0 : read(map, a.uid_map, sizeof(a.uid_map) - 1);
	a.uid_map[n > 0 ? n : 0] = '\0';
	_exit(write(fd, &a, sizeof(a)) == sizeof(a) ? 0 : 3);
}

static struct answer enter(bool ordinary, const char *mode, const char *fault)
{
	struct answer a;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		enter_and_answer(fds[1], ordinary, mode, fault);
	dd_close(fds[1]);
	ssize_t n = read(fds[0], &a, sizeof(a));
	dd_close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(n, sizeof(a));
	return a;
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("SKIPPED: needs root\n");
		skip();
	}
}

static void root_enters_a_range_whose_step_ids_are_not_host_root(void **state)
{
	unsigned inside[2], outside[2], count[2];
	(void)state;
	need_root();
	struct answer a = enter(false, NULL, NULL);
	if (a.r < 0)
		fail_msg("%s", a.err.msg);
	assert_int_equal(a.id.mode, IDENTITY_RANGE);
	assert_int_equal(sscanf(a.uid_map, "%u %u %u %u %u %u", &inside[0], &outside[0], &count[0],
	                        &inside[1], &outside[1], &count[1]),
	                 6);
	assert_int_equal(inside[0], 0);
	assert_int_equal(count[0], 1);
	assert_int_equal(inside[1], 1);
	assert_true(outside[1] > 0);
	assert_int_equal(outside[1], a.id.host_range);
	assert_int_equal(count[1] + 1, a.id.ids);
	assert_int_equal(a.groups, 0);
}

static void the_supervisor_keeps_nine_capabilities_and_no_way_to_more(void **state)
{
	/* CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID, and SYS_PTRACE (19)
	 */
	const uint64_t kept = 0xff | 1ULL << 19;
	(void)state;
	need_root();
	struct answer a = enter(false, NULL, NULL);
	assert_int_equal(a.r, 0);
	assert_true(a.effective == kept);
	assert_true(a.bounding == kept);
}

static bool anybody_has(unsigned first, unsigned last)
{
	bool hit = false;
	char line[256];
	FILE *f = fopen("/etc/subuid", "re");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned from = 0, n = 0;
		hit |= sscanf(line, "%*[^:]:%u:%u", &from, &n) == 2 && from <= last &&
		       first < from + n;
	}
	if (f)
		(void)fclose(f);
	return hit;
}

static void an_ordinary_user_without_subordinate_ids_gets_single_with_the_remedy(void **state)
{
	(void)state;
	need_root();
	struct answer a = enter(true, NULL, NULL);
	if (a.r < 0)
		fail_msg("%s", a.err.msg);
	if (a.id.mode == IDENTITY_RANGE) {
		print_message("SKIPPED: uid %d has subordinate ids here\n", ORDINARY);
		skip();
	}
	/* a command that can be typed: a range that nobody has, and whose it shall be */
	unsigned first = 0, last = 0, gfirst = 0;
	char login[64] = "";
	const char *command = strstr(a.id.note, "usermod ");
	assert_non_null(command);
	assert_int_equal(sscanf(command, "usermod --add-subuids %u-%u --add-subgids %u-%*u %63s",
	                        &first, &last, &gfirst, login),
	                 4);
	assert_true(first >= 100000 && last - first == 65535 && gfirst == first && login[0]);
	assert_false(anybody_has(first, last));
	assert_int_equal(a.id.ids, 1);
	assert_int_equal(a.euid, ORDINARY);
	assert_true(a.effective == 0);
}

static void single_is_never_for_root(void **state)
{
	(void)state;
	need_root();
	struct answer a = enter(false, "single", NULL);
	assert_int_equal(a.r, -EPERM);
	assert_non_null(strstr(a.err.msg, "never for root"));
}

static void range_cannot_be_forced_where_there_is_none(void **state)
{
	(void)state;
	need_root();
	struct answer a = enter(true, "range", NULL);
	if (a.r == 0) {
		print_message("SKIPPED: uid %d has subordinate ids here\n", ORDINARY);
		skip();
	}
	assert_int_equal(a.r, -ENOTSUP);
	assert_non_null(strstr(a.err.msg, "DRYDOCK_IDENTITY=range"));
}

static void an_unknown_mode_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(enter(false, "none", NULL).r, -EINVAL);
}

static void without_user_namespaces_entering_a_range_fails_with_a_remedy(void **state)
{
	(void)state;
	need_root();
	struct answer a = enter(false, NULL, "userns");
	assert_int_equal(a.r, -ENOSYS);
	assert_non_null(strstr(a.err.msg, "user.max_user_namespaces"));
}

static void slots_have_two_ids_each_and_end_with_the_range(void **state)
{
	const struct identity id = { .mode = IDENTITY_RANGE, .ids = 7 };
	struct dd_err err = { 0 };
	uid_t gate = 99, step = 99;
	(void)state;

	assert_int_equal(identity_slot(&id, 2, &gate, &step, &err), 0);
	assert_int_equal(gate, 5);
	assert_int_equal(step, 6);
	gate = step = 99;
	assert_int_equal(identity_slot(&id, 3, &gate, &step, &err), -ERANGE);
	assert_int_equal(identity_slot(&id, 0xffffffffu, &gate, &step, &err), -ERANGE);
	assert_int_equal(gate, 99);
	assert_int_equal(step, 99);
}

static void faults_are_matched_by_whole_names(void **state)
{
	(void)state;
	assert_int_equal(setenv("DRYDOCK_FAULT", "proc,,clone3", 1), 0);
	dd_fault_init();
	assert_true(dd_fault("proc"));
	assert_true(dd_fault("clone3"));
	assert_false(dd_fault("clone"));
	assert_false(dd_fault("pro"));
	assert_false(dd_fault(""));
	char long_list[512];
	memset(long_list, 'x', sizeof(long_list) - 1);
	long_list[sizeof(long_list) - 1] = '\0';
	assert_int_equal(setenv("DRYDOCK_FAULT", long_list, 1), 0);
	dd_fault_init();
	/* a list that is not remembered whole refuses everything */
	assert_true(dd_fault("anything"));
	assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
	dd_fault_init();
	assert_false(dd_fault("proc"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_enters_a_range_whose_step_ids_are_not_host_root),
		cmocka_unit_test(the_supervisor_keeps_nine_capabilities_and_no_way_to_more),
		cmocka_unit_test(
			an_ordinary_user_without_subordinate_ids_gets_single_with_the_remedy),
		cmocka_unit_test(single_is_never_for_root),
		cmocka_unit_test(range_cannot_be_forced_where_there_is_none),
		cmocka_unit_test(an_unknown_mode_is_an_error),
		cmocka_unit_test(without_user_namespaces_entering_a_range_fails_with_a_remedy),
		cmocka_unit_test(slots_have_two_ids_each_and_end_with_the_range),
		cmocka_unit_test(faults_are_matched_by_whole_names),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
