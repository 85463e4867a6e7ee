// SPDX-License-Identifier: Apache-2.0
/* wf_error.c - see wf_error.h. */
#include "wf_error.h"

#include "drydock/err.h"

#include <assert.h>

static const char *const class_names[] = {
	[WF_NO_CLASS] = "none",
	[WF_SYNTAX] = "syntax",
	[WF_ANCHOR] = "anchor",
	[WF_TAG] = "tag",
	[WF_TAG_VALUE] = "value does not fit its tag",
	[WF_FILE_SIZE] = "file size",
	[WF_NODES] = "nodes",
	[WF_DEPTH] = "depth",
	[WF_SIZE] = "size",
	[WF_UNEXPECTED_VALUE] = "unexpected value",
	[WF_UNEXPECTED_LIST] = "unexpected list",
	[WF_UNEXPECTED_MAP] = "unexpected map",
	[WF_WANTS_LIST] = "list wanted",
	[WF_WANTS_MAP] = "map wanted",
	[WF_MISSING_KEY] = "missing key",
	[WF_AMBIGUOUS] = "ambiguous",
	[WF_DUPLICATE_KEY] = "duplicate key",
	[WF_KEY_NOT_ALLOWED] = "key not allowed",
	[WF_EXPRESSION] = "expression",
	[WF_EXPRESSION_NOT_ALLOWED] = "expression not allowed",
	[WF_EXPRESSION_NOT_CLOSED] = "expression not closed",
	[WF_EXPRESSION_EMPTY] = "expression empty",
	[WF_DIRECTIVE_INLINE] = "directive inside text",
	[WF_DIRECTIVE_ARGUMENTS] = "directive with arguments",
	[WF_ID_INVALID] = "invalid id",
	[WF_ID_RESERVED] = "reserved id",
	[WF_ID_TWICE] = "id twice",
	[WF_USES] = "uses",
	[WF_NO_START] = "no job to start with",
	[WF_CYCLE] = "cycle",
	[WF_UNKNOWN_NEED] = "unknown need",
	[WF_RUNNER_GROUP] = "runner group",
	[WF_IMAGE_EMPTY] = "image empty",
	[WF_SNAPSHOT_VERSION] = "snapshot version",
	[WF_CONCURRENCY_EMPTY] = "concurrency group empty",
	[WF_CONCURRENCY_LONG] = "concurrency group too long",
	[WF_TOO_MANY_JOBS] = "too many jobs",
	[WF_MATRIX_VECTOR_EMPTY] = "matrix vector empty",
	[WF_MATRIX_NO_VECTOR] = "matrix without vector",
	[WF_MATRIX_INCLUDE_EMPTY] = "matrix include empty",
	[WF_MATRIX_EXCLUDE_EMPTY] = "matrix exclude empty",
	[WF_MATRIX_EXCLUDE_KEY] = "matrix exclude key",
	[WF_MATRIX_SIZE] = "matrix size",
	[WF_NOT_CALLABLE] = "not callable",
	[WF_NOT_FOUND] = "not found",
	[WF_INPUT_REQUIRED] = "input required",
	[WF_INPUT_UNDEFINED] = "input undefined",
	[WF_SECRET_REQUIRED] = "secret required",
	[WF_SECRET_UNDEFINED] = "secret undefined",
	[WF_PERMISSIONS] = "permissions",
	[WF_CALL_DEPTH] = "nesting of calls",
	[WF_TOO_MANY_FILES] = "too many files",
};
static_assert(ARRAY_LEN(class_names) == WF_CLASS__COUNT, "a class has no name");

const char *wf_class_name(enum wf_class class)
{
	return class_names[class];
}

static struct wf_error *next_error(struct wf_errors *errors)
{
	static struct wf_error unread;

	if (errors->n < WF_ERRORS_MAX)
		return &errors->items[errors->n++];
	errors->more = true;
	return &unread;
}

struct wf_error *wf_error_add(struct wf_errors *errors, enum wf_class class, struct diag_mark node,
                              const char *fmt, ...)
{
	struct wf_error *e = next_error(errors);
	va_list ap;

	*e = (struct wf_error){ .class = class, .node = node, .at = node };
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return e;
}

struct wf_error *wf_error_expression(struct wf_errors *errors, const struct expr_error *err,
                                     struct diag_mark node, struct diag_mark at)
{
	struct wf_error *e = err->position ? wf_error_add(errors, WF_EXPRESSION, node,
	                                                  "%s (character %zu of the expression)",
	                                                  err->text, err->position)
	                                   : wf_error_add(errors, WF_EXPRESSION, node,
	                                                  "the expression: %s", err->text);
	e->fault = err->fault;
	e->position = err->position;
	e->at = at;
	return e;
}

static void keep_file(struct wf_errors *errors, struct diag_mark *mark)
{
	mark->file = arena_strdup(errors->names, mark->file);
}

void wf_errors_keep(struct wf_errors *errors)
{
	if (!errors->names)
		errors->names = arena_new();
	for (size_t i = 0; i < errors->n; i++) {
		keep_file(errors, &errors->items[i].node);
		keep_file(errors, &errors->items[i].at);
		keep_file(errors, &errors->items[i].caller);
	}
}

void wf_errors_done(struct wf_errors *errors)
{
	arena_free(errors->names);
	*errors = (struct wf_errors){ .n = 0 };
}

void wf_errors_to_diags(const struct wf_errors *errors, struct diag_list *diags)
{
	for (size_t i = 0; i < errors->n; i++) {
		const struct wf_error *e = &errors->items[i];
		const char *hint = e->hint[0] ? e->hint : NULL;
		if (e->caller.line)
			diag_add(diags, e->at, hint, "%s; called at %s:%u:%u", e->text,
			         e->caller.file, e->caller.line, e->caller.column);
		else
			diag_add(diags, e->at, hint, "%s", e->text);
	}
	if (errors->more) {
		struct diag_mark last = errors->items[WF_ERRORS_MAX - 1].at;
		last.line = 0;
		diag_add(diags, last, NULL, "more than %d errors; the others are not listed",
		         WF_ERRORS_MAX);
	}
}
