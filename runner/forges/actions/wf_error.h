// SPDX-License-Identifier: Apache-2.0
/* wf_error.h - what is wrong in a workflow, with its class and its place.
 *
 * A class is what tests and tools compare; the sentence is for people. There are two places: of the
 * scalar, list or map that is wrong, as GitHub reports it, and the narrower one that a person wants
 * to see, of the expression inside it. GitHub stops after ten errors; so does this. */
#ifndef RUNNER_WF_ERROR_H
#define RUNNER_WF_ERROR_H

#include "base/arena.h"
#include "expr.h"
#include "input/diag.h"

enum wf_class {
	WF_NO_CLASS,
	/* YAML */
	WF_SYNTAX,
	WF_ANCHOR,
	WF_TAG,       /* of a kind that workflows do not know */
	WF_TAG_VALUE, /* a value that its tag does not fit */
	WF_FILE_SIZE,
	WF_NODES,
	WF_DEPTH,
	WF_SIZE,
	/* the schema */
	WF_UNEXPECTED_VALUE,
	WF_UNEXPECTED_LIST,
	WF_UNEXPECTED_MAP,
	WF_WANTS_LIST,
	WF_WANTS_MAP,
	WF_MISSING_KEY,
	WF_AMBIGUOUS,
	WF_DUPLICATE_KEY,
	WF_KEY_NOT_ALLOWED,
	/* expressions */
	WF_EXPRESSION, /* fault says which */
	WF_EXPRESSION_NOT_ALLOWED,
	WF_EXPRESSION_NOT_CLOSED,
	WF_EXPRESSION_EMPTY,
	WF_DIRECTIVE_INLINE,
	WF_DIRECTIVE_ARGUMENTS,
	/* jobs and steps */
	WF_ID_INVALID,
	WF_ID_RESERVED,
	WF_ID_TWICE,
	WF_USES,
	WF_NO_START,
	WF_CYCLE,
	WF_UNKNOWN_NEED,
	WF_RUNNER_GROUP,
	WF_IMAGE_EMPTY,
	WF_SNAPSHOT_VERSION,
	WF_CONCURRENCY_EMPTY,
	WF_CONCURRENCY_LONG,
	WF_TOO_MANY_JOBS,
	/* matrix */
	WF_MATRIX_VECTOR_EMPTY,
	WF_MATRIX_NO_VECTOR,
	WF_MATRIX_INCLUDE_EMPTY,
	WF_MATRIX_EXCLUDE_EMPTY,
	WF_MATRIX_EXCLUDE_KEY,
	WF_MATRIX_SIZE,
	/* reusable workflows */
	WF_NOT_CALLABLE,
	WF_NOT_FOUND,
	WF_INPUT_REQUIRED,
	WF_INPUT_UNDEFINED,
	WF_SECRET_REQUIRED,
	WF_SECRET_UNDEFINED,
	WF_PERMISSIONS,
	WF_CALL_DEPTH,
	WF_TOO_MANY_FILES,
	WF_CLASS__COUNT
};

struct wf_error {
	enum wf_class class;
	enum expr_fault fault; /* of WF_EXPRESSION */
	size_t position;       /* of the symbol in its expression, as expr_error has it */
	struct diag_mark node; /* line 0: the whole file */
	struct diag_mark
		at; /* where a person should look; the same as node when nothing is narrower */
	/* an error in a called workflow: where it was called from; line 0: it was not */
	struct diag_mark caller;
	char text[400], hint[200];
};

enum { WF_ERRORS_MAX = 10 };

struct wf_errors {
	struct wf_error items[WF_ERRORS_MAX];
	size_t n;
	bool more;                /* further ones were not kept */
	struct plan_arena *names; /* of files, once wf_errors_keep() was called */
};

/* Makes the errors outlive what they are about; wf_errors_done() frees what that took. */
void wf_errors_keep(struct wf_errors *errors);
void wf_errors_done(struct wf_errors *errors);

const char *wf_class_name(enum wf_class class);

/* Both return the error to fill in further, never NULL: behind the limit it is one that nobody
 * reads. */
__attribute__((format(printf, 4, 5))) struct wf_error *wf_error_add(struct wf_errors *errors,
                                                                    enum wf_class class,
                                                                    struct diag_mark node,
                                                                    const char *fmt, ...);
/* The text of @err, of an expression that stands at @at in @node. */
struct wf_error *wf_error_expression(struct wf_errors *errors, const struct expr_error *err,
                                     struct diag_mark node, struct diag_mark at);

/* For the command line: the same as complaints with positions. */
void wf_errors_to_diags(const struct wf_errors *errors, struct diag_list *diags);

#endif
