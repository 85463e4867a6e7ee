// SPDX-License-Identifier: Apache-2.0
/* host_search.h - the search list of this host's resolver, and what of it a step gets.
 *
 * `curl http://registry/` works on a host that says `search corp.test`, so it does in a step: the
 * step's own resolv.conf has the list, and its C library asks for `registry.corp.test`, the whole
 * name, which is what the policy decides about. Nothing here decides anything. Supervisor only;
 * pure but for the reading of one file.
 */
#ifndef RUNNER_HOST_SEARCH_H
#define RUNNER_HOST_SEARCH_H

#include "drydock/egress.h"

enum {
	HOST_SEARCH_MAX = 6,     /* what every C library takes */
	HOST_SEARCH_BYTES = 256, /* of the whole list: likewise (musl) */
	HOST_SEARCH_NDOTS_MAX = 15,
};

struct host_search {
	const char *domains[HOST_SEARCH_MAX + 1]; /* canonical, NULL-terminated; into @text */
	char text[HOST_SEARCH_BYTES];
	unsigned ndots; /* a name with as many dots is asked for as it stands first; at least 1 */
	unsigned left_out; /* domains that were no names, or too many */
};

/* As resolv.conf(5): the last `search` or `domain` line counts. The root (`.`) is none. */
void host_search_parse(const char *text, struct host_search *ret);
/* Of /etc/resolv.conf; an empty list where it cannot be read. */
void host_search_load(struct host_search *ret);

/* The resolv.conf of a step. */
void host_search_spell(const struct host_search *search, char *out, size_t size);

/* Is @host what a resolver makes of a shorter name? The length of that one; 0: it is not. */
size_t host_search_short(const struct host_search *search, const char *host);

#endif
