// SPDX-License-Identifier: Apache-2.0
/* doctor_policy.c - holds a policy against this host: which of its lines could not be kept here.
 *
 * Runs in: command line, after identity_enter(), so that files are looked at with the rights of a
 * run. The keys are taken from the text, because every finding names its line; what they mean has
 * been settled by policy_load() before.
 */
#include "doctor.h"

#include "input/config_path.h"
#include "base/named_path.h"
#include "drydock/fd.h"
#include "lease/issuer.h"
#include "lease/lease.h"
#include "lease/secret_memory.h"
#include "policy/policy.h"
#include "policy/policy_text.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

__attribute__((format(printf, 5, 6))) static void want(struct diagnosis *d, struct diag_mark mark,
                                                       const char *key, const char *remedy,
                                                       const char *fmt, ...)
{
	if (d->n_wants == DOCTOR_WANTS_MAX) {
		d->wants_truncated = true;
		return;
	}
	struct doctor_want *w = &d->wants[d->n_wants++];
	va_list ap;
	va_start(ap, fmt);
	w->mark = mark;
	w->mark.file = d->policy;
	(void)snprintf(w->key, sizeof(w->key), "%s", key);
	(void)vsnprintf(w->found, sizeof(w->found), fmt, ap);
	(void)snprintf(w->remedy, sizeof(w->remedy), "%.399s", remedy);
	va_end(ap);
}

/* ---- limits ---- */

static const struct limit_row {
	const char *key, *feature;
} limit_rows[] = { { "limits.memory", "memory" }, { "limits.cpus", "cpu" } };

static void check_limits(struct diagnosis *d, const struct policy_text *text)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
		const struct tree_node *key = NULL;
		const struct sandbox_feature *f = doctor_feature(d, limit_rows[i].feature);
		if (!policy_text_at(text, limit_rows[i].key, &key) || (f && f->present))
			continue;
		want(d, key->mark, limit_rows[i].key, f ? f->remedy : "", "%s",
		     f ? f->found : "nothing is known about it");
	}
}

/* ---- sandbox ---- */

static void check_profile(struct diagnosis *d, const struct policy_text *text)
{
	const struct tree_node *node = policy_text_at(text, "sandbox.seccomp", NULL);
	const char *name = node && node->kind == TREE_SCALAR ? node->text : "default";
	struct diag_mark mark = node ? node->mark : (struct diag_mark){ .line = 0 };
	struct seccomp_program *program = NULL;
	struct dd_err err = { .code = 0 };
	char path[512];

	int r = config_path_seccomp(name, path, sizeof(path), &err);
	if (r == 0)
		r = seccomp_program_load(path, &program, &err);
	seccomp_program_free(program);
	if (r < 0)
		want(d, mark, "sandbox.seccomp",
		     "install drydock whole, or put the profile in "
		     "/etc/drydock/seccomp/NAME.seccomp",
		     "%s", err.msg);
}

/* The same question that the zygote will put: no component may be a link. */
static void check_directory(struct diagnosis *d, const struct tree_node *node)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	struct stat st;
	if (node->kind != TREE_SCALAR)
		return;
	dd_auto_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, node->text, &how, sizeof(how));
	if (fd < 0)
		want(d, node->mark, "sandbox.read",
		     errno == ELOOP ? "give the path without links (realpath)"
		                    : "create it, or take it out of the list",
		     "%.200s: %s", node->text,
		     errno == ELOOP ? "a component is a symbolic link" : strerrordesc_np(errno));
	else if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		want(d, node->mark, "sandbox.read",
		     "only directories and regular files can be shown",
		     "%.200s is neither directory nor file", node->text);
}

static void check_read(struct diagnosis *d, const struct policy_text *text)
{
	const struct tree_node *node = policy_text_at(text, "sandbox.read", NULL);
	if (node && node->kind == TREE_SCALAR)
		check_directory(d, node);
	for (size_t i = 0; node && node->kind == TREE_LIST && i < node->n; i++)
		check_directory(d, node->items[i]);
}

/* ---- credentials ---- */

static void check_secret_file(struct diagnosis *d, const char *key, const struct tree_node *node)
{
	const char *slash = strrchr(d->policy, '/');
	char path[1024];
	struct stat st;
	if (node->text[0] != '/' && slash) /* as policy_load() reads it: beside the policy */
		(void)snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - d->policy), d->policy,
		               node->text);
	else
		(void)snprintf(path, sizeof(path), "%s", node->text);
	struct dd_err why = { 0 };
	dd_auto_fd int fd = -1;
	if (named_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, NULL, &why) < 0 ||
	    fstat(fd, &st) < 0)
		want(d, node->mark, key,
		     "put the secret there, readable for the user that runs drydock and nobody "
		     "else (chmod 0600)",
		     "%.300s", why.msg);
	else if (!S_ISREG(st.st_mode))
		want(d, node->mark, key, "name a regular file", "%.200s is not a regular file",
		     path);
	else if (st.st_mode & 0022)
		want(d, node->mark, key, "chmod go-w it", "%.200s can be written by others", path);
}

/* A run locks as much for a step that is granted all of them, and for looking for them in what it
 * prints. */
static void check_locked_memory(struct diagnosis *d, const struct tree_node *all)
{
	enum { PER_LEASE = 2 * 1024, FOR_MASKS = 512 * 1024, PER_MASK = 16 * 1024 };
	struct secret_memory *memory = NULL;
	struct dd_err err = { .code = 0 };
	size_t n = all->n < LEASES_MAX ? all->n : LEASES_MAX;
	if (n && secret_memory_new(n * (PER_LEASE + PER_MASK) + FOR_MASKS, &memory, &err) < 0)
		want(d, all->mark, "credentials",
		     "raise RLIMIT_MEMLOCK: `ulimit -l`, or LimitMEMLOCK= in the unit", "%.280s",
		     err.msg);
	secret_memory_free(memory);
}

/* What is good until somebody changes it, and what somebody is asked for. */
static const char *const static_sources[] = { "file", "env", "systemd", "forge" };
static const char *const issued_sources[] = { "vault", "oidc", "github-app" };

static void note_static(struct diagnosis *d, const char *key, const struct tree_node *from)
{
	static struct doctor_static rows[DOCTOR_STATICS_MAX];
	for (size_t i = 0; i < sizeof(static_sources) / sizeof(static_sources[0]); i++) {
		const struct tree_node *node = tree_get(from, static_sources[i]);
		if (!node || d->n_statics == DOCTOR_STATICS_MAX)
			continue;
		struct doctor_static *row = &rows[d->n_statics++];
		row->mark = node->mark;
		(void)snprintf(row->key, sizeof(row->key), "%s", key);
		(void)snprintf(row->from, sizeof(row->from), "%s", static_sources[i]);
	}
	d->statics = rows;
}

/* Its own issuer signs for that audience; a token in a file is a file. */
static void check_identity(struct diagnosis *d, const char *key, const struct tree_node *issuer,
                           const struct tree_node *identity)
{
	const struct tree_node *audience = tree_get(issuer, "audience");
	const struct tree_node *named = audience ? audience : tree_get(issuer, "url");
	const char *slash = strrchr(d->policy, '/');
	struct dd_err err = { .code = 0 };
	char path[1024];
	bool beside = identity->text[0] != '/' && slash;
	(void)snprintf(path, sizeof(path), "%.*s%s%s", beside ? (int)(slash - d->policy) : 0,
	               d->policy, beside ? "/" : "", identity->text);
	if (!issuer_is_dir(path))
		check_secret_file(d, key, identity);
	else if (named && named->kind == TREE_SCALAR && issuer_look(path, named->text, &err) < 0)
		want(d, identity->mark, key, "see `drydock issuer --help`", "%.280s", err.msg);
}

static void check_issuer(struct diagnosis *d, const char *key, const struct tree_node *from)
{
	static const char *const files[] = { "ca", "certificate", "key" };
	const struct sandbox_feature *curl = doctor_feature(d, "libcurl");
	for (size_t i = 0; i < sizeof(issued_sources) / sizeof(issued_sources[0]); i++) {
		const struct tree_node *issuer = tree_get(from, issued_sources[i]);
		const struct tree_node *identity = tree_get(issuer, "identity");
		for (size_t k = 0; issuer && k < sizeof(files) / sizeof(files[0]); k++) {
			const struct tree_node *file = tree_get(issuer, files[k]);
			if (file && file->kind == TREE_SCALAR)
				check_secret_file(d, key, file);
		}
		if (identity && identity->kind == TREE_SCALAR)
			check_identity(d, key, issuer, identity);
		if (issuer && curl && !curl->present)
			want(d, issuer->mark, key, curl->remedy, "%.280s", curl->found);
	}
}

static void check_credentials(struct diagnosis *d, const struct policy_text *text)
{
	const struct tree_node *all = policy_text_at(text, "credentials", NULL);
	if (all && all->kind == TREE_MAP)
		check_locked_memory(d, all);
	for (size_t i = 0; all && all->kind == TREE_MAP && i < all->n; i++) {
		char key[120];
		const struct tree_node *from = tree_get(all->pairs[i].value, "from");
		const struct tree_node *file = tree_get(from, "file"), *env = tree_get(from, "env");
		(void)snprintf(key, sizeof(key), "credentials.%.90s.from", all->pairs[i].key->text);
		if (file && file->kind == TREE_SCALAR)
			check_secret_file(d, key, file);
		note_static(d, key, from);
		check_issuer(d, key, from);
		if (env && env->kind == TREE_SCALAR && !getenv(env->text))
			want(d, env->mark, key, "set it in the environment of drydock",
			     "the variable %.100s is not set", env->text);
	}
}

/* ---- egress sets ---- */

static bool is_use(const struct tree_node *list, const struct diag_mark *mark)
{
	for (size_t i = 0; list && list->kind == TREE_LIST && i < list->n; i++) {
		const struct tree_node *use = tree_get(list->items[i], "use");
		if (use && use->mark.line == mark->line && use->mark.column == mark->column)
			return true;
	}
	return false;
}

/* A complaint about the value of a `use:` is about this host: its tool is missing, or says nothing.
 */
static bool is_about_set(const struct policy_text *text, const struct diag *diag)
{
	const struct tree_node *phases = policy_text_at(text, "phases", NULL);
	for (size_t i = 0; phases && phases->kind == TREE_MAP && i < phases->n; i++)
		if (is_use(tree_get(phases->pairs[i].value, "egress"), &diag->mark))
			return true;
	return false;
}

/* 0 when the policy is sound but for sets that cannot be asked here. */
static int judge_complaints(struct diagnosis *d, const struct policy_text *text,
                            const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->n; i++)
		if (!is_about_set(text, &diags->items[i]))
			return -EINVAL;
	for (size_t i = 0; i < diags->n; i++)
		want(d, diags->items[i].mark, "egress: use", diags->items[i].hint, "%s",
		     diags->items[i].text);
	return 0;
}

int doctor_policy(struct diagnosis *d, const char *path, FILE *errors, struct dd_err *err)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct policy_text text = { .arena = NULL };

	d->policy = path;
	int r = policy_load(path, &policy, &diags, err);
	policy_free(policy);
	if (r < 0 && diags.n == 0)
		return diag_list_done(&diags), r;
	if (policy_text_load(path, &text, NULL) < 0 ||
	    (r < 0 && judge_complaints(d, &text, &diags) < 0)) {
		diag_print_files(errors, &diags);
		policy_text_done(&text);
		return diag_list_done(&diags), -EINVAL;
	}
	check_limits(d, &text);
	check_profile(d, &text);
	check_read(d, &text);
	check_credentials(d, &text);
	policy_text_done(&text);
	diag_list_done(&diags);
	return 0;
}
