// SPDX-License-Identifier: Apache-2.0
/* policy_test.c - a wrong policy is refused at the place that is wrong; a good one means what it
 * says. */
#include "complaint.h"

#include "runner/model/event.h"
#include "runner/policy/policy_model.h"

#define TEN "0123456789"
#define LONG                                                                                       \
	TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN    \
		TEN TEN TEN TEN
#define V        "version: 1\n"
#define FETCH(e) V "phases: { fetch: { egress: [ " e " ] } }\n"
#define CRED(c)  V "credentials: { reg: { " c " } }\n"
#define OKFROM   "from: { file: /x }"
#define OKFOR    "for: { phase: push, steps: [ a ] }"
#define OKAS     "as: { env: T }"

static const struct wrong wrongs[] = {
	{ "", "the file is empty" },
	{ "|>[]", "must be a map" },
	{ "|>{}", "`version` is missing" },
	{ "version: |>2\n", "unknown policy version" },
	{ V "|>phasess: {}\n", "unknown key `phasess`" },
	{ V "|>version: 1\n", "duplicate key `version`: first at p.yml:1:1" },
	{ V "phases: { fetch: { |>egres: none } }\n", "unknown key `egres` in phases.fetch" },
	{ V "phases: { |>fletch: {} }\n", "unknown key `fletch`" },
	{ V "phases: |>[]\n", "must be a map" },
	{ V "phases: { build: { egress: |>[ { host: a.test } ] } }\n",
	  "the gate of build stays closed" },
	{ V "phases: { build: { egress: |>all } }\n", "the gate of build stays closed" },
	{ V "phases: { fetch: { egress: |>all } }\n", "`egress` cannot be `all`" },
	{ FETCH("{ host: |>'*' }"), "" },
	{ FETCH("{ host: |>'*.test' }"), "" },
	{ FETCH("{ host: |>'a.*.test' }"), "" },
	{ FETCH("{ host: |>'a b.test' }"), "" },
	{ FETCH("{ host: |>127.1 }"), "" },
	{ FETCH("{ host: |>'https://a.test' }"), "" },
	{ FETCH("{ host: |>~ }"), "is empty" },
	{ FETCH("{ host: a.test, port: |>0 }"), "is no port" },
	{ FETCH("{ host: a.test, port: |>65536 }"), "is no port" },
	{ FETCH("{ host: a.test, port: |>https }"), "is no port" },
	{ FETCH("{ host: a.test, |>prot: 80 }"), "unknown key `prot`" },
	{ FETCH("|>{ why: nothing }"), "without a destination" },
	{ FETCH("|>{ host: a.test, cidr: 192.0.2.0/24, port: 1 }"), "one kind of destination" },
	{ FETCH("|>{ cidr: 192.0.2.0/24 }"), "needs its port" },
	{ FETCH("{ cidr: |>192.0.2.1/24, port: 1 }"), "inside the block" },
	{ FETCH("{ cidr: |>0.0.0.0/0, port: 1 }"), "as good as everything" },
	{ FETCH("{ cidr: |>198.18.0.0/16, port: 1 }"), "overlaps 198.18.0.0/15" },
	{ FETCH("{ cidr: |>198.0.0.0/8, port: 1 }"), "overlaps 198.18.0.0/15" },
	{ FETCH("{ cidr: |>192.0.2.0/33, port: 1 }"), "no IPv4 block" },
	{ FETCH("{ cidr: |>'2001:db8::/32', port: 1 }"), "no IPv4 block" },
	{ FETCH("|>{ cidr: 10.0.0.0/8, port: 1 }"), "not public" },
	{ FETCH("|>{ host: a.test, address: 10.0.0.1 }"), "not public" },
	{ FETCH("{ host: a.test, address: |>b.test }"), "is no address" },
	{ FETCH("{ host: '*.a.test', address: |>192.0.2.1 }"), "not a wildcard" },
	{ FETCH("{ host: a.test, private: |>yes }"), "`private` cannot be `yes`" },
	{ FETCH("{ host: a.test, tls: |>inspect }"), "not supported yet" },
	{ FETCH("{ host: a.test, tls: |>snj }"), "`tls` cannot be" },
	{ FETCH("{ host: a.test }, |>{ host: A.TEST }"), "repeats the one at line 2" },
	{ FETCH("{ host: a.test }, |>{ host: a.test, private: allow }"),
	  "contradicts the one at line 2" },
	{ FETCH("{ use: |>nmp }"), "there is no egress set `nmp`" },
	{ FETCH("|>{ use: npm, port: 80 }"), "stands alone" },
	{ V "phases: { fetch: { upload: |>1gb } }\n", "is no size" },
	{ V "phases: { fetch: { upload: |>99999999999TiB } }\n", "is no size" },
	{ V "phases: { fetch: { connections: |>0 } }\n", "whole number from 1" },
	{ V "phases: { fetch: { wildcard_names: |>-1 } }\n", "whole number from 1" },
	{ V "phases: { fetch: { trust: |>any } }\n", "belongs to push only" },
	{ V "phases: { build: { artifacts: |>[ a ] } }\n", "belongs to push only" },
	{ V "phases: { push: { trust: |>all } }\n", "`trust` cannot be `all`" },
	{ V "phases: { push: { workspace: |>shard } }\n", "`workspace` cannot be" },
	{ V "phases: { push: { artifacts: [ |>../x ] } }\n", "leaves the workspace" },
	{ V "phases: { push: { artifacts: [ |>/etc/passwd ] } }\n", "leaves the workspace" },
	{ V "phases: { push: { env: { |>1A: x } } }\n", "variable's name" },
	{ V "phases: { push: { env: { |>GITHUB_REF: x } } }\n", "set by drydock" },
	{ V "steps: [ |>{ match: { id: a } } ]\n", "`phase` is missing" },
	{ V "steps: [ |>{ phase: push } ]\n", "`match` is missing" },
	{ V "steps: [ { phase: push, match: |>{} } ]\n", "would match every step" },
	{ V "steps: [ { phase: |>publish, match: { id: a } } ]\n", "`phase` cannot be `publish`" },
	{ V "steps: [ { phase: push, match: { |>ids: a } } ]\n", "unknown key `ids`" },
	{ V "steps:\n  - { phase: fetch, match: { run: 'npm *' } }\n  - |>{ phase: push, match: { "
	    "run: npm publish } }\n",
	  "can never match" },
	{ V "steps:\n  - { phase: fetch, match: { id: a } }\n  - |>{ phase: push, match: { id: a, "
	    "job: b } }\n",
	  "can never match" },
	{ V "steps: [ { phase: fetch, match: |>{ env: A, shell: sh } } ]\n", "and not which" },
	{ V "steps: [ { phase: fetch, match: { id: a, env: |>[] } } ]\n", "empty list" },
	{ V "steps: [ { phase: push, match: { first_line: |>npm ci } } ]\n", "cannot choose push" },
	{ V "steps: [ { phase: fetch, match: { run_sha256: |>'ab*' } } ]\n", "is no SHA-256" },
	{ V "steps:\n  - { phase: fetch, match: { first_line: 'npm *' } }\n  - |>{ phase: push, "
	    "match: { run: npm publish } }\n",
	  "can never match" },
	{ V "steps: [ { phase: push, match: { run: |>'a*" LONG "*' } } ]\n",
	  "would match nothing" },
	{ V "phases: { push: { artifacts: [ ok/**, |>'*" LONG "*' ] } }\n", "would match nothing" },
	{ V "for: { ref: |>'*" LONG "?' }\n", "would match nothing" },
	{ V "phases: { fetch: { |>as: root } }\n", "not supported yet" },
	{ V "sandbox: { syscalls: |>[] }\n", "empty list" },
	{ CRED("from: { systemd: |>token }, " OKFOR ", " OKAS),
	  "CREDENTIALS_DIRECTORY is not set" },
	{ CRED("|>form: { file: /x }, " OKFOR ", " OKAS), "unknown key `form`" },
	{ CRED(OKFROM ", " OKAS), "`for` is missing" },
	{ CRED(OKFROM ", " OKFOR), "`as` is missing" },
	{ CRED(OKFROM ", for: { phase: |>build, steps: [ a ] }, " OKAS),
	  "a build step never holds a credential" },
	{ CRED(OKFROM ", for: |>{ phase: push }, " OKAS), "`steps` is missing" },
	{ CRED(OKFROM ", for: { phase: push, steps: |>[] }, " OKAS), "empty list" },
	{ CRED(OKFROM ", for: { phase: push, steps: [ a, |>a ] }, " OKAS), "stands twice" },
	{ CRED("from: { vault: |>x }, " OKFOR ", " OKAS), "must be a map" },
	{ CRED("from: |>{ file: /x, env: Y }, " OKFOR ", " OKAS), "exactly one key" },
	{ CRED("from: { env: |>A-B }, " OKFOR ", " OKAS), "variable's name" },
	{ CRED(OKFROM ", " OKFOR ", as: { netrc: |>a/b }"), "`netrc` cannot be" },
	{ CRED(OKFROM ", " OKFOR ", as: { file: |>../x }"), "`file` cannot be" },
	{ CRED(OKFROM ", " OKFOR ", as: { env: |>PATH }"), "set by drydock" },
	{ CRED(OKFROM ", " OKFOR ", " OKAS ", ttl: |>5"), "is no duration" },
	{ CRED(OKFROM ", " OKFOR ", " OKAS ", ttl: |>48h"), "is no duration" },
	{ V "credentials:\n  a: { " OKFROM ", " OKFOR ", " OKAS " }\n  |>b: { " OKFROM ", " OKFOR
	    ", " OKAS " }\n",
	  "both want to be `T`" },
	{ V "phases: { push: { env: { |>T: x } } }\ncredentials: { a: { " OKFROM ", " OKFOR
	    ", " OKAS " } }\n",
	  "is also what credential" },
	{ V "limits: { memory: |>lots }\n", "is no size" },
	{ V "limits: { cpus: |>0 }\n", "no number of cores" },
	{ V "limits: { pids: |>1.5 }\n", "whole number" },
	{ V "limits: { time: |>10 }\n", "is no duration" },
	{ V "limits: { |>ram: 1GiB }\n", "unknown key" },
	{ V "sandbox: { seccomp: |>../x }\n", "`seccomp` cannot be" },
	{ V "sandbox: { rootfs: |>debian }\n", "`rootfs` cannot be" },
	{ V "sandbox: { read: [ |>/ ] }\n", "cannot show" },
	{ V "sandbox: { read: [ |>/opt/../etc ] }\n", "cannot show" },
	{ V "sandbox: { read: [ |>/proc ] }\n", "cannot show" },
	{ V "limits: { memory: |>0B }\n", "`memory` cannot be" },
	{ V "limits: { memory: |>4KiB }\n", "`memory` cannot be" },
	{ V "limits: { log: |>0 }\n", "`log` cannot be" },
	{ V "limits: { cpus: |>0.001 }\n", "no number of cores" },
	{ V "phases: { fetch: { upload: |>0kB } }\n", "`upload` cannot be" },
	{ FETCH("|>{ cidr: 127.0.0.0/8, port: 1, private: allow }"), "loopback is the step's own" },
	{ FETCH("|>{ cidr: 0.0.0.0/8, port: 1, private: allow }"), "is no destination" },
	{ FETCH("|>{ cidr: 239.0.0.0/8, port: 1 }"), "multicast" },
	{ FETCH("|>{ host: LocalHost, private: allow }"), "is the step itself" },
	{ FETCH("|>{ host: ip6-localhost, address: '::1', private: allow }"),
	  "is the step itself" },
	{ FETCH("|>{ host: drydock, private: allow }"), "is the step itself" },
	{ V "sandbox: { read: [ |>/etc ] }\n", "cannot show" },
	{ V "sandbox: { read: [ /usr, |>/etc/hosts ] }\n", "cannot show" },
	{ V "sandbox: { read: [ |>/var ] }\n", "cannot show" },
	{ V "sandbox: { read: |>/mnt }\n", "cannot show" },
	{ V "sandbox: { read: |>/home/runner/x }\n", "cannot show" },
	{ V "limits: { disk: |>0 }\n", "`disk` cannot be" },
	{ V "sandbox: { read: [ /opt/x, |>/run/user ] }\n", "cannot show" },
	{ V "sandbox: { read: [ |>/work ] }\n", "cannot show" },
	{ V "for: { repository: |>[a] }\n", "must be a single value" },
	{ V "for: { protected: |>maybe }\n", "true or false" },
	{ V "trust: |>{}\n", "`events` is missing" },
	{ V "trust: { events: |>push }\n", "counts already" },
	{ V "trust: { events: [ issue_comment, |>pull_request_target ] }\n", "is a stranger's" },
	{ V "trust: { events: |>issue_coment }\n", "no event that this build knows" },
	{ V "for: { forge: |>gitea }\n", "`forge` cannot be" },
	{ V "x: |>&a 1\n", "anchors are not supported" },
	{ V "x: |>!!int 1\n", "tags are not supported" },
	{ V "|><<: {}\n", "merge keys are not supported" },
	{ V "|>---\n" V, "a second document" },
};

/* What an operator types first, and the remedy that is said. */
static const struct {
	const char *text, *fragment, *hint;
} slips[] = {
	{ V "phases:\n|>\tfetch: {}\n", "cannot start any token", "there is a tab here" },
	{ V "steps:\n  - { phase: fetch\n|>", "begun in line 3", "" },
	{ V "phases: { fetch: { egress: [ { host: |>https://a.test/ } ] } }\n", "not a host name",
	  "without scheme or path" },
	{ V "phases: { fetch: { egress: [ { host: |>a.test:443 } ] } }\n", "not a host name",
	  "a port goes into `port:`" },
	{ V "phases: { fetch: { egress: [ { host: a.test, port: |>0 } ] } }\n", "`0` is no port",
	  "from 1 to 65535" },
	{ V "phases: { fetch: { egress: [ |>a.test ] } }\n", "an egress entry must be a map",
	  "such as `{ host:" },
	{ V "steps: [ { phase: fetch, match: |>npm ci } ]\n", "`match` must be a map",
	  "such as `{ run:" },
	{ V "phases:\n  fetch:|>\n  push: {}\n", "`fetch` must be a map of keys, not empty",
	  "indented deeper" },
};

static void a_slip_that_everybody_makes_is_answered_with_its_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
		struct diag_list diags = { 0 };
		struct policy *policy = NULL;
		struct marked m;
		unmark(slips[i].text, &m);
		assert_int_equal(policy_parse("p.yml", m.text, strlen(m.text), &policy, &diags),
		                 -EINVAL);
		if (!strstr(diags.items[0].text, slips[i].fragment) ||
		    !strstr(diags.items[0].hint, slips[i].hint))
			fail_msg("`%s` (%s)\n%s", diags.items[0].text, diags.items[0].hint, m.text);
		diag_list_done(&diags);
	}
}

static void every_wrong_policy_is_refused_where_it_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct diag_list diags = { 0 };
		struct policy *policy = NULL;
		struct marked m;
		unmark(wrongs[i].text, &m);
		if (policy_parse("p.yml", m.text, strlen(m.text), &policy, &diags) != -EINVAL)
			fail_msg("accepted:\n%s", m.text);
		assert_null(policy);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
	}
}

static struct policy *good(const char *text)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	int r = policy_parse("p.yml", text, strlen(text), &policy, &diags);
	diag_print(stdout, &diags, text, strlen(text));
	assert_int_equal(r, 0);
	diag_list_done(&diags);
	return policy;
}

static void all_complaints_come_at_once_with_the_nearest_key(void **state)
{
	(void)state;
	static const char text[] =
		"version: 3\nphases: { fetch: { egres: none } }\nlimits: { time: 5 }\n";
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	assert_int_equal(policy_parse("p.yml", text, sizeof(text) - 1, &policy, &diags), -EINVAL);
	assert_int_equal(diags.n, 3);
	assert_string_equal(diags.items[1].hint, "did you mean `egress`?");
	diag_list_done(&diags);
}

static void a_policy_that_says_nothing_means_closed_and_bounded(void **state)
{
	(void)state;
	struct policy *p = good("version: 1\n");
	assert_int_equal(p->phases[DD_PHASE_FETCH].egress.n, 0);
	assert_int_equal(p->phases[DD_PHASE_FETCH].egress.job.upload_bytes, 1024 * 1024);
	assert_int_equal(p->phases[DD_PHASE_PUSH].egress.job.upload_bytes, 512 * 1024 * 1024);
	assert_int_equal(p->phases[DD_PHASE_BUILD].egress.job.upload_bytes, 0);
	assert_int_equal(p->phases[DD_PHASE_PUSH].trust, POLICY_TRUST_PROTECTED);
	assert_int_equal(p->phases[DD_PHASE_PUSH].view, WORKSPACE_PRISTINE);
	assert_int_equal(p->n_credentials, 0);
	policy_free(p);
}

static void entries_are_canonical_and_know_where_they_stand(void **state)
{
	(void)state;
	struct policy *p =
		good(FETCH("{ host: '*.Example.COM', port: 8443, tls: raw, why: x },\n  { host: "
	                   "b.test, address: [ 10.0.0.1, '::1' ], private: allow }, { host: "
	                   "c.test, ech: refuse }, { host: d.test, ech: pass }"));
	const struct egress_list *l = &p->phases[DD_PHASE_FETCH].egress;
	assert_int_equal(l->n, 4);
	assert_int_equal(l->entries[1].ech, EGRESS_ECH_PASS);
	assert_int_equal(l->entries[2].ech, EGRESS_ECH_REFUSE);
	assert_int_equal(l->entries[3].ech, EGRESS_ECH_PASS);
	assert_string_equal(l->entries[0].host, "example.com");
	assert_true(l->entries[0].wildcard);
	assert_int_equal(l->entries[0].tls, EGRESS_TLS_RAW);
	assert_int_equal(l->entries[1].port, 443);
	assert_string_equal(l->entries[1].origin, "p.yml:3:3");
	assert_string_equal(l->entries[1].pins[1], "::1");
	policy_free(p);
}

static void units_parse_completely_or_not_at_all(void **state)
{
	(void)state;
	uint64_t v = 7;
	unsigned u = 7;
	assert_int_equal(policy_size("4GiB", &v), 0);
	assert_int_equal(v, 4ULL << 30);
	assert_int_equal(policy_size("10 kB", &v), 0);
	assert_int_equal(v, 10000);
	assert_int_equal(policy_duration("1h30m", &u), 0);
	assert_int_equal(u, 5400);
	assert_int_equal(policy_cpus("1.25", &u), 0);
	assert_int_equal(u, 1250);
	static const char *const bad[] = { "",      " ",   "1Gib",
		                           "1GiB ", "-1",  "18446744073709551616",
		                           "0x10",  "1e3", "16777216TiB" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(policy_size(bad[i], &v), -EINVAL);
	static const char *const times[] = {
		"", "5", "0s", "m", "1h 3", "31d", "99999999999999999999s"
	};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(policy_duration(times[i], &u), -EINVAL);
}

static const struct policy_rule *rule_of(const struct policy *p, const char *run)
{
	struct step_facts facts = { .field = { [RULE_RUN] = run } };
	return policy_rule_for(p, &facts);
}

/* One step: what it runs and how, and whether a rule `run: npm ci` for an open phase decides
 * (G-16). */
static void a_rule_for_a_text_asks_what_else_decides_what_runs(void **state)
{
	(void)state;
	static const struct {
		const char *match, *shell, *workdir, *var;
		bool decides;
		enum deviation_kind kind;
	} rows[] = {
		{ "run: npm ci", NULL, NULL, NULL, true, DEVIATES_NOT },
		{ "run: npm ci", "bash", NULL, NULL, true, DEVIATES_NOT },
		{ "run: npm ci", "sh", NULL, NULL, true, DEVIATES_NOT },
		{ "run: npm ci", "python", NULL, NULL, false, DEVIATES_SHELL },
		{ "run: npm ci", "bash {0}", NULL, NULL, false, DEVIATES_SHELL },
		{ "run: npm ci", "python3 ./evil.py {0}", NULL, NULL, false, DEVIATES_SHELL },
		{ "run: npm ci", NULL, "web", NULL, false, DEVIATES_WORKDIR },
		{ "run: npm ci", NULL, NULL, "BASH_ENV", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "ENV", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "LD_PRELOAD", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "PATH", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "NODE_OPTIONS", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "npm_config_script_shell", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "GIT_SSH_COMMAND", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "PYTHONPATH", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "https_proxy", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "ANY_TOOLS_WRAPPER", false, DEVIATES_ENV },
		{ "run: npm ci", NULL, NULL, "GREETING", true, DEVIATES_NOT },
		{ "run: npm ci", NULL, NULL, "NODE_ENV", true, DEVIATES_NOT },
		{ "run: npm ci, shell: 'python*'", "python3 ./evil.py {0}", NULL, NULL, true, 0 },
		{ "run: npm ci, shell: sh", NULL, NULL, NULL, false, 0 },
		{ "run: npm ci, shell: bash", NULL, NULL, NULL, true, 0 },
		{ "run: npm ci, working_directory: 'w*'", NULL, "web", NULL, true, 0 },
		{ "run: npm ci, working_directory: 'w*'", NULL, NULL, NULL, false, 0 },
		{ "run: npm ci, working_directory: .", NULL, NULL, NULL, true, 0 },
		{ "run: npm ci, env: BASH_ENV", NULL, NULL, "BASH_ENV", true, 0 },
		{ "run: npm ci, env: [ X, 'BASH*' ]", NULL, NULL, "BASH_ENV", true, 0 },
		{ "run: npm ci, env: X", NULL, NULL, "BASH_ENV", false, DEVIATES_ENV },
		/* of an id, and of a first line, no more is asked than is written */
		{ "id: a", "python3 ./evil.py {0}", "web", "BASH_ENV", true, 0 },
		{ "id: a, env: X", NULL, NULL, "BASH_ENV", false, DEVIATES_ENV },
		{ "first_line: npm *", "python3 ./evil.py {0}", NULL, "BASH_ENV", true, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[200];
		(void)snprintf(text, sizeof(text), V "steps: [ { phase: fetch, match: { %s } } ]\n",
		               rows[i].match);
		struct policy *p = good(text);
		const struct pair var = { .name = rows[i].var };
		const struct env_layer layers[] = {
			{ .origin = "job", .vars = &var, .n = rows[i].var != NULL },
			{ .origin = "drydock",
			  .vars = &(struct pair){ .name = "PATH" },
			  .n = 1,
			  .fixed = true },
		};
		const struct step_facts facts = { .field = { [RULE_ID] = "a",
			                                     [RULE_RUN] = "npm ci",
			                                     [RULE_SHELL] = rows[i].shell,
			                                     [RULE_WORKDIR] = rows[i].workdir },
			                          .env = layers,
			                          .n_env = 2 };
		struct phase_choice c = policy_choose_phase(p, &facts);
		if ((c.rule != NULL) != rows[i].decides || c.deviation.kind != rows[i].kind)
			fail_msg("%s: shell %s, in %s, with %s: %s, %d", rows[i].match,
			         rows[i].shell ? rows[i].shell : "-",
			         rows[i].workdir ? rows[i].workdir : "-",
			         rows[i].var ? rows[i].var : "-", c.rule ? "decides" : "does not",
			         (int)c.deviation.kind);
		policy_free(p);
	}
}

/* What no table knows: the script's own words. */
static void a_variable_that_the_script_speaks_of_decides(void **state)
{
	(void)state;
	assert_true(policy_variable_decides("FROB_X", "frob fetch"));
	assert_true(policy_variable_decides("TARGET", "make \"$TARGET\""));
	assert_true(policy_variable_decides("target", "make ${TARGET:-x}"));
	assert_false(policy_variable_decides("TARGET", "make targets"));
	assert_false(policy_variable_decides("FROBX", "frob fetch"));
	assert_false(policy_variable_decides("REGISTRY", "npm ci"));
	/* of an action nobody knows the words */
	assert_true(policy_variable_decides("NODE_OPTIONS", NULL));
	assert_false(policy_variable_decides("RUSTFLAGS", NULL));
}

/* Else a stricter rule would be called unreachable behind one that does not match all of it. */
static void what_a_rule_accepts_besides_counts_when_one_covers_another(void **state)
{
	(void)state;
	static const struct {
		const char *earlier, *later;
		bool covers;
	} rows[] = {
		{ "run: 'npm *'", "run: npm ci", true },
		{ "run: 'npm *'", "run: npm ci, shell: 'x {0}'", false },
		{ "run: 'npm *'", "run: npm ci, env: A", false },
		{ "run: 'npm *'", "run: npm ci, working_directory: web", false },
		{ "run: 'npm *', env: '*'", "run: npm ci, env: A", true },
		{ "run: 'npm *', env: B", "run: npm ci, env: A", false },
		{ "run: 'npm *', env: A", "run: npm ci", true },
		{ "run: 'npm *', shell: '*'", "run: npm ci, shell: sh", true },
		{ "id: a", "id: a, run: npm ci, env: A", true },
		{ "id: a, env: A", "id: a", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[300];
		struct diag_list diags = { 0 };
		struct policy *p = NULL;
		(void)snprintf(text, sizeof(text),
		               V "steps: [ { phase: fetch, match: { %s } }, { phase: push, match: "
		                 "{ %s } } ]\n",
		               rows[i].earlier, rows[i].later);
		int r = policy_parse("p.yml", text, strlen(text), &p, &diags);
		if ((r < 0) != rows[i].covers)
			fail_msg("%s before %s", rows[i].earlier, rows[i].later);
		diag_list_done(&diags);
		policy_free(p);
	}
}

static void a_first_line_is_asked_for_by_its_own_name_and_says_nothing_about_the_rest(void **state)
{
	(void)state;
	struct policy *p = good(V
	                        "steps:\n  - { phase: fetch, match: { run: 'make deps*' } }\n  - { "
	                        "phase: fetch, match: { first_line: 'npm ci*' } }\n"
	                        "  - { phase: push, match: { run: \"npm ci\\nnpm publish\" } }\n");
	assert_ptr_equal(rule_of(p, "npm ci\nanything at all"), &p->rules[1]);
	assert_ptr_equal(rule_of(p, "npm ci --omit=dev"), &p->rules[1]);
	assert_null(rule_of(p, "echo x\nnpm ci"));
	assert_null(rule_of(p, "npm\nci"));
	assert_null(rule_of(p, "make deps\nanything")); /* run: still means all of it */
	policy_free(p);
}

#define OF_MAKE "5a5dd0b8c6d94b8ef1f1f5c1a4d0c9ab2d9b1a2f2b9c4b77c1ee0c77d7b0d1aa"

static void a_digest_is_one_script_and_no_pattern(void **state)
{
	(void)state;
	struct policy *p = good(V "steps: [ { phase: push, match: { run_sha256: \"" OF_MAKE
	                          "\" } } ]\n");
	struct step_facts facts = { .field = { [RULE_RUN_SHA256] = OF_MAKE } };
	assert_ptr_equal(policy_rule_for(p, &facts), &p->rules[0]);
	facts.field[RULE_SHELL] = "./evil {0}"; /* the same script under another program */
	assert_null(policy_rule_for(p, &facts));
	facts.field[RULE_SHELL] = NULL;
	facts.field[RULE_RUN_SHA256] = NULL; /* a step without a script */
	facts.field[RULE_RUN] = OF_MAKE;
	assert_null(policy_rule_for(p, &facts));
	policy_free(p);
}

/* The n-th entry is "hostN.test"; one more than the old limit of the search repeats the first. */
static void repetitions_are_found_in_lists_of_any_length(void **state)
{
	(void)state;
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	(void)fputs(V "phases:\n  fetch:\n    egress:\n", f);
	for (int i = 0; i < 9000; i++)
		(void)fprintf(f, "      - { host: host%d.test }\n",
		              i == 8000   ? 7
		              : i == 8001 ? 6000
		                          : i);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(policy_parse("p.yml", text, len, &policy, &diags), -EINVAL);
	assert_int_equal(diags.n, 2);
	/* in the order of the file, at the later one */
	assert_int_equal(diags.items[0].mark.line, 5 + 8000);
	assert_non_null(strstr(diags.items[0].text, "repeats the one at line 12"));
	assert_non_null(strstr(diags.items[1].text, "repeats the one at line 6005"));
	diag_list_done(&diags);
	free(text);
}

static void system_calls_are_checked_by_name_when_the_policy_is_loaded(void **state)
{
	(void)state;
	static const char text[] = V
		"sandbox: { seccomp: no-such-profile, syscalls: [ ptrace ] }\n";
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	assert_int_equal(policy_parse("p.yml", text, sizeof(text) - 1, &policy, &diags), -EINVAL);
	assert_int_equal(diags.n, 1);
	assert_non_null(strstr(diags.items[0].text, "no-such-profile.seccomp"));
	diag_list_done(&diags);
}

static void a_credential_of_the_service_manager_is_a_file_in_its_directory(void **state)
{
	(void)state;
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/drydock.service", 1), 0);
	struct policy *p = good(CRED("from: { systemd: tok }, " OKFOR ", " OKAS));
	assert_int_equal(p->credentials[0].from, LEASE_FROM_SYSTEMD);
	assert_string_equal(p->credentials[0].source, "/run/credentials/drydock.service/tok");
	policy_free(p);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void for_names_the_jobs_by_the_forges_own_facts(void **state)
{
	(void)state;
	struct policy *p = good(V "for: { repository: 'acme/*', ref: refs/heads/main, event: [ "
	                          "push ], protected: true }\n");
	struct event_facts ev = { .name = "push",
		                  .repository = "acme/x",
		                  .ref = "refs/heads/main",
		                  .ref_protected = true };
	const char *why = NULL;
	assert_true(policy_is_for(p, &ev, NULL));
	ev.ref_protected = false;
	assert_false(policy_is_for(p, &ev, &why));
	assert_string_equal(why, "protected");
	(void)strcpy(ev.repository, "evil/x");
	assert_false(policy_is_for(p, &ev, &why));
	assert_string_equal(why, "repository");
	event_local(&ev);
	assert_true(policy_is_for(p, &ev, NULL));
	policy_free(p);
}

static void the_sample_policies_load(void **state)
{
	(void)state;
	static const char *const files[] = { "configs/policies/closed.yml",
		                             "configs/policies/c-project.yml" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct diag_list diags = { 0 };
		struct policy *policy = NULL;
		struct dd_err err = { 0 };
		assert_int_equal(policy_load(files[i], &policy, &diags, &err), 0);
		policy_free(policy);
		diag_list_done(&diags);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_for_a_text_asks_what_else_decides_what_runs),
		cmocka_unit_test(a_variable_that_the_script_speaks_of_decides),
		cmocka_unit_test(what_a_rule_accepts_besides_counts_when_one_covers_another),
		cmocka_unit_test(every_wrong_policy_is_refused_where_it_is_wrong),
		cmocka_unit_test(a_slip_that_everybody_makes_is_answered_with_its_remedy),
		cmocka_unit_test(all_complaints_come_at_once_with_the_nearest_key),
		cmocka_unit_test(a_policy_that_says_nothing_means_closed_and_bounded),
		cmocka_unit_test(entries_are_canonical_and_know_where_they_stand),
		cmocka_unit_test(units_parse_completely_or_not_at_all),
		cmocka_unit_test(
			a_first_line_is_asked_for_by_its_own_name_and_says_nothing_about_the_rest),
		cmocka_unit_test(a_digest_is_one_script_and_no_pattern),
		cmocka_unit_test(repetitions_are_found_in_lists_of_any_length),
		cmocka_unit_test(system_calls_are_checked_by_name_when_the_policy_is_loaded),
		cmocka_unit_test(a_credential_of_the_service_manager_is_a_file_in_its_directory),
		cmocka_unit_test(for_names_the_jobs_by_the_forges_own_facts),
		cmocka_unit_test(the_sample_policies_load),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
