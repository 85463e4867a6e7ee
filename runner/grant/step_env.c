// SPDX-License-Identifier: Apache-2.0
/* step_env.c - lays layers of variables over one another. Pure.
 *
 * Order, later wins: drydock's base, the layers of the recipe (commit content), the policy's phase
 * env, the fixed layers of the recipe (what the forge says about the job), leases. A hash table
 * finds the row of a name: with thousands of variables a search through the rows is what planning
 * would spend its time with. */
#include "step_env.h"

#include "input/key_table.h"
#include "model/places.h"

#include <string.h>
#include <sys/random.h>

static const struct pair base_vars[] = {
	{ .name = "PATH", .value = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
	{ .name = "HOME", .value = PLACE_HOME },
	{ .name = "USER", .value = "runner" },
	{ .name = "LOGNAME", .value = "runner" },
	{ .name = "LANG", .value = "C.UTF-8" },
	{ .name = "CI", .value = "true" },
};

struct env_build {
	struct step_env *env;
	uint32_t *slots; /* row + 1; 0: free */
	uint32_t mask, seed;
};

/* FNV-1a. Names are hostile: without a seed they could be chosen so that all fall on one slot. */
static uint32_t hash(const struct env_build *b, const char *name)
{
	uint32_t h = 2166136261U ^ b->seed;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619U;
	return h;
}

/* The slot of @name, or the free one where it belongs. */
static uint32_t *slot_of(const struct env_build *b, const char *name)
{
	uint32_t i = hash(b, name) & b->mask;
	while (b->slots[i] && strcmp(b->env->rows[b->slots[i] - 1].name, name) != 0)
		i = (i + 1) & b->mask;
	return &b->slots[i];
}

static void put(struct env_build *b, const char *name, const char *value, const char *origin)
{
	uint32_t *slot = slot_of(b, name);
	if (!*slot)
		*slot = (uint32_t)++b->env->n;
	b->env->rows[*slot - 1] = (struct step_env_row){ name, value, origin };
}

static void put_layer(struct env_build *b, const struct pair *vars, size_t n, const char *origin)
{
	for (size_t i = 0; i < n; i++)
		put(b, vars[i].name, vars[i].value, origin);
}

static void put_layers(struct env_build *b, const struct recipe *recipe, bool fixed)
{
	for (size_t i = 0; i < recipe->n_env; i++)
		if (recipe->env[i].fixed == fixed)
			put_layer(b, recipe->env[i].vars, recipe->env[i].n, recipe->env[i].origin);
}

static bool is_upper_name(const char *name)
{
	return key_is_variable_name(name) && strpbrk(name, "abcdefghijklmnopqrstuvwxyz") == NULL;
}

/* The names that leases fill are in no layer. Few leases, so the rows are moved together. */
static void drop_leased(struct env_build *b, const struct grant_lease *leases, size_t n_leases)
{
	struct step_env *env = b->env;
	size_t kept = 0;
	if (n_leases == 0)
		return;
	for (size_t i = 0; i < env->n; i++) {
		bool leased = false;
		for (size_t k = 0; k < n_leases; k++)
			leased |= strcmp(env->rows[i].name, leases[k].target) == 0;
		if (!leased)
			env->rows[kept++] = env->rows[i];
	}
	env->n = kept;
	memset(b->slots, 0, ((size_t)b->mask + 1) * sizeof(*b->slots));
	for (size_t i = 0; i < kept; i++)
		*slot_of(b, env->rows[i].name) = (uint32_t)i + 1;
}

/* A file lease is found through CREDENTIALS_DIRECTORY, as systemd's services do, and through NAME
 * when the file is named like a variable. */
static void announce_files(struct env_build *b, const struct grant_lease *leases, size_t n_leases)
{
	for (size_t i = 0; i < n_leases; i++) {
		if (leases[i].as != LEASE_AS_FILE)
			continue;
		put(b, "CREDENTIALS_DIRECTORY", SANDBOX_CREDENTIALS_DIR, "drydock");
		if (is_upper_name(leases[i].target))
			put(b, leases[i].target,
			    arena_printf(b->env->arena, SANDBOX_CREDENTIALS_DIR "/%s",
			                 leases[i].target),
			    "drydock");
	}
}

void step_env_make(const struct recipe *recipe, const struct grant_terms *terms,
                   const struct grant_lease *leases, size_t n_leases, struct step_env *ret)
{
	size_t room = ARRAY_LEN(base_vars) + terms->n_env + 2 * n_leases;
	uint32_t slots = 64;
	for (size_t i = 0; i < recipe->n_env; i++)
		room += recipe->env[i].n;
	while (slots < 2 * room)
		slots *= 2;
	*ret = (struct step_env){ .arena = arena_new() };
	ret->rows = arena_array(ret->arena, room, sizeof(*ret->rows));
	struct env_build b = { .env = ret,
		               .slots = arena_array(ret->arena, slots, sizeof(*b.slots)),
		               .mask = slots - 1 };
	(void)!getrandom(&b.seed, sizeof(b.seed), GRND_NONBLOCK);
	put_layer(&b, base_vars, ARRAY_LEN(base_vars), "drydock");
	put_layers(&b, recipe, false);
	put_layer(&b, terms->env, terms->n_env, "policy");
	put_layers(&b, recipe, true);
	drop_leased(&b, leases, n_leases);
	announce_files(&b, leases, n_leases);
}

void step_env_done(struct step_env *env)
{
	arena_free(env->arena);
	*env = (struct step_env){ .rows = NULL };
}
