// SPDX-License-Identifier: Apache-2.0
/* doctor_host.c - what a run needs of the host besides the kernel: room for the trees of a job, and
 * somebody who reads along.
 *
 * Runs in: command line. Makes nothing: a state directory that is not there yet is judged by the
 * nearest one above it.
 */
#include "doctor.h"

#include "drydock/fault.h"
#include "job/job_dirs.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ROOM_MIN_MIB = 1024, FILES_MIN = 20000 };

static struct sandbox_feature *add(struct diagnosis *d, const struct sandbox_feature *row)
{
	if (d->n_features == DOCTOR_FEATURES_MAX)
		return NULL;
	d->features[d->n_features] = *row;
	return &d->features[d->n_features++];
}

/* Cut @path (of at least two bytes) back to what exists. */
static void nearest_existing(char *path)
{
	while (access(path, F_OK) < 0) {
		char *slash = strrchr(path, '/');
		if (!slash || slash == path) {
			path[0] = slash ? '/' : '.';
			path[1] = '\0';
			return;
		}
		*slash = '\0';
	}
}

/* W: every job copies its workspace below here; a full disk fails it in the middle. */
static bool look_at_room(const char *state, bool *ret_may_write, char *found, size_t size)
{
	char dir[600];
	struct statvfs fs;
	(void)snprintf(dir, sizeof(dir), "%s", state);
	nearest_existing(dir);
	if (statvfs(dir, &fs) < 0) {
		(void)snprintf(found, size, "%.150s: %s", dir, strerror(errno));
		return false;
	}
	unsigned long long mib = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	bool may = *ret_may_write = access(dir, W_OK | X_OK) == 0;
	bool counts_files = fs.f_files > 0; /* btrfs and others do not */
	(void)snprintf(found, size, "%.130s: %llu MiB free%s%s", state, mib,
	               counts_files && fs.f_favail < FILES_MIN ? ", almost no inodes free" : "",
	               may ? "" : ", but this user may not write there");
	return may && mib >= ROOM_MIN_MIB && !(counts_files && fs.f_favail < FILES_MIN);
}

static void state_directory(struct diagnosis *d, const char *state_dir)
{
	struct sandbox_feature *f = add(
		d, &(struct sandbox_feature){ .name = "state",
	                                      .area = "host",
	                                      .need = "room for the trees of a job: 1 GiB",
	                                      .remedy = "space, or another place: --state-dir DIR "
	                                                "(for a service StateDirectory=drydock)" });
	char path[512];
	struct dd_err err = { .code = 0 };
	bool may_write = true;
	if (!f)
		return;
	if (dd_fault("state"))
		(void)snprintf(f->found, sizeof(f->found), "taken away by DRYDOCK_FAULT");
	else if (job_dirs_place(state_dir, &d->id, path, &err) < 0)
		(void)snprintf(f->found, sizeof(f->found), "%.200s", err.msg);
	else
		f->present = look_at_room(path, &may_write, f->found, sizeof(f->found));
	f->required = !may_write; /* little room may do for a small job; no place does for none */
}

/* Noted only: it decides about colour and progress, never about what is enforced. */
static void terminal(struct diagnosis *d)
{
	struct sandbox_feature *f =
		add(d, &(struct sandbox_feature){ .name = "terminal",
	                                          .area = "host",
	                                          .need = "noted only: colour and width",
	                                          .present = true,
	                                          .remedy = "nothing to do" });
	const char *no = getenv("NO_COLOR");
	if (f)
		(void)snprintf(f->found, sizeof(f->found), "%s%s",
		               isatty(STDOUT_FILENO) ? "standard output is one"
		                                     : "standard output is none: plain text",
		               no && *no ? ", NO_COLOR is set" : "");
}

/* Loaded by whoever asks an issuer, and by nobody else. */
static void curl_library(struct diagnosis *d)
{
	struct sandbox_feature *f = add(
		d, &(struct sandbox_feature){ .name = "libcurl",
	                                      .area = "host",
	                                      .need = "credentials from vault, oidc and github-app",
	                                      .remedy = "install it (package libcurl4)" });
	if (!f)
		return;
	void *lib = dd_fault("libcurl") ? NULL : dlopen("libcurl.so.4", RTLD_LAZY | RTLD_LOCAL);
	f->present = lib != NULL;
	(void)snprintf(f->found, sizeof(f->found), "%s",
	               lib                   ? "libcurl.so.4 can be loaded"
	               : dd_fault("libcurl") ? "taken away by DRYDOCK_FAULT"
	                                     : "libcurl.so.4 cannot be loaded");
	if (lib)
		(void)dlclose(lib);
}

void doctor_host(struct diagnosis *d, const char *state_dir)
{
	state_directory(d, state_dir);
	curl_library(d);
	terminal(d);
}
