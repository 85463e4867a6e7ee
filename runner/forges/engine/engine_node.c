// SPDX-License-Identifier: Apache-2.0
/* engine_node.c - which program runs a JavaScript action. Runs in: supervisor.
 *
 * Never the `node` of the step's own PATH: what an earlier step put in front of that would run in
 * the place of every later action. */
#include "engine_uses.h"

#include "model/places.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The host's own, which every sandbox shows at the same place. */
static const char *host_node(struct job_engine *e)
{
	for (const char *at = PLACE_PATH; *at;) {
		size_t len = strcspn(at, ":");
		const char *path = arena_printf(e->arena, "%.*s/node", (int)len, at);
		if (access(path, X_OK) == 0)
			return path;
		at += len + (at[len] == ':');
	}
	return NULL;
}

/* As GitHub: what asks for 12 or 16 runs on 20. Of those that the operator names, the very version,
 * else the next newer one. */
static const struct actions_runtime *named_runtime(const struct job_engine *e, unsigned wanted)
{
	const struct actions_runtime *best = NULL;
	for (size_t i = 0; i < e->world.n_runtimes; i++) {
		const struct actions_runtime *one = &e->world.runtimes[i];
		if (one->major >= wanted && (!best || one->major < best->major))
			best = one;
	}
	return best;
}

const char *engine_node(struct job_engine *e, const char *using, struct recipe_shown *ret)
{
	unsigned wanted = (unsigned)strtoul(using + strcspn(using, "0123456789"), NULL, 10);
	const struct actions_runtime *named = named_runtime(e, wanted < 20 ? 20 : wanted);

	*ret = (struct recipe_shown){ .source = NULL };
	if (named) {
		ret->source = ret->digest = named->dir;
		ret->target = arena_printf(e->now.arena, PLACE_ACTIONS "/node%u", named->major);
		return arena_printf(e->now.arena, "%s/bin/node", ret->target);
	}
	if (!e->node)
		e->node = host_node(e);
	if (!e->node)
		(void)snprintf(e->why, sizeof(e->why),
		               "`using: %.20s` needs Node.js: there is no `node` in " PLACE_PATH
		               ", and no policy names one that is new enough (actions: { node: { "
		               "\"24\": DIRECTORY } })",
		               using);
	return e->node;
}
