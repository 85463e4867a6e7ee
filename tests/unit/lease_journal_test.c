// SPDX-License-Identifier: Apache-2.0
/* lease_journal_test.c - the journal of handles, the escrow beside it, and the tokens with which
 * somebody says who asks. */
#include "lease/escrow.h"
#include "lease/issuer.h"
#include "lease/journal.h"
#include "lease/jwt.h"

#include "drydock/fd.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char where[] = "/tmp/dd-lease-XXXXXX";
static char journals[64];

static int make_where(void **state)
{
	(void)state;
	memcpy(where + sizeof(where) - 7, "XXXXXX", 6);
	if (!mkdtemp(where))
		return -1;
	(void)snprintf(journals, sizeof(journals), "%s/leases", where);
	return 0;
}

static int remove_where(void **state)
{
	char command[100];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", where);
	return system(command); /* NOLINT(cert-env33-c): a test's own directory */
}

static unsigned intend(struct journal *j, const char *name)
{
	struct journal_entry about = { .until = 4000000000 };
	struct dd_err err = { 0 };
	unsigned id = 0;
	(void)snprintf(about.credential, sizeof(about.credential), "%s", name);
	(void)snprintf(about.kind, sizeof(about.kind), "vault");
	(void)snprintf(about.step, sizeof(about.step), "publish");
	(void)snprintf(about.phase, sizeof(about.phase), "push");
	assert_int_equal(journal_intent(j, &about, &id, &err), 0);
	return id;
}

static struct journal *open_one(const char *run)
{
	struct dd_err err = { 0 };
	struct journal *j = NULL;
	assert_int_equal(journal_open(journals, run, "/r.jsonl", &j, &err), 0);
	return j;
}

static void what_was_asked_for_issued_and_ended_is_read_back(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	struct journal_state s;
	struct journal *j = open_one("run-a");
	unsigned one = intend(j, "one"), two = intend(j, "two"), three = intend(j, "three");
	assert_int_equal(journal_issued(j, one, "{\"accessor\":\"a\",\"until\":5}", &err), 0);
	assert_int_equal(journal_issued(j, one, "{\"accessor\":\"b\",\"until\":6}", &err), 0);
	assert_int_equal(journal_ended(j, two, "revoked", &err), 0);
	assert_int_equal(journal_read(j, &s, &err), 0);
	assert_string_equal(s.run, "run-a");
	assert_string_equal(s.record, "/r.jsonl");
	assert_int_equal(s.n, 3);
	assert_int_equal(s.n_open, 2);
	assert_non_null(strstr(s.entries[0].handle, "\"b\"")); /* the later one counts */
	assert_int_equal(s.entries[0].until, 6);
	assert_true(s.entries[1].ended);
	assert_int_equal(s.entries[2].id, three);
	assert_null(s.entries[2].handle);
	journal_state_done(&s);
	assert_int_equal(journal_settle(j, &err), 1); /* something is open: it stays */
	assert_int_equal(access(journal_path(j), F_OK), 0);
	assert_int_equal(journal_ended(j, one, "revoked", &err), 0);
	assert_int_equal(journal_ended(j, three, "over", &err), 0);
	assert_int_equal(journal_settle(j, &err), 0);
	assert_int_equal(access(journal_path(j), F_OK), -1);
	journal_free(j);
}

static void a_torn_last_line_is_as_if_it_had_not_been_begun_and_any_other_is_refused(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	struct journal_state s;
	struct journal *j = open_one("run-b");
	(void)intend(j, "one");
	char path[700];
	(void)snprintf(path, sizeof(path), "%s", journal_path(j));
	journal_free(j);
	dd_auto_fd int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"t\":\"ended\",\"id\":1", 19), 19);
	assert_int_equal(journal_open_dead(path, &j, &err), 0);
	assert_int_equal(journal_read(j, &s, &err), 0);
	assert_int_equal(s.n_open, 1);
	journal_state_done(&s);
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_int_equal(journal_read(j, &s, &err), -EBADMSG);
	journal_free(j);
}

static void a_run_that_lives_keeps_its_journal_and_a_handle_that_is_no_object_is_none(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	struct journal *live = open_one("run-c"), *dead = NULL;
	unsigned id = intend(live, "one");
	assert_int_equal(journal_open_dead(journal_path(live), &dead, &err), -EBUSY);
	assert_int_equal(journal_issued(live, id, "[]", &err), -EBADMSG);
	assert_int_equal(journal_issued(live, id, "{", &err), -EBADMSG);
	assert_int_equal(chmod(journals, 0777), 0);
	assert_int_equal(journal_open(journals, "run-d", "/r", &dead, &err), -EPERM);
	journal_free(live);
}

static void the_keeper_finds_in_the_escrow_what_the_supervisor_left_and_no_other_child_has_it(
	void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	struct escrow *e = NULL;
	size_t len = 0;
	int status = 0;
	assert_int_equal(escrow_new(&e, &err), 0);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		if (escrow_hold(e, NULL) < 0 || escrow_put(e, 7, "s.token", 7, NULL) < 0)
			_exit(1);
		pid_t step = fork();
		if (step == 0) {
			(void)signal(SIGSEGV, SIG_DFL);
			_exit(*(volatile char *)(void *)e); /* dies: it is not mapped here */
		}
		(void)waitpid(step, &status, 0);
		_exit(WIFSIGNALED(status) ? 0 : 2);
	}
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(escrow_get(e, 7, &len), "s.token");
	assert_int_equal(len, 7);
	escrow_drop(e, 7);
	assert_null(escrow_get(e, 7, &len));
	escrow_free(e);
}

/* ---- tokens ---- */

static size_t decode(const char *text, size_t len, unsigned char *out)
{
	unsigned bits = 0, n = 0;
	size_t k = 0;
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(digits, text[i]);
		assert_non_null(at);
		bits = bits << 6 | (unsigned)(at - digits);
		n += 6;
		if (n >= 8)
			out[k++] = (unsigned char)(bits >> (n -= 8));
	}
	return k;
}

static void base64url_has_no_padding_and_the_vectors_of_RFC_4648(void **state)
{
	(void)state;
	static const char *const rows[][2] = { { "", "" },           { "f", "Zg" },
		                               { "fo", "Zm8" },      { "foo", "Zm9v" },
		                               { "foob", "Zm9vYg" }, { "\xff\xfe\xfd", "__79" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = jwt_base64url(rows[i][0], strlen(rows[i][0]));
		assert_string_equal(text, rows[i][1]);
		free(text);
	}
}

static void a_token_of_the_issuer_has_the_shape_of_ES256_and_only_for_its_audiences(void **state)
{
	(void)state;
	const char *const audiences[] = { "vault", NULL };
	unsigned char signature[100], payload[2000] = { 0 };
	struct dd_err err = { 0 };
	char dir[80], *token = NULL;
	json_t *claims = json_pack("{s:s, s:s}", "sub", "drydock:h", "iss", "https://evil.test");
	(void)snprintf(dir, sizeof(dir), "%s/issuer", where);
	assert_int_equal(issuer_init(dir, "https://runner.test/oidc", audiences, &err), 0);
	assert_int_equal(issuer_sign(dir, "vault", claims, &token, &err), 0);
	const char *first = strchr(token, '.'), *second = strchr(first + 1, '.');
	assert_int_equal(decode(second + 1, strlen(second + 1), signature), 64); /* raw, not DER */
	size_t n = decode(first + 1, (size_t)(second - first - 1), payload);
	json_t *said = json_loadb((char *)payload, n, 0, NULL);
	/* who signs is not for the caller to say */
	assert_string_equal(json_string_value(json_object_get(said, "iss")),
	                    "https://runner.test/oidc");
	assert_int_equal(json_integer_value(json_object_get(said, "exp")) -
	                         json_integer_value(json_object_get(said, "iat")),
	                 ISSUER_TOKEN_SEC);
	json_decref(said);
	free(token);
	assert_int_equal(issuer_sign(dir, "another", claims, &token, &err), -EACCES);
	assert_int_equal(issuer_look(dir, "another", &err), -EACCES);
	assert_int_equal(issuer_look(dir, "vault", &err), 0);
	assert_int_equal(issuer_init(dir, "https://runner.test/oidc", audiences, &err), -EEXIST);
	json_decref(claims);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_where, remove_where)
		T(what_was_asked_for_issued_and_ended_is_read_back),
		T(a_torn_last_line_is_as_if_it_had_not_been_begun_and_any_other_is_refused),
		T(a_run_that_lives_keeps_its_journal_and_a_handle_that_is_no_object_is_none),
		T(the_keeper_finds_in_the_escrow_what_the_supervisor_left_and_no_other_child_has_it),
		T(base64url_has_no_padding_and_the_vectors_of_RFC_4648),
		T(a_token_of_the_issuer_has_the_shape_of_ES256_and_only_for_its_audiences),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
