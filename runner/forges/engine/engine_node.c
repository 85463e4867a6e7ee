// SPDX-License-Identifier: Apache-2.0
/* engine_node.c - which program runs a JavaScript action. Runs in: supervisor.
 *
 * Never the `node` of the step's own PATH: what an earlier step put in front of that would run in
 * the place of every later action. */
#include "engine_uses.h"

#include "model/places.h"

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

const char *engine_node(struct job_engine *e, const char *using)
{
	if (!e->node)
		e->node = host_node(e);
	if (!e->node)
		(void)snprintf(
			e->why, sizeof(e->why),
			"`using: %.20s` needs Node.js, and there is no `node` in " PLACE_PATH,
			using);
	return e->node;
}
