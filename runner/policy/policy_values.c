// SPDX-License-Identifier: Apache-2.0
/* policy_values.c - numbers and patterns of a policy, each with its complaint. Runs in: command
 * line and supervisor. */
#include "policy_model.h"

static const char long_glob[] =
	"from its first `*` or `?` to its last one, a pattern has at most 256 "
	"bytes";

void policy_read_size(struct key_context *ctx, const struct tree_node *v, const char *what,
                      uint64_t *out)
{
	const char *text = key_text(ctx, v, what);
	if (text && policy_size(text, out) < 0)
		diag_add(ctx->diags, v->mark,
		         "a whole number and B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB)",
		         "`%s` is no size: `%s`", what, text);
}

void policy_read_duration(struct key_context *ctx, const struct tree_node *v, const char *what,
                          unsigned *out)
{
	const char *text = key_text(ctx, v, what);
	if (text && policy_duration(text, out) < 0)
		diag_add(ctx->diags, v->mark,
		         "such as 90s, 5m or 1h30m; more than nothing, at most 30d",
		         "`%s` is no duration: `%s`", what, text);
}

void policy_read_count(struct key_context *ctx, const struct tree_node *v, const char *what,
                       uint64_t max, uint64_t *out)
{
	const char *text = key_text(ctx, v, what);
	uint64_t value;
	if (!text)
		return;
	if (policy_count(text, max, &value) < 0 || value == 0)
		diag_add(ctx->diags, v->mark, NULL,
		         "`%s` must be a whole number from 1 to %llu, not `%s`", what,
		         (unsigned long long)max, text);
	else
		*out = value;
}

void policy_check_glob(struct key_context *ctx, struct diag_mark mark, const char *glob,
                       const char *what, enum glob_kind kind)
{
	if (!glob_is_usable(kind, glob))
		diag_add(ctx->diags, mark, long_glob, "`%s` would match nothing", what);
}

const char *policy_read_glob(struct key_context *ctx, const struct tree_node *v, const char *what,
                             enum glob_kind kind)
{
	const char *glob = key_text(ctx, v, what);
	if (glob)
		policy_check_glob(ctx, v->mark, glob, what, kind);
	return glob;
}
