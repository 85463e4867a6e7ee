// SPDX-License-Identifier: Apache-2.0
/* policy_find.c - see policy_find.h.
 *
 * Runs in: command line, and the process of an agent's job. Reads the operator's files alone. */
#include "policy_find.h"

#include <dirent.h>
#include <stdlib.h>

static int is_policy_file(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return len > 4 && e->d_name[0] != '.' && strcmp(e->d_name + len - 4, ".yml") == 0;
}

/* What cannot be read is a mistake of whoever wrote it, unless its reader knows better. */
static int policy_find_blame(int r, struct dd_err *err)
{
	if (r < 0 && err->blame == DD_BLAME_HOST)
		err->blame = DD_BLAME_CALLER;
	return r;
}

static int consider(const char *dir, const char *name, const struct event_facts *event,
                    struct policy **ret, struct diag_list *diags, struct dd_err *err)
{
	char path[512];
	struct policy *policy = NULL;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return dd_err_say(err, ENAMETOOLONG, "the name of a policy in %.200s is too long",
		                  dir);
	int r = policy_find_blame(policy_load(path, &policy, diags, err), err);
	if (r < 0)
		return r;
	if (event && policy_is_for(policy, event, NULL)) {
		*ret = policy;
		return 1;
	}
	policy_free(policy);
	return 0;
}

/* @ret_n: how many there are. */
static int policy_walk(const char *dir, const struct event_facts *event, struct policy **ret,
                       int *ret_n, struct diag_list *diags, struct dd_err *err)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_policy_file, alphasort), r = 0;
	*ret_n = n < 0 ? 0 : n;
	if (n < 0)
		return errno == ENOENT
		               ? 0
		               : policy_find_blame(dd_err_set(err, errno, "read %.200s", dir), err);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = consider(dir, names[i]->d_name, event, ret, diags, err);
		free(names[i]);
	}
	free(names);
	return r;
}

int policy_find(const char *dir, const struct event_facts *event, struct policy **ret,
                struct diag_list *diags, struct dd_err *err)
{
	int n;
	int r = policy_walk(dir, event, ret, &n, diags, err);
	if (r == 0 && n > 0)
		return dd_err_blame(err, DD_BLAME_POLICY,
		                    dd_err_say(err, EACCES,
		                               "no policy in %.200s is for this job; name one with "
		                               "--policy",
		                               dir));
	return r < 0 ? r : 0;
}

int policy_dir_check(const char *dir, struct diag_list *diags, struct dd_err *err)
{
	int n;
	return policy_walk(dir, NULL, NULL, &n, diags, err);
}
