// SPDX-License-Identifier: Apache-2.0
/* policy_store.c - `cache:` and `artifacts:` of a policy: which phases may read and write what
 * outlives their step, and how much there may be of it.
 *
 * Runs in: command line and supervisor. No push step ever has a cache: what others left there would
 * run beside its credentials. */
#include "policy_model.h"

#include "drydock/err.h"

#include <string.h>

#define GIB  (1024ULL * 1024 * 1024)
#define DAYS (24u * 3600)

enum {
	FETCH_AND_BUILD = 1u << DD_PHASE_FETCH | 1u << DD_PHASE_BUILD,
	ALL_PHASES = FETCH_AND_BUILD | 1u << DD_PHASE_PUSH,
};

void policy_store_defaults(struct store_terms *ret)
{
	*ret = (struct store_terms){ .cache_read = FETCH_AND_BUILD,
		                     .cache_write = FETCH_AND_BUILD,
		                     .artifact_read = FETCH_AND_BUILD,
		                     .artifact_write = FETCH_AND_BUILD,
		                     .cache_bytes = 10 * GIB,
		                     .artifact_bytes = 10 * GIB,
		                     .cache_keep_sec = 7 * DAYS };
}

void policy_store_widest(struct store_terms *ret)
{
	*ret = (struct store_terms){ .cache_read = FETCH_AND_BUILD,
		                     .cache_write = FETCH_AND_BUILD,
		                     .artifact_read = ALL_PHASES,
		                     .artifact_write = ALL_PHASES,
		                     .cache_bytes = UINT64_MAX,
		                     .artifact_bytes = UINT64_MAX,
		                     .cache_keep_sec = UINT32_MAX };
}

/* `none`, or names of phases. */
static void read_store_phases(struct key_context *ctx, const struct tree_node *v, const char *what,
                              bool cache, unsigned *ret)
{
	unsigned bits = 0;
	if (v->kind == TREE_SCALAR && v->text && strcmp(v->text, "none") == 0) {
		*ret = 0;
		return;
	}
	for (size_t i = 0, n = v->kind == TREE_LIST ? v->n : 1; i < n; i++) {
		const struct tree_node *one = v->kind == TREE_LIST ? v->items[i] : v;
		int phase = key_word(ctx, one, what, phase_names, DD_PHASE__COUNT);
		if (phase == DD_PHASE_PUSH && cache)
			diag_add(ctx->diags, one->mark,
			         "leave it out: a push step builds from the commit and declared "
			         "artifacts",
			         "a push step has no cache: what other steps left there would run "
			         "beside its credentials");
		else if (phase >= 0)
			bits |= 1u << phase;
	}
	*ret = bits;
}

static void read_store_size(struct key_context *ctx, const struct tree_node *v, const char *what,
                            uint64_t *out)
{
	uint64_t bytes = *out;
	policy_read_size(ctx, v, what, &bytes);
	if (bytes > 0 && bytes <= INT64_MAX / 4)
		*out = bytes;
	else
		diag_add(ctx->diags, v->mark, "such as 10GiB; `none` as the whole value gives none",
		         "`%s` cannot be `%s`", what, v->text);
}

/* ---- cache ---- */

static void cache_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_phases(ctx, v, "read", true, &((struct store_terms *)out)->cache_read);
}
static void cache_write(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_phases(ctx, v, "write", true, &((struct store_terms *)out)->cache_write);
}
static void cache_size(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_size(ctx, v, "size", &((struct store_terms *)out)->cache_bytes);
}
static void cache_keep(struct key_context *ctx, const struct tree_node *v, void *out)
{
	policy_read_duration(ctx, v, "keep", &((struct store_terms *)out)->cache_keep_sec);
}

static const struct key_row cache_rows[] = {
	{ .name = "read", .kinds = TREE_SCALAR | TREE_LIST, .read = cache_read },
	{ .name = "write", .kinds = TREE_SCALAR | TREE_LIST, .read = cache_write },
	{ .name = "size", .kinds = TREE_SCALAR, .read = cache_size },
	{ .name = "keep", .kinds = TREE_SCALAR, .read = cache_keep },
};
const struct key_table policy_cache_keys = { cache_rows, ARRAY_LEN(cache_rows) };

/* ---- artifacts ---- */

static void artifacts_read(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_phases(ctx, v, "read", false, &((struct store_terms *)out)->artifact_read);
}
static void artifacts_write(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_phases(ctx, v, "write", false, &((struct store_terms *)out)->artifact_write);
}
static void artifacts_size(struct key_context *ctx, const struct tree_node *v, void *out)
{
	read_store_size(ctx, v, "size", &((struct store_terms *)out)->artifact_bytes);
}

static const struct key_row artifacts_rows[] = {
	{ .name = "read", .kinds = TREE_SCALAR | TREE_LIST, .read = artifacts_read },
	{ .name = "write", .kinds = TREE_SCALAR | TREE_LIST, .read = artifacts_write },
	{ .name = "size", .kinds = TREE_SCALAR, .read = artifacts_size },
};
const struct key_table policy_artifacts_keys = { artifacts_rows, ARRAY_LEN(artifacts_rows) };

/* ---- both ---- */

/* True: it is a map, and its rows are to be read. */
static bool is_store_map(struct key_context *ctx, const struct tree_node *v, const char *what,
                         unsigned *read, unsigned *write)
{
	static const char *const none[] = { "none" };
	if (v->kind == TREE_MAP)
		return true;
	if (key_word(ctx, v, what, none, ARRAY_LEN(none)) == 0)
		*read = *write = 0;
	return false;
}

void policy_read_cache(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct store_terms *store = &((struct policy *)out)->store;
	if (is_store_map(ctx, v, "cache", &store->cache_read, &store->cache_write))
		(void)key_walk(ctx, v, "cache", cache_rows, ARRAY_LEN(cache_rows), store);
}

void policy_read_artifacts(struct key_context *ctx, const struct tree_node *v, void *out)
{
	struct store_terms *store = &((struct policy *)out)->store;
	if (is_store_map(ctx, v, "artifacts", &store->artifact_read, &store->artifact_write))
		(void)key_walk(ctx, v, "artifacts", artifacts_rows, ARRAY_LEN(artifacts_rows),
		               store);
}
