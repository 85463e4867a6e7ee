// SPDX-License-Identifier: Apache-2.0
/* engine_matchers.c - annotations, and the problem matchers that make them of ordinary lines. Runs
 * in: supervisor.
 *
 * A matcher's file is read where the step has it, while the step runs; it counts for the rest of
 * the job. A file that a problem names is kept where it is one of the workspace. */
#include "engine_parts.h"

#include "drydock/fd.h"
#include "model/places.h"

#include <limits.h>
#include <string.h>

enum { ANNOTATIONS_MAX = 50 /* of one step */ };

void engine_annotate(struct job_engine *e, const struct voice_annotation *what)
{
	if (e->now.n_annotations < ANNOTATIONS_MAX)
		(void)job_voice_annotation(e->job, e->now.grant->index, what, NULL);
	else if (!e->now.told_annotations)
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "more than 50 annotations; further ones stand in its log only");
	e->now.told_annotations |= e->now.n_annotations >= ANNOTATIONS_MAX;
	e->now.n_annotations++;
}

const char *engine_file_of(const char *file)
{
	static const char workspace[] = PLACE_WORKSPACE "/";
	return file && strncmp(file, workspace, sizeof(workspace) - 1) == 0
	               ? file + sizeof(workspace) - 1
	               : file;
}

/* ---- the files of matchers ---- */

static int read_matchers(struct job_engine *e, struct plan_arena *arena, const char *file,
                         char **ret, size_t *ret_len, struct dd_err *err)
{
	const char *path = file[0] == '/' ? file : arena_printf(arena, PLACE_WORKSPACE "/%s", file);
	return job_voice_file(e->job, path, MATCHER_FILE_MAX, ret, ret_len, err);
}

bool engine_matchers_add(struct job_engine *e, struct plan_arena *arena, const char *file)
{
	dd_auto_free char *text = NULL;
	struct dd_err err = { 0 };
	size_t len = 0;

	if (!*file) {
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "add-matcher: there is no file behind it");
		return true;
	}
	if (!e->matchers && !(e->matchers = matcher_set_new())) {
		engine_complain(e, "add-matcher: no memory for problem matchers");
		return false;
	}
	int r = read_matchers(e, arena, file, &text, &len, &err);
	if (r == 0 && matcher_set_add(e->matchers, text, len, &err) == 0)
		return true;
	if (r == -ENXIO) { /* a place that is not looked into is no failure of the step */
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "add-matcher: %.200s is not read: %s", file, err.msg);
		return true;
	}
	engine_complain(e, "add-matcher: %.200s: %s", file, err.msg);
	return false;
}

void engine_matchers_remove(struct job_engine *e, struct plan_arena *arena, const char *file,
                            const char *owner)
{
	dd_auto_free char *text = NULL;
	struct dd_err err = { 0 };
	size_t len = 0;

	if (!*file == !owner) {
		job_voice_note(e->job, e->now.grant->index, SINK_WARN,
		               "remove-matcher: an owner or a file belongs to it, and not both");
		return;
	}
	if (!e->matchers)
		return;
	if (owner)
		matcher_set_remove(e->matchers, owner);
	else if (read_matchers(e, arena, file, &text, &len, &err) == 0)
		matcher_set_remove_file(e->matchers, text, len);
	else
		job_voice_note(e->job, e->now.grant->index, SINK_WARN, "remove-matcher: %.200s: %s",
		               file, err.msg);
}

/* ---- what they find ---- */

/* Without `.`, `..` and doubled slashes; false: it climbs above the root. */
static bool join(const char *dir, const char *file, char ret[PATH_MAX])
{
	const char *parts[] = { file[0] == '/' ? "" : dir, file };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (const char *at = parts[i]; *at; at += *at == '/') {
			size_t len = strcspn(at, "/");
			if (len == 2 && at[0] == '.' && at[1] == '.') {
				if (n == 0)
					return false;
				while (n > 0 && ret[--n] != '/')
					;
			} else if (len > 0 && !(len == 1 && at[0] == '.')) {
				if (n + len + 2 > PATH_MAX)
					return false;
				ret[n++] = '/';
				memcpy(ret + n, at, len);
				n += len;
			}
			at += len;
		}
	ret[n] = '\0';
	return n > 0;
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r")];
}

/* The file of a problem as the repository has it, or NULL: it is not there, or no part of it. */
static const char *file_of_hit(struct job_engine *e, const struct matcher_hit *hit,
                               char ret[PATH_MAX])
{
	char from[PATH_MAX] = PLACE_WORKSPACE, whole[PATH_MAX];
	const char *slash = strrchr(hit->from_path, '/');

	if (is_blank(hit->file))
		return NULL;
	if (!is_blank(hit->from_path) && slash) {
		(void)snprintf(whole, sizeof(whole), "%.*s", (int)(slash - hit->from_path),
		               hit->from_path);
		if (!join(PLACE_WORKSPACE, whole, from))
			return NULL;
	}
	if (!join(from, hit->file, ret) || engine_file_of(ret) == ret ||
	    !job_voice_has_file(e->job, ret))
		return NULL;
	return engine_file_of(ret);
}

const char *engine_matchers_ask(struct job_engine *e, const char *line, size_t len)
{
	char path[PATH_MAX];
	struct matcher_hit hit;
	const char *gave_up = NULL;

	if (matcher_set_count(e->matchers) == 0)
		return NULL;
	bool found = matcher_set_line(e->matchers, line, len, &hit, &gave_up);
	if (gave_up)
		job_voice_note(e->job, e->now.grant->index, SINK_WARN, "%s", gave_up);
	if (!found)
		return NULL;
	const struct voice_annotation a = { .level = hit.level,
		                            .message = hit.message,
		                            .code = is_blank(hit.code) ? NULL : hit.code,
		                            .file = e->now.n_annotations < ANNOTATIONS_MAX
		                                            ? file_of_hit(e, &hit, path)
		                                            : NULL,
		                            .line = hit.line,
		                            .column = hit.line ? hit.column : 0 };
	engine_annotate(e, &a);
	return hit.level;
}
