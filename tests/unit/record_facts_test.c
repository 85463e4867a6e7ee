// SPDX-License-Identifier: Apache-2.0
/* record_facts_test.c - a record comes back as facts, an older one with gaps that can be seen, a
 * wrong one not at all. */
#include "runner/record/record_facts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "record_strict.h"

static char path[64];
static struct record *rec;
static struct record_facts *facts;
static struct dd_err err;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/drydock-facts-XXXXXX");
	int fd = mkstemp(path);
	facts = NULL;
	memset(&err, 0, sizeof(err));
	return fd < 0 || close(fd) < 0 || record_open(path, "run-1", "job", &rec, &err);
}

static int teardown(void **state)
{
	(void)state;
	record_free(rec);
	record_facts_free(facts);
	return unlink(path);
}

/* @fields as JSON text. */
static void add(const char *step, const char *phase, const char *event, const char *fields)
{
	json_t *object = json_loads(fields, 0, NULL);
	assert_non_null(object);
	must_be_known(event, object);
	assert_int_equal(record_add(rec, RECORD_BEGINS, step, phase, event, object, &err), 0);
}

static int load(void)
{
	return record_facts_load(path, &facts, &err);
}

static void a_run_comes_back_as_facts(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start",
	    "{\"mode\":\"observe\",\"trusted\":true,\"policy\":{\"path\":\"p.yml\",\"sha256\":"
	    "\"ab\"},\"steps\":2,"
	    "\"forge_event\":{\"name\":\"push\",\"repository\":\"a/b\",\"ref\":\"refs/heads/"
	    "main\",\"protected\":true}}");
	add(NULL, NULL, "policy.narrowed",
	    "{\"key\":\"limits.pids\",\"asked\":\"9\",\"allowed\":\"5\",\"line\":3,\"why\":\"w\"}");
	add("deps", "fetch", "step.start",
	    "{\"index\":1,\"id\":\"deps\",\"name\":\"Dependencies\",\"gate\":\"open\",\"read\":[\"/"
	    "opt/x\"],"
	    "\"syscalls\":[],\"match\":{\"id\":\"deps\",\"name\":null,\"job\":\"test\",\"run\":"
	    "\"npm ci\"},\"run_exact\":true}");
	add("deps", "fetch", "gate.open",
	    "{\"state\":\"open\",\"upload_bytes\":1048576,\"entries\":[{\"entry\":\"a.test:443\","
	    "\"origin\":\"p.yml:1:1\"}]}");
	add("deps", "fetch", "net.allow",
	    "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"why\":\"w\",\"speaks\":"
	    "\"tls\"}");
	add("deps", "fetch", "net.allow",
	    "{\"host\":\"b.test\",\"port\":22,\"address\":\"\",\"why\":\"not in the "
	    "allowlist\",\"would\":\"deny\","
	    "\"speaks\":\"raw\",\"process\":{\"pid\":7,\"exe\":\"/usr/bin/ssh\",\"argv\":\"ssh "
	    "b\"}}");
	add("deps", "fetch", "dns.deny", "{\"host\":\"c.test\",\"count\":3}");
	add("deps", "fetch", "sys.deny",
	    "{\"syscall\":\"socket\",\"nr\":41,\"count\":2,\"answer\":\"continued\",\"detail\":"
	    "\"AF_VSOCK\"}");
	add("deps", "fetch", "cred.grant",
	    "{\"credential\":\"token\",\"from\":\"env:T\",\"as\":\"env:TOKEN\",\"ttl_sec\":60}");
	add("deps", "fetch", "violation",
	    "{\"case\":\"budget\",\"subject\":\"a.test\",\"port\":443,\"bytes_out\":9}");
	add("deps", "fetch", "gate.close",
	    "{\"verified\":true,\"peak_connections\":4,\"wildcard_names\":[{\"entry\":\"*.a.test:"
	    "443\",\"names\":2}],"
	    "\"receipt\":[{\"host\":\"a.test\",\"port\":443,\"connections\":1,\"bytes_in\":10,"
	    "\"bytes_out\":20,\"denials\":0}],"
	    "\"total\":{\"destinations\":3,\"connections\":4,\"bytes_in\":50,\"bytes_out\":60,"
	    "\"denials\":7},"
	    "\"not_listed\":{\"destinations\":2,\"connections\":3,\"bytes_in\":40,\"bytes_out\":40,"
	    "\"denials\":7}}");
	add("deps", NULL, "artifact", "{\"path\":\"dist/a\",\"size\":5,\"sha256\":\"00\"}");
	add("deps", "fetch", "step.end",
	    "{\"outcome\":\"succeeded\",\"exit\":0,\"wall_sec\":1.5,\"files\":12}");
	add("02-x", "build", "step.start", "{\"id\":\"\",\"name\":\"x\"}");
	add(NULL, NULL, "run.end", "{\"status\":\"succeeded\"}");
	assert_int_equal(load(), 0);

	assert_true(facts->mode == FACTS_OBSERVED && facts->trusted && facts->trusted_known &&
	            facts->event.known && facts->event.is_protected);
	assert_string_equal(facts->event.ref, "refs/heads/main");
	assert_string_equal(facts->policy.path, "p.yml");
	assert_int_equal(facts->n_narrowed, 1);
	assert_int_equal(facts->n_artifacts, 1);
	assert_string_equal(facts->artifacts[0].step, "deps");
	assert_int_equal(facts->n_steps, 2);
	assert_int_equal(facts->end.seq, 15);
	const struct facts_step *s = &facts->steps[0];
	assert_true(s->match.known && s->match.run_exact && !s->match.name && !s->match.uses);
	assert_string_equal(s->read[0], "/opt/x");
	assert_null(s->read[1]);
	assert_non_null(s->syscalls);
	assert_null(s->artifacts);
	assert_int_equal(s->n_net, 3);
	assert_int_equal(s->net[0].speaks, FACTS_SPEAKS_TLS);
	assert_false(s->net[0].would_deny);
	assert_false(s->net[0].process.known);
	assert_true(s->net[1].would_deny && s->net[1].process.known);
	assert_string_equal(s->net[1].process.exe, "/usr/bin/ssh");
	assert_int_equal(s->net[2].kind, FACTS_NAME_REFUSED);
	assert_int_equal(s->net[2].at.seq, 7);
	assert_string_equal(s->calls[0].detail, "AF_VSOCK");
	assert_string_equal(s->leases[0].as, "env:TOKEN");
	assert_int_equal(s->violations[0].bytes_out, 9);
	assert_true(s->gate.verified);
	assert_int_equal(s->gate.peak_connections, 4);
	assert_int_equal(s->gate.wildcards[0].names, 2);
	assert_int_equal(s->gate.total.bytes_out, 60);
	assert_int_equal(s->gate.not_listed.destinations, 2);
	assert_int_equal(s->gate.receipts[0].bytes_out, 20);
	assert_int_equal(s->files, 12);
	assert_int_equal(s->disk_bytes, FACTS_ABSENT);
}

static void what_an_older_record_lacks_is_absent_and_not_guessed(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{}");
	add("01-x", "build", "step.start", "{\"id\":\"\",\"name\":\"x\"}");
	assert_int_equal(load(), 0);
	const struct facts_step *s = &facts->steps[0];
	assert_false(facts->mode || facts->event.known || facts->trusted_known || s->match.known);
	assert_null(s->read);
	assert_null(s->syscalls);
	assert_null(s->gate.wildcards);
	assert_int_equal(s->gate.peak_connections, FACTS_ABSENT);
	assert_int_equal(s->delta.added, FACTS_ABSENT);
	assert_int_equal(s->end.seq, 0);
	assert_int_equal(facts->end.seq, 0);
	assert_int_equal(s->index, 1);
}

static void what_a_newer_record_has_besides_is_skipped(void **state)
{
	(void)state;
	json_t *newer = json_pack("{s:[i], s:s}", "newer", 1, "status", "succeeded");
	add(NULL, NULL, "run.start", "{}");
	assert_int_equal(
		record_add(rec, RECORD_BEGINS, NULL, NULL, "run.paused", json_object(), &err), 0);
	assert_int_equal(record_add(rec, RECORD_BEGINS, NULL, NULL, "run.end", newer, &err), 0);
	assert_int_equal(load(), 0);
	assert_string_equal(facts->status, "succeeded");
}

static void many_of_a_kind_keep_their_order(void **state)
{
	(void)state;
	char text[80];
	add(NULL, NULL, "run.start", "{}");
	add("a", "fetch", "step.start", "{}");
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "{\"host\":\"h%d.test\",\"port\":%d}", i, i + 1);
		add("a", "fetch", "net.allow", text);
	}
	assert_int_equal(load(), 0);
	assert_int_equal(facts->steps[0].n_net, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(facts->steps[0].net[i].port, i + 1);
}

/* A long list is written once; the other steps of its phase say where. */
static void a_list_that_stands_in_an_earlier_event_is_found_there(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{}");
	add("a", "fetch", "step.start", "{}");
	add("a", "fetch", "gate.open",
	    "{\"state\":\"open\",\"entries\":[{\"entry\":\"a.test:443\",\"origin\":\"p.yml:1:1\"},"
	    "{\"entry\":\"b.test:443\",\"origin\":\"p.yml:2:1\"}]}");
	add("b", "fetch", "step.start", "{}");
	add("b", "fetch", "gate.open", "{\"state\":\"open\",\"entries_in\":3}");
	assert_int_equal(load(), 0);
	assert_int_equal(facts->steps[1].gate.n_entries, 2);
	assert_string_equal(facts->steps[1].gate.entries[1].entry, "b.test:443");
}

static const struct {
	const char *step, *phase, *event, *fields, *says;
} wrong[] = {
	{ "a", "fetch", "gate.open", "{\"entries_in\":1}", "lists its entries" },
	{ "a", "fetch", "gate.open", "{\"entries_in\":3}", "lists its entries" },
	{ "a", "fetch", "gate.open", "{\"entries_in\":-3}", "the field entries_in" },
	{ "a", "fetch", "net.allow", "{\"host\":7}", "line 3: the field host is not a text" },
	{ "a", "fetch", "net.allow", "{\"host\":\"a\\u0000b\"}", "the field host is not a text" },
	{ "a", "fetch", "net.allow", "{\"port\":65536}", "the field port is not a port" },
	{ "a", "fetch", "net.allow", "{\"port\":-1}", "the field port is not a port" },
	{ "a", "fetch", "net.allow", "{\"speaks\":\"klingon\"}", "speaks" },
	{ "a", "fetch", "net.allow", "{\"process\":[]}", "the field process is not an object" },
	{ "b", "fetch", "net.allow", "{}", "names no step that has started" },
	{ NULL, NULL, "sys.deny", "{}", "names no step that has started" },
	{ "a", "fetch", "gate.close", "{\"receipt\":{}}", "the field receipt is not a list" },
	{ "a", "fetch", "gate.close", "{\"receipt\":[1]}", "an item of receipt is not an object" },
	{ "a", "fetch", "gate.close", "{\"receipt\":[{\"bytes_out\":-5}]}", "bytes_out" },
	{ "a", "fetch", "cred.grant", "{}", "a credential without a name" },
	{ "a", "fetch", "step.end", "{\"wall_sec\":-1.0}", "wall_sec" },
	{ "c", "deploy", "step.start", "{}", "the field phase" },
	{ "c", NULL, "step.start", "{}", "the field phase" },
	{ NULL, NULL, "step.start", "{}", "without a name" },
	{ "c", "build", "step.start", "{\"read\":[1]}", "the field read is not a list of texts" },
	{ "c", "push", "step.start", "{\"workspace\":\"shared\\n    trust: any\"}",
	  "the field workspace" },
	{ NULL, NULL, "run.start", "{}", "a second time" },
};

static void a_fact_of_the_wrong_type_or_place_is_an_error_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		add(NULL, NULL, "run.start", "{}");
		add("a", "fetch", "step.start", "{}");
		json_t *fields = json_loads(wrong[i].fields, JSON_ALLOW_NUL, NULL);
		assert_int_equal(record_add(rec, RECORD_BEGINS, wrong[i].step, wrong[i].phase,
		                            wrong[i].event, fields, &err),
		                 0);
		struct record_facts *untouched = NULL;
		assert_int_equal(record_facts_load(path, &untouched, &err), -EBADMSG);
		assert_null(untouched);
		if (!strstr(err.msg, wrong[i].says))
			fail_msg("`%s` lacks `%s`", err.msg, wrong[i].says);
		assert_int_equal(teardown(NULL), 0);
		assert_int_equal(setup(NULL), 0);
	}
}

static void an_edited_record_gives_no_facts(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{}");
	add("a", "fetch", "step.start", "{}");
	add(NULL, NULL, "run.end", "{}");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "{\"seq\":9", 8, 0), 8);
	assert_int_equal(close(fd), 0);
	assert_int_equal(load(), -EBADMSG);
	assert_null(facts);
}

static void a_torn_end_is_a_fact(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{}");
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"seq\"", 6), 6);
	assert_int_equal(close(fd), 0);
	assert_int_equal(load(), 0);
	assert_int_equal(facts->torn_bytes, 6);
}

static void an_empty_file_and_a_missing_one_are_no_records(void **state)
{
	(void)state;
	assert_int_equal(load(), -EBADMSG);
	assert_int_equal(record_facts_load("/nowhere/at/all", &facts, &err), -ENOENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run_comes_back_as_facts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_an_older_record_lacks_is_absent_and_not_guessed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_newer_record_has_besides_is_skipped, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(many_of_a_kind_keep_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_list_that_stands_in_an_earlier_event_is_found_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_fact_of_the_wrong_type_or_place_is_an_error_with_its_line, setup,
			teardown),
		cmocka_unit_test_setup_teardown(an_edited_record_gives_no_facts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_end_is_a_fact, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_file_and_a_missing_one_are_no_records,
		                                setup, teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
