// SPDX-License-Identifier: Apache-2.0
/* gate_zygote_test.c - gates that are forks of a locked zygote: no more than any closed gate may,
 * and nothing of each other. */
#include "gate_fixture.h"

#include "drydock/fault.h"
#include "netpolicy/gate/gate_internal.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct egress_entry entry = {
	.host = "good.test", .port = 443, .pins = { WORLD_PUBLIC }, .origin = "t.yml:1:1"
};
static const struct egress_list one = { .entries = &entry,
	                                .n = 1,
	                                .job = EGRESS_CAPS_WIDEST,
	                                .step = EGRESS_CAPS_WIDEST,
	                                .connections = 4 };
static const struct egress_list none = { .n = 0 };

static int set_up(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	if (gate_zygote_start(&(struct gate_spec){ .egress = NULL }, &w.zygote, &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

static int end(void **state)
{
	int r = tear_down(state); /* asks the zygote which process its gate is */
	gate_zygote_free(w.zygote);
	w.zygote = NULL;
	return r;
}

static void begin(const struct egress_list *list)
{
	struct dd_err err = { 0 };
	need_world();
	if (!world_start(&w, list, &err))
		fail_msg("gate world: %s", err.msg);
}

/* Its receipt, and its process: reaped by us, as one of ours. */
static pid_t finish(void)
{
	const struct gate_msg close_msg = { .type = GATE_CLOSE },
			      finish_msg = { .type = GATE_FINISH };
	pid_t pid;
	int status = -1;
	assert_int_equal(gate_send(&w.gate, &close_msg, NULL), 0);
	(void)told_of(GATE_CLOSED, "", 1000);
	assert_int_equal(gate_send(&w.gate, &finish_msg, NULL), 0);
	(void)told_of(GATE_DONE, "", 2000);
	assert_int_equal(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	pid = waitpid(-1, &status, WNOHANG);
	assert_true(pid > 0 && pid != w.zygote->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	dd_close_p(&w.gate.ctl);
	return pid;
}

static void read_file(pid_t pid, const char *what, char *ret, size_t size)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);
	assert_true(n > 0);
	ret[n] = '\0';
}

/* ---- tests ---- */

static void its_gates_refuse_every_name_and_end_one_after_the_other(void **state)
{
	(void)state;
	pid_t last = 0;
	for (int i = 0; i < 3; i++) {
		struct in_addr addr;
		begin(&none);
		assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 3);
		assert_non_null(world_event(&w, GATE_DNS_DENY, "", 500));
		pid_t pid = finish();
		assert_int_not_equal(pid, last);
		last = pid;
		world_end(&w);
	}
}

static void a_gate_that_may_dial_is_none_of_them(void **state)
{
	(void)state;
	begin(&one);
	assert_null(w.gate.zygote);
	assert_true(w.gate.pid > 0);
}

static void a_gate_of_it_is_locked_like_any_other(void **state)
{
	(void)state;
	static const char *const rows[] = { "CapEff:\t0000000000000000",
		                            "CapPrm:\t0000000000000000", "NoNewPrivs:\t1",
		                            "Seccomp:\t2", "Seccomp_filters:\t2" };
	char text[8192];
	begin(&none);
	(void)told_of(GATE_READY, "", 0);
	/* claimed by its end; until then only the answer knows its number */
	struct zygote_told told;
	assert_int_equal(dd_recv_msg(w.zygote->ctl, &told, sizeof(told), NULL, 0), 1);
	w.gate.pid = told.pid;
	read_file(told.pid, "status", text, sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strstr(text, rows[i]))
			fail_msg("no \"%s\" in:\n%s", rows[i], text);
	read_file(told.pid, "limits", text, sizeof(text));
	assert_non_null(strstr(text, "Max processes             0                    0"));
}

static int fate(bool of_fork, long nr, long a, long b)
{
	int status = 0;
	pid_t me = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		const struct gate_lock lock = { .kind = GATE_ZYGOTE, .supervisor = me };
		if (gate_lock(&lock, NULL) < 0 || (of_fork && gate_lock_forked(me, NULL) < 0))
			_exit(77);
		long r = syscall(nr, a, b, 0L, 0L, 0L);
		if (nr == SYS_clone && r == 0)
			_exit(0);
		_exit(r < 0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void what_makes_a_gate_is_gone_from_the_gate(void **state)
{
	(void)state;
	static const struct {
		long nr, a, b;
	} calls[] = {
		{ SYS_clone, GATE_FORK_FLAGS, 0 },
		{ SYS_prctl, PR_SET_PDEATHSIG, 0 },
		{ SYS_getppid, 0, 0 },
		{ SYS_fcntl, 0, F_GETFD },
		{ SYS_epoll_create1, 0, 0 },
		{ SYS_close_range, 100, 101 },
	};
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		assert_int_equal(fate(false, calls[i].nr, calls[i].a, calls[i].b), 0);
		assert_int_equal(fate(true, calls[i].nr, calls[i].a, calls[i].b), -SIGSYS);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0) /* what the clones left to us */
		;
	/* and the zygote itself may neither dial nor open, nor fork in another way */
	assert_int_equal(fate(false, SYS_socket, AF_INET, SOCK_STREAM), -SIGSYS);
	assert_int_equal(fate(false, SYS_openat, AT_FDCWD, (long)"/etc/hosts"), -SIGSYS);
	assert_int_equal(fate(false, SYS_clone, SIGCHLD, 0), -SIGSYS);
	assert_int_equal(fate(false, SYS_prctl, PR_SET_DUMPABLE, 1), -SIGSYS);
}

static bool may_look(pid_t pid)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	dd_auto_fd int mem = open(path, O_RDONLY | O_CLOEXEC);
	return mem >= 0;
}

/* Is @mark anywhere in what @pid can write? Private mappings that nobody wrote hold files. */
static bool holds(pid_t pid, const char *mark)
{
	char path[64], line[512];
	bool found = false;
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	dd_auto_fd int mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(maps && mem >= 0);
	while (!found && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char mode[5];
		/* the terabytes are a sanitizer's shadow */
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[1] != 'w' ||
		    to - from > 1UL << 32)
			continue;
		dd_auto_free char *bytes = malloc(to - from);
		ssize_t n = pread(mem, bytes, to - from, (off_t)from);
		found = n > 0 && memmem(bytes, (size_t)n, mark, strlen(mark));
	}
	(void)fclose(maps);
	return found;
}

static void nothing_of_one_step_is_in_the_zygote_or_in_the_next_gate(void **state)
{
	(void)state;
	char name[64];
	struct in_addr addr;
	struct zygote_told told;
	need_world();
	/* made now, so that it is not in what the zygote was forked from */
	(void)snprintf(name, sizeof(name), "k%lxk.secret.test",
	               (unsigned long)world_ms() * 2654435761u);
	begin(&none);
	assert_int_equal(world_resolve(&w, name, 1, &addr), 3);
	assert_int_equal(dd_recv_msg(w.zygote->ctl, &told, sizeof(told), NULL, 0), 1);
	w.gate.pid = told.pid;
	if (!may_look(w.gate.pid)) {
		print_message("# SKIP only root of the host may look at a process that is not "
		              "dumpable\n");
		skip();
	}
	assert_true(holds(w.gate.pid, name)); /* or the search finds nothing anywhere */
	assert_false(holds(w.zygote->pid, name));
	world_end(&w);
	begin(&none);
	assert_int_equal(dd_recv_msg(w.zygote->ctl, &told, sizeof(told), NULL, 0), 1);
	w.gate.pid = told.pid;
	assert_false(holds(w.gate.pid, name));
}

static void a_process_that_is_not_the_supervisors_is_no_gate_whoever_names_it(void **state)
{
	(void)state;
	struct zygote_told told;
	struct dd_err err = { 0 };
	struct gate_msg msg;
	int status, pair[2];
	need_world();
	begin(&none);
	assert_int_equal(dd_recv_msg(w.zygote->ctl, &told, sizeof(told), NULL, 0), 1);
	/* a grandchild, which the supervisor could kill and must not */
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		pid_t victim = fork();
		if (victim == 0) {
			(void)pause();
			_exit(0);
		}
		_exit(write(pair[1], &victim, sizeof(victim)) == (ssize_t)sizeof(victim) ? 0 : 1);
	}
	pid_t victim = 0;
	assert_int_equal(read(pair[0], &victim, sizeof(victim)), sizeof(victim));
	assert_int_equal(waitpid(child, &status, 0), child);
	told.pid = victim;
	w.zygote->heard[told.id % ZYGOTE_ASKED_MAX] = told;
	(void)shutdown(w.gate.ctl, SHUT_RDWR);
	while (gate_recv(&w.gate, &msg, NULL) > 0)
		;
	assert_int_equal(gate_recv(&w.gate, &msg, &err), -ECHILD);
	assert_non_null(strstr(err.msg, "none of this supervisor's"));
	gate_destroy(&w.gate);
	assert_int_equal(kill(victim, 0), 0);
	assert_int_equal(kill(victim, SIGKILL), 0);
	dd_close(pair[0]);
	dd_close(pair[1]);
}

static void no_gate_stands_in_for_one_of_a_zygote_that_is_gone(void **state)
{
	(void)state;
	struct gate gate = GATE_NONE;
	struct dd_err err = { 0 };
	int net[NET_FD__COUNT];
	for (int i = 0; i < NET_FD__COUNT; i++)
		net[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(kill(w.zygote->pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)w.zygote->pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT),
	                 0);
	const struct gate_spec spec = { .net = net, .zygote = w.zygote };
	assert_true(gate_start(&spec, &gate, &err) < 0);
	assert_non_null(strstr(err.msg, "zygote"));
	for (int i = 0; i < NET_FD__COUNT; i++)
		dd_close(net[i]);
}

/* In the fork of the test that tells its gate's number and is killed. */
static void its_gates_die_with_the_supervisor(void **state)
{
	(void)state;
	pid_t pids[2] = { 0, 0 };
	int pair[2];
	need_world();
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		struct dd_err err = { 0 };
		struct zygote_told told = { .pid = 0 };
		if (gate_zygote_start(&(struct gate_spec){ .egress = NULL }, &w.zygote, &err) < 0 ||
		    !world_start(&w, &none, &err) ||
		    dd_recv_msg(w.zygote->ctl, &told, sizeof(told), NULL, 0) != 1)
			_exit(1);
		pids[0] = w.zygote->pid;
		pids[1] = told.pid;
		(void)!write(pair[1], pids, sizeof(pids));
		(void)pause();
	}
	assert_int_equal(read(pair[0], pids, sizeof(pids)), sizeof(pids));
	int fds[2] = { (int)syscall(SYS_pidfd_open, pids[0], 0),
		       (int)syscall(SYS_pidfd_open, pids[1], 0) };
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	for (size_t i = 0; i < 2; i++) {
		struct pollfd p = { fds[i], POLLIN, 0 };
		assert_int_equal(poll(&p, 1, 3000), 1);
		dd_close(fds[i]);
	}
	(void)waitpid(supervisor, NULL, 0);
	dd_close(pair[0]);
	dd_close(pair[1]);
}

#define ZYGOTE(test) cmocka_unit_test_setup_teardown(test, set_up, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ZYGOTE(its_gates_refuse_every_name_and_end_one_after_the_other),
		ZYGOTE(a_gate_that_may_dial_is_none_of_them),
		ZYGOTE(a_gate_of_it_is_locked_like_any_other),
		cmocka_unit_test(what_makes_a_gate_is_gone_from_the_gate),
		ZYGOTE(nothing_of_one_step_is_in_the_zygote_or_in_the_next_gate),
		ZYGOTE(a_process_that_is_not_the_supervisors_is_no_gate_whoever_names_it),
		ZYGOTE(no_gate_stands_in_for_one_of_a_zygote_that_is_gone),
		cmocka_unit_test(its_gates_die_with_the_supervisor),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	have_world = world_enter();
	w = (struct world){ .host_ns = -1, .step_ns = -1, .upstream = -1, .gate = GATE_NONE };
	for (int i = 0; i < NET_FD__COUNT; i++)
		w.net[i] = -1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
