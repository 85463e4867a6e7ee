// SPDX-License-Identifier: Apache-2.0
/* policy_host.c - what of a policy cannot be kept on this host, whatever the job: a profile that
 * nobody has, a directory that is a link. Directories that are not here are left out, and told.
 *
 * Runs in: command line and keeper, before anything runs. What `policy check` and `plan` accept
 * must not be what `run` breaks off at, so the questions are those that the launcher will
 * put, and the answers stand at their lines. Secrets and cgroups are looked at by `run` and by the
 * doctor: they are the host's state, and no line of the policy would be another one without them.
 */
#include "policy_model.h"

#include "drydock/fd.h"
#include "drydock/sandbox.h"
#include "input/config_path.h"
#include "model/places.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Directories of the job that are mounted over those of `read`: a host tree must have a place for
 * them, for nothing is created in one. */
static const char *const mounted_later[] = { PLACE_WORKSPACE, PLACE_HOME, PLACE_TOOLS,
	                                     PLACE_TEMP,      PLACE_TMP,  PLACE_VAR_TMP };

static int open_source(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* A place of the job's own below @dir that the host's tree lacks; NULL: none. */
static const char *place_without_room(const char *dir)
{
	size_t len = strlen(dir);
	for (size_t i = 0; i < ARRAY_LEN(mounted_later); i++) {
		const char *place = mounted_later[i];
		if (strncmp(place, dir, len) != 0 || place[len] != '/')
			continue;
		dd_auto_fd int fd = open_source(place);
		if (fd < 0)
			return place;
	}
	return NULL;
}

/* False: this host has nothing to show there, and that is noted; what is there and can never be
 * shown is a complaint. */
static bool can_show(const char *dir, struct diag_mark mark, struct diag_list *diags,
                     struct diag_list *notes)
{
	struct stat st = { .st_mode = 0 };
	dd_auto_fd int fd = open_source(dir);
	int fault = fd < 0 || fstat(fd, &st) < 0 ? errno : S_ISLNK(st.st_mode) ? ELOOP : 0;
	const char *place = fault ? NULL : place_without_room(dir);
	if (fault == ENOENT) {
		diag_add(notes, mark, "create it, or take it out of the list",
		         "`%s` is not on this host: no step sees it", dir);
	} else if (fault) {
		diag_add(diags, mark,
		         fault == ELOOP ? "give the path without links (realpath)" : NULL,
		         "`read` cannot show `%s`: %s", dir,
		         fault == ELOOP ? "a component is a symbolic link"
		                        : strerrordesc_np(fault));
	} else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		diag_add(diags, mark, "name a directory or a regular file",
		         "`read` cannot show `%s`: it is neither directory nor file", dir);
	} else if (place) {
		diag_add(notes, mark,
		         "name the directories below it that are needed, or make that one",
		         "`%s` cannot be shown on this host: a step has its own `%s`, and there is "
		         "no "
		         "such directory here to put it on",
		         dir, place);
	}
	return fault == 0 && !place;
}

static void check_read(struct policy *policy, const struct tree_node *node, struct diag_list *diags,
                       struct diag_list *notes)
{
	size_t n = 0, k = 0;
	while (node && policy->read[n])
		n++;
	if (n == 0)
		return;
	const char **shown = arena_array(policy->arena, n + 1, sizeof(*shown));
	for (size_t i = 0; i < n; i++)
		if (can_show(policy->read[i],
		             node->kind == TREE_LIST && i < node->n ? node->items[i]->mark
		                                                    : node->mark,
		             diags, notes))
			shown[k++] = policy->read[i];
	policy->read = shown;
}

static int check_profile(const struct policy *policy, const struct tree_node *node,
                         struct diag_list *diags, struct dd_err *err)
{
	const struct diag_mark mark = node ? node->mark
	                                   : (struct diag_mark){ .file = policy->path };
	struct seccomp_program *program = NULL;
	struct dd_err why = { 0 };
	char path[512];
	int r = config_path_seccomp(policy->seccomp, path, sizeof(path), &why);
	if (r < 0)
		why.blame = DD_BLAME_CALLER;
	else
		r = seccomp_program_load_with(path, policy->syscalls, false, &program, &why);
	seccomp_program_free(program);
	if (r < 0 && why.blame == DD_BLAME_HOST)
		return dd_err_say(err, -r, "%s", why.msg);
	if (r < 0)
		diag_add(diags, mark,
		         "your own profiles stand in /etc/drydock/seccomp/NAME.seccomp",
		         "profile `%s` cannot be used: %s", policy->seccomp, why.msg);
	return 0;
}

static void check_tools(const struct policy *policy, struct diag_list *diags)
{
	const struct tree_node *actions = tree_get(policy->root, "actions");
	const struct tree_node *node = actions ? tree_get(actions, "tools") : NULL;
	struct stat st;
	if (!node || !policy->actions.tools)
		return;
	int error = stat(policy->actions.tools, &st) < 0 ? errno
	            : S_ISDIR(st.st_mode)                ? 0
	                                                 : ENOTDIR;
	if (error)
		diag_add(diags, node->mark,
		         "a directory of this host, with NAME/VERSION/ARCH in it",
		         "actions.tools: `%.200s` cannot be copied: %s", policy->actions.tools,
		         strerrordesc_np(error));
}

int policy_check_host(struct policy *policy, struct diag_list *diags, struct diag_list *notes,
                      struct dd_err *err)
{
	size_t before = diags->n;
	if (!policy)
		return 0;
	const struct tree_node *sandbox = tree_get(policy->root, "sandbox");
	check_read(policy, tree_get(sandbox, "read"), diags, notes);
	check_tools(policy, diags);
	int r = check_profile(policy, tree_get(sandbox, "seccomp"), diags, err);
	if (r < 0)
		return r;
	return diags->n > before || diags->truncated ? -EINVAL : 0;
}
