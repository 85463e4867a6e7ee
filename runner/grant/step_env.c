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

/* Rows of the environment that one lease brings at most: of a file each a variable, and the
 * directory; of git's two keys, two values, count and prompt. */
enum { LEASE_ENV_ROWS = LEASE_TARGETS_MAX + 8 };

static const struct pair base_vars[] = {
	{ .name = "PATH", .value = PLACE_PATH }, { .name = "HOME", .value = PLACE_HOME },
	{ .name = "USER", .value = "runner" },   { .name = "LOGNAME", .value = "runner" },
	{ .name = "LANG", .value = "C.UTF-8" },  { .name = "CI", .value = "true" },
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

static bool is_leased(const char *name, const struct grant_lease *leases, size_t n_leases)
{
	for (size_t k = 0; k < n_leases; k++)
		for (size_t i = 0; leases[k].as == LEASE_AS_ENV && i < leases[k].n_targets; i++)
			if (strcmp(name, leases[k].targets[i].variable) == 0)
				return true;
	return false;
}

/* The names that leases fill are in no layer. Few leases, so the rows are moved together. */
static void drop_leased(struct env_build *b, const struct grant_lease *leases, size_t n_leases)
{
	struct step_env *env = b->env;
	size_t kept = 0;
	if (n_leases == 0)
		return;
	for (size_t i = 0; i < env->n; i++)
		if (!is_leased(env->rows[i].name, leases, n_leases))
			env->rows[kept++] = env->rows[i];
	env->n = kept;
	memset(b->slots, 0, ((size_t)b->mask + 1) * sizeof(*b->slots));
	for (size_t i = 0; i < kept; i++)
		*slot_of(b, env->rows[i].name) = (uint32_t)i + 1;
}

static const char *below(struct env_build *b, const char *file)
{
	return arena_printf(b->env->arena, SANDBOX_CREDENTIALS_DIR "/%s", file);
}

/* A file is found through CREDENTIALS_DIRECTORY, as systemd's services do, and through NAME when it
 * is named like a variable. */
static void announce_file(struct env_build *b, const struct lease_target *target)
{
	put(b, "CREDENTIALS_DIRECTORY", SANDBOX_CREDENTIALS_DIR, "drydock");
	if (target->variable)
		put(b, target->variable, below(b, target->name), "drydock");
}

/* The configuration of a client that is a file. */
static void announce_form(struct env_build *b, const struct lease_form *form)
{
	for (const char *const *name = form->file_vars; name && *name; name++)
		put(b, *name, below(b, form->file), "drydock");
	for (const char *const *name = form->dir_vars; name && *name; name++)
		put(b, *name, SANDBOX_CREDENTIALS_DIR, "drydock");
}

static void put_git(struct env_build *b, size_t i, const char *key, const char *value)
{
	put(b, arena_printf(b->env->arena, "GIT_CONFIG_KEY_%zu", i), key, "drydock");
	put(b, arena_printf(b->env->arena, "GIT_CONFIG_VALUE_%zu", i), value, "drydock");
}

/* git asks the helper of that host alone; one that it found elsewhere is asked no more. */
static void announce_git(struct env_build *b, size_t i, const char *host)
{
	struct plan_arena *arena = b->env->arena;
	if (i == 0) {
		put_git(b, i, "credential.helper", "");
		put(b, "GIT_TERMINAL_PROMPT", "0", "drydock");
	}
	put_git(b, i + 1, arena_printf(arena, "credential.https://%s.helper", host),
	        arena_printf(arena,
	                     "!f() { test \"$1\" = get && cat " SANDBOX_CREDENTIALS_DIR
	                     "/git-%s; }; f",
	                     host));
	put(b, "GIT_CONFIG_COUNT", arena_printf(arena, "%zu", i + 2), "drydock");
}

static void announce(struct env_build *b, const struct grant_lease *leases, size_t n_leases)
{
	struct plan_arena *arena = b->env->arena;
	size_t n_git = 0, n_fd = 0;
	for (size_t i = 0; i < n_leases; i++) {
		const struct grant_lease *l = &leases[i];
		announce_form(b, lease_form(l->as));
		for (size_t k = 0; k < l->n_targets; k++)
			if (l->as == LEASE_AS_FILE)
				announce_file(b, &l->targets[k]);
			else if (l->as == LEASE_AS_GIT)
				announce_git(b, n_git++, l->targets[k].name);
			else if (l->as == LEASE_AS_CARGO)
				put(b, l->targets[k].variable,
				    arena_printf(
					    arena,
					    "cargo:token-from-stdout cat " SANDBOX_CREDENTIALS_DIR
					    "/cargo-%s",
					    l->targets[k].name),
				    "drydock");
			else if (l->as == LEASE_AS_FD)
				put(b, l->targets[k].variable,
				    arena_printf(arena, "%zu", SANDBOX_FD_FIRST + n_fd++),
				    "drydock");
	}
}

void step_env_make(const struct recipe *recipe, const struct grant_terms *terms,
                   const struct grant_lease *leases, size_t n_leases, struct step_env *ret)
{
	size_t room = ARRAY_LEN(base_vars) + terms->n_env + LEASE_ENV_ROWS * n_leases;
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
	announce(&b, leases, n_leases);
}

void step_env_done(struct step_env *env)
{
	arena_free(env->arena);
	*env = (struct step_env){ .rows = NULL };
}
