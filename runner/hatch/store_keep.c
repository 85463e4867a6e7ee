// SPDX-License-Identifier: Apache-2.0
/* store_keep.c - what caches and artifacts have in common: reports, refusals, uploads that begin.
 *
 * Runs in: storekeeper. */
#include "store_keep.h"

#include "drydock/fd.h"

#include <string.h>

/* ---- telling ---- */

void store_report(struct store *s, enum hatch_event_type type, const struct store_entry *e,
                  const char *why)
{
	struct hatch_event event = { .type = (uint32_t)type };
	if (e) {
		event.trusted = e->trusted;
		event.size = e->size;
		(void)snprintf(event.name, sizeof(event.name), "%s", e->key);
		(void)snprintf(event.scope, sizeof(event.scope), "%s", e->scope);
		(void)snprintf(event.sha256, sizeof(event.sha256), "%s", e->sha256);
	}
	(void)snprintf(event.why, sizeof(event.why), "%.399s", why ? why : "");
	if (s->tell) {
		s->tell(s->tell_arg, &event);
		return;
	}
	/* a supervisor that does not read is one that ends; what cannot be told is counted there by
	 * what the store holds */
	(void)dd_send_msg(s->report, &event, sizeof(event), NULL, 0);
}

void store_refuse(struct store *s, struct store_answer *a, enum store_code code,
                  const struct store_entry *e, const char *why)
{
	a->code = code;
	(void)snprintf(a->why, sizeof(a->why), "%.399s", why);
	if (code == STORE_REFUSED || code == STORE_BROKEN)
		store_report(s, HATCH_REFUSED, e, why);
}

/* ---- uploads ---- */

struct store_upload *store_upload_new(struct store *s, struct store_answer *a, int dir,
                                      uint64_t limit, int *ret_fd)
{
	struct dd_err err = { 0 };
	struct store_upload *u = NULL;
	for (size_t i = 0; i < STORE_UPLOADS_MAX && !u; i++)
		if (!s->uploads[i].number)
			u = &s->uploads[i];
	if (!u) {
		store_refuse(s, a, STORE_REFUSED, NULL, "too many uploads at once");
		return NULL;
	}
	*u = (struct store_upload){ .dir = dir };
	if (store_incoming(dir, u->name, ret_fd, &err) < 0) {
		store_refuse(s, a, STORE_BROKEN, NULL, err.msg);
		return NULL;
	}
	u->number = ++s->last_upload;
	a->code = STORE_OK;
	a->upload = u->number;
	a->limit = limit;
	return u;
}
