// SPDX-License-Identifier: Apache-2.0
/* agent_jit.c - see agent_jit.h.
 *
 * Runs in: agent. The outer user namespace is entered before a byte of the configuration is read.
 * The configuration comes from a file or from standard input: an argument would stand in every list
 * of processes, and it holds the runner's key. */
#include "agent_jit.h"

#include "agent_record.h"
#include "agent/agent_config.h"
#include "agent/registration.h"
#include "base/exit_code.h"
#include "base/text_escape.h"
#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "forges/github/github_agent.h"
#include "input/read_file.h"
#include "job/job_dirs.h"
#include "job/step_result.h"
#include "policy/policy_find.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const struct dd_err *err)
{
	char shown[sizeof(err->msg) * TEXT_ESCAPE_MAX + 1];
	(void)text_escape(shown, err->msg, strlen(err->msg));
	(void)fprintf(stderr, "drydock: %s\n", shown);
	return blame_rows[err->blame].exit_code;
}

static int read_standard_input(char **ret, size_t *ret_len, struct dd_err *err)
{
	char *text = malloc(GITHUB_RUNNER_BYTES_MAX + 1);
	size_t len = 0;

	while (text && len <= GITHUB_RUNNER_BYTES_MAX) {
		ssize_t n = read(STDIN_FILENO, text + len, GITHUB_RUNNER_BYTES_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	*ret = text;
	*ret_len = len;
	return text ? 0 : dd_err_set(err, ENOMEM, "read standard input");
}

static int read_runner(const char *file, struct github_runner *runner, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = strcmp(file, "-") == 0
	                ? read_standard_input(&text, &len, err)
	                : read_named_file(file, GITHUB_RUNNER_BYTES_MAX, &text, &len, NULL, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	r = github_runner_of_jit(text, len, runner, err);
	explicit_bzero(text, len);
	free(text);
	return r;
}

/* Every part of the path that is missing, 0700. */
static int make_state(const char *path, struct dd_err *err)
{
	char part[512];

	for (size_t i = 1; i <= strlen(path) && i < sizeof(part); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return dd_err_set(err, errno, "make the state directory %s", part);
	}
	return 0;
}

static int find_state(const struct agent_jit_args *args, const struct identity *id, char state[512],
                      struct dd_err *err)
{
	int r = job_dirs_place(args->state_dir, id, state, err);
	if (r < 0)
		return r;
	(void)dirname(state);
	return make_state(state, err);
}

/* All policies before a job is taken: one that cannot be used would cost somebody his job. */
static int check_policies(const char *dir, struct dd_err *err)
{
	struct diag_list diags = { 0 };
	int r = dir && access(dir, R_OK | X_OK) < 0
	                ? dd_err_set(err, errno, "the policies in %.200s", dir)
	                : policy_dir_check(dir ? dir : POLICY_DIR, &diags, err);

	diag_print_files(stderr, &diags);
	diag_list_done(&diags);
	if (r < 0 && err->blame == DD_BLAME_HOST)
		err->blame = DD_BLAME_CALLER;
	return r;
}

/* libcurl takes one file of authorities and no more. */
static int trust(const struct agent_jit_args *args, const char *state, char ca[700],
                 struct dd_err *err)
{
	int r = args->ca_file ? authorities_write(state, "jit", args->ca_file, NULL, ca, err) : 0;
	return r < 0 ? dd_err_blame(err, DD_BLAME_CALLER, r) : 0;
}

/* Of the configuration only the record is this job's: how many, whose and how often is the
 * server's word. */
static int read_config(const struct agent_jit_args *args, struct agent_config *ret,
                       struct dd_err *err)
{
	struct diag_list diags = { 0 };
	int r = agent_config_load(args->config, ret, &diags, err);
	if (r == 0)
		r = agent_record_look(&ret->record, err);
	diag_print_files(stderr, &diags);
	diag_list_done(&diags);
	if (r < 0 && err->blame == DD_BLAME_HOST)
		err->blame = DD_BLAME_CALLER;
	return r;
}

int agent_jit(const struct agent_jit_args *args)
{
	char state[512], ca[700] = "", name[RUNNER_NAME_MAX + 1];
	struct github_agent_runner one = { .name = name };
	struct agent_config config = { .arena = NULL };
	struct identity id;
	struct dd_err err = { 0 };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return DRYDOCK_EXIT_INTERNAL;
	if (args->version && (strlen(args->version) > 20 || !*args->version ||
	                      args->version[strspn(args->version, "0123456789.")])) {
		(void)fprintf(stderr,
		              "drydock: --runner-version is numbers with dots between them, "
		              "such as " GITHUB_RUNNER_VERSION "\n");
		return DRYDOCK_EXIT_USAGE;
	}
	if (sandbox_check_filter(NULL, &err) < 0 || identity_enter(&id, &err) < 0) {
		(void)fail(&err);
		return DRYDOCK_EXIT_HOST;
	}
	cgroup_leave_top();
	if (check_policies(args->policy_dir, &err) < 0 || read_config(args, &config, &err) < 0 ||
	    find_state(args, &id, state, &err) < 0 || trust(args, state, ca, &err) < 0)
		return fail(&err);
	int r = read_runner(args->file, &one.runner, &err);
	/* nobody else's, also where another server counts from 1, too */
	(void)snprintf(name, sizeof(name), "jit-%lld-%d", one.runner.id, (int)getpid());
	one.ca = ca[0] ? ca : NULL;
	int code = r < 0 ? fail(&err)
	                 : github_agent_run(
				   &(struct github_agent_args){ .id = &id,
	                                                        .state = state,
	                                                        .policy_dir = args->policy_dir,
	                                                        .version = args->version,
	                                                        .record = &config.record,
	                                                        .once = true },
				   &one, 1);
	if (r < 0)
		github_runner_done(&one.runner);
	agent_config_free(&config);
	return code;
}
