// SPDX-License-Identifier: Apache-2.0
/* world.h - what one job of a workflow, one combination of it, is run with: the contexts that are
 * known before it begins.
 *
 * Filled before anything is forked, borrowed until the job is over, never written behind that. The
 * values are the forge's, the caller's and the repository's; whose text a value is stands in it.
 */
#ifndef RUNNER_WORLD_H
#define RUNNER_WORLD_H

#include "action_manifest.h"
#include "wf_doc.h"

/* What `secrets.NAME` stands for. */
struct actions_secret {
	const char *name;
	const char *const *credentials; /* of the policy: the first one that the step holds */
	size_t n_credentials;
	const char *literal; /* or else a text that the caller gives; NULL: none */
};

/* An action of another repository, as it was found before anything ran. */
struct actions_found {
	const char *uses; /* as written: "owner/repo/path@ref" */
	const struct action_manifest *manifest;
	const char *repository, *path, *ref; /* "owner/repo", "" or "path", "ref" */
	const char *tree;            /* of the repository, on this host; nobody writes there */
	const char *sha256;          /* of everything in it */
	const char *commit, *source; /* as its own bytes say, or NULL; where it came from */
	/* "commit", "tag", "branch", or "files"; the mirror's directory or the forge's address */
	const char *named, *from;
};

/* A Node.js of this host for actions, where the operator names one. */
struct actions_runtime {
	unsigned major;
	const char *dir;
};

/* Where the job's own repository comes from when no workspace was copied in: its forge, asked by a
 * checkout. */
struct actions_sources {
	const char *ca; /* authorities that git trusts, as PEM; NULL: those that steps see anyway */
	size_t ca_len;
};

struct actions_world {
	struct expr_memory *mem; /* where the values live */
	/* taint_mark_github() was called for it */
	struct expr_value github;
	struct expr_value inputs, vars, needs, matrix, strategy; /* null: there is none */
	const struct actions_secret *secrets;
	size_t n_secrets;
	bool secrets_all;  /* every other name stands for the credential of the same name */
	bool secrets_sent; /* the forge sends secrets along with the job */
	bool forge_lines;  /* commands are shown as GitHub's log has them: ##[group], ##[error] */
	const struct actions_found *found;
	size_t n_found;
	const struct actions_runtime *runtimes;
	size_t n_runtimes;
	const struct actions_sources *sources; /* NULL: the workspace is there before the job */
	const char *event_text; /* content of GITHUB_EVENT_PATH; NULL: github.event as JSON */
	size_t event_len;
};

struct actions_job {
	const struct wf_job *job; /* one with steps */
	/* of the file that it stands in, which may be a called one; NULL: none */
	const struct template_node *file_env, *file_defaults;
	const char *id, *name; /* github.job; as people see this combination */
	unsigned timeout_sec;  /* of the whole job; 0: none */
	int result_fd;         /* of job_result_open(); -1: nobody asks */
};

#endif
