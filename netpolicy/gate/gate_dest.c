// SPDX-License-Identifier: Apache-2.0
/* gate_dest.c - the table of destinations (name and port) that budgets and receipts are counted by.
 * Runs in: gate. */
#include "gate_internal.h"

#include <string.h>

static size_t dest_bucket_of(const struct gate_state *g, const char *host, uint16_t port)
{
	/* FNV-1a: only allowed names get here, so collisions cannot be chosen freely */
	uint32_t h = 2166136261u ^ port;
	for (; *host; host++)
		h = (h ^ (uint8_t)*host) * 16777619u;
	return h % ARRAY_LEN(g->dest_buckets);
}

struct gate_dest *gate_dest_get(struct gate_state *g, const char *host, uint16_t port,
                                const struct egress_entry *entry)
{
	size_t b = dest_bucket_of(g, host, port);
	for (struct gate_dest *d = g->dest_buckets[b]; d; d = d->next) {
		if (d->port == port && strcmp(d->host, host) == 0)
			return d;
	}
	if (g->n_dests >= GATE_DESTS_MAX)
		return NULL;
	struct gate_dest *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	gate_text(d->host, sizeof(d->host), host);
	d->port = port;
	d->entry = entry;
	d->next = g->dest_buckets[b];
	g->dest_buckets[b] = d;
	g->n_dests++;
	return d;
}
