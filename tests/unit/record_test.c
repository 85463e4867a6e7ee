// SPDX-License-Identifier: Apache-2.0
/* record_test.c - writes records, damages them in every way that the chain must show, and checks
 * the chain with sha256sum. */
#include "runner/record/event_write.h"
#include "runner/record/record.h"
#include "runner/command/commands.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static struct dd_err err;
static char text[1 << 20];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/drydock-record-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/record", dir);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static struct record *start(void)
{
	struct record *rec = NULL;
	assert_int_equal(record_open(path, "run-1", "job", &rec, &err), 0);
	return rec;
}

static void add(struct record *rec, const char *event)
{
	assert_int_equal(record_add(rec, RECORD_BEGINS, "01-x", "build", event,
	                            json_pack("{s:s}", "what", "some text"), &err),
	                 0);
}

static struct record *write_five_and_stay(void)
{
	struct record *rec = start();
	assert_int_equal(record_add(rec, RECORD_BEGINS, NULL, NULL, "run.start", NULL, &err), 0);
	add(rec, "step.start");
	add(rec, "net.deny");
	add(rec, "step.end");
	add(rec, "run.end");
	assert_int_equal(record_seq(rec), 5);
	return rec;
}

static void write_five(void)
{
	record_free(write_five_and_stay());
}

static void load(void)
{
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
}

static void store(const char *bytes, size_t len)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	(void)fclose(f);
}

/* Start of line @n (0-based). */
static char *line_at(int n)
{
	char *p = text;
	while (n-- > 0)
		p = strchr(p, '\n') + 1;
	return p;
}

static void an_untouched_record_verifies_and_keeps_its_order_of_fields(void **state)
{
	(void)state;
	uint64_t lines = 0;
	write_five();
	assert_int_equal(record_verify(path, &lines, &err), 0);
	assert_int_equal(lines, 5);
	load();
	static const char *const order[] = { "{\"seq\":2,",
		                             "\"time\":\"2",
		                             "\"mono_ns\":",
		                             "\"run\":\"run-1\"",
		                             "\"job\":\"job\"",
		                             "\"step\":\"01-x\"",
		                             "\"phase\":\"build\"",
		                             "\"event\":\"step.start\"",
		                             "\"what\":\"some text\"",
		                             "\"prev\":\"" };
	const char *p = line_at(1);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		p = strstr(p, order[i]);
		assert_non_null(p);
	}
	assert_non_null(strstr(text, "\"step\":null,\"phase\":null"));
	struct stat st;
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_chain_is_what_sha256sum_says(void **state)
{
	(void)state;
	write_five();
	load();
	for (int n = 1; n <= 5; n++) {
		char command[300], sum[65] = "";
		(void)snprintf(command, sizeof(command), "sed -n %dp %s | tr -d '\\n' | sha256sum",
		               n, path);
		FILE *f = popen(command, "re");
		assert_non_null(f);
		assert_int_equal(fread(sum, 1, 64, f), 64);
		(void)pclose(f);
		if (n < 5)
			assert_int_equal(strncmp(strstr(line_at(n), "\"prev\":\"") + 8, sum, 64),
			                 0);
	}
	assert_non_null(strstr(
		line_at(0),
		"\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\""));
}

static void assert_broken(uint64_t line)
{
	uint64_t lines = 99;
	char where[32];
	assert_int_equal(record_verify(path, &lines, &err), -EBADMSG);
	assert_int_equal(lines, line - 1);
	(void)snprintf(where, sizeof(where), "line %d:", (int)line);
	assert_non_null(strstr(err.msg, where));
}

static void an_edited_byte_shows(void **state)
{
	(void)state;
	write_five();
	load();
	*strstr(line_at(1), "some text") = 'S';
	store(text, strlen(text));
	assert_broken(3);
}

static void a_deleted_line_shows(void **state)
{
	(void)state;
	write_five();
	load();
	char *from = line_at(2), *to = line_at(3);
	memmove(from, to, strlen(to) + 1);
	store(text, strlen(text));
	assert_broken(3);
}

static void a_doubled_line_shows(void **state)
{
	(void)state;
	write_five();
	load();
	size_t len = strlen(text), at = (size_t)(line_at(2) - text),
	       n = (size_t)(line_at(3) - line_at(2));
	memmove(text + at + n, text + at, len - at + 1);
	store(text, len + n);
	assert_broken(4);
}

static void swapped_lines_show(void **state)
{
	(void)state;
	static char swapped[1 << 16];
	write_five();
	load();
	char *a = line_at(1), *b = line_at(2), *c = line_at(3);
	(void)snprintf(swapped, sizeof(swapped), "%.*s%.*s%.*s%s", (int)(a - text), text,
	               (int)(c - b), b, (int)(b - a), a, c);
	store(swapped, strlen(swapped));
	assert_broken(2);
}

static void a_torn_last_line_shows(void **state)
{
	(void)state;
	write_five();
	load();
	store(text, strlen(text) - 7);
	assert_broken(5);
	assert_non_null(strstr(err.msg, "torn"));
}

static void a_line_that_is_not_json_shows(void **state)
{
	(void)state;
	write_five();
	load();
	*line_at(3) = '[';
	store(text, strlen(text));
	assert_broken(4);
}

static void a_record_without_its_end_is_told_apart(void **state)
{
	(void)state;
	uint64_t lines = 0;
	write_five();
	load();
	store(text, (size_t)(line_at(4) - text));
	assert_int_equal(record_verify(path, &lines, &err), -ENODATA);
	assert_int_equal(lines, 4);
	assert_non_null(strstr(err.msg, "did not end"));
}

static void a_record_is_never_overwritten(void **state)
{
	(void)state;
	struct record *rec = NULL;
	write_five();
	assert_int_equal(record_open(path, "r", "j", &rec, &err), -EEXIST);
	assert_null(rec);
}

static void refused(int code, const char *says)
{
	struct record *rec = NULL;
	assert_int_equal(record_open(path, "r", "j", &rec, &err), code);
	assert_null(rec);
	if (!strstr(err.msg, says))
		fail_msg("`%s` lacks `%s`", err.msg, says);
}

static void make_empty(mode_t mode)
{
	store("", 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void an_empty_file_of_ours_is_as_good_as_none(void **state)
{
	(void)state;
	make_empty(0600);
	record_free(start());
}

static void a_file_that_others_may_write_is_no_record(void **state)
{
	(void)state;
	make_empty(0602);
	refused(-EEXIST, "may be written by others (mode 602)");
	make_empty(0660);
	refused(-EEXIST, "chmod go-w");
}

static void a_file_of_another_user_is_no_record(void **state)
{
	(void)state;
	make_empty(0600);
	if (chown(path, 65534, (gid_t)-1) < 0) {
		print_message("# only root can give a file away\n");
		skip();
	}
	refused(-EEXIST, "belongs to another user");
}

static void a_file_with_a_second_name_is_no_record(void **state)
{
	(void)state;
	char other[sizeof(path) + 2];
	(void)snprintf(other, sizeof(other), "%s2", path);
	make_empty(0600);
	assert_int_equal(link(path, other), 0);
	refused(-EEXIST, "another name");
	assert_int_equal(unlink(other), 0);
}

static void a_link_and_what_is_no_file_are_no_records(void **state)
{
	(void)state;
	char target[sizeof(path) + 2];
	struct stat st;
	(void)snprintf(target, sizeof(target), "%s2", path);
	assert_int_equal(symlink(target, path), 0);
	refused(-ELOOP, "is a link");
	assert_int_equal(stat(target, &st), -1); /* nothing was made where it leads */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EEXIST, "no regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EEXIST, "no regular file");
}

/* ---- the limit ---- */

static int write_net(struct record *rec)
{
	const struct facts_net net = { .host = "name.test",
		                       .address = "",
		                       .proto = "dns",
		                       .reason = REASON_NAME_NOT_LISTED,
		                       .why = "w",
		                       .count = 1 };
	return record_dns_deny(rec, "s", DD_PHASE_BUILD, &net, &err);
}

static int write_start(struct record *rec)
{
	const char *const none[] = { NULL };
	return record_step_start(rec, "s", DD_PHASE_BUILD,
	                         &(struct facts_step){ .index = 1,
	                                               .id = "s",
	                                               .name = "s",
	                                               .argv0 = "sh",
	                                               .gate_state = "closed",
	                                               .seccomp = "default",
	                                               .phase_why = "",
	                                               .mounts = "",
	                                               .read = none,
	                                               .syscalls = none,
	                                               .match = { .known = true, .job = "j" } },
	                         &err);
}

static uint64_t size_now(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void what_repeats_is_only_counted_at_three_quarters_of_the_limit(void **state)
{
	(void)state;
	enum { LIMIT = 64 * 1024 };
	struct record *rec = start();
	record_limit(rec, LIMIT);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write_net(rec), 0);
	assert_true(size_now() > LIMIT / 2);
	assert_true(size_now() <= LIMIT / 4 * 3 + 1024);
	assert_true(record_untold(rec) > 500);
	assert_false(record_is_full(rec));
	load();
	assert_non_null(strstr(text, "\"event\":\"record.limited\",\"limit_bytes\":65536"));
	char *first = strstr(text, "record.limited");
	assert_null(strstr(first + 1, "record.limited")); /* once */
	record_free(rec);
}

static void nothing_begins_at_the_limit_and_everything_that_began_ends(void **state)
{
	(void)state;
	enum { LIMIT = 64 * 1024 };
	struct record *rec = start();
	record_limit(rec, LIMIT);
	int r = 0;
	for (int i = 0; i < 1000 && r == 0; i++)
		r = write_start(rec);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(err.msg, "limits.record"));
	assert_true(record_is_full(rec));
	assert_true(size_now() > LIMIT / 4 * 3);
	assert_true(size_now() <= LIMIT);
	assert_int_equal(write_start(rec), -EFBIG);
	assert_int_equal(
		record_run_end(rec,
	                       &(struct record_facts){ .status = "failed", .end_why = err.msg },
	                       &err),
		0);
	record_free(rec);
	assert_int_equal(record_verify(path, NULL, &err), 0);
}

static void a_record_that_has_its_end_gets_no_second_one(void **state)
{
	(void)state;
	struct record *rec = write_five_and_stay();
	assert_int_equal(record_resume(rec, &err), -EALREADY);
	record_free(rec);
}

static void a_field_with_a_common_name_is_refused(void **state)
{
	(void)state;
	struct record *rec = start();
	assert_int_equal(
		record_add(rec, RECORD_BEGINS, NULL, NULL, "x", json_pack("{s:i}", "seq", 7), &err),
		-EINVAL);
	assert_int_equal(record_seq(rec), 0);
	record_free(rec);
}

static void bytes_that_are_not_utf8_are_spelled_out(void **state)
{
	(void)state;
	json_t *t = record_text_n("a\xff\xc3\xa9\n", 5);
	assert_string_equal(json_string_value(t), "a\\xff\xc3\xa9\n");
	json_decref(t);
	struct record *rec = start();
	assert_int_equal(record_add(rec, RECORD_BEGINS, "s\xfe", NULL, "run.end",
	                            json_pack("{s:o}", "path", record_text("\xc2\x9b\x1b[31m")),
	                            &err),
	                 0);
	record_free(rec);
	load();
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\xc2'));
	assert_int_equal(record_verify(path, NULL, &err), 0);
}

static void a_full_disk_ends_the_record_and_leaves_a_chain_that_holds(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) { /* the limit on the file's size makes write(2) short, as a full disk does */
		struct rlimit small = { 3000, 3000 };
		struct record *rec = NULL;
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &small) < 0 ||
		    record_open(path, "r", "j", &rec, &err) < 0)
			_exit(2);
		int r = 0;
		for (int i = 0; i < 100 && r == 0; i++)
			r = record_add(rec, RECORD_BEGINS, NULL, NULL, "net.deny", NULL, &err);
		_exit(r < 0 && record_add(rec, RECORD_BEGINS, NULL, NULL, "x", NULL, &err) == -EIO
		              ? 0
		              : 3);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	uint64_t lines = 0;
	assert_int_equal(record_verify(path, &lines, &err), -ENODATA);
	assert_true(lines > 5);
}

static void after_a_torn_line_the_record_goes_on_and_says_so(void **state)
{
	(void)state;
	struct record *rec = write_five_and_stay();
	load();
	store(text, strlen(text) - 7);
	assert_int_equal(record_resume(rec, &err), 0);
	assert_int_equal(record_seq(rec), 4);
	add(rec, "violation");
	add(rec, "run.end");
	record_free(rec);
	assert_int_equal(record_verify(path, NULL, &err), 0);
	load();
	assert_non_null(strstr(line_at(4), "\"cut_bytes\":"));
	assert_null(strstr(line_at(5), "cut_bytes"));
	assert_non_null(strstr(line_at(5), "\"run\":\"run-1\""));
}

static void a_broken_chain_is_not_continued(void **state)
{
	(void)state;
	struct record *rec = write_five_and_stay();
	load();
	*strstr(line_at(1), "some text") = 'S';
	store(text, strlen(text));
	assert_int_equal(record_resume(rec, &err), -EBADMSG);
	record_free(rec);
}

static void kill_9_in_the_middle_leaves_a_record_that_goes_on(void **state)
{
	(void)state;
	struct record *rec = start();
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			if (record_add(rec, RECORD_BEGINS, NULL, NULL, "net.deny", NULL, &err) < 0)
				_exit(3);
	}
	struct timespec wait = { 0, 50000000 };
	assert_return_code(nanosleep(&wait, NULL), errno);
	assert_return_code(kill(pid, SIGKILL), errno);
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(record_resume(rec, &err), 0);
	assert_true(record_seq(rec) > 10);
	add(rec, "run.end");
	record_free(rec);
	assert_int_equal(record_verify(path, NULL, &err), 0);
}

static int verdict(const char *verb)
{
	char name[] = "record", v[16];
	(void)snprintf(v, sizeof(v), "%s", verb);
	char *argv[] = { name, v, path, NULL };
	(void)fflush(stdout);
	int out = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC), log = dup(2);
	dup2(null, 1);
	dup2(null, 2);
	int r = cmd_record(3, argv);
	(void)fflush(stdout);
	dup2(out, 1);
	dup2(log, 2);
	close(out);
	close(log);
	close(null);
	return r;
}

static void the_command_answers_with_its_exit_code(void **state)
{
	(void)state;
	write_five();
	assert_int_equal(verdict("verify"), 0);
	assert_int_equal(verdict("show"), 0);
	assert_int_equal(verdict("burn"), 2);
	load();
	store(text, (size_t)(line_at(4) - text));
	assert_int_equal(verdict("verify"), 1);
	text[20] ^= 1;
	store(text, strlen(text));
	assert_int_equal(verdict("verify"), 4);
	assert_return_code(unlink(path), errno);
	assert_int_equal(verdict("verify"), 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- values of credentials ---- */

/* "closed" is also a word of a table, and the hex stands in a digest. */
static bool take_out(void *arg, char *line, size_t size)
{
	static const char *const values[] = { "hunter2", "closed", "0123" };
	(void)arg;
	for (size_t i = 0; line && i < ARRAY_LEN(values); i++)
		for (char *at; (at = strstr(line, values[i]));) {
			size_t len = strlen(values[i]);
			memcpy(at, "***", 3);
			memmove(at + 3, at + len, strlen(at + len) + 1);
		}
	assert_true(!line || strlen(line) < size);
	return true;
}

static void no_text_of_an_event_holds_a_value_and_no_word_of_a_table_changes(void **state)
{
	(void)state;
	static const char *const read[] = { "/opt/hunter2", NULL }, *const none[] = { NULL };
	static const char digest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct facts_step step = {
		.index = 1,
		.id = "a",
		.name = "echo hunter2",
		.argv0 = "sh",
		.gate_state = "closed",
		.seccomp = "default",
		.phase_why = "hunter2: the gate is closed",
		.mounts = digest,
		.read = read,
		.syscalls = none,
		.match = { .known = true, .job = "j", .run = "curl -u hunter2" }
	};
	struct record *rec = start();
	record_clean_by(rec, take_out, NULL);
	assert_int_equal(record_step_start(rec, "a", DD_PHASE_BUILD, &step, &err), 0);
	record_free(rec);
	load();
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "\"name\":\"echo ***\""));
	assert_non_null(strstr(text, "\"read\":[\"/opt/***\"]"));
	assert_non_null(strstr(text, "\"run\":\"curl -u ***\""));
	assert_non_null(strstr(text, "\"gate\":\"closed\""));
	assert_non_null(strstr(text, "\"phase_why\":\"***: the gate is ***\""));
	assert_non_null(strstr(text, digest));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(an_untouched_record_verifies_and_keeps_its_order_of_fields),
		T(the_chain_is_what_sha256sum_says),
		T(an_edited_byte_shows),
		T(a_deleted_line_shows),
		T(a_doubled_line_shows),
		T(swapped_lines_show),
		T(a_torn_last_line_shows),
		T(a_line_that_is_not_json_shows),
		T(a_record_without_its_end_is_told_apart),
		T(a_record_is_never_overwritten),
		T(an_empty_file_of_ours_is_as_good_as_none),
		T(a_file_that_others_may_write_is_no_record),
		T(a_file_of_another_user_is_no_record),
		T(a_file_with_a_second_name_is_no_record),
		T(a_link_and_what_is_no_file_are_no_records),
		T(what_repeats_is_only_counted_at_three_quarters_of_the_limit),
		T(nothing_begins_at_the_limit_and_everything_that_began_ends),
		T(a_record_that_has_its_end_gets_no_second_one),
		T(a_field_with_a_common_name_is_refused),
		T(bytes_that_are_not_utf8_are_spelled_out),
		T(a_full_disk_ends_the_record_and_leaves_a_chain_that_holds),
		T(after_a_torn_line_the_record_goes_on_and_says_so),
		T(no_text_of_an_event_holds_a_value_and_no_word_of_a_table_changes),
		T(a_broken_chain_is_not_continued),
		T(kill_9_in_the_middle_leaves_a_record_that_goes_on),
		T(the_command_answers_with_its_exit_code),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
