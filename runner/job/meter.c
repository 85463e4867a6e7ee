// SPDX-License-Identifier: Apache-2.0
/* meter.c - measures the tree of a living step.
 *
 * Runs in: supervisor, beside the step: entries may vanish under the walk.
 */
#include "meter.h"

#include "base/size_text.h"
#include "tree/tree_walk.h"
#include "unnamed.h"

#include "drydock/clock.h"

#include <time.h>

enum { FIRST_MS = 1000, SHARE = 20, NEVER_MS = 60000 };

struct usage {
	uint64_t files, bytes;
	bool bounded; /* there is a limit to hold it against */
};

static int count_entry(void *arg, enum tree_event what, const struct tree_entry *entry,
                       struct dd_err *err)
{
	struct usage *u = arg;

	/* Test suites make directories that nobody may enter. With the rights of the step and no
	 * more (identity single), what lies in one cannot be counted: where there is a limit, a
	 * step could hide behind that. */
	if (what == TREE_CLOSED && u->bounded)
		return tree_err_ctx(err, dd_err_set(err, EACCES, "look"), "count", entry->name);
	if (what != TREE_ENTRY && what != TREE_ENTER)
		return 0;
	u->files++;
	/* Blocks, not sizes: a sparse file costs what it costs. */
	u->bytes += (uint64_t)entry->st.st_blocks * 512;
	return 0;
}

void meter_start(struct meter *m, const struct step_limits *limits, int root_fd, bool always,
                 int64_t now_ms)
{
	*m = (struct meter){ .always = always,
		             .files_max = limits->files,
		             .bytes_max = limits->disk_bytes,
		             .root_fd = root_fd,
		             .next_ms = now_ms + FIRST_MS };
}

static int measure(struct meter *m, unsigned more, struct usage *ret, struct dd_err *err)
{
	struct usage u = { .bounded = m->files_max || m->bytes_max };
	int r = tree_walk(m->root_fd, TREE_MAY_CHANGE | TREE_NAMES | TREE_TELL_CLOSED | more,
	                  count_entry, &u, err);

	if (r < 0)
		return r;
	if (m->init && m->bytes_max)
		u.bytes += unnamed_bytes(m->init);
	m->measured = true;
	m->files = u.files > m->files ? u.files : m->files;
	m->bytes = u.bytes > m->bytes ? u.bytes : m->bytes;
	*ret = u;
	return 0;
}

int meter_last(struct meter *m, struct dd_err *err)
{
	m->init = 0; /* dead, and what had no name went with it */
	struct usage u;
	return measure(m, 0, &u, err);
}

int64_t meter_check(struct meter *m, int64_t now_ms, char *why, size_t why_size)
{
	struct usage u = { 0 };
	struct dd_err err = { 0 };
	char used[16], most[16];

	if (!m->always && !m->files_max && !m->bytes_max)
		return NEVER_MS;
	if (now_ms < m->next_ms)
		return m->next_ms - now_ms;
	int r = measure(m, TREE_INTERRUPT, &u, &err);
	if (r == -ECANCELED) {
		m->next_ms = now_ms + FIRST_MS;
		return FIRST_MS;
	}
	if (r < 0) {
		(void)snprintf(why, why_size, "its files could not be measured: %.100s", err.msg);
		return -1;
	}
	if (m->files_max && u.files > m->files_max) {
		(void)snprintf(why, why_size, "it has %llu files, more than limits.files = %llu",
		               (unsigned long long)u.files, (unsigned long long)m->files_max);
		return -1;
	}
	if (m->bytes_max && u.bytes > m->bytes_max) {
		(void)snprintf(why, why_size, "it uses %s of disk, more than limits.disk = %s",
		               size_text(u.bytes, used), size_text(m->bytes_max, most));
		return -1;
	}
	int64_t cost = dd_now_ms() - now_ms;
	int64_t pause = cost * SHARE > FIRST_MS ? cost * SHARE : FIRST_MS;
	m->next_ms = now_ms + pause;
	return pause;
}
