// SPDX-License-Identifier: Apache-2.0
/* agent_config.c - drydock.yml into struct agent_config, by tables: a key is one row.
 *
 * Runs in: agent, command line. */
#include "agent_config.h"

#include "drydock/fd.h"
#include "input/key_table.h"
#include "input/read_file.h"
#include "policy/policy_units.h"

#include <unistd.h>

#define CONFIG_DEFAULT "/etc/drydock/drydock.yml"

enum { POLL_SEC = 3, POLL_SEC_MAX = 3600, LOG_BYTES = 4 * 1024 * 1024, LOG_BYTES_MIN = 1024 };

static const struct runner_config runner_defaults = { .jobs = 1,
	                                              .poll_sec = POLL_SEC,
	                                              .log_bytes = LOG_BYTES };

/* What the handlers of a runner's keys fill in. */
struct config_reading {
	struct key_context ctx;
	struct agent_config *config;
};

static unsigned read_number(struct key_context *ctx, const struct tree_node *v, const char *what,
                            uint64_t most)
{
	uint64_t n = 0;
	const char *text = key_text(ctx, v, what);
	if (text && (policy_count(text, most, &n) < 0 || n == 0))
		diag_add(ctx->diags, v->mark, NULL, "`%s` is a number from 1 to %llu, not `%s`",
		         what, (unsigned long long)most, text);
	return (unsigned)n;
}

/* ---- a runner ---- */

static void runner_jobs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct runner_config *)out)->jobs = read_number(ctx, v, "jobs", AGENT_JOBS_MAX);
}

static void runner_poll(struct key_context *ctx, const struct tree_node *v, void *out)
{
	unsigned sec = 0;
	const char *text = key_text(ctx, v, "poll");
	if (text && (policy_duration(text, &sec) < 0 || sec > POLL_SEC_MAX))
		diag_add(ctx->diags, v->mark, "3s, 1m", "`poll` is a time up to an hour, not `%s`",
		         text);
	((struct runner_config *)out)->poll_sec = sec;
}

static void runner_log(struct key_context *ctx, const struct tree_node *v, void *out)
{
	uint64_t bytes = 0;
	const char *text = key_text(ctx, v, "log");
	if (text && (policy_size(text, &bytes) < 0 || bytes < LOG_BYTES_MIN))
		diag_add(ctx->diags, v->mark, "4MiB", "`log` is a size of at least 1KiB, not `%s`",
		         text);
	((struct runner_config *)out)->log_bytes = bytes;
}

static void runner_images(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct runner_config *)out)->images = key_texts(ctx, v, "images", NULL);
}

static void runner_projects(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct runner_config *)out)->projects = key_texts(ctx, v, "projects", NULL);
}

static void runner_rotate(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_bool(ctx, v, "rotate", &((struct runner_config *)out)->rotate);
}

static const struct key_row runner_rows[] = {
	{ .name = "jobs", .kinds = TREE_SCALAR, .read = runner_jobs },
	{ .name = "poll", .kinds = TREE_SCALAR, .read = runner_poll },
	{ .name = "log", .kinds = TREE_SCALAR, .read = runner_log },
	{ .name = "images", .kinds = TREE_SCALAR | TREE_LIST, .read = runner_images },
	{ .name = "projects", .kinds = TREE_SCALAR | TREE_LIST, .read = runner_projects },
	{ .name = "rotate", .kinds = TREE_SCALAR, .read = runner_rotate },
};

static void read_runner(struct key_context *ctx, const struct tree_pair *pair,
                        struct runner_config *ret)
{
	*ret = runner_defaults;
	ret->name = pair->key->text;
	ret->mark = pair->key->mark;
	if (!runner_name_is_good(ret->name))
		diag_add(ctx->diags, pair->key->mark, "as `drydock register` wrote it",
		         "`%s` cannot be the name of a runner", ret->name);
	(void)key_walk(ctx, pair->value, "a runner", runner_rows, ARRAY_LEN(runner_rows), ret);
}

/* ---- the file ---- */

static void top_version(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "version");
	(void)out;
	if (text && strcmp(text, "1") != 0)
		diag_add(ctx->diags, v->mark, "this build understands version 1",
		         "unknown version `%s`", text);
}

static void top_jobs(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct agent_config *)out)->jobs = read_number(ctx, v, "jobs", AGENT_JOBS_MAX);
}

static void top_stop(struct key_context *ctx, const struct tree_node *v, void *out)
{
	static const char *const words[] = { "finish", "interrupt" };
	int word = key_word(ctx, v, "stop", words, ARRAY_LEN(words));
	if (word >= 0)
		((struct agent_config *)out)->stop = (enum agent_stop)word;
}

static void top_metrics(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "metrics");
	if (text && text[0] != '/')
		diag_add(ctx->diags, v->mark, "where the node exporter looks, *.prom",
		         "`metrics` is the absolute path of a file, not `%s`", text);
	((struct agent_config *)out)->metrics = text;
}

static void record_key(struct key_context *ctx, const struct tree_node *v, void *out)
{
	const char *text = key_text(ctx, v, "key");
	if (text && text[0] != '/')
		diag_add(ctx->diags, v->mark, "the agent has no directory of its own",
		         "`key` is the absolute path of a private key, not `%s`", text);
	((struct agent_record *)out)->key = text;
}

static void record_to(struct key_context *ctx, const struct tree_node *v, void *out)
{
	((struct agent_record *)out)->to = key_texts(ctx, v, "to", NULL);
}

static const struct key_row record_rows[] = {
	{ .name = "key", .kinds = TREE_SCALAR, .read = record_key },
	{ .name = "to", .kinds = TREE_SCALAR | TREE_LIST, .read = record_to },
};

static void top_record(struct key_context *ctx, const struct tree_node *v, void *out)
{
	(void)key_walk(ctx, v, "record", record_rows, ARRAY_LEN(record_rows),
	               &((struct agent_config *)out)->record);
}

static void top_runners(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct agent_config *config = out;
	if (v->n > RUNNERS_MAX) {
		diag_add(ctx->diags, v->mark, NULL, "more than %d runners", RUNNERS_MAX);
		return;
	}
	config->runners = arena_array(ctx->arena, v->n, sizeof(*config->runners));
	config->n_runners = v->n;
	for (size_t i = 0; i < v->n; i++)
		read_runner(ctx, &v->pairs[i], &config->runners[i]);
}

static const struct key_row top_rows[] = {
	{ .name = "version", .kinds = TREE_SCALAR, .read = top_version, .required = true },
	{ .name = "jobs", .kinds = TREE_SCALAR, .read = top_jobs },
	{ .name = "stop", .kinds = TREE_SCALAR, .read = top_stop },
	{ .name = "metrics", .kinds = TREE_SCALAR, .read = top_metrics },
	{ .name = "record", .kinds = TREE_MAP, .read = top_record },
	{ .name = "runners", .kinds = TREE_MAP, .read = top_runners },
};

int agent_config_parse(const char *name, const char *text, size_t len, struct agent_config *ret,
                       struct diag_list *diags)
{
	struct tree_node *root = NULL;
	size_t before = diags->n;
	*ret = (struct agent_config){ .arena = arena_new(), .defaults = runner_defaults };
	struct config_reading reading = {
		.ctx = { .arena = ret->arena, .source = text, .diags = diags }, .config = ret
	};
	const char *kept = arena_strdup(ret->arena, name);
	if (tree_parse(ret->arena, kept, text, len, &root, diags) == 0)
		(void)key_walk(&reading.ctx, root, "drydock.yml", top_rows, ARRAY_LEN(top_rows),
		               ret);
	ret->defaults.record = ret->record;
	for (size_t i = 0; i < ret->n_runners; i++)
		ret->runners[i].record = ret->record;
	diag_sort(diags, before);
	return diags->n > before || diags->truncated ? -EINVAL : 0;
}

int agent_config_load(const char *path, struct agent_config *ret, struct diag_list *diags,
                      struct dd_err *err)
{
	dd_auto_free char *text = NULL;
	size_t len = 0;
	*ret = (struct agent_config){ .arena = NULL };
	if (!path && access(CONFIG_DEFAULT, F_OK) < 0 && errno == ENOENT) {
		*ret = (struct agent_config){ .arena = arena_new(), .defaults = runner_defaults };
		return 0;
	}
	path = path ? path : CONFIG_DEFAULT;
	int r = read_named_file(path, READ_FILE_TEXT_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_ctx(err, r, "configuration");
	r = agent_config_parse(path, text, len, ret, diags);
	return r < 0 ? dd_err_say(err, -r, "%s cannot be used", path) : 0;
}

int agent_config_check(const struct agent_config *config, const struct registration *regs, size_t n,
                       struct diag_list *diags)
{
	size_t before = diags->n;
	for (size_t i = 0; i < config->n_runners; i++) {
		const char *names[RUNNERS_MAX];
		char hint[200] = "`drydock register gitlab` registers one";
		bool found = false;
		for (size_t k = 0; k < n; k++) {
			names[k] = regs[k].name;
			bool same = strcmp(regs[k].name, config->runners[i].name) == 0;
			found |= same;
			if (same && config->runners[i].rotate &&
			    strcmp(regs[k].forge, "gitlab") != 0)
				diag_add(diags, config->runners[i].mark, "take it out",
				         "`rotate` is about a GitLab's token, and `%s` is a "
				         "runner of another forge",
				         config->runners[i].name);
		}
		const char *near = diag_nearest(config->runners[i].name, names, n);
		if (near)
			(void)snprintf(hint, sizeof(hint), "did you mean `%s`?", near);
		if (!found)
			diag_add(diags, config->runners[i].mark, hint,
			         "no runner is registered as `%s`", config->runners[i].name);
	}
	return diags->n > before ? -EINVAL : 0;
}

const struct runner_config *agent_config_of(const struct agent_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_runners; i++)
		if (strcmp(config->runners[i].name, name) == 0)
			return &config->runners[i];
	return &config->defaults;
}

void agent_config_free(struct agent_config *config)
{
	arena_free(config->arena);
	*config = (struct agent_config){ .arena = NULL };
}
