// SPDX-License-Identifier: Apache-2.0
/* egress_set_readers.h - between egress_sets.c and the readers of each package manager's
 * configuration. */
#ifndef RUNNER_EGRESS_SET_READERS_H
#define RUNNER_EGRESS_SET_READERS_H

#include "egress_sets.h"

enum { SET_ENTRIES_MAX = 64 };

struct set_reading {
	struct plan_arena *arena;
	const char *name; /* "npm" */
	struct egress_entry *entries;
	size_t n;
	bool full;
};

/* Once per host and port; @what of the configuration names it (origin "npm: @what"); @why may be
 * NULL. */
struct egress_entry *set_add(struct set_reading *s, const char *host, uint16_t port,
                             const char *what, const char *why);
int set_add_url(struct set_reading *s, const char *url, size_t len,
                const char *what); /* -EINVAL: no http(s) URL; nothing added */
/* A proxy that the client asks to connect further ("http://host:port" or "host:port"): its first
 * bytes name somebody else, so the gate cannot hold it to a name. -EINVAL: names no host. */
int set_add_proxy(struct set_reading *s, const char *url, size_t len, const char *what);
/* The next word of a list as tools print it; *ret_len 0: there is none. */
const char *set_find_word(const char *text, size_t *ret_len);
void set_add_words(struct set_reading *s, const char *value,
                   const char *what); /* every http(s) address among the words of @value */
bool set_ends_with(const char *text, const char *tail);

/* @fn for each line of the file @path, which may be missing. Lines may be changed. */
typedef void (*set_line_fn)(struct set_reading *s, char *line, void *state);
int set_each_line(struct set_reading *s, const char *path, set_line_fn fn, void *state,
                  struct dd_err *err);

int set_ask_npm(struct set_reading *s, struct dd_err *err);
int set_ask_pip(struct set_reading *s, struct dd_err *err);
int set_ask_cargo(struct set_reading *s, struct dd_err *err);
int set_ask_go(struct set_reading *s, struct dd_err *err);
int set_ask_maven(struct set_reading *s, struct dd_err *err);
int set_ask_gem(struct set_reading *s, struct dd_err *err);
int set_ask_nuget(struct set_reading *s, struct dd_err *err);
int set_ask_apt(struct set_reading *s, struct dd_err *err);
int set_ask_apk(struct set_reading *s, struct dd_err *err);
int set_read_apk(struct set_reading *s, const char *path, struct dd_err *err);
int nuget_proxy(struct set_reading *s, struct dd_err *err); /* of NuGet.Config in the user's home */

#endif
