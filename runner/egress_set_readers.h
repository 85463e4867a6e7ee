// SPDX-License-Identifier: Apache-2.0
/* egress_set_readers.h - between egress_sets.c and the readers of each package manager's configuration. */
#ifndef RUNNER_EGRESS_SET_READERS_H
#define RUNNER_EGRESS_SET_READERS_H

#include "egress_sets.h"

enum { SET_ENTRIES_MAX = 64 };

struct set_reading {
	struct plan_arena   *arena;
	const char          *name; /* "npm" */
	struct egress_entry *entries;
	size_t               n;
	bool                 full;
};

void set_add(struct set_reading *s, const char *host, uint16_t port, const char *what, const char *why); /* once per host and port */
int  set_add_url(struct set_reading *s, const char *url, size_t len, const char *what); /* -EINVAL: no http(s) URL; nothing added */

int set_ask_npm(struct set_reading *s, struct dd_err *err);
int set_ask_pip(struct set_reading *s, struct dd_err *err);
int set_ask_cargo(struct set_reading *s, struct dd_err *err);
int set_ask_go(struct set_reading *s, struct dd_err *err);
int set_ask_apt(struct set_reading *s, struct dd_err *err);

/* tool_ask.c: run argv[0] (searched in PATH) in `/` with only PATH, HOME and the named variables, at most 10 s and 256 KiB. @env: names, a trailing
 * star means a prefix. The output is heap, NUL-terminated. -ENOENT: not installed. */
int tool_ask(const char *const *argv, const char *const *env, char **ret, struct dd_err *err);

#endif
