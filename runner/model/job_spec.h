// SPDX-License-Identifier: Apache-2.0
/* job_spec.h - what a forge says of one job, in nobody's dialect.
 *
 * Order of use: a front end (forges/) fills it, job_spec_check() judges it once, plan_make() turns
 * it and the operator's policy into grants. Past the check nobody looks at it with suspicion again,
 * and nobody above knows in which language the job was written. Everything in it is the
 * repository's or the forge's word: it says what to run and never in which phase, with which trust
 * or with which credential (G-05). Trust follows from @event alone.
 *
 * All pointers are borrowed from whoever filled it and live as long as the spec; a plan borrows
 * from the spec.
 */
#ifndef RUNNER_JOB_SPEC_H
#define RUNNER_JOB_SPEC_H

#include "base/arena.h"
#include "event.h"
#include "recipe.h"

/* A file of commit content is at most 1 MiB, but its parts multiply: each variable of a job is one
 * of each of its steps. What the supervisor, a plan and its JSON have to carry is bounded here. */
enum {
	JOB_SPEC_STEPS_MAX = 1000,
	JOB_SPEC_VARS_MAX = 4000,         /* of one step, all layers together */
	JOB_SPEC_VARS_TOTAL_MAX = 200000, /* of all steps together */
};

/* What a rule of a policy can match a step by: the written text, before any expression is
 * evaluated. NULL: the step has none. */
struct spec_facts {
	const char *job, *id, *name, *uses, *run;
};

/* A value that somebody outside can write and that a script is written around. */
struct spec_outsider {
	struct diag_mark mark;
	const char *expression; /* as written */
	const char *path;       /* by which it can be written */
	const char *refused;    /* why it cannot be handed over in a variable; NULL: it can */
};

/* A step of drydock's own that speaks with the job's forge, whatever the policy lists: it fetches
 * the sources and runs nothing of theirs. Its grant is that one place, and that one secret. */
struct spec_forge {
	const char *host;     /* as egress_host_parse() gives it; NULL: @address */
	unsigned int address; /* IPv4, network byte order */
	/* the forge is on this host: @host is a name for the step alone, and this is dialled; NULL:
	 * @host is resolved */
	const char *pin;
	unsigned short port;
	const char *target;        /* "host" or "host:port", as git names it */
	const char *user, *secret; /* of the forge's secrets, by name; NULL: it holds none */
	const char *origin;        /* where the operator said so */
	/* why it speaks with the forge, for people; NULL: it fetches the job's sources */
	const char *why;
	bool public_only; /* the operator said nothing of a private address */
};

/* What a step uses, as far as that can be told before anything runs; for people, it decides
 * nothing.
 */
struct spec_action {
	const char *uses, *kind;              /* as written; "composite", "node20" */
	const char *pre, *main, *post;        /* files; NULL: none */
	const char *source, *sha256, *commit; /* where it came from; NULL: the workspace */
	const struct spec_inner {
		const char *shown; /* its name, the first line of its script, what it uses */
		const struct spec_action *action; /* that it uses; NULL: none, or not known */
	} * steps;                                /* of a composite one */
	size_t n_steps;
};

/* A step as it is written. */
struct spec_step {
	struct diag_mark mark; /* where it stands */
	/* id is NULL or unique in the job; exactly one of uses and run is there */
	struct spec_facts facts;
	const char *cond;        /* text of its condition, or NULL */
	const char *shell;       /* as written, or NULL for the default */
	const struct pair *with; /* parameters of what it uses */
	size_t n_with;
	/* as far as that can be told before anything runs */
	const struct spec_action *action; /* NULL: none, or not known */
	const struct spec_outsider *outsiders;
	size_t n_outsiders;
	const struct spec_forge *forge; /* NULL: the policy says what it may */
	/* drydock's own program, which touches the workspace and what it is handed, and nothing
	 * else: it is in build, and no rule and no credential is for it */
	bool own;
	unsigned time_sec; /* asked for; 0: not. It can only shorten what the policy gives */
	bool continue_on_error;
	/* [a-z0-9-]+, unique in the job, fit for a file and a cgroup: job_spec_label() */
	const char *label;
	/* as far as it is known before anything has run: what needs an expression is as written */
	struct recipe recipe;
};

/* One of the jobs that the forge would make of a matrix; of a job without one there is one. */
struct spec_combination {
	const char *name;
	const char *matrix;    /* its values as a JSON object, or NULL */
	const char *runs_on;   /* its labels */
	const char *elsewhere; /* the one of them for which it cannot run on this host, or NULL */
};

/* Of the job as a whole, for people; it decides nothing. On one line each, as written; NULL when
 * absent. */
struct spec_about {
	const char *on, *cond, *runs_on, *needs, *permissions, *environment, *concurrency,
		*container, *outputs, *uses;
	/* of a service: the image; of an axis: its values, ", " between them */
	const struct pair *services, *axes;
	size_t n_services, n_axes;
	/* none: they are computed from what other jobs give */
	const struct spec_combination *combinations;
	size_t n_combinations;
	/* the expression that makes a part of the matrix at run time, or NULL */
	const char *computed;
};

/* What the job's workspace is copied from, for people; it decides nothing. */
struct spec_workspace {
	const char *path;
	const char *takes;        /* what of it */
	const char *const *notes; /* what will not be as it is there, a sentence each */
	size_t n_notes;
};

enum spec_note_kind {
	SPEC_NOTE_UNSUPPORTED = 0, /* by this build */
	SPEC_NOTE_REFUSED,         /* by the policy */
	SPEC_NOTE_MISSING,         /* it is not on this host */
};
extern const char *const spec_note_names[];

struct spec_note { /* what cannot be run, and where it stands */
	struct diag_mark mark;
	const char *text, *hint; /* hint: may be empty */
	enum spec_note_kind kind;
};

struct job_spec {
	const char *source; /* the file or message that the job stands in; its marks name it too */
	struct diag_mark mark; /* where the job stands in it */
	const char *pipeline;  /* name of the whole that the job is a part of */
	const char *id, *name; /* of the job */
	struct spec_about about;
	const struct spec_workspace *workspace; /* NULL: it begins empty */
	struct event_facts event;               /* why it runs, by the forge's own word */
	const struct spec_step *steps;
	size_t n_steps;
	/* steps of the other jobs beside this one: a policy may be about them */
	const struct spec_facts *others;
	size_t n_others;
	const struct spec_note *notes; /* not empty: the job is not run */
	size_t n_notes;
	struct plan_arena *arena; /* of what was made for the spec */
};

/* "03-publish": @index and what of @text (an id or a name) is fit for it. */
const char *job_spec_label(struct plan_arena *arena, unsigned index, const char *text);

/* Where a step runs: below the workspace, absolute elsewhere; NULL: in the workspace itself. */
const char *job_spec_workdir(const struct spec_step *step);

/* Everything that the rooms above rely on. 0, or -EINVAL and complaints in @diags. */
int job_spec_check(const struct job_spec *spec, struct diag_list *diags);
void job_spec_free(struct job_spec *spec); /* and its arena */

#endif
