// SPDX-License-Identifier: Apache-2.0
/* cmd_cache.c - `drydock cache list | prune`: what actions have put into the caches of this host,
 * and away with it.
 *
 * Runs in: command line, with the identity of a run. Keys and scopes were written by steps: they
 * are escaped on the way out. */
#include "commands.h"

#include "base/exit_code.h"
#include "base/size_text.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "drydock/identity.h"
#include "hatch/store_files.h"
#include "hatch/store_place.h"
#include "job/step_result.h"
#include "view/table.h"

#include <argp.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct cache_args {
	const char *verb, *state_dir, *of;
	bool json, all, untrusted;
	unsigned long days;
	bool days_given;
	/* while it is done */
	struct table *table;
	uint64_t bytes, removed;
	size_t n;
};

enum { DAY = 24 * 3600 };

/* ---- one entry ---- */

static void list_json(const char *of, const struct store_entry *e)
{
	json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:s,s:I,s:I,s:s,s:s}", "of", of, "key",
	                         e->key, "version", e->version, "scope", e->scope, "trusted",
	                         (int)e->trusted, "size", (json_int_t)e->size, "sha256", e->sha256,
	                         "created", (json_int_t)e->created, "used", (json_int_t)e->used,
	                         "run", e->run, "step", e->step);
	if (line)
		(void)json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(line);
	(void)fputc('\n', stdout);
}

static void date_text(int64_t at, char ret[20])
{
	time_t t = (time_t)at;
	struct tm tm;
	ret[0] = '\0';
	if (gmtime_r(&t, &tm))
		(void)strftime(ret, 20, "%Y-%m-%d %H:%M", &tm);
}

static void list_entry(struct cache_args *a, const char *of, const struct store_entry *e)
{
	char size[16], used[20];
	if (a->json) {
		list_json(of, e);
		return;
	}
	date_text(e->used, used);
	const char *const cells[] = {
		of, e->key, e->scope, e->trusted ? "yes" : "no", size_text(e->size, size), used
	};
	table_row(a->table, cells);
}

static bool is_to_go(const struct cache_args *a, const struct store_entry *e)
{
	if (a->untrusted && e->trusted)
		return false;
	return a->all || a->untrusted || e->used + (int64_t)a->days * DAY < (int64_t)time(NULL);
}

static int cache_entry(struct cache_args *a, int dir, const char *of, const struct store_entry *e,
                       struct dd_err *err)
{
	if (strcmp(a->verb, "list") == 0) {
		list_entry(a, of, e);
	} else if (is_to_go(a, e)) {
		int r = store_remove(dir, e, err);
		if (r < 0)
			return r;
		a->removed++;
	} else {
		return 0;
	}
	a->n++;
	a->bytes += e->size;
	return 0;
}

/* ---- one repository ---- */

static void read_of(int dir, char ret[600])
{
	dd_auto_fd int fd = openat(dir, "of", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 599);
	ret[n < 0 ? 0 : n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* "repository:acme/app" is called by what stands behind the colon as well. */
static bool is_asked_for(const struct cache_args *a, const char *of)
{
	const char *colon = strchr(of, ':');
	return !a->of || strcmp(a->of, of) == 0 || (colon && strcmp(a->of, colon + 1) == 0);
}

static int cache_repository(struct cache_args *a, int caches, const char *name, struct dd_err *err)
{
	struct store_list list = { NULL, 0 };
	char of[600];
	dd_auto_fd int lock = -1;
	dd_auto_fd int dir = openat(caches, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return 0; /* no directory, so nobody's caches */
	read_of(dir, of);
	if (!is_asked_for(a, of))
		return 0;
	int r = store_lock_dir(dir, strcmp(a->verb, "prune") == 0, &lock, err);
	if (r == 0)
		r = store_scan(dir, 'c', &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = cache_entry(a, dir, of, &list.entries[i], err);
	if (r == 0 && strcmp(a->verb, "prune") == 0)
		r = store_sweep(dir, err);
	store_list_done(&list);
	return r;
}

/* ---- all ---- */

static int cache_all(struct cache_args *a, const char *store, struct dd_err *err)
{
	char path[STORE_PLACE_MAX + 16];
	int r = 0;
	(void)snprintf(path, sizeof(path), "%s/caches", store);
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "open %s", path);
	for (struct dirent *de; r == 0 && (de = readdir(d));)
		if (de->d_name[0] != '.')
			r = cache_repository(a, dirfd(d), de->d_name, err);
	(void)closedir(d);
	return r;
}

static void cache_sum(const struct cache_args *a)
{
	char size[16];
	if (a->json)
		return;
	(void)printf("%zu %s, %s%s\n", a->n, a->n == 1 ? "cache" : "caches",
	             size_text(a->bytes, size), strcmp(a->verb, "prune") == 0 ? " removed" : "");
}

static int cache_do(struct cache_args *a, struct dd_err *err)
{
	static const struct table_column columns[] = {
		{ "of", TABLE_WRAP },          { "key", TABLE_WRAP },
		{ "written for", TABLE_WRAP }, { "trusted", TABLE_LEFT },
		{ "size", TABLE_RIGHT },       { "last used (UTC)", TABLE_LEFT },
	};
	char store[STORE_PLACE_MAX];
	struct identity id;
	int r = identity_enter(&id, err);
	if (r == 0)
		r = store_place(a->state_dir, id.host_uid, store, err);
	a->table = table_new(columns, ARRAY_LEN(columns), 0, view_width());
	if (r == 0)
		r = cache_all(a, store, err);
	if (r == 0 && strcmp(a->verb, "list") == 0 && !a->json && a->n > 0 &&
	    table_print(a->table, stdout) < 0)
		r = dd_err_set(err, ENOMEM, "print the caches");
	table_free(a->table);
	if (r == 0)
		cache_sum(a);
	return r;
}

/* ---- arguments ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cache_args *a = state->input;
	char *end = NULL;
	switch (key) {
	case 'S':
		a->state_dir = arg;
		return 0;
	case 'r':
		a->of = arg;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case 'u':
		a->untrusted = true;
		return 0;
	case 'd':
		a->days = strtoul(arg, &end, 10);
		a->days_given = true;
		if (*arg < '0' || *arg > '9' || *end || a->days > 36500)
			argp_error(state, "--days: a number of days, not `%s`", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb || (strcmp(arg, "list") != 0 && strcmp(arg, "prune") != 0))
			argp_error(state, "list or prune, not `%s`", arg);
		a->verb = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->verb)
			argp_error(state, "list or prune?");
		if (a->verb && strcmp(a->verb, "prune") == 0 && !a->all && !a->untrusted &&
		    !a->days_given)
			argp_error(state, "prune: say --all, --untrusted or --days=N");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_cache(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ .name = "of",
		  .key = 'r',
		  .arg = "NAME",
		  .doc = "only those of this repository, or of this directory" },
		{ .name = "days",
		  .key = 'd',
		  .arg = "N",
		  .doc = "prune: what nobody has asked for in so many days" },
		{ .name = "untrusted",
		  .key = 'u',
		  .doc = "prune: what jobs wrote that were not of a protected ref" },
		{ .name = "all", .key = 'a', .doc = "prune: everything" },
		{ .name = "json", .key = 'j', .doc = "list: an object a line" },
		{ .name = "state-dir",
		  .key = 'S',
		  .arg = "DIR",
		  .doc = "where the runs kept their state, as with `run`" },
		{ 0 }
	};
	static const struct argp argp = { .options = options,
		                          .parser = parse,
		                          .args_doc = "list | prune",
		                          .doc = "What actions have put into the caches of this "
		                                 "host." };
	struct cache_args args = { .verb = NULL };
	struct dd_err err = { .code = 0 };
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return DRYDOCK_EXIT_USAGE;
	if (cache_do(&args, &err) < 0) {
		(void)fprintf(stderr, "drydock: %s\n", err.msg);
		return blame_rows[err.blame].exit_code;
	}
	return DRYDOCK_EXIT_OK;
}
