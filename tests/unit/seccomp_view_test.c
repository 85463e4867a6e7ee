// SPDX-License-Identifier: Apache-2.0
/* seccomp_view_test.c - what is shown of a profile is what its filter does. */
#include "drydock/seccomp_view.h"

#include "sandbox/seccomp_internal.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DEFAULT_PROFILE "configs/seccomp/default.seccomp"
#define DEBUG_PROFILE   "configs/seccomp/debug.seccomp"

static struct seccomp_view *view;

static int load_default(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	if (seccomp_view_load(DEFAULT_PROFILE, NULL, &view, &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

static int free_view(void **state)
{
	(void)state;
	seccomp_view_free(view);
	view = NULL;
	return 0;
}

/* The profile of @text, as a file of its own. */
static int load_text(const char *text, const char *const *extra, struct seccomp_view **ret,
                     struct dd_err *err)
{
	char path[] = "/tmp/drydock-seccomp-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	int r = seccomp_view_load(path, extra, ret, err);
	(void)unlink(path);
	return r;
}

static bool jump_taken(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JSET:
		return (a & f->k) != 0;
	default:
		fail_msg("unexpected jump %#x", f->code);
		return false;
	}
}

static uint32_t filter_says(const struct seccomp_program *p, int nr)
{
	const struct seccomp_data data = { .nr = nr, .arch = seccomp_arch_native() };
	uint32_t a = 0;
	for (size_t pc = 0; pc < p->n_insns; pc++) {
		const struct sock_filter *f = &p->insns[pc];
		if (f->code == (BPF_LD | BPF_W | BPF_ABS))
			memcpy(&a, (const char *)&data + f->k, sizeof(a));
		else if (f->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= f->k;
		else if (f->code == (BPF_RET | BPF_K))
			return f->k;
		else if (f->code == (BPF_JMP | BPF_JA))
			pc += f->k;
		else
			pc += jump_taken(f, a) ? f->jt : f->jf;
	}
	fail_msg("the filter ran off its end");
	return 0;
}

static void agree(const char *path)
{
	struct seccomp_program *prog = NULL;
	struct seccomp_view *shown = NULL;
	struct dd_err err = { 0 };
	assert_int_equal(seccomp_program_load(path, &prog, &err), 0);
	assert_int_equal(seccomp_view_load(path, NULL, &shown, &err), 0);
	struct seccomp_summary sum, counted = { 0 };
	seccomp_program_summary(prog, &sum);
	for (size_t i = 0; i < seccomp_view_count(shown); i++) {
		const struct seccomp_view_call *c = seccomp_view_at(shown, i);
		uint32_t want[] = {
			[SECCOMP_ANSWER_ERRNO] = SECCOMP_RET_ERRNO | (uint32_t)c->err,
			[SECCOMP_ANSWER_ALLOW] = SECCOMP_RET_ALLOW,
			[SECCOMP_ANSWER_KILL] = SECCOMP_RET_KILL_PROCESS,
		};
		if (c->answer != SECCOMP_ANSWER_DEPENDS &&
		    filter_says(prog, c->nr) != want[c->answer])
			fail_msg("%s: the filter says %#x, the view %#x", c->name,
			         filter_says(prog, c->nr), want[c->answer]);
		if (!c->named)
			continue;
		counted.allowed += c->answer == SECCOMP_ANSWER_ALLOW;
		counted.conditional += c->answer == SECCOMP_ANSWER_DEPENDS;
		counted.errno_answered += c->answer == SECCOMP_ANSWER_ERRNO;
		counted.killed += c->answer == SECCOMP_ANSWER_KILL;
	}
	assert_memory_equal(&sum, &counted, sizeof(sum));
	seccomp_view_free(shown);
	seccomp_program_free(prog);
}

static void the_view_says_what_the_filter_does(void **state)
{
	(void)state;
	agree(DEFAULT_PROFILE);
	agree(DEBUG_PROFILE);
}

static void every_row_has_a_line_and_a_reason_and_names_are_sorted(void **state)
{
	(void)state;
	assert_true(seccomp_view_count(view) > 300);
	for (size_t i = 0; i < seccomp_view_count(view); i++) {
		const struct seccomp_view_call *c = seccomp_view_at(view, i);
		assert_true(c->line > 0);
		assert_true(c->why && c->why[0]);
		assert_string_equal(c->file, DEFAULT_PROFILE);
		assert_true(i == 0 || strcmp(seccomp_view_at(view, i - 1)->name, c->name) < 0);
		assert_ptr_equal(seccomp_view_find(view, c->name), c);
	}
	assert_null(seccomp_view_at(view, seccomp_view_count(view)));
	assert_null(seccomp_view_find(view, "no_such_call"));
}

static void the_answers_of_known_calls(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum seccomp_answer answer;
		int err;
		bool named;
	} rows[] = {
		{ "read", SECCOMP_ANSWER_ALLOW, 0, true },
		{ "mount", SECCOMP_ANSWER_ERRNO, EPERM, true },
		{ "io_uring_setup", SECCOMP_ANSWER_ERRNO, ENOSYS, true },
		{ "socket", SECCOMP_ANSWER_DEPENDS, EAFNOSUPPORT, true },
		{ "setsockopt", SECCOMP_ANSWER_DEPENDS, 0, true },
		/* newer than libseccomp: its name comes from the profile */
		{ "mseal", SECCOMP_ANSWER_ALLOW, 0, true },
		/* not named: the default */
		{ "memfd_secret", SECCOMP_ANSWER_ERRNO, ENOSYS, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct seccomp_view_call *c = seccomp_view_find(view, rows[i].name);
		assert_non_null(c);
		assert_int_equal(c->answer, rows[i].answer);
		assert_int_equal(c->err, rows[i].err);
		assert_int_equal(c->named, rows[i].named);
	}
}

static void a_reason_over_several_lines_is_one_sentence_and_a_group_may_have_several_reasons(
	void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	const char text[] = "default ENOSYS\n\nwhy One\nwhy two.\nrefuse EPERM ioctl if arg1 == "
			    "1\nwhy Three.\nallow ioctl\nallow read\n";
	assert_int_equal(load_text(text, NULL, &view, &err), 0);
	assert_string_equal(seccomp_view_find(view, "ioctl")->why, "One two.");
	assert_int_equal(seccomp_view_find(view, "ioctl")->line, 5);
	assert_string_equal(seccomp_view_find(view, "read")->why, "Three.");
	assert_int_equal(seccomp_view_find(view, "read")->line, 8);
	assert_int_equal(seccomp_view_find(view, "write")->line, 1);
}

static void what_a_base_decides_is_shown_with_the_base_as_file(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(seccomp_view_load(DEBUG_PROFILE, NULL, &view, &err), 0);
	assert_string_equal(seccomp_view_find(view, "read")->file, DEFAULT_PROFILE);
	assert_string_equal(seccomp_view_find(view, "ptrace")->file, DEBUG_PROFILE);
	assert_int_equal(seccomp_view_find(view, "ptrace")->answer, SECCOMP_ANSWER_ALLOW);
}

static void a_name_that_the_policy_adds_is_allowed_and_says_so(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	static const char *const extra[] = { "ptrace", "read", NULL };
	assert_int_equal(seccomp_view_load(DEFAULT_PROFILE, extra, &view, &err), 0);
	const struct seccomp_view_call *c = seccomp_view_find(view, "ptrace");
	assert_int_equal(c->answer, SECCOMP_ANSWER_ALLOW);
	assert_int_equal(c->line, 0);
	assert_non_null(strstr(c->why, "sandbox.syscalls"));
	/* was allowed before: its own reason stays */
	assert_true(seccomp_view_find(view, "read")->line > 0);
}

static void a_name_that_is_no_system_call_is_refused_by_name(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	static const char *const extra[] = { "usrfaultfd", NULL };
	assert_int_equal(seccomp_view_load(DEFAULT_PROFILE, extra, &view, &err), -EINVAL);
	assert_null(view);
	assert_non_null(strstr(err.msg, "usrfaultfd"));
}

static void what_may_never_be_allowed_says_so_and_cannot_be_added(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	static const char *const extra[] = { "mount", NULL };
	const char text[] =
		"default ENOSYS\n\nwhy x\nnever EPERM mount\nrefuse EPERM ptrace\nallow read\n";
	assert_int_equal(load_text(text, NULL, &view, &err), 0);
	assert_true(seccomp_view_find(view, "mount")->never);
	assert_false(seccomp_view_find(view, "ptrace")->never);
	free_view(NULL);
	assert_int_equal(load_text(text, extra, &view, &err), -EINVAL);
	assert_null(view);
	assert_non_null(strstr(err.msg, "mount"));
}

static void a_broken_profile_gives_no_view(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(load_text("default ENOSYS\nallow read\n", NULL, &view, &err), -EINVAL);
	assert_null(view);
	assert_non_null(strstr(err.msg, ":2: "));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_view_says_what_the_filter_does),
		cmocka_unit_test_setup_teardown(
			every_row_has_a_line_and_a_reason_and_names_are_sorted, load_default,
			free_view),
		cmocka_unit_test_setup_teardown(the_answers_of_known_calls, load_default,
		                                free_view),
		cmocka_unit_test_teardown(
			a_reason_over_several_lines_is_one_sentence_and_a_group_may_have_several_reasons,
			free_view),
		cmocka_unit_test_teardown(what_a_base_decides_is_shown_with_the_base_as_file,
		                          free_view),
		cmocka_unit_test_teardown(a_name_that_the_policy_adds_is_allowed_and_says_so,
		                          free_view),
		cmocka_unit_test_teardown(a_name_that_is_no_system_call_is_refused_by_name,
		                          free_view),
		cmocka_unit_test_teardown(what_may_never_be_allowed_says_so_and_cannot_be_added,
		                          free_view),
		cmocka_unit_test_teardown(a_broken_profile_gives_no_view, free_view),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
