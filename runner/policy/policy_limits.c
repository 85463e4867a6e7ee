// SPDX-License-Identifier: Apache-2.0
/* policy_limits.c - `limits:` and `sandbox:` of a policy: how much a step may use, what it sees of
 * the host, what it may ask of the kernel.
 *
 * Runs in: command line and supervisor. */
#include "policy_model.h"

#include "drydock/err.h"
#include "model/places.h"

#include <string.h>

/* Inside, zero is "no limit": written, it would say the opposite of what it means, and take a limit
 * away. */
static void read_bound(struct key_context *ctx, const struct tree_node *v, const char *what,
                       uint64_t *out)
{
	uint64_t bytes = 1;
	policy_read_size(ctx, v, what, &bytes);
	if (bytes > 0)
		*out = bytes;
	else
		diag_add(ctx->diags, v->mark,
		         "more than nothing; without the key there is no limit",
		         "`%s` cannot be `%s`", what, v->text);
}

static void limit_memory(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_bound(ctx, v, "memory", &((struct step_limits *)out)->sandbox.memory_bytes);
}

static void limit_cpus(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "cpus");
	if (text && policy_cpus(text, &((struct step_limits *)out)->sandbox.cpu_millis) < 0)
		diag_add(ctx->diags, v->mark, "such as 2 or 0.5",
		         "`cpus` is no number of cores: `%s`", text);
}

static void limit_pids(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t n = ((struct step_limits *)out)->sandbox.pids;
	policy_read_count(ctx, v, "pids", 4194304, &n);
	((struct step_limits *)out)->sandbox.pids = (unsigned)n;
}

static void limit_files(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_count(ctx, v, "files", 1000000000, &((struct step_limits *)out)->files);
}

static void limit_disk(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct step_limits *limits = out;
	read_bound(ctx, v, "disk", &limits->disk_bytes);
	/* one file can never be larger than all: the kernel stops it at once */
	limits->sandbox.file_size_bytes = limits->disk_bytes;
}

static void limit_time(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_duration(ctx, v, "time", &((struct step_limits *)out)->time_sec);
}

static void limit_log(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_size(ctx, v, "log", &((struct step_limits *)out)->log_bytes);
}

static const struct key_row limit_rows[] = {
	{ .name = "memory", .kinds = TREE_SCALAR, .read = limit_memory },
	{ .name = "cpus", .kinds = TREE_SCALAR, .read = limit_cpus },
	{ .name = "pids", .kinds = TREE_SCALAR, .read = limit_pids },
	{ .name = "files", .kinds = TREE_SCALAR, .read = limit_files },
	{ .name = "disk", .kinds = TREE_SCALAR, .read = limit_disk },
	{ .name = "time", .kinds = TREE_SCALAR, .read = limit_time },
	{ .name = "log", .kinds = TREE_SCALAR, .read = limit_log },
};
const struct key_table policy_limit_keys = { limit_rows, ARRAY_LEN(limit_rows) };

void policy_read_limits(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_walk(ctx, v, "limits", limit_rows, ARRAY_LEN(limit_rows),
	               &((struct policy *)out)->limits);
}

static void sandbox_seccomp(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *name = key_text(ctx, v, "seccomp");
	if (!name)
		return;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) ||
	    strlen(name) > 64)
		diag_add(ctx->diags, v->mark, "the name of a profile, such as default",
		         "`seccomp` cannot be `%s`", name);
	else
		((struct policy *)out)->seccomp = name;
}

static void sandbox_rootfs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "host" };
	(void)out;
	(void)key_word(ctx, v, "rootfs", words, 1);
}

/* Not absolute, not normalised, or the whole root: what a step sees would not be what the line
 * seems to say. */
static bool directory_is_plain(const char *dir)
{
	if (dir[0] != '/' || dir[1] == '\0')
		return false;
	for (const char *at = dir + 1; *at; at += strcspn(at, "/"), at += *at == '/') {
		size_t len = strcspn(at, "/");
		if (len == 0 || (len == 1 && at[0] == '.') ||
		    (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

/* What a step has of its own, and what the host steers itself with or keeps its sockets in: shown
 * from the host it would undo the sandbox. */
static bool directory_is_reserved(const char *dir)
{
	static const char *const reserved[] = { "/proc",    "/sys",     "/dev",     "/run",
		                                "/var/run", "/tmp",     "/var/tmp", PLACE_WORKSPACE,
		                                PLACE_TEMP, PLACE_HOME, PLACE_TOOLS };
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		size_t len = strlen(reserved[i]);
		if (strncmp(dir, reserved[i], len) == 0 && (dir[len] == '/' || dir[len] == '\0'))
			return true;
	}
	return false;
}

static void sandbox_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *const *dirs = key_texts(ctx, v, "read", NULL);
	for (size_t i = 0; dirs[i]; i++) {
		const char *hint =
			!directory_is_plain(dirs[i])
				? "an absolute path without `.`, `..` or `//`, and not `/` itself"
			: directory_is_reserved(dirs[i]) ? "a step has its own there"
							 : NULL;
		if (hint)
			diag_add(ctx->diags,
			         v->kind == TREE_LIST && i < v->n ? v->items[i]->mark : v->mark,
			         hint, "`read` cannot show `%s`", dirs[i]);
	}
	((struct policy *)out)->read = dirs;
}

static const struct key_row sandbox_rows[] = {
	{ .name = "seccomp", .kinds = TREE_SCALAR, .read = sandbox_seccomp },
	{ .name = "syscalls", .kinds = TREE_SCALAR | TREE_LIST, .read = policy_read_syscalls },
	{ .name = "rootfs", .kinds = TREE_SCALAR, .read = sandbox_rootfs },
	{ .name = "read", .kinds = TREE_SCALAR | TREE_LIST, .read = sandbox_read },
};
const struct key_table policy_sandbox_keys = { sandbox_rows, ARRAY_LEN(sandbox_rows) };

void policy_read_sandbox(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const struct tree_node *syscalls = tree_get(v, "syscalls");
	if (key_walk(ctx, v, "sandbox", sandbox_rows, ARRAY_LEN(sandbox_rows), out) && syscalls)
		/* needs the profile, which may stand behind it */
		policy_check_syscalls(ctx, syscalls, out);
}
