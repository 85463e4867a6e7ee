// SPDX-License-Identifier: Apache-2.0
/* record_workspace.c - what a job's workspace was copied from, as one sentence. Pure; names stay as
 * hostile as they were. */
#include "record_view.h"

#include "base/size_text.h"

#include <inttypes.h>
#include <string.h>

static const struct copied_row {
	const char *copied, *text;
} copied_rows[] = {
	{ "tracked", "what git tracks, as it stands on disk" },
	{ "everything", "everything" },
	{ "commit", "the commit alone" },
};

static const char *copied_text(const char *copied)
{
	for (size_t i = 0; copied && i < ARRAY_LEN(copied_rows); i++)
		if (strcmp(copied, copied_rows[i].copied) == 0)
			return copied_rows[i].text;
	return copied ? copied : "?";
}

struct sentence {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct sentence *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(s->text + s->len, RECORD_WORKSPACE_MAX - s->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len = s->len + (size_t)n < RECORD_WORKSPACE_MAX ? s->len + (size_t)n
		                                                   : RECORD_WORKSPACE_MAX - 1;
}

void record_workspace_text(const struct facts_workspace *w, char ret[RECORD_WORKSPACE_MAX])
{
	struct sentence s = { ret, 0 };
	char size[16];
	say(&s, "%.300s: %s; %" PRId64 " file%s, %s", w->path ? w->path : "?",
	    copied_text(w->copied), w->files > 0 ? w->files : 0, w->files == 1 ? "" : "s",
	    size_text(w->bytes > 0 ? (uint64_t)w->bytes : 0, size));
	if (w->commit)
		say(&s, "; commit %.64s", w->commit);
	if (w->ref)
		say(&s, " (%.200s)", w->ref);
	if (w->commit)
		say(&s, w->dirty ? ", and differs from it" : ", not known to differ from it");
	if (w->changed > 0)
		say(&s, "; %" PRId64 " changed", w->changed);
	if (w->missing > 0)
		say(&s, "; %" PRId64 " missing", w->missing);
	if (w->staged && strcmp(w->staged, "nothing") != 0)
		say(&s, "; in git's index and not committed: %.20s", w->staged);
}
