// SPDX-License-Identifier: Apache-2.0
/* policy_narrow.c - takes from the operator's policy what the repository's .drydock.yml does not
 * ask for; never adds.
 *
 * Runs in: command line and supervisor, before anything runs. The file is commit content, so
 * hostile: opened beneath the workspace without following a link, bounded, parsed by the operator's
 * own grammar into a structure whose every default is "no opinion", and compared field by field.
 * Each function below only ever moves a value of the operator's policy to a smaller one. */
#include "policy_narrow.h"

#include "drydock/fd.h"
#include "base/glob.h"
#include "base/named_path.h"
#include "policy_narrowing.h"
#include "input/read_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NARROW_BYTES_MAX ((size_t)256 * 1024)

static const char more_than_operator[] = "the operator's policy gives less";

/* ---- numbers: the minimum ---- */

/* @at: what was written, or NULL. @unlimited: a zero means that there is no limit, on either side.
 */
static void narrow_number(struct narrowing *n, const struct tree_node *at, const char *key,
                          uint64_t asked, uint64_t *mine, bool unlimited)
{
	if (!at)
		return;
	bool less = unlimited && asked == 0 ? *mine == 0
	                                    : asked <= *mine || (unlimited && *mine == 0);
	if (less)
		*mine = asked;
	else
		narrow_refuse(n, at->mark, key, at->text, arena_printf(n->arena, "%" PRIu64, *mine),
		              more_than_operator);
}

static void narrow_unsigned(struct narrowing *n, const struct tree_node *at, const char *key,
                            unsigned asked, unsigned *mine, bool unlimited)
{
	uint64_t value = *mine;
	narrow_number(n, at, key, asked, &value, unlimited);
	*mine = (unsigned)value;
}

static void narrow_limits(struct narrowing *n)
{
	const struct tree_node *at = tree_get(n->own->root, "limits");
	const struct step_limits *own = &n->own->limits;
	struct step_limits *mine = &n->policy->limits;
	narrow_number(n, tree_get(at, "memory"), "limits.memory", own->sandbox.memory_bytes,
	              &mine->sandbox.memory_bytes, true);
	narrow_unsigned(n, tree_get(at, "cpus"), "limits.cpus", own->sandbox.cpu_millis,
	                &mine->sandbox.cpu_millis, true);
	narrow_unsigned(n, tree_get(at, "pids"), "limits.pids", own->sandbox.pids,
	                &mine->sandbox.pids, true);
	narrow_number(n, tree_get(at, "files"), "limits.files", own->files, &mine->files, true);
	narrow_number(n, tree_get(at, "disk"), "limits.disk", own->disk_bytes, &mine->disk_bytes,
	              true);
	narrow_number(n, tree_get(at, "shm"), "limits.shm", own->sandbox.shm_bytes,
	              &mine->sandbox.shm_bytes, false);
	narrow_number(n, tree_get(at, "log"), "limits.log", own->log_bytes, &mine->log_bytes,
	              false);
	narrow_unsigned(n, tree_get(at, "time"), "limits.time", own->time_sec, &mine->time_sec,
	                false);
	mine->sandbox.file_size_bytes = mine->disk_bytes;
	if (tree_get(at, "record"))
		narrow_refuse(n, tree_get(at, "record")->mark, "limits.record",
		              tree_get(at, "record")->text,
		              arena_printf(n->arena, "%" PRIu64, mine->record_bytes),
		              "how much is recorded of a job is not the job's to say");
}

/* ---- lists of texts: those of the repository's that the operator's list covers ---- */

typedef bool (*covers_fn)(const char *mine, const char *asked);

/* Of the @i-th text of @at, a list or a single one. */
static struct diag_mark mark_of_text(const struct tree_node *at, size_t i)
{
	return at->kind == TREE_LIST && i < at->n ? at->items[i]->mark : at->mark;
}

static const char *const *narrow_texts(struct narrowing *n, const struct tree_node *at,
                                       const char *key, const char *const *mine,
                                       const char *const *asked, covers_fn covers)
{
	size_t count = 0, k = 0;
	if (!at)
		return mine;
	while (asked[count])
		count++;
	const char **out = arena_array(n->arena, count + 1, sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		bool covered = false;
		for (size_t j = 0; mine[j] && !covered; j++)
			covered = covers(mine[j], asked[i]);
		if (covered)
			out[k++] = asked[i];
		else
			narrow_refuse(n, mark_of_text(at, i), key, asked[i], "nothing",
			              "the operator's policy does not list it");
	}
	return out;
}

static bool same_text(const char *mine, const char *asked)
{
	return strcmp(mine, asked) == 0;
}

/* A path without a pattern that the operator's glob matches, the same glob, or anything below a
 * directory that the operator gives whole (dist and two stars). */
static bool artifact_covers(const char *mine, const char *asked)
{
	size_t len = strlen(mine);
	if (strpbrk(asked, "*?[\\") == NULL)
		return glob_match(GLOB_PATH, mine, asked);
	bool whole = len > 3 && strcmp(mine + len - 3, "/**") == 0 &&
	             strcspn(mine, "*?[\\") == len - 2;
	return strcmp(mine, asked) == 0 || (whole && strncmp(mine, asked, len - 2) == 0);
}

static bool directory_covers(const char *mine, const char *asked)
{
	size_t len = strlen(mine);
	return strncmp(mine, asked, len) == 0 && (asked[len] == '\0' || asked[len] == '/');
}

/* A directory that everybody may walk through, or what stands at the end of the way. */
static bool may_pass(int fd, bool end)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	return end ? S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)
	           : S_ISDIR(st.st_mode) && (st.st_mode & S_IXOTH);
}

/* Could a step come to @asked through @mine, if all of @mine were shown? A mount of the inner place
 * alone would step over what is closed above it: a directory without x for others, a link (G-16). A
 * step is nobody on this host, so the bits of others count; where it has the id of the user, that
 * is stricter than need be. */
static bool is_reachable(const char *mine, const char *asked)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	const char *at = asked + strlen(mine);
	dd_auto_fd int dir = (int)syscall(SYS_openat2, AT_FDCWD, mine, &how, sizeof(how));
	if (*at == '\0')
		return true; /* the operator's own words: whether it is there is not asked here */
	while (*at) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(++at, "/");
		if (len > NAME_MAX || !may_pass(dir, false))
			return false;
		memcpy(name, at, len);
		name[len] = '\0';
		int next = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		dd_close(dir);
		dir = next;
		at += len;
	}
	return may_pass(dir, true);
}

static void narrow_read(struct narrowing *n, const struct tree_node *at)
{
	const char *const *asked = n->own->read, *const *mine = n->policy->read;
	size_t count = 0, k = 0;
	if (!at)
		return;
	while (asked[count])
		count++;
	const char **out = arena_array(n->arena, count + 1, sizeof(*out));
	for (size_t i = 0; asked[i]; i++) {
		bool covered = false, reached = false;
		for (size_t j = 0; mine[j] && !reached; j++) {
			bool covers = directory_covers(mine[j], asked[i]);
			covered |= covers;
			reached = covers && is_reachable(mine[j], asked[i]);
		}
		if (reached)
			out[k++] = asked[i];
		else
			narrow_refuse(n, mark_of_text(at, i), "sandbox.read", asked[i], "nothing",
			              covered ? "through the operator's directory no step comes "
			                        "there: it is absent, a link, or below a "
			                        "directory that is closed to others"
			                      : "the operator's policy does not list it");
	}
	n->policy->read = out;
}

static void narrow_sandbox(struct narrowing *n)
{
	const struct tree_node *at = tree_get(n->own->root, "sandbox");
	struct policy *mine = n->policy;
	if (n->own->seccomp && strcmp(n->own->seccomp, mine->seccomp) != 0)
		narrow_refuse(n, tree_get(at, "seccomp")->mark, "sandbox.seccomp", n->own->seccomp,
		              mine->seccomp, "the operator chooses the profile");
	narrow_read(n, tree_get(at, "read"));
	mine->syscalls = narrow_texts(n, tree_get(at, "syscalls"), "sandbox.syscalls",
	                              mine->syscalls, n->own->syscalls, same_text);
}

/* ---- phases ---- */

/* A variable may be the operator's protection (NPM_CONFIG_IGNORE_SCRIPTS): it cannot be taken away,
 * changed or added. */
static void narrow_env(struct narrowing *n, enum dd_phase p)
{
	const struct policy_phase *own = &n->own->phases[p], *mine = &n->policy->phases[p];
	for (size_t i = 0; i < own->n_env; i++) {
		bool same = false;
		for (size_t k = 0; k < mine->n_env; k++)
			same |= strcmp(own->env[i].name, mine->env[k].name) == 0 &&
			        strcmp(own->env[i].value, mine->env[k].value) == 0;
		if (!same)
			narrow_refuse(
				n, own->env_marks[i],
				arena_printf(n->arena, "phases.%s.env", phase_names[p]),
				own->env[i].name, "as the operator has it",
				"variables of a phase are the operator's; a workflow sets its own");
	}
}

static unsigned view_rank(enum workspace_view view) /* how much of the workspace a push step sees */
{
	return view == WORKSPACE_ARTIFACTS ? 0 : view == WORKSPACE_PRISTINE ? 1 : 2;
}

static void narrow_push(struct narrowing *n, const struct tree_node *at)
{
	const struct policy_phase *own = &n->own->phases[DD_PHASE_PUSH];
	struct policy_phase *mine = &n->policy->phases[DD_PHASE_PUSH];
	const struct tree_node *view = tree_get(at, "workspace"), *trust = tree_get(at, "trust");
	if (view && view_rank(own->view) > view_rank(mine->view))
		narrow_refuse(n, view->mark, "phases.push.workspace",
		              workspace_view_names[own->view], workspace_view_names[mine->view],
		              more_than_operator);
	else if (view)
		mine->view = own->view;
	if (trust && own->trust == POLICY_TRUST_ANY && mine->trust == POLICY_TRUST_PROTECTED)
		narrow_refuse(n, trust->mark, "phases.push.trust", "any", "protected",
		              "trust follows from the forge's facts");
	else if (trust)
		mine->trust = own->trust;
	mine->artifacts = narrow_texts(n, tree_get(at, "artifacts"), "phases.push.artifacts",
	                               mine->artifacts, own->artifacts, artifact_covers);
	const struct tree_node *carry = tree_get(at, "carry");
	mine->carry_env = narrow_texts(n, tree_get(carry, "env"), "phases.push.carry.env",
	                               mine->carry_env, own->carry_env, same_text);
	mine->carry_path = narrow_texts(n, tree_get(carry, "path"), "phases.push.carry.path",
	                                mine->carry_path, own->carry_path, same_text);
}

/* Both names are in the order of how much they allow. */
static void narrow_injection(struct narrowing *n)
{
	const struct tree_node *at = tree_get(n->own->root, "injection");
	if (at && n->own->injection > n->policy->injection)
		narrow_refuse(n, at->mark, "injection", injection_names[n->own->injection],
		              injection_names[n->policy->injection], more_than_operator);
	else if (at)
		n->policy->injection = n->own->injection;
}

/* Phases that may read or write: what both files let. */
static void narrow_store_phases(struct narrowing *n, const struct tree_node *at, const char *key,
                                unsigned own, unsigned *mine)
{
	if (at && (own & ~*mine))
		narrow_refuse(n, at->mark, key, "more phases", "those of the operator's policy",
		              more_than_operator);
	*mine &= own;
}

static void narrow_store(struct narrowing *n)
{
	const struct tree_node *cache = tree_get(n->own->root, "cache"),
			       *artifacts = tree_get(n->own->root, "artifacts");
	const struct store_terms *own = &n->own->store;
	struct store_terms *mine = &n->policy->store;

	narrow_store_phases(n, tree_get(cache, "read"), "cache.read", own->cache_read,
	                    &mine->cache_read);
	narrow_store_phases(n, tree_get(cache, "write"), "cache.write", own->cache_write,
	                    &mine->cache_write);
	narrow_store_phases(n, tree_get(artifacts, "read"), "artifacts.read", own->artifact_read,
	                    &mine->artifact_read);
	narrow_store_phases(n, tree_get(artifacts, "write"), "artifacts.write", own->artifact_write,
	                    &mine->artifact_write);
	narrow_number(n, tree_get(cache, "size"), "cache.size", own->cache_bytes,
	              &mine->cache_bytes, false);
	narrow_number(n, tree_get(artifacts, "size"), "artifacts.size", own->artifact_bytes,
	              &mine->artifact_bytes, false);
	narrow_unsigned(n, tree_get(cache, "keep"), "cache.keep", own->cache_keep_sec,
	                &mine->cache_keep_sec, false);
}

/* @scope: "" for the whole job, "step_" for one step. */
static void narrow_caps(struct narrowing *n, const struct tree_node *at, const char *phase,
                        const char *scope, const struct egress_caps *own, struct egress_caps *mine)
{
	const struct {
		const char *name;
		unsigned own, *mine;
	} counts[] = {
		{ "wildcard_names", own->wildcard_names, &mine->wildcard_names },
		{ "cidr_addresses", own->cidr_addresses, &mine->cidr_addresses },
	};
	const char *key = arena_printf(n->arena, "%supload", scope);

	narrow_number(n, tree_get(at, key), arena_printf(n->arena, "phases.%s.%s", phase, key),
	              own->upload_bytes, &mine->upload_bytes, false);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		key = arena_printf(n->arena, "%s%s", scope, counts[i].name);
		narrow_unsigned(n, tree_get(at, key),
		                arena_printf(n->arena, "phases.%s.%s", phase, key), counts[i].own,
		                counts[i].mine, false);
	}
}

static void narrow_phase(struct narrowing *n, enum dd_phase p)
{
	const struct tree_node *at = tree_get(tree_get(n->own->root, "phases"), phase_names[p]);
	const struct egress_list *own = &n->own->phases[p].egress;
	struct egress_list *mine = &n->policy->phases[p].egress;
	const char *name = phase_names[p];
	if (!at)
		return;
	narrow_unsigned(n, tree_get(at, "connections"),
	                arena_printf(n->arena, "phases.%s.connections", name), own->connections,
	                &mine->connections, false);
	narrow_caps(n, at, name, "", &own->job, &mine->job);
	narrow_caps(n, at, name, "step_", &own->step, &mine->step);
	if (tree_get(at, "egress"))
		narrow_egress(n, p);
	narrow_env(n, p);
	if (p == DD_PHASE_PUSH)
		narrow_push(n, at);
}

/* ---- credentials: dropped, for fewer steps, for a shorter time ---- */

static const struct policy_credential *find_credential(const struct policy *policy,
                                                       const char *name)
{
	for (size_t i = 0; i < policy->n_credentials; i++)
		if (strcmp(policy->credentials[i].name, name) == 0)
			return &policy->credentials[i];
	return NULL;
}

static bool has_step(const struct policy_credential *cred, const char *step)
{
	for (size_t i = 0; i < cred->n_steps; i++)
		if (strcmp(cred->steps[i], step) == 0)
			return true;
	return false;
}

static void narrow_steps(struct narrowing *n, const char *key, const struct policy_credential *own,
                         struct policy_credential *mine)
{
	const char **steps = arena_array(n->arena, mine->n_steps + 1, sizeof(*steps));
	struct diag_mark *marks = arena_array(n->arena, mine->n_steps + 1, sizeof(*marks));
	size_t k = 0;
	for (size_t i = 0; i < own->n_steps; i++)
		if (!has_step(mine, own->steps[i]))
			narrow_refuse(n, own->step_marks[i], key,
			              arena_printf(n->arena, "step %s", own->steps[i]), "nothing",
			              "the operator's policy does not list it");
	for (size_t i = 0; i < mine->n_steps; i++) {
		if (!has_step(own, mine->steps[i]))
			continue;
		steps[k] = mine->steps[i];
		marks[k++] = mine->step_marks[i];
	}
	mine->steps = steps;
	mine->step_marks = marks;
	mine->n_steps = k;
}

/* True: something is left of it. */
static bool narrow_credential(struct narrowing *n, const struct policy_credential *own,
                              const struct tree_node *at, struct policy_credential *mine)
{
	static const char *const operators_own[] = { "from", "as" };
	const char *key = arena_printf(n->arena, "credentials.%s", own->name);
	for (size_t i = 0; i < ARRAY_LEN(operators_own); i++)
		if (tree_get(at, operators_own[i]))
			narrow_refuse(n, tree_get(at, operators_own[i])->mark, key,
			              operators_own[i], "as the operator has it",
			              "where a secret comes from and what it is called is the "
			              "operator's");
	narrow_unsigned(n, tree_get(at, "ttl"), arena_printf(n->arena, "%s.ttl", key), own->ttl_sec,
	                &mine->ttl_sec, false);
	if (own->phase_mark.line && own->phase != mine->phase) {
		narrow_refuse(n, own->phase_mark, key, phase_names[own->phase],
		              phase_names[mine->phase], "the operator binds it to another phase");
		return false;
	}
	if (tree_get(tree_get(at, "for"), "steps"))
		narrow_steps(n, key, own, mine);
	mine->also = &own->when; /* both must hold */
	return mine->n_steps > 0;
}

static void narrow_credentials(struct narrowing *n)
{
	const struct tree_node *at = tree_get(n->own->root, "credentials");
	struct policy *mine = n->policy;
	struct policy_credential *left = arena_array(n->arena, mine->n_credentials, sizeof(*left));
	size_t k = 0;
	if (!at)
		return;
	for (size_t i = 0; i < n->own->n_credentials; i++)
		if (!find_credential(mine, n->own->credentials[i].name))
			narrow_refuse(n, n->own->credentials[i].mark, "credentials",
			              n->own->credentials[i].name, "nothing",
			              "the operator's policy has no such credential");
	for (size_t i = 0; i < mine->n_credentials; i++) {
		const struct policy_credential *own = find_credential(n->own,
		                                                      mine->credentials[i].name);
		left[k] = mine->credentials[i];
		if (own && narrow_credential(n, own, tree_get(at, own->name), &left[k]))
			k++;
	}
	mine->credentials = left;
	mine->n_credentials = k;
}

/* ---- the file ---- */

int policy_narrow_parse(struct policy *policy, const char *name, const char *text, size_t len,
                        struct diag_list *diags)
{
	struct policy *own = NULL;
	size_t before = diags->n;
	int r = policy_parse_repository(policy->arena, name, text, len, &own, diags);
	if (r < 0)
		return r;
	struct narrowing n = {
		.policy = policy, .own = own, .arena = policy->arena, .diags = diags
	};
	n.refused = arena_array(n.arena, NARROWED_MAX + 1, sizeof(*n.refused));
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		narrow_phase(&n, (enum dd_phase)p);
	narrow_credentials(&n);
	narrow_limits(&n);
	narrow_injection(&n);
	narrow_store(&n);
	narrow_sandbox(&n);
	if (n.left_out)
		n.refused[n.n++] = (struct policy_narrowed){
			.key = "",
			.asked = arena_printf(n.arena, "%zu things more", n.left_out),
			.allowed = "nothing",
			.why = "only the first 100 are listed",
			.mark = { .file = own->path }
		};
	policy->narrow = own;
	policy->narrowed = n.refused;
	policy->n_narrowed = n.n;
	return diags->n > before ? -EINVAL : 0;
}

/* Beneath @workspace, no link anywhere on the way: the name is ours, but what stands there is a
 * stranger's. */
static int open_beneath(const char *workspace, int *ret, struct dd_err *err)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		                           RESOLVE_NO_MAGICLINKS };
	dd_auto_fd int dir = -1;
	int r = named_open(workspace, O_PATH | O_DIRECTORY, 0, &dir, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r == -ENOENT ? -ENOTDIR : r, "the workspace");
	int fd = (int)syscall(SYS_openat2, dir, POLICY_NARROW_FILE, &how, sizeof(how));
	if (fd < 0)
		return errno == ENOENT ? -ENOENT
		                       : dd_err_set(err, errno,
		                                    "open %s/" POLICY_NARROW_FILE
		                                    " (a link is not followed)",
		                                    workspace);
	*ret = fd;
	return 0;
}

int policy_narrow_load(struct policy **policy, const char *workspace, struct diag_list *diags,
                       struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	dd_auto_free char *text = NULL, *name = NULL;
	size_t len = 0;
	int r = open_beneath(workspace, &fd, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (asprintf(&name, "%s%s" POLICY_NARROW_FILE, strcmp(workspace, ".") == 0 ? "" : workspace,
	             strcmp(workspace, ".") == 0 ? "" : "/") < 0)
		return dd_err_set(err, ENOMEM, "read " POLICY_NARROW_FILE);
	if ((r = read_fd_bounded(fd, name, NARROW_BYTES_MAX, &text, &len, err)) < 0)
		return r;
	struct policy *narrowed = *policy ? *policy : policy_empty();
	r = policy_narrow_parse(narrowed, name, text, len, diags);
	if (r == 0)
		*policy = narrowed;
	else if (!*policy)
		policy_free(narrowed);
	return r < 0 ? dd_err_say(err, -r,
	                          "%s cannot be used; drydock does not guess what it meant", name)
	             : 0;
}
