// SPDX-License-Identifier: Apache-2.0
/* seccomp_notify_test.c - the listener's answers: of the rules alone, and of the kernel under the
 * real observing filter. */
#include "sandbox/inside.h"
#include "sandbox/seccomp_internal.h"
#include "drydock/fd.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DEFAULT_PROFILE "configs/seccomp/default.seccomp"

static struct seccomp_program *enforcing, *observing, *telling;

static int load(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	if (seccomp_program_load(DEFAULT_PROFILE, &enforcing, &err) == 0 &&
	    seccomp_program_load_with(DEFAULT_PROFILE, NULL, SECCOMP_ASK_ALL, &observing, &err) ==
	            0 &&
	    seccomp_program_load_with(DEFAULT_PROFILE, NULL, SECCOMP_ASK_TOLD, &telling, &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

static int unload(void **state)
{
	(void)state;
	seccomp_program_free(enforcing);
	seccomp_program_free(observing);
	seccomp_program_free(telling);
	return 0;
}

/* ---- the rules ---- */

enum { CONTINUE = 0 };

static const struct row {
	const char *id;
	long nr;
	uint64_t args[6];
	int want; /* errno, or CONTINUE */
} rows[] = {
	{ "ptrace", SYS_ptrace, { 16, 1 }, CONTINUE },
	{ "personality", SYS_personality, { ADDR_NO_RANDOMIZE }, CONTINUE },
	{ "name_to_handle_at", SYS_name_to_handle_at, { 0 }, CONTINUE },
	{ "unnamed, but known: memfd_secret", SYS_memfd_secret, { 0 }, CONTINUE },
	{ "an ioctl of nobody", SYS_ioctl, { 0, 0xdeadbeef }, CONTINUE },
	{ "a prctl of nobody", SYS_prctl, { 0x12345678 }, CONTINUE },
	{ "clock_settime", SYS_clock_settime, { 0 }, CONTINUE },
	{ "K-01 unshare", SYS_unshare, { CLONE_NEWNS }, EPERM },
	{ "K-01 setns", SYS_setns, { 0 }, EPERM },
	{ "K-01 clone newuser", SYS_clone, { CLONE_NEWUSER }, EPERM },
	{ "K-01 clone newuser, high bits",
	  SYS_clone,
	  { 0x5a5a5a5a00000000UL | CLONE_NEWUSER },
	  EPERM },
	{ "K-01 clone newnet", SYS_clone, { CLONE_NEWNET }, EPERM },
	{ "K-02 io_uring_setup", SYS_io_uring_setup, { 0 }, ENOSYS },
	{ "K-02 io_uring_enter", SYS_io_uring_enter, { 0 }, ENOSYS },
	{ "K-02 io_uring_register", SYS_io_uring_register, { 0 }, ENOSYS },
	{ "K-03 bpf", SYS_bpf, { 0 }, EPERM },
	{ "K-03 perf_event_open", SYS_perf_event_open, { 0 }, EPERM },
	{ "K-03 userfaultfd", SYS_userfaultfd, { 0 }, EPERM },
	{ "K-03 keyctl", SYS_keyctl, { 0 }, EPERM },
	{ "K-03 add_key", SYS_add_key, { 0 }, EPERM },
	{ "K-03 request_key", SYS_request_key, { 0 }, EPERM },
	{ "K-03 kexec_load", SYS_kexec_load, { 0 }, EPERM },
	{ "K-03 finit_module", SYS_finit_module, { 0 }, EPERM },
	{ "K-03 open_by_handle_at", SYS_open_by_handle_at, { 0 }, EPERM },
	{ "F-13 mount", SYS_mount, { 0 }, EPERM },
	{ "F-13 move_mount", SYS_move_mount, { 0 }, EPERM },
	{ "F-13 fsopen", SYS_fsopen, { 0 }, EPERM },
	{ "F-13 open_tree_attr", 467, { 0 }, EPERM },
	{ "F-13 pivot_root", SYS_pivot_root, { 0 }, EPERM },
	{ "K-05 a number of nobody", 1000, { 0 }, ENOSYS },
	{ "N-22 vsock", SYS_socket, { 40, 1 }, EAFNOSUPPORT },
	{ "N-22 vsock, high bits", SYS_socket, { 0x100000000UL | 40, 1 }, EAFNOSUPPORT },
	{ "N-22 packet", SYS_socket, { AF_PACKET, 3 }, EAFNOSUPPORT },
	{ "N-22 alg", SYS_socket, { 38, 5 }, EAFNOSUPPORT },
	{ "N-22 nfnetlink", SYS_socket, { AF_NETLINK, 3, 12 }, EAFNOSUPPORT },
	{ "N-02 raw", SYS_socket, { AF_INET, 3, 1 }, EPERM },
	{ "N-02 sctp", SYS_socket, { AF_INET, 1, 132 }, EPROTONOSUPPORT },
	{ "N-22 socketpair", SYS_socketpair, { AF_INET, 1 }, EAFNOSUPPORT },
	{ "P-05 TIOCSTI", SYS_ioctl, { 0, TIOCSTI }, EPERM },
	{ "P-05 TIOCSTI, high bits", SYS_ioctl, { 0, 0x100000000UL | TIOCSTI }, EPERM },
	{ "P-05 TIOCLINUX", SYS_ioctl, { 0, TIOCLINUX }, EPERM },
	{ "syslog", SYS_syslog, { 3 }, EPERM },
};

static void each_call_gets_the_answer_of_its_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = seccomp_reply(observing->profile, (int)rows[i].nr, rows[i].args).answer;
		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].id, got, rows[i].want);
	}
}

/* The enforcing filter's word on one call; the interpreter is that of seccomp_test.c, shortened to
 * what the compiler emits. */
static uint32_t verdict(const struct seccomp_program *p, int nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = seccomp_arch_native() };
	uint32_t a = 0;
	for (size_t i = 0; i < 6; i++)
		data.args[i] = args[i];
	for (size_t pc = 0; pc < p->n_insns; pc++) {
		const struct sock_filter *f = &p->insns[pc];
		bool hit = BPF_OP(f->code) == BPF_JEQ   ? a == f->k
		           : BPF_OP(f->code) == BPF_JGT ? a > f->k
		           : BPF_OP(f->code) == BPF_JGE ? a >= f->k
		                                        : (a & f->k) != 0;
		if (f->code == (BPF_LD | BPF_W | BPF_ABS))
			memcpy(&a, (const char *)&data + f->k, sizeof(a));
		else if (f->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= f->k;
		else if (f->code == (BPF_RET | BPF_K))
			return f->k;
		else
			pc += f->code == (BPF_JMP | BPF_JA) ? f->k : hit ? f->jt : f->jf;
	}
	fail_msg("the filter ran off its end");
	return 0;
}

/* Over every number and many arguments: an observing filter asks exactly where the enforcing one
 * refuses, and the listener answers with that very errno or lets the kernel go on. So the two
 * evaluations of one profile cannot drift apart. */
static void the_listener_and_the_filter_agree_about_every_call(void **state)
{
	(void)state;
	static const uint64_t values[] = { 0,
		                           1,
		                           2,
		                           3,
		                           10,
		                           12,
		                           15,
		                           16,
		                           17,
		                           38,
		                           40,
		                           0x5411,
		                           0x5412,
		                           0x5413,
		                           0x40000,
		                           0xffffffff,
		                           0x100005412,
		                           CLONE_NEWUSER,
		                           CLONE_NEWNET,
		                           ~0UL };
	unsigned asked = 0;
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++) {
		for (size_t i = 0; i < ARRAY_LEN(values) * ARRAY_LEN(values); i++) {
			const uint64_t args[6] = { values[i % ARRAY_LEN(values)],
				                   values[i / ARRAY_LEN(values)], values[i % 7] };
			uint32_t strict = verdict(enforcing, nr, args),
				 loose = verdict(observing, nr, args);
			if (loose != SECCOMP_RET_USER_NOTIF) {
				assert_int_equal(loose, strict);
				continue;
			}
			int answer = seccomp_reply(observing->profile, nr, args).answer;
			asked++;
			if ((strict & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO ||
			    (answer && (uint32_t)answer != (strict & SECCOMP_RET_DATA)))
				fail_msg("call %d (%#lx, %#lx): the filter says %#x, the listener "
				         "%d",
				         nr, args[0], args[1], strict, answer);
		}
	}
	assert_true(asked > 10000);
}

/* The same of an enforcing filter that tells: whatever it asks about, the answer is the refusal. */
static void asked_while_enforcing_the_listener_always_refuses(void **state)
{
	(void)state;
	unsigned asked = 0;
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++)
		for (uint64_t i = 0; i < 4096; i++) {
			const uint64_t args[6] = { i % 64, i / 64, i % 7 };
			uint32_t strict = verdict(enforcing, nr, args),
				 telling_says = verdict(telling, nr, args);
			if (telling_says == strict)
				continue;
			struct seccomp_reply reply = seccomp_reply(telling->profile, nr, args);
			asked++;
			assert_int_equal(telling_says, SECCOMP_RET_USER_NOTIF);
			assert_int_not_equal(reply.answer, 0);
			assert_int_equal(SECCOMP_RET_ERRNO | (uint32_t)reply.answer, strict);
			assert_non_null(reply.tell);
		}
	assert_true(asked > 10000);
}

static void a_profile_that_would_ask_before_exec_is_refused(void **state)
{
	(void)state;
	char path[] = "/tmp/drydock-profile-XXXXXX";
	static const char text[] = "default ENOSYS\nwhy x\nallow execve exit_group sendto\n";
	struct seccomp_program *p = NULL;
	struct dd_err err = { 0 };
	dd_auto_fd int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(seccomp_program_load(path, &p, &err), 0);
	seccomp_program_free(p);
	p = NULL;
	assert_int_equal(seccomp_program_load_with(path, NULL, SECCOMP_ASK_ALL, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "sendmsg"));
	(void)unlink(path);
}

/* ---- the kernel ---- */

static pid_t child;
static int report = -1; /* the child's results: one int each */
static struct sandbox sb = SANDBOX_NONE;

static const struct seccomp_program *loaded;

/* Run @fn in a child under @prog; its listener is sb.asked_fd. */
static void start_child_under(const struct seccomp_program *prog, int (*fn)(void))
{
	loaded = prog;
	int pair[2], ends[2];
	char byte = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		if (inside_no_new_privs(NULL) < 0 || inside_seccomp_asking(prog, pair[1], NULL) < 0)
			_exit(99);
		for (;;) {
			int got = fn();
			if (write(ends[1], &got, sizeof(got)) != sizeof(got) || got < 0)
				_exit(0);
		}
	}
	dd_close(pair[1]);
	dd_close(ends[1]);
	report = ends[0];
	assert_int_equal(dd_recv_msg(pair[0], &byte, 1, &sb.asked_fd, 1), 1);
	assert_int_equal(byte, DELIVERY_LISTENER);
	assert_int_equal(seccomp_listener_check(sb.asked_fd, NULL), 0);
	dd_close(pair[0]);
}

static void start_child(int (*fn)(void))
{
	start_child_under(observing, fn);
}

static int end_child(void **state)
{
	(void)state;
	dd_close_p(&sb.asked_fd);
	dd_close_p(&report);
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	child = 0;
	return 0;
}

static struct sandbox_asked next_question(void)
{
	struct sandbox_asked q = { 0 };
	struct pollfd p = { .fd = sb.asked_fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(sandbox_asked_recv(&sb, loaded, &q, NULL), 1);
	return q;
}

static int result(void)
{
	int got = -1;
	struct pollfd p = { .fd = report, .events = POLLIN };
	if (poll(&p, 1, 5000) != 1 || read(report, &got, sizeof(got)) != sizeof(got))
		return -1;
	return got;
}

static int set_personality(void)
{
	return syscall(SYS_personality, ADDR_NO_RANDOMIZE) >= 0 ? 0 : errno;
}

static void a_call_goes_on_when_it_is_let_and_not_before(void **state)
{
	(void)state;
	start_child(set_personality);
	struct sandbox_asked q = next_question();
	assert_string_equal(q.call, "personality");
	assert_string_equal(q.detail, "0x40000");
	assert_int_equal(q.pid, child);
	assert_int_equal(q.answer, CONTINUE);
	struct pollfd p = { .fd = report, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 100), 0);
	assert_true(sandbox_asked_waits(&sb, &q));
	assert_int_equal(sandbox_asked_answer(&sb, &q, NULL), 0);
	assert_int_equal(result(), 0);
	assert_false(sandbox_asked_waits(&sb, &q));
}

static int open_vsock(void)
{
	return socket(40, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static void never_gets_its_errno(void **state)
{
	(void)state;
	start_child(open_vsock);
	struct sandbox_asked q = next_question();
	assert_string_equal(q.call, "socket");
	assert_string_equal(q.detail, "AF_VSOCK");
	assert_int_equal(sandbox_asked_answer(&sb, &q, NULL), 0);
	assert_int_equal(result(), EAFNOSUPPORT);
}

static void a_told_call_fails_as_it_would_untold(void **state)
{
	(void)state;
	start_child_under(telling, set_personality);
	struct sandbox_asked q = next_question();
	assert_string_equal(q.call, "personality");
	assert_int_equal(q.answer, EPERM);
	assert_false(q.never);
	assert_non_null(strstr(q.tell, "seccomp: debug"));
	assert_int_equal(sandbox_asked_answer(&sb, &q, NULL), 0);
	assert_int_equal(result(), EPERM);
}

/* 20, the number of getpid on the 32-bit entry, is writev on the other. */
static int call_by_int_0x80(void)
{
	int got = 20;
	__asm__ volatile("int $0x80" : "+a"(got) : : "memory");
	return got;
}

static int call_by_int_0x80_as_programs_are(void)
{
	(void)signal(SIGSYS, SIG_DFL); /* cmocka catches it */
	return call_by_int_0x80();
}

static int call_by_int_0x80_and_ignore(void)
{
	(void)signal(SIGSYS, SIG_IGN);
	return call_by_int_0x80();
}

static void the_32_bit_entry_ends_the_process(int (*fn)(void), int signal)
{
	int status = 0;
	start_child_under(telling, fn);
	struct sandbox_asked q = next_question();
	assert_string_equal(q.call, "getpid");
	assert_string_equal(q.detail, "32-bit");
	assert_true(q.ends && q.never && q.answer);
	assert_false(q.ends_by_sigsys); /* until somebody has looked */
	q.ends_by_sigsys = signal == SIGSYS;
	assert_int_equal(sandbox_asked_answer(&sb, &q, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	child = 0;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
}

static void the_32_bit_entry_is_told_and_ends_the_process_as_before(void **state)
{
	(void)state;
	the_32_bit_entry_ends_the_process(call_by_int_0x80_as_programs_are, SIGSYS);
}

static void whom_the_signal_does_not_end_is_killed(void **state)
{
	(void)state;
	the_32_bit_entry_ends_the_process(call_by_int_0x80_and_ignore, SIGKILL);
}

static void without_a_listener_every_question_fails(void **state)
{
	(void)state;
	start_child(set_personality);
	(void)next_question();
	dd_close_p(&sb.asked_fd);
	assert_int_equal(result(), ENOSYS); /* the one that waited */
	assert_int_equal(result(), ENOSYS); /* and the next */
}

static void a_child_killed_while_it_waits_is_gone_and_its_question_void(void **state)
{
	(void)state;
	start_child(set_personality);
	struct sandbox_asked q = next_question();
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	child = 0;
	assert_false(sandbox_asked_waits(&sb, &q));
	assert_int_equal(sandbox_asked_answer(&sb, &q, NULL), 0);
	assert_int_equal(sandbox_asked_recv(&sb, observing, &q, NULL), -EPIPE);
}

static int second_listener(void)
{
	struct sock_filter ask = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_USER_NOTIF };
	struct sock_fprog prog = { .len = 1, .filter = &ask };
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
	               &prog) >= 0
	               ? 0
	               : errno;
}

static void a_second_listener_is_refused_without_anybody_s_answer(void **state)
{
	(void)state;
	start_child(second_listener);
	/* not even then: without ours, the kernel itself would allow it */
	dd_close_p(&sb.asked_fd);
	assert_int_equal(result(), EPERM);
}

#define KERNEL(test) cmocka_unit_test_teardown(test, end_child)

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_gets_the_answer_of_its_rule),
		cmocka_unit_test(the_listener_and_the_filter_agree_about_every_call),
		cmocka_unit_test(asked_while_enforcing_the_listener_always_refuses),
		cmocka_unit_test(a_profile_that_would_ask_before_exec_is_refused),
		KERNEL(a_call_goes_on_when_it_is_let_and_not_before),
		KERNEL(never_gets_its_errno),
		KERNEL(a_told_call_fails_as_it_would_untold),
		KERNEL(the_32_bit_entry_is_told_and_ends_the_process_as_before),
		KERNEL(whom_the_signal_does_not_end_is_killed),
		KERNEL(without_a_listener_every_question_fails),
		KERNEL(a_child_killed_while_it_waits_is_gone_and_its_question_void),
		KERNEL(a_second_listener_is_refused_without_anybody_s_answer),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
