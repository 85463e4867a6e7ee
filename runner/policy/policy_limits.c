// SPDX-License-Identifier: Apache-2.0
/* policy_limits.c - `limits:` and `sandbox:` of a policy: how much a step may use, what it sees of
 * the host, what it may ask of the kernel.
 *
 * Runs in: command line and supervisor. */
#include "policy_model.h"

#include "drydock/err.h"
#include "drydock/sandbox_shown.h"
#include "model/places.h"

#include <string.h>

enum { MEMORY_MIN = 1024 * 1024, RECORD_MIN = 1024 * 1024 };

/* Inside, zero is "no limit": written, it would say the opposite of what it means, and take a limit
 * away. */
static void read_bound(struct key_context *ctx, const struct tree_node *v, const char *what,
                       uint64_t least, uint64_t *out)
{
	uint64_t bytes = least;
	char hint[100];
	policy_read_size(ctx, v, what, &bytes);
	(void)snprintf(hint, sizeof(hint), "at least %s; without the key %s",
	               least == MEMORY_MIN ? "1MiB, which a shell needs" : "1B",
	               strcmp(what, "log") == 0   ? "it is 64MiB"
	               : strcmp(what, "shm") == 0 ? "it is 1GiB"
	                                          : "there is no limit");
	if (bytes >= least)
		*out = bytes;
	else
		diag_add(ctx->diags, v->mark, hint, "`%s` cannot be `%s`", what, v->text);
}

static void limit_memory(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_bound(ctx, v, "memory", MEMORY_MIN,
	           &((struct step_limits *)out)->sandbox.memory_bytes);
}

static void limit_cpus(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "cpus");
	if (text && policy_cpus(text, &((struct step_limits *)out)->sandbox.cpu_millis) < 0)
		diag_add(ctx->diags, v->mark, "such as 2 or 0.5; at least 0.01",
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
	read_bound(ctx, v, "disk", 1, &limits->disk_bytes);
	/* one file can never be larger than all: the kernel stops it at once */
	limits->sandbox.file_size_bytes = limits->disk_bytes;
}

static void limit_shm(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_bound(ctx, v, "shm", 1, &((struct step_limits *)out)->sandbox.shm_bytes);
}

static void limit_time(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_duration(ctx, v, "time", &((struct step_limits *)out)->time_sec);
}

static void limit_log(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_bound(ctx, v, "log", 1, &((struct step_limits *)out)->log_bytes);
}

/* What comes at the end must fit in a sixteenth of it (record.h). */
static void limit_record(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t bytes = RECORD_MIN;
	policy_read_size(ctx, v, "record", &bytes);
	if (bytes >= RECORD_MIN)
		((struct step_limits *)out)->record_bytes = bytes;
	else
		diag_add(ctx->diags, v->mark, "at least 1MiB", "`record` cannot be `%s`", v->text);
}

static const struct key_row limit_rows[] = {
	{ .name = "memory", .kinds = TREE_SCALAR, .read = limit_memory },
	{ .name = "cpus", .kinds = TREE_SCALAR, .read = limit_cpus },
	{ .name = "pids", .kinds = TREE_SCALAR, .read = limit_pids },
	{ .name = "files", .kinds = TREE_SCALAR, .read = limit_files },
	{ .name = "disk", .kinds = TREE_SCALAR, .read = limit_disk },
	{ .name = "shm", .kinds = TREE_SCALAR, .read = limit_shm },
	{ .name = "time", .kinds = TREE_SCALAR, .read = limit_time },
	{ .name = "log", .kinds = TREE_SCALAR, .read = limit_log },
	{ .name = "record", .kinds = TREE_SCALAR, .read = limit_record },
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

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* What the host steers itself with or keeps its sockets in, and what a step has of its own: shown
 * from the host it would undo the sandbox, or hide what the step was promised. NULL: neither at
 * @dir, nor below it, nor above. */
static const char *place_in_the_way(const char *dir)
{
	static const struct {
		const char *path;
		bool above_too; /* what shows a directory above it hides it, on every host */
	} reserved[] = {
		{ "/proc", false },    { "/sys", false },       { "/dev", false },
		{ "/run", false },     { "/var/run", false },   { PLACE_WORKSPACE, false },
		{ PLACE_TEMP, false }, { PLACE_HOME, false },   { PLACE_TOOLS, false },
		{ PLACE_TMP, true },   { PLACE_VAR_TMP, true },
	};
	static struct sandbox_place place; /* one for the process: its path is returned */
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (is_at_or_below(dir, reserved[i].path) ||
		    (reserved[i].above_too && is_at_or_below(reserved[i].path, dir)))
			return reserved[i].path;
	for (size_t i = 0; sandbox_place_at(i, &place); i++)
		/* /mnt is made, and empty: there is room below it */
		if (place.kind != SANDBOX_PLACE_HOST && strncmp(dir, "/mnt/", 5) != 0 &&
		    (is_at_or_below(dir, place.path) || is_at_or_below(place.path, dir)))
			return place.path;
	return NULL;
}

static void check_directory(struct key_context *ctx, struct diag_mark mark, const char *dir)
{
	const char *place = directory_is_plain(dir) ? place_in_the_way(dir) : NULL;
	char hint[200] = "an absolute path without `.`, `..` or `//`, and not `/` itself";
	if (place)
		(void)snprintf(
			hint, sizeof(hint), "a step has its own `%s`%s", place,
			is_at_or_below(dir, place) ? "" : ": name the directories that are needed");
	if (place || !directory_is_plain(dir))
		diag_add(ctx->diags, mark, hint, "`read` cannot show `%s`", dir);
}

static void sandbox_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	size_t n = 0;
	const char *const *dirs = key_texts(ctx, v, "read", &n);
	if (n > SANDBOX_READ_MAX)
		diag_add(ctx->diags, v->mark, "name a directory above several of them",
		         "`read` has %zu entries, and a step sees at most %d", n, SANDBOX_READ_MAX);
	for (size_t i = 0; i < n && i < SANDBOX_READ_MAX; i++)
		check_directory(ctx,
		                v->kind == TREE_LIST && n == v->n ? v->items[i]->mark : v->mark,
		                dirs[i]);
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
