// SPDX-License-Identifier: Apache-2.0
/* explain_ask.c - a question about a step before anything runs: may it connect, call, see, hold?
 * Answered by what the run itself would use.
 *
 * Runs in: command line. Looks at files of the host only for --path, to say whether there is
 * anything behind a place that is shown.
 */
#include "explain.h"

#include "input/config_path.h"
#include "drydock/seccomp_view.h"
#include "drydock/fd.h"
#include "grant/step_mounts.h"
#include "model/places.h"
#include "policy/shown_by.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void begin(const struct plan *plan, const struct grant *step, struct explain_answer *a)
{
	*a = (struct explain_answer){ .verdict = "deny" };
	(void)snprintf(a->step, sizeof(a->step), "%s", step->label);
	(void)snprintf(a->phase, sizeof(a->phase), "%s", dd_phase_name(step->phase));
	(void)snprintf(a->phase_why, sizeof(a->phase_why), "%s", step->phase_why);
	(void)snprintf(a->policy, sizeof(a->policy), "%s",
	               plan->policy_path ? plan->policy_path : "");
}

void explain_place(const char *policy, const char *dotted, char *out, size_t size)
{
	struct policy_text text = { .arena = NULL };
	const struct tree_node *key = NULL;
	out[0] = '\0';
	if (!policy || !*policy || policy_text_load(policy, &text, NULL) < 0)
		return;
	if (policy_text_at(&text, dotted, &key))
		(void)snprintf(out, size, "%s:%u:%u", policy, key->mark.line, key->mark.column);
	policy_text_done(&text);
}

/* ---- connections ---- */

/* "HOST:PORT" or "ADDRESS:PORT" -> verdict; false when it is neither. */
static bool ask(const struct egress_list *list, const char *connect, struct advice_case *c,
                char host[EGRESS_HOST_MAX + 1], struct egress_verdict *ret)
{
	char text[EGRESS_HOST_MAX + 2];
	struct in_addr addr;
	const char *colon = strrchr(connect, ':');
	size_t len = colon ? (size_t)(colon - connect) : 0;
	unsigned long port = colon && strspn(colon + 1, "0123456789") == strlen(colon + 1)
	                             ? strtoul(colon + 1, NULL, 10)
	                             : 0;
	if (len == 0 || len >= sizeof(text) || port == 0 || port > 65535)
		return false;
	memcpy(text, connect, len);
	text[len] = '\0';
	c->port = (uint16_t)port;
	if (inet_pton(AF_INET, text, &addr) == 1) {
		*ret = egress_verdict_addr(list, addr, (uint16_t)port);
		(void)inet_ntop(AF_INET, &addr, host, EGRESS_HOST_MAX + 1);
		c->address = host;
	} else if (egress_host_canonical(connect, len, host) == 0) {
		*ret = egress_verdict_name(list, host, (uint16_t)port);
		c->host = host;
	} else {
		return false;
	}
	return true;
}

int explain_ask_connect(const struct plan *plan, const struct grant *step, const char *connect,
                        struct explain_answer *ret, struct dd_err *err)
{
	const struct egress_list *list = &step->terms->egress;
	char host[EGRESS_HOST_MAX + 1] = "";
	struct egress_verdict v = { .allow = false };
	struct advice_case c = { .phase = step->phase,
		                 .step_id = step->id,
		                 .step_name = step->is_named ? step->name : NULL,
		                 .proto = "tcp",
		                 .upload_bytes = list->job.upload_bytes };
	if (!ask(list, connect, &c, host, &v))
		return dd_err_say(err, EINVAL, "--connect wants HOST:PORT, not `%.200s`", connect);
	begin(plan, step, ret);
	ret->allow = v.allow;
	ret->verdict = v.allow ? "allow" : "deny";
	(void)snprintf(ret->asked, sizeof(ret->asked), "connect %s", connect);
	(void)snprintf(ret->decided, sizeof(ret->decided), "%s", v.entry ? v.entry->origin : "");
	if (v.allow)
		(void)snprintf(ret->why, sizeof(ret->why), "%s", v.why);
	else
		dd_reason_say(v.reason, v.why, ret->why, sizeof(ret->why));
	if (v.allow && v.entry && v.entry->host && !v.entry->private_ok)
		(void)snprintf(ret->note, sizeof(ret->note),
		               "an answer inside your network is refused all the same: the entry "
		               "has no `private: allow`");
	if (v.allow)
		return 0;
	c.reason = v.reason;
	ret->has_advice = true;
	advice_make(&c, &ret->advice);
	return 0;
}

/* ---- system calls ---- */

static void describe_call(const struct seccomp_view_call *call, struct explain_answer *a)
{
	static const char *const verdicts[] = { [SECCOMP_ANSWER_ERRNO] = "deny",
		                                [SECCOMP_ANSWER_ALLOW] = "allow",
		                                [SECCOMP_ANSWER_KILL] = "deny",
		                                [SECCOMP_ANSWER_DEPENDS] = "depends" };
	const char *name = strerrorname_np(call->err);
	a->verdict = verdicts[call->answer];
	a->allow = call->answer == SECCOMP_ANSWER_ALLOW || call->answer == SECCOMP_ANSWER_DEPENDS;
	if (call->file && call->line)
		(void)snprintf(a->decided, sizeof(a->decided), "%s:%u", call->file, call->line);
	(void)snprintf(a->why, sizeof(a->why), "%s", call->why ? call->why : "");
	if (call->answer == SECCOMP_ANSWER_ERRNO)
		(void)snprintf(a->note, sizeof(a->note), "the call answers %s%s",
		               name ? name : "an error",
		               call->never ? ", and no policy can allow it" : "");
	else if (call->answer == SECCOMP_ANSWER_KILL)
		(void)snprintf(a->note, sizeof(a->note), "the call kills the process");
	else if (call->answer == SECCOMP_ANSWER_DEPENDS)
		(void)snprintf(a->note, sizeof(a->note),
		               "it depends on the arguments: read the lines from there on; with "
		               "the others it answers %s",
		               call->err && name ? name : "as the last of them says");
}

int explain_ask_syscall(const struct plan *plan, const struct grant *step, const char *name,
                        struct explain_answer *ret, struct dd_err *err)
{
	struct seccomp_view *view = NULL;
	char path[512];
	int r = config_path_seccomp(step->terms->seccomp, path, sizeof(path), err);
	if (r == 0)
		r = seccomp_view_load(path, step->terms->syscalls, &view, err);
	const struct seccomp_view_call *call = r == 0 ? seccomp_view_find(view, name) : NULL;
	if (!call && r == 0)
		r = dd_err_say(err, EINVAL,
		               "--syscall: there is no system call `%.80s` on this architecture",
		               name);
	if (!call) {
		seccomp_view_free(view);
		return r;
	}
	begin(plan, step, ret);
	describe_call(call, ret);
	(void)snprintf(ret->asked, sizeof(ret->asked), "system call %s under profile %s",
	               call->name, step->terms->seccomp);
	if (call->answer == SECCOMP_ANSWER_ERRNO || call->answer == SECCOMP_ANSWER_KILL) {
		const struct advice_case c = { .reason = call->never ? REASON_CALL_NEVER
			                                             : REASON_CALL_NOT_LISTED,
			                       .phase = step->phase,
			                       .call = call->name,
			                       .call_why = call->why };
		ret->has_advice = true;
		advice_make(&c, &ret->advice);
	}
	seccomp_view_free(view);
	return 0;
}

/* ---- paths ---- */

/* Absolute and without `.`, `..` and `//`; a relative one begins in the step's working directory.
 */
static int normalise(const char *workdir, const char *in, char *out, size_t size,
                     struct dd_err *err)
{
	char whole[2048];
	size_t at = 0;
	int n = in[0] == '/' ? snprintf(whole, sizeof(whole), "%s", in)
	                     : snprintf(whole, sizeof(whole), "%s/%s", workdir, in);
	if (n < 0 || (size_t)n >= sizeof(whole) || (size_t)n + 2 > size || !*in)
		return dd_err_say(err, EINVAL, "--path wants a path of at most %zu bytes",
		                  size - 2);
	for (const char *p = whole; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len == 0 || (len == 1 && p[0] == '.'))
			continue;
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return dd_err_say(
				err, EINVAL,
				"--path `%.200s`: without `..`, whose meaning depends on links",
				in);
		out[at++] = '/';
		memcpy(out + at, p, len);
		at += len;
	}
	if (at == 0)
		out[at++] = '/';
	out[at] = '\0';
	return 0;
}

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The last mount on top of a path wins. */
static const struct sandbox_mount *mount_of(const struct step_mounts *m, const char *path)
{
	for (size_t i = m->n; i-- > 0;)
		if (is_at_or_below(path, m->mount[i].target))
			return &m->mount[i];
	return NULL;
}

/* A directory of the job that a step may write. Whether rename(2) and link(2) reach it from the
 * others is said here, because a step that fails with EXDEV fails without a word of drydock's. */
static void describe_own(const struct sandbox_mount *m, struct explain_answer *a)
{
	const struct step_place *place = NULL;
	for (size_t i = 0; i < ARRAY_LEN(step_places); i++)
		if (strcmp(step_places[i].target, m->target) == 0)
			place = &step_places[i];
	if (place)
		(void)snprintf(a->why, sizeof(a->why),
		               "%s; fetch and build steps share it, push has its own unless it is "
		               "`workspace: shared`, none outlives the job",
		               place->what);
	else
		(void)snprintf(a->why, sizeof(a->why),
		               "what the step leaves for the job: outputs and the like");
	(void)snprintf(a->note, sizeof(a->note), "%s",
	               m->flags & SANDBOX_MOUNT_PLACE
	                       ? "files can be renamed and linked between it and the job's other "
	                         "places: one mount holds them"
	                       : "a mount of its own: rename and link between it and other places "
	                         "fail with EXDEV, so tools that know no copy fail there");
}

static void describe_mount(const struct sandbox_mount *m, struct explain_answer *a)
{
	bool writable = m->flags & SANDBOX_MOUNT_RW;
	char place[300];
	a->allow = true;
	a->verdict = writable ? "writable" : "read-only";
	(void)snprintf(a->decided, sizeof(a->decided), "mount %s (%s)", m->target,
	               writable ? "read-write" : "read-only");
	if (writable) {
		describe_own(m, a);
		return;
	}
	explain_place(a->policy, "sandbox.read", place, sizeof(place));
	(void)snprintf(a->why, sizeof(a->why), "sandbox.read shows this directory of the host%s%s",
	               place[0] ? ": " : "", place);
}

/* Shown is not there: the host may have nothing at that place, or nothing that others may read. */
static void look_behind(const char *path, struct explain_answer *a)
{
	struct stat st;
	if (!a->allow)
		return;
	if (stat(path, &st) < 0) {
		a->allow = false;
		a->verdict = "absent";
		(void)snprintf(a->note, sizeof(a->note),
		               "this place of the host is shown, but there is nothing at it: %s",
		               strerrordesc_np(errno));
	} else if ((st.st_mode & (S_ISDIR(st.st_mode) ? 0005 : 0004)) == 0) {
		a->allow = false;
		(void)snprintf(a->note, sizeof(a->note),
		               "it is there, but its mode %04o lets no stranger read it, and a "
		               "step is one",
		               (unsigned)(st.st_mode & 07777));
	}
}

/* The line that shows what lies at @asked on the host; a policy names it without links. */
static void advise_read(const char *asked, struct explain_answer *a)
{
	dd_auto_free char *real = realpath(asked, NULL);
	const char *path = real ? real : asked;
	struct advice_change c = { .kind = ADVICE_LIST_ADD, .where = "sandbox.read" };
	struct stat st;
	a->has_advice = true;
	a->advice = (struct advice){ .instead = "the host has nothing there that could be shown" };
	if (stat(path, &st) < 0)
		return;
	a->advice.instead = "others may not read it, and to a file of the host a step is a "
			    "stranger; copy what the job needs into the workspace";
	if (!shown_to_others(path))
		return;
	a->advice.instead =
		"it is more than one program's own, or steers the host: ask for the "
		"directory below it that the job needs, or copy that into the workspace";
	if (!shown_by(path, c.text, sizeof(c.text)))
		return;
	a->advice = (struct advice){ .n = 1, .n_beyond = 1 };
	(void)snprintf(a->advice.beyond[0], sizeof(a->advice.beyond[0]),
	               "Every step of every phase sees all of %.160s, read-only.", c.text);
	a->advice.change[0] = c;
}

/* What the step finds where no mount of its own lies; the host's links are followed as far as it
 * sees them. */
static void describe_place(const struct sandbox_followed *to, const char *path,
                           struct explain_answer *a)
{
	bool led_out = to->link[0] && to->end.access == SANDBOX_ABSENT;
	a->allow = to->end.access != SANDBOX_ABSENT;
	a->verdict = to->end.access == SANDBOX_WRITABLE    ? "writable"
	             : to->end.access == SANDBOX_READ_ONLY ? "read-only"
	                                                   : "absent";
	(void)snprintf(a->decided, sizeof(a->decided), "%s%s", to->end.of_host ? "host view: " : "",
	               to->end.path ? to->end.path : "");
	if (led_out)
		(void)snprintf(a->why, sizeof(a->why),
		               "the link %.200s leads to %.200s, which no step sees", to->link,
		               to->path);
	else
		(void)snprintf(a->why, sizeof(a->why), "%s", to->end.why);
	if (to->end.of_host)
		look_behind(path, a);
}

int explain_ask_path(const struct plan *plan, const struct grant *step, const char *path,
                     struct explain_answer *ret, struct dd_err *err)
{
	/* where on the host the job's trees lie does not matter here */
	static const struct step_view view = { .channel = "" };
	struct step_mounts mounts;
	char clean[2048];
	int r = normalise(step->written->recipe.workdir, path, clean, sizeof(clean), err);
	if (r < 0)
		return r;
	begin(plan, step, ret);
	(void)snprintf(ret->asked, sizeof(ret->asked), "path %.600s", clean);
	step_mounts_make(step->terms, &step->written->recipe, &view, &mounts);
	const struct sandbox_mount *m = mount_of(&mounts, clean);
	struct sandbox_followed to = { .path = "" };
	if (strcmp(clean, step->written->recipe.script_path) == 0) {
		ret->allow = true;
		ret->verdict = "read-only";
		(void)snprintf(ret->why, sizeof(ret->why), "the step's own script");
	} else if (m) {
		describe_mount(m, ret);
		if (!(m->flags & SANDBOX_MOUNT_RW))
			look_behind(clean, ret);
	} else if ((r = sandbox_path_follow(clean, step->terms->read, &to)) == -ELOOP) {
		ret->verdict = "absent";
		(void)snprintf(ret->why, sizeof(ret->why), "its links lead in a circle");
	} else if (r < 0) {
		return dd_err_set(err, -r, "follow %.300s", clean);
	} else {
		describe_place(&to, clean, ret);
	}
	if (!ret->allow)
		advise_read(!m && to.path[0] ? to.path : clean, ret);
	return 0;
}

/* ---- credentials ---- */

static const struct grant_lease *lease_of(const struct grant *step, const char *name)
{
	for (size_t i = 0; i < step->n_leases; i++)
		if (strcmp(step->leases[i].name, name) == 0)
			return &step->leases[i];
	return NULL;
}

/* The step is of the credential's phase: only its id is missing from the list. */
static void advise_step(const struct grant *step, const char *name, const char *phase,
                        struct explain_answer *a)
{
	struct advice_change c = { .kind = ADVICE_LIST_ADD };
	a->has_advice = true;
	if (strcmp(phase, a->phase) != 0) {
		a->advice = (struct advice){ .instead = "the credential is for another phase; a "
			                                "step of this one must not hold it" };
		return;
	}
	int n = snprintf(c.where, sizeof(c.where), "credentials.%s.for.steps", name);
	if (!step->id[0] || n < 0 || (size_t)n >= sizeof(c.where)) {
		a->advice = (struct advice){
			.instead = "give the step an id, so that the credential can name it"
		};
		return;
	}
	(void)snprintf(c.text, sizeof(c.text), "%s", step->id);
	a->advice = (struct advice){ .n = 1, .n_beyond = 1 };
	a->advice.change[0] = c;
	(void)snprintf(a->advice.beyond[0], sizeof(a->advice.beyond[0]),
	               "Whatever step %.80s runs can read the value, and send it to each "
	               "destination of %s.",
	               step->id, a->phase);
}

static void describe_credential(const struct grant *step, const char *name,
                                struct explain_answer *a)
{
	struct policy_text text = { .arena = NULL };
	const struct tree_node *key = NULL;
	char dotted[200];
	(void)snprintf(a->why, sizeof(a->why), "the policy has no credential of that name");
	if (!a->policy[0] || policy_text_load(a->policy, &text, NULL) < 0) {
		(void)snprintf(a->why, sizeof(a->why),
		               "there is no policy, so there are no credentials");
		return;
	}
	(void)snprintf(dotted, sizeof(dotted), "credentials.%.100s.for", name);
	const struct tree_node *who = policy_text_at(&text, dotted, &key);
	const struct tree_node *phase = tree_get(who, "phase");
	if (key)
		(void)snprintf(a->decided, sizeof(a->decided), "%s:%u:%u", a->policy,
		               key->mark.line, key->mark.column);
	if (phase && !a->allow) {
		(void)snprintf(a->why, sizeof(a->why),
		               "it is for phase %.40s and the steps that `for` names; this step is "
		               "not among them",
		               phase->text);
		advise_step(step, name, phase->text, a);
	}
	policy_text_done(&text);
}

int explain_ask_credential(const struct plan *plan, const struct grant *step, const char *name,
                           struct explain_answer *ret, struct dd_err *err)
{
	const struct grant_lease *lease = lease_of(step, name);
	if (!*name || strchr(name, '.'))
		return dd_err_say(err, EINVAL,
		                  "--credential wants the name of a credential, not `%.80s`", name);
	begin(plan, step, ret);
	ret->allow = lease && !lease->withheld;
	ret->verdict = ret->allow ? "allow" : "deny";
	(void)snprintf(ret->asked, sizeof(ret->asked), "credential %.200s", name);
	describe_credential(step, name, ret);
	if (lease)
		(void)snprintf(ret->why, sizeof(ret->why), "delivered as %s %s%.200s, for %u s",
		               lease_as_shown(lease->as),
		               lease->as == LEASE_AS_FILE ? SANDBOX_CREDENTIALS_DIR "/" : "",
		               lease->target, lease->ttl_sec);
	if (lease && lease->withheld)
		(void)snprintf(ret->why, sizeof(ret->why), "withheld: %.300s", lease->withheld);
	return 0;
}

/* ---- caches and artifacts ---- */

static const struct store_row {
	const char *what, *key;
	size_t bits; /* of struct store_terms */
	bool cache;
} store_rows[] = {
	{ "cache-read", "cache.read", offsetof(struct store_terms, cache_read), true },
	{ "cache-write", "cache.write", offsetof(struct store_terms, cache_write), true },
	{ "artifact-read", "artifacts.read", offsetof(struct store_terms, artifact_read), false },
	{ "artifact-write", "artifacts.write", offsetof(struct store_terms, artifact_write),
	  false },
};

static unsigned store_bits(const struct grant *step, const struct store_row *row)
{
	unsigned bits;
	memcpy(&bits, (const char *)&step->terms->store + row->bits, sizeof(bits));
	return bits;
}

/* A list gets one more phase; where there is none, all that the default gives must be said, too. */
static bool make_change(const struct grant *step, const struct store_row *row,
                        const struct explain_answer *a, struct advice_change *ret)
{
	struct policy_text text = { .arena = NULL };
	char top[20];
	bool list = false, none = false;

	(void)snprintf(top, sizeof(top), "%.*s", (int)strcspn(row->key, "."), row->key);
	if (a->policy[0] && policy_text_load(a->policy, &text, NULL) == 0) {
		const struct tree_node *key = policy_text_at(&text, row->key, NULL),
				       *whole = policy_text_at(&text, top, NULL);
		list = key && key->kind == TREE_LIST;
		none = whole && whole->kind == TREE_SCALAR;
		policy_text_done(&text);
	}
	(void)snprintf(ret->where, sizeof(ret->where), "%s", row->key);
	ret->kind = list ? ADVICE_LIST_ADD : ADVICE_VALUE_SET;
	if (list)
		(void)snprintf(ret->text, sizeof(ret->text), "%s", a->phase);
	size_t len = 0;
	for (int p = 0; !list && p < DD_PHASE__COUNT; p++)
		if (p == (int)step->phase || store_bits(step, row) & 1u << p)
			len += (size_t)snprintf(ret->text + len, sizeof(ret->text) - len, "%s%s",
			                        len ? ", " : "[ ", phase_names[p]);
	if (!list)
		(void)snprintf(ret->text + len, sizeof(ret->text) - len, " ]");
	return !none;
}

static void advise_store(const struct grant *step, const struct store_row *row,
                         struct explain_answer *a)
{
	struct advice_change change = { .where = "" };
	a->has_advice = true;
	if (row->cache && step->phase == DD_PHASE_PUSH) {
		a->advice = (struct advice){ .instead = "a push step has no cache, whatever the "
			                                "policy says: what other steps left there "
			                                "would run beside its credentials" };
		return;
	}
	if (!make_change(step, row, a, &change)) {
		a->advice = (struct advice){ .instead = "the policy says `none` for all of it: "
			                                "take that line out, or write a map" };
		return;
	}
	a->advice = (struct advice){ .n = 1, .n_beyond = 1 };
	a->advice.change[0] = change;
	(void)snprintf(a->advice.beyond[0], sizeof(a->advice.beyond[0]),
	               "Every step of %s that is an action gets it, not only this one.", a->phase);
}

int explain_ask_store(const struct plan *plan, const struct grant *step, const char *what,
                      struct explain_answer *ret, struct dd_err *err)
{
	const struct store_row *row = NULL;
	for (size_t i = 0; i < ARRAY_LEN(store_rows); i++)
		if (strcmp(store_rows[i].what, what) == 0)
			row = &store_rows[i];
	if (!row)
		return dd_err_say(err, EINVAL,
		                  "--store wants cache-read, cache-write, artifact-read or "
		                  "artifact-write, not `%.60s`",
		                  what);
	begin(plan, step, ret);
	bool lets = store_bits(step, row) & 1u << step->phase;
	ret->allow = lets && step->written->facts.uses;
	ret->verdict = ret->allow ? "allow" : "deny";
	(void)snprintf(ret->asked, sizeof(ret->asked), "%s %s",
	               strstr(what, "read") ? "read" : "write",
	               row->cache ? "caches" : "artifacts");
	explain_place(ret->policy, row->key, ret->decided, sizeof(ret->decided));
	if (!step->written->facts.uses)
		(void)snprintf(ret->why, sizeof(ret->why),
		               "the step is no action: only these find the service");
	else
		(void)snprintf(ret->why, sizeof(ret->why), "%s %s %s", row->key,
		               lets ? "names" : "does not name", ret->phase);
	if (step->written->facts.uses && !lets)
		advise_store(step, row, ret);
	return 0;
}
