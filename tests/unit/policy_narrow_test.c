// SPDX-License-Identifier: Apache-2.0
/* policy_narrow_test.c - a repository's .drydock.yml takes away and never adds (G-06). */
#include "complaint.h"

#include "runner/policy/policy_model.h"
#include "runner/policy/policy_narrow.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct policy *parse(const char *text)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	int r = policy_parse("op.yml", text, strlen(text), &policy, &diags);
	diag_print(stdout, &diags, text, strlen(text));
	assert_int_equal(r, 0);
	diag_list_done(&diags);
	return policy;
}

static struct policy *narrowed(const char *theirs, const char *own)
{
	struct diag_list diags = { 0 };
	struct policy *policy = parse(theirs);
	int r = policy_narrow_parse(policy, ".drydock.yml", own, strlen(own), &diags);
	diag_print(stdout, &diags, own, strlen(own));
	assert_int_equal(r, 0);
	diag_list_done(&diags);
	return policy;
}

static const struct policy_narrowed *refusal(const struct policy *policy, const char *key,
                                             const char *asked)
{
	for (size_t i = 0; i < policy->n_narrowed; i++)
		if (strcmp(policy->narrowed[i].key, key) == 0 &&
		    strstr(policy->narrowed[i].asked, asked))
			return &policy->narrowed[i];
	for (size_t i = 0; i < policy->n_narrowed; i++)
		printf("# refused: %s: %s\n", policy->narrowed[i].key, policy->narrowed[i].asked);
	fail_msg("no refusal of %s: %s", key, asked);
	return NULL;
}

static bool allows(const struct policy *policy, const char *host, uint16_t port)
{
	return egress_verdict_name(&policy->phases[DD_PHASE_FETCH].egress, host, port).allow;
}

#define FETCH(e) "version: 1\nphases: { fetch: { egress: [ " e " ] } }\n"

static void an_empty_file_changes_nothing(void **state)
{
	(void)state;
	struct policy *p = narrowed(FETCH("{ host: a.test }") "limits: { pids: 7 }\n",
	                            "version: 1\n");
	assert_true(allows(p, "a.test", 443));
	assert_int_equal(p->limits.sandbox.pids, 7);
	assert_int_equal(p->n_narrowed, 0);
	policy_free(p);
}

static void what_the_operator_does_not_allow_is_refused_with_its_place(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		FETCH("{ host: a.test }, { host: b.test }"),
		FETCH("{ host: a.test },\n{ host: evil.test }, { host: b.test, port: 22 }"));
	assert_true(allows(p, "a.test", 443));
	assert_false(allows(p, "b.test", 443)); /* not asked for any more */
	assert_false(allows(p, "b.test", 22));
	assert_false(allows(p, "evil.test", 443));
	const struct policy_narrowed *r = refusal(p, "phases.fetch.egress", "evil.test:443");
	assert_int_equal(r->mark.line, 3);
	assert_int_equal(r->mark.column, 1);
	assert_string_equal(r->allowed, "nothing");
	assert_non_null(refusal(p, "phases.fetch.egress", "b.test:22"));
	assert_int_equal(p->n_narrowed, 2);
	policy_free(p);
}

static void a_name_below_the_operators_wildcard_is_kept_and_a_wildcard_above_is_not(void **state)
{
	(void)state;
	struct policy *p = narrowed(FETCH("{ host: '*.cdn.test' }, { host: x.wide.test }"),
	                            FETCH("{ host: a.cdn.test }, { host: '*.wide.test' }"));
	assert_true(allows(p, "a.cdn.test", 443));
	assert_false(allows(p, "b.cdn.test", 443));
	assert_true(allows(p, "x.wide.test", 443)); /* both allow it */
	assert_false(allows(p, "y.wide.test", 443));
	assert_string_equal(refusal(p, "phases.fetch.egress", "*.wide.test")->allowed,
	                    "what the operator's policy lists below it");
	policy_free(p);
}

/* Budgets and caps are counted by account: many entries must not become many budgets (G-13). */
static void what_is_narrowed_out_of_an_entry_stays_on_the_operators_account(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		FETCH("{ host: first.test }, { host: '*.corp.test' }, { cidr: 45.10.0.0/16, port: "
	              "443 }, { host: own.corp.test }"),
		FETCH("{ cidr: 45.10.3.0/24, port: 443 }, { cidr: 45.10.4.4, port: 443 }, { host: "
	              "a.corp.test }, { host: '*.b.corp.test' }, { host: own.corp.test }, { host: "
	              "'*.corp.test' }"));
	static const struct {
		const char *host, *addr;
		unsigned account;
		bool wildcard;
	} rows[] = {
		{ "a.corp.test", NULL, 1, true },     { "x.b.corp.test", NULL, 1, true },
		{ "other.corp.test", NULL, 1, true }, { "own.corp.test", NULL, 3, false },
		{ NULL, "45.10.3.9", 2, false },      { NULL, "45.10.4.4", 2, false },
	};
	const struct egress_list *l = &p->phases[DD_PHASE_FETCH].egress;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct in_addr addr = { 0 };
		if (rows[i].addr)
			assert_int_equal(inet_pton(AF_INET, rows[i].addr, &addr), 1);
		const struct egress_entry *e =
			rows[i].host ? egress_verdict_name(l, rows[i].host, 443).entry
				     : egress_verdict_addr(l, addr, 443).entry;
		assert_non_null(e);
		assert_int_equal(e->account, rows[i].account);
		assert_int_equal(e->account_wildcard, rows[i].wildcard);
	}
	policy_free(p);
}

static void terms_are_the_stricter_ones_and_addresses_are_the_operators(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		FETCH("{ host: a.test, private: allow, tls: raw }, { host: b.test }, { host: "
	              "'*.c.test' }, "
	              "{ host: x.c.test, address: [ 10.0.0.1, 10.0.0.2 ], private: allow }"),
		FETCH("{ host: a.test }, { host: b.test, private: allow, tls: raw, address: "
	              "10.6.6.6 }, { host: '*.c.test', private: allow }"));
	const struct egress_list *l = &p->phases[DD_PHASE_FETCH].egress;
	const struct egress_entry *a = egress_verdict_name(l, "a.test", 443).entry,
				  *b = egress_verdict_name(l, "b.test", 443).entry;
	const struct egress_entry *x = egress_verdict_name(l, "x.c.test", 443).entry,
				  *y = egress_verdict_name(l, "y.c.test", 443).entry;
	assert_true(a && b && x && y);
	assert_false(a->private_ok);
	assert_int_equal(a->tls, EGRESS_TLS_SNI);
	assert_false(b->private_ok);
	assert_int_equal(b->tls, EGRESS_TLS_SNI);
	assert_null(b->pins[0]);
	/* the operator's terms for one name survive a wildcard of the repository */
	assert_string_equal(x->pins[0], "10.0.0.1");
	assert_true(x->private_ok);
	assert_false(y->private_ok);
	refusal(p, "phases.fetch.egress", "b.test:443 with private");
	refusal(p, "phases.fetch.egress", "b.test:443 with tls");
	refusal(p, "phases.fetch.egress", "b.test:443 at an address");
	policy_free(p);
}

static void a_repository_may_pick_among_the_operators_addresses(void **state)
{
	(void)state;
	struct policy *p = narrowed(FETCH("{ host: a.test, address: [ 192.0.3.1, 192.0.3.2 ] }, { "
	                                  "host: b.test, address: 192.0.3.1 }"),
	                            FETCH("{ host: a.test, address: 192.0.3.2 }, { host: b.test, "
	                                  "address: 192.0.3.9 }"));
	const struct egress_entry *a =
		egress_verdict_name(&p->phases[DD_PHASE_FETCH].egress, "a.test", 443).entry;
	assert_non_null(a);
	if (a)
		assert_string_equal(a->pins[0], "192.0.3.2");
	assert_false(allows(p, "b.test", 443)); /* no address is left */
	policy_free(p);
}

static void blocks_meet_in_the_smaller_one(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		FETCH("{ cidr: 45.10.0.0/16, port: 443 }, { cidr: 46.10.114.0/24, port: 443 }"),
		FETCH("{ cidr: 45.10.3.0/24, port: 443 }, { cidr: 46.10.0.0/16, port: 443 }, { "
	              "cidr: 47.0.0.0/8, port: 443 }"));
	static const struct {
		const char *addr;
		bool allow;
	} rows[] = {
		{ "45.10.3.1", true },    { "45.10.4.1", false }, { "46.10.114.9", true },
		{ "46.10.115.1", false }, { "47.1.1.1", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct in_addr addr;
		assert_int_equal(inet_pton(AF_INET, rows[i].addr, &addr), 1);
		assert_int_equal(
			egress_verdict_addr(&p->phases[DD_PHASE_FETCH].egress, addr, 443).allow,
			rows[i].allow);
	}
	refusal(p, "phases.fetch.egress", "47.0.0.0/8:443");
	policy_free(p);
}

static void none_closes_the_gate_and_use_asks_no_tool(void **state)
{
	(void)state;
	struct policy *p = narrowed(FETCH("{ host: a.test }"),
	                            "version: 1\nphases: { fetch: { egress: none } }\n");
	assert_int_equal(p->phases[DD_PHASE_FETCH].egress.n, 0);
	policy_free(p);
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	/* an operator's `use: npm` would fail here */
	p = narrowed(FETCH("{ host: a.test }"), FETCH("{ use: npm }, { use: no-such-set }"));
	assert_int_equal(p->phases[DD_PHASE_FETCH].egress.n, 0);
	refusal(p, "phases.fetch.egress", "use: npm");
	policy_free(p);
}

static void numbers_take_the_minimum(void **state)
{
	(void)state;
	struct policy *p = narrowed("version: 1\nlimits: { pids: 100, time: 10m }\nphases: { push: "
	                            "{ upload: 1MiB, connections: 10 } }\n",
	                            "version: 1\nlimits: { pids: 1000, time: 5m, memory: 1GiB, "
	                            "disk: 1GiB, log: 1TiB }\n"
	                            "phases: { push: { upload: 1GiB, connections: 5 }, fetch: { "
	                            "wildcard_names: 65 } }\n");
	assert_int_equal(p->limits.sandbox.pids, 100);
	assert_int_equal(p->limits.time_sec, 300);
	/* the operator has no limit: any is less */
	assert_int_equal(p->limits.sandbox.memory_bytes, 1ULL << 30);
	assert_int_equal(p->limits.sandbox.file_size_bytes, 1ULL << 30);
	assert_int_equal(p->limits.log_bytes, 64ULL << 20);
	assert_int_equal(p->phases[DD_PHASE_PUSH].egress.job.upload_bytes, 1ULL << 20);
	assert_int_equal(p->phases[DD_PHASE_PUSH].egress.connections, 5);
	assert_int_equal(p->phases[DD_PHASE_FETCH].egress.job.wildcard_names, 64);
	refusal(p, "limits.pids", "1000");
	refusal(p, "limits.log", "1TiB");
	refusal(p, "phases.push.upload", "1GiB");
	refusal(p, "phases.fetch.wildcard_names", "65");
	assert_int_equal(p->n_narrowed, 4);
	policy_free(p);
}

static void push_sees_less_and_hands_on_less(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		"version: 1\nphases: { push: { workspace: pristine, artifacts: [ 'dist/**', "
		"'out/*.tgz' ] } }\n",
		"version: 1\nphases: { push: { workspace: shared, trust: any, artifacts: [ "
		"dist/app, 'dist/sub/*.deb', out/a.tgz, 'out/**', 'src/**', dis ] } }\n");
	const struct policy_phase *push = &p->phases[DD_PHASE_PUSH];
	assert_int_equal(push->view, WORKSPACE_PRISTINE);
	assert_int_equal(push->trust, POLICY_TRUST_PROTECTED);
	assert_string_equal(push->artifacts[0], "dist/app");
	assert_string_equal(push->artifacts[1], "dist/sub/*.deb");
	assert_string_equal(push->artifacts[2], "out/a.tgz");
	assert_null(push->artifacts[3]);
	refusal(p, "phases.push.workspace", "shared");
	refusal(p, "phases.push.trust", "any");
	refusal(p, "phases.push.artifacts", "out/**");
	refusal(p, "phases.push.artifacts", "src/**");
	policy_free(p);
	p = narrowed("version: 1\nphases: { push: { workspace: shared, trust: any } }\n",
	             "version: 1\nphases: { push: { workspace: artifacts, trust: protected } }\n");
	assert_int_equal(p->phases[DD_PHASE_PUSH].view, WORKSPACE_ARTIFACTS);
	assert_int_equal(p->phases[DD_PHASE_PUSH].trust, POLICY_TRUST_PROTECTED);
	policy_free(p);
}

static void the_operators_variables_stay(void **state)
{
	(void)state;
	struct policy *p =
		narrowed("version: 1\nphases: { fetch: { env: { IGNORE_SCRIPTS: 'true' } } }\n",
	                 "version: 1\nphases: { fetch: { env: { IGNORE_SCRIPTS: 'false', "
	                 "LD_PRELOAD: x } } }\n");
	assert_int_equal(p->phases[DD_PHASE_FETCH].n_env, 1);
	assert_string_equal(p->phases[DD_PHASE_FETCH].env[0].value, "true");
	refusal(p, "phases.fetch.env", "IGNORE_SCRIPTS");
	refusal(p, "phases.fetch.env", "LD_PRELOAD");
	policy_free(p);
}

#define CREDS                                                                                      \
	"version: 1\ncredentials:\n  a: { from: { file: /a }, for: { phase: push, steps: [ x, y "  \
	"] }, as: { env: A }, ttl: 10m }\n"                                                        \
	"  b: { from: { file: /b }, for: { phase: push, steps: [ x ] }, as: { env: B } }\n"

static void credentials_are_dropped_or_bound_more_tightly(void **state)
{
	(void)state;
	struct policy *p = narrowed(
		CREDS,
		"version: 1\ncredentials: { a: { for: { steps: [ x, z ] }, ttl: 1m }, c: {} }\n");
	assert_int_equal(p->n_credentials, 1);
	assert_string_equal(p->credentials[0].name, "a");
	assert_int_equal(p->credentials[0].ttl_sec, 60);
	assert_int_equal(p->credentials[0].n_steps, 1);
	assert_string_equal(p->credentials[0].steps[0], "x");
	refusal(p, "credentials", "c");
	refusal(p, "credentials.a", "step z");
	policy_free(p);
	p = narrowed(CREDS, "version: 1\ncredentials: { a: { from: { file: /etc/shadow }, as: { "
	                    "env: PATH }, ttl: 20h }, b: { for: { phase: fetch } } }\n");
	assert_int_equal(p->n_credentials, 1);
	assert_string_equal(p->credentials[0].source, "/a");
	assert_string_equal(p->credentials[0].target, "A");
	assert_int_equal(p->credentials[0].ttl_sec, 600);
	refusal(p, "credentials.a", "from");
	refusal(p, "credentials.a", "as");
	refusal(p, "credentials.a.ttl", "20h");
	refusal(p, "credentials.b", "fetch");
	policy_free(p);
	p = narrowed(CREDS, "version: 1\ncredentials: {}\n");
	assert_int_equal(p->n_credentials, 0);
	policy_free(p);
}

static void the_sandbox_shows_less_and_allows_less(void **state)
{
	(void)state;
	struct policy *p = narrowed("version: 1\nsandbox: { read: [ /usr/share, /usr/lib ] }\n",
	                            "version: 1\nsandbox: { read: [ /usr/share/doc, /usr, "
	                            "/usr/sharex, /usr/lib ], syscalls: [ ptrace ], seccomp: debug "
	                            "}\n");
	assert_string_equal(p->read[0], "/usr/share/doc");
	assert_string_equal(p->read[1], "/usr/lib");
	assert_null(p->read[2]);
	assert_null(p->syscalls[0]);
	assert_string_equal(p->seccomp, "default");
	refusal(p, "sandbox.read", "/usr");
	refusal(p, "sandbox.read", "/usr/sharex");
	refusal(p, "sandbox.syscalls", "ptrace");
	refusal(p, "sandbox.seccomp", "debug");
	policy_free(p);
}

/* Shown alone, an inner directory would be there although the whole does not lead to it (G-16). */
static void a_directory_is_narrowed_only_to_what_a_step_could_walk_to(void **state)
{
	(void)state;
	static const struct {
		const char *asked;
		bool kept;
	} rows[] = {
		{ "", true },
		{ "/open/inner", true },
		{ "/closed/inner", false },
		{ "/closed", true },
		{ "/link/inner", false },
		{ "/link", false },
		{ "/absent", false },
		{ "/open/file", true },
		{ "/open/file/x", false },
		{ "/open/fifo", false },
		{ "/open/to-file", false },
	};
	/* not below /tmp, which a step has of its own */
	char dir[120], theirs[400], own[400], path[200];
	const char *home = getenv("HOME");
	(void)snprintf(dir, sizeof(dir), "%.60s/.drydock-narrow-XXXXXX", home ? home : "/srv");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	static const char *const dirs[] = { "open", "open/inner", "closed", "closed/inner" };
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("closed", path), 0);
	(void)snprintf(path, sizeof(path), "%s/open/to-file", dir);
	assert_int_equal(symlink("file", path), 0);
	(void)snprintf(path, sizeof(path), "%s/open/fifo", dir);
	assert_int_equal(mkfifo(path, 0644), 0);
	(void)snprintf(path, sizeof(path), "%s/open/file", dir);
	assert_true(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0);
	(void)snprintf(path, sizeof(path), "%s/closed", dir);
	assert_int_equal(chmod(path, 0744), 0);
	(void)snprintf(theirs, sizeof(theirs), "version: 1\nsandbox: { read: %s }\n", dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(own, sizeof(own), "version: 1\nsandbox: { read: [ %s%s ] }\n", dir,
		               rows[i].asked);
		struct policy *p = narrowed(theirs, own);
		if (rows[i].kept != (p->read[0] != NULL))
			fail_msg("%s: %s", rows[i].asked, rows[i].kept ? "refused" : "shown");
		assert_int_equal(p->n_narrowed, rows[i].kept ? 0 : 1);
		policy_free(p);
	}
	/* what is below a closed directory is there if the operator lists that too */
	(void)snprintf(theirs, sizeof(theirs),
	               "version: 1\nsandbox: { read: [ %s, %s/closed/inner ] }\n", dir, dir);
	(void)snprintf(own, sizeof(own), "version: 1\nsandbox: { read: [ %s/closed/inner ] }\n",
	               dir);
	struct policy *p = narrowed(theirs, own);
	assert_non_null(p->read[0]);
	policy_free(p);
	static const char *const files[] = { "link", "open/to-file", "open/fifo", "open/file" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		assert_int_equal(unlink(path), 0);
	}
	for (size_t i = sizeof(dirs) / sizeof(dirs[0]); i-- > 0;) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		assert_int_equal(chmod(path, 0755), 0);
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* An entry for a metadata service's very address reaches it; a block around it never does (N-12).
 */
static void a_metadata_service_is_not_cut_out_of_a_block(void **state)
{
	(void)state;
	const struct in_addr metadata = { .s_addr = inet_addr("169.254.169.254") };
	struct policy *p = narrowed(FETCH("{ cidr: 169.254.0.0/16, port: 80, private: allow }"),
	                            FETCH("{ cidr: 169.254.169.254/32, port: 80, private: allow }, "
	                                  "{ cidr: 169.254.1.0/24, "
	                                  "port: 80, private: allow }"));
	const struct egress_list *l = &p->phases[DD_PHASE_FETCH].egress;
	const struct in_addr neighbour = { .s_addr = inet_addr("169.254.1.9") };
	assert_false(egress_verdict_addr(l, metadata, 80).allow);
	assert_true(egress_verdict_addr(l, neighbour, 80).allow);
	refusal(p, "phases.fetch.egress", "169.254.169.254/32:80");
	policy_free(p);
	p = narrowed(FETCH("{ cidr: 169.254.169.254/32, port: 80, private: allow }"),
	             FETCH("{ cidr: 169.254.169.254/32, port: 80, private: allow }"));
	assert_true(egress_verdict_addr(&p->phases[DD_PHASE_FETCH].egress, metadata, 80).allow);
	policy_free(p);
}

static void rules_take_a_step_to_build_and_nowhere_else(void **state)
{
	(void)state;
	struct policy *p =
		narrowed("version: 1\nsteps: [ { phase: fetch, match: { id: f } }, { phase: push, "
	                 "match: { id: p } }, { phase: fetch, match: { id: g } } ]\n",
	                 "version: 1\nsteps: [ { phase: build, match: { id: f } }, { phase: fetch, "
	                 "match: { id: p } }, { phase: push, match: { id: b } }, "
	                 "{ phase: fetch, match: { id: g } } ]\n");
	static const struct {
		const char *id;
		enum dd_phase phase;
		bool refused;
	} rows[] = {
		{ "f", DD_PHASE_BUILD, false },     { "p", DD_PHASE_PUSH, true },
		{ "b", DD_PHASE_BUILD, true },      { "g", DD_PHASE_FETCH, false },
		{ "other", DD_PHASE_BUILD, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct step_facts facts = { .field = { [RULE_ID] = rows[i].id } };
		struct phase_choice c = policy_choose_phase(p, &facts);
		assert_int_equal(c.phase, rows[i].phase);
		assert_int_equal(c.refused != NULL, rows[i].refused);
	}
	policy_free(p);
}

static const struct wrong wrongs[] = {
	{ "version: 1\n|>egress: none\n", "unknown key `egress` in a repository's policy" },
	{ "version: 1\nfor: |>{ repository: x }\n", "belongs to the operator" },
	{ "version: 1\ntrust: |>{ events: issues }\n", "belongs to the operator" },
	{ "|>phases: {}\n", "`version` is missing" },
	{ "version: 1\nphases: { fetch: { egress: |>all } }\n", "cannot be `all`" },
	{ "version: 1\nphases: { build: { egress: |>[ { host: a.test } ] } }\n",
	  "the gate of build stays closed" },
	{ "version: 1\nlimits: { time: |>soon }\n", "is no duration" },
	{ "version: 1\nphases: { fetch: |>&x {} }\n", "anchors are not supported" },
	{ "version: 1\ncredentials: { a: { |>form: {} } }\n", "unknown key `form`" },
};

static void a_file_that_does_not_parse_is_an_error_at_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct diag_list diags = { 0 };
		struct policy *policy = parse("version: 1\n");
		struct marked m;
		unmark(wrongs[i].text, &m);
		assert_int_equal(
			policy_narrow_parse(policy, ".drydock.yml", m.text, strlen(m.text), &diags),
			-EINVAL);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
		policy_free(policy);
	}
}

/* ---- the property: the verdict of the intersection is the conjunction of both verdicts ---- */

static uint64_t seed = 0x2545f4914f6cdd1dULL;

static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void random_host(char *out, size_t size)
{
	static const char *const labels[] = { "a", "b", "cc", "d-e" };
	size_t at = (size_t)snprintf(out, size, "%s", labels[dice(3)]);
	for (unsigned n = 1 + dice(2); n > 0; n--)
		at += (size_t)snprintf(out + at, size - at, ".%s", labels[dice(3)]);
}

/* A policy's text with random entries; repeats are left out by giving each key once. */
static void random_policy(char *text, size_t size)
{
	char keys[12][120];
	size_t at = (size_t)snprintf(
		text, size,
		"version: 1\nphases:\n  fetch:\n    egress:\n      - { host: first.test }\n");
	unsigned n = dice(12);
	for (unsigned i = 0; i < n; i++) {
		char host[60];
		bool repeated = false;
		random_host(host, sizeof(host));
		(void)snprintf(keys[i], sizeof(keys[i]), "{ host: '%s%s', port: %d",
		               dice(3) ? "" : "*.", host, dice(4) ? 443 : 22);
		for (unsigned k = 0; k < i; k++)
			repeated |= strcmp(keys[k], keys[i]) == 0;
		if (!repeated)
			at += (size_t)snprintf(text + at, size - at, "      - %s%s%s }\n", keys[i],
			                       dice(3) ? "" : ", private: allow",
			                       dice(3)   ? ""
			                       : dice(2) ? ", tls: raw"
			                                 : ", ech: refuse");
	}
}

static void the_result_allows_what_both_allow_on_the_stricter_terms(void **state)
{
	(void)state;
	static char mine[8192], asked[8192];
	unsigned both = 0;
	for (int round = 0; round < 400; round++) {
		random_policy(mine, sizeof(mine));
		random_policy(asked, sizeof(asked));
		struct policy *a = parse(mine), *b = parse(asked), *c = narrowed(mine, asked);
		for (int i = 0; i < 300; i++) {
			char host[80];
			uint16_t port = dice(4) ? 443 : 22;
			random_host(host, sizeof(host));
			struct egress_verdict x =
				egress_verdict_name(&a->phases[DD_PHASE_FETCH].egress, host, port);
			struct egress_verdict y =
				egress_verdict_name(&b->phases[DD_PHASE_FETCH].egress, host, port);
			struct egress_verdict z =
				egress_verdict_name(&c->phases[DD_PHASE_FETCH].egress, host, port);
			if (z.allow != (x.allow && y.allow))
				fail_msg("%s:%u: operator %d, repository %d, together %d\n%s\n%s",
				         host, port, x.allow, y.allow, z.allow, mine, asked);
			if (!z.allow || !x.entry || !y.entry || !z.entry)
				continue;
			both++;
			assert_int_equal(z.entry->private_ok,
			                 x.entry->private_ok && y.entry->private_ok);
			assert_int_equal(z.entry->tls == EGRESS_TLS_RAW,
			                 x.entry->tls == EGRESS_TLS_RAW &&
			                         y.entry->tls == EGRESS_TLS_RAW);
			assert_int_equal(z.entry->ech == EGRESS_ECH_PASS,
			                 x.entry->ech == EGRESS_ECH_PASS &&
			                         y.entry->ech == EGRESS_ECH_PASS);
		}
		policy_free(a);
		policy_free(b);
		policy_free(c);
	}
	assert_true(both > 500);
}

/* ---- the file in the workspace ---- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/drydock-narrow-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[100];
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/.drydock.yml", dir);
	if (unlink(path) < 0)
		(void)rmdir(path);
	return rmdir(dir);
}

static int load(struct policy **policy, struct dd_err *err)
{
	struct diag_list diags = { 0 };
	int r = policy_narrow_load(policy, dir, &diags, err);
	diag_list_done(&diags);
	return r;
}

static void only_a_regular_file_in_the_workspace_itself_is_read(void **state)
{
	(void)state;
	char path[100];
	struct policy *policy = NULL;
	struct dd_err err = { 0 };
	(void)snprintf(path, sizeof(path), "%s/.drydock.yml", dir);
	assert_int_equal(load(&policy, &err), 0);
	assert_null(policy); /* no file, no policy */
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(load(&policy, &err), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(&policy, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(&policy, &err), -EINVAL);
	assert_int_equal(rmdir(path), 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 300 * 1024), 0);
	assert_int_equal(load(&policy, &err), -EFBIG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(write(fd, "version: 1\n", 11), 11);
	assert_int_equal(close(fd), 0);
	assert_int_equal(load(&policy, &err), 0);
	assert_non_null(policy); /* the empty policy, narrowed */
	policy_free(policy);
}

static void a_flood_of_wishes_is_cut_and_counted(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	(void)fputs("version: 1\nphases:\n  fetch:\n    egress:\n", f);
	for (int i = 0; i < 3000; i++)
		(void)fprintf(f, "      - { host: h%d.evil.test }\n", i);
	assert_int_equal(fclose(f), 0);
	struct policy *p = narrowed("version: 1\n", text);
	assert_int_equal(p->n_narrowed, 101);
	assert_string_equal(p->narrowed[100].asked, "2900 things more");
	policy_free(p);
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_changes_nothing),
		cmocka_unit_test(what_the_operator_does_not_allow_is_refused_with_its_place),
		cmocka_unit_test(
			a_name_below_the_operators_wildcard_is_kept_and_a_wildcard_above_is_not),
		cmocka_unit_test(what_is_narrowed_out_of_an_entry_stays_on_the_operators_account),
		cmocka_unit_test(terms_are_the_stricter_ones_and_addresses_are_the_operators),
		cmocka_unit_test(a_repository_may_pick_among_the_operators_addresses),
		cmocka_unit_test(blocks_meet_in_the_smaller_one),
		cmocka_unit_test(none_closes_the_gate_and_use_asks_no_tool),
		cmocka_unit_test(numbers_take_the_minimum),
		cmocka_unit_test(push_sees_less_and_hands_on_less),
		cmocka_unit_test(the_operators_variables_stay),
		cmocka_unit_test(credentials_are_dropped_or_bound_more_tightly),
		cmocka_unit_test(the_sandbox_shows_less_and_allows_less),
		cmocka_unit_test(a_directory_is_narrowed_only_to_what_a_step_could_walk_to),
		cmocka_unit_test(a_metadata_service_is_not_cut_out_of_a_block),
		cmocka_unit_test(rules_take_a_step_to_build_and_nowhere_else),
		cmocka_unit_test(a_file_that_does_not_parse_is_an_error_at_its_place),
		cmocka_unit_test(the_result_allows_what_both_allow_on_the_stricter_terms),
		cmocka_unit_test_setup_teardown(only_a_regular_file_in_the_workspace_itself_is_read,
		                                make_dir, remove_dir),
		cmocka_unit_test(a_flood_of_wishes_is_cut_and_counted),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
