// SPDX-License-Identifier: Apache-2.0
/* workspace.h - the trees of a job: copied in, watched by digest, handed out, destroyed.
 *
 * Runs in the supervisor, on trees that hostile steps wrote: every path is walked with
 * openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV) or O_NOFOLLOW from a directory
 * fd, never by joined strings (F-03, F-04); names may hold any byte but '/' and NUL; FIFOs, sockets
 * and devices are never opened (O_NONBLOCK and fstat first).
 */
#ifndef RUNNER_WORKSPACE_H
#define RUNNER_WORKSPACE_H

#include "drydock/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- copying ---- */
struct tree_owner {
	bool change;
	uid_t uid;
	gid_t gid;
};
/* Copy the tree below @from_fd into the empty directory @to_fd: files by FICLONE, else
 * copy_file_range, else read/write; modes without setuid/setgid/sticky; symlinks as symlinks (not
 * followed); holes stay holes; hard links become files; times kept; sockets, FIFOs and devices are
 * skipped and counted. Other file systems below are not entered. */
struct tree_counts {
	uint64_t files, dirs, links, bytes, skipped;
};
int tree_copy(int from_fd, int to_fd, struct tree_owner owner, struct tree_counts *ret,
              struct dd_err *err);
/* Something to be left out of a copy. */
struct tree_place {
	dev_t dev;
	ino_t ino;
};

/* Remove everything below @dir_fd, however deep or strangely named; never leaves the tree, never
 * follows a link, crosses no mount. */
int tree_remove(int dir_fd, struct dd_err *err);

/* ---- manifest: path, type, mode, size, sha256 of every file ---- */
struct manifest;
struct tracked;
enum manifest_change { MANIFEST_ADDED = 1, MANIFEST_CHANGED, MANIFEST_REMOVED };
/* Scan the tree. @before (may be NULL) saves hashing: an entry whose inode, size, mtime and ctime
 * are the same, and not younger than the scan that hashed it, is taken over. A file that changes
 * while it is hashed is an error (-EBUSY): nothing of the step may be alive now. -EFBIG: sparse
 * files have more than MANIFEST_HOLES_MAX bytes that no disk holds. -E2BIG: more files, or longer
 * paths in all, than the limits below. -ENAMETOOLONG: a path that no program could name.
 * -ECANCELED, -ETIME: the work is to end (interrupt.h). A file with several names is hashed once.
 */
#define MANIFEST_HOLES_MAX (8ULL << 30)
#define MANIFEST_PATHS_MAX (256ULL << 20)
enum { MANIFEST_ENTRIES_MAX = 4000000 };
int manifest_scan(int dir_fd, const struct manifest *before, struct manifest **ret,
                  struct dd_err *err);
void manifest_free(struct manifest *m);
const char *manifest_digest(
	const struct manifest *m); /* sha256 over the sorted entries, hex, borrowed */
typedef int (*manifest_change_fn)(void *arg, enum manifest_change what, const char *path,
                                  uint64_t size, const char *sha256_hex);
/* Walk the differences in path order. @fn may stop by returning non-zero, which is returned. */
int manifest_diff(const struct manifest *before, const struct manifest *after,
                  manifest_change_fn fn, void *arg);
/* Every entry in path order, told as MANIFEST_ADDED; @sha256_hex is "" for what has no bytes (FIFO,
 * socket, device). */
int manifest_each(const struct manifest *m, manifest_change_fn fn, void *arg);
/* sha256 (hex) and size of a regular file, or -ENOENT. */
int manifest_find(const struct manifest *m, const char *path, const char **ret_sha256,
                  uint64_t *ret_size);
/* Anything at all at @path? */
bool manifest_has(const struct manifest *m, const char *path);
/* Call @fn(arg, path) for every regular file that matches one of @globs (NULL-terminated; one star
 * stays inside a directory, two stars cross slashes: a pattern of "dist/" and two stars is
 * everything below dist). */
int manifest_match(const struct manifest *m, const char *const *globs,
                   int (*fn)(void *arg, const char *path), void *arg);

/* ---- tracked files: what a build step must not change (F-14) ---- */
/* The paths in .git/index, read without running git (F-11). Every file of @initial is tracked when
 * @everything says so, and where there is no index, or one that cannot be believed: damaged, split,
 * empty, of another tree. */
int tracked_load(int dir_fd, const struct manifest *initial, bool everything, struct tracked **ret,
                 struct dd_err *err);
bool tracked_has(const struct tracked *t, const char *path);
/* Does a git that runs in the workspace obey the file @path: configuration, hooks, attributes,
 * alternates of the checkout and its submodules? Also one that was not there before. */
bool tracked_is_control(const struct tracked *t, const char *path);
/* Does @path lie in a git directory, anywhere below, however a file system spells it? */
bool path_in_git_dir(const char *path);
size_t tracked_count(const struct tracked *t);
const char *tracked_note(const struct tracked *t); /* why every file counts as tracked, or NULL when
                                                      the index was read; static text */
void tracked_free(struct tracked *t);

/* ---- artifacts ---- */
/* Copy the file @path below @from_fd to the same path below @to_fd (directories are made; a regular
 * file that is there already is replaced), and fail with -EBADMSG when its sha256 is not
 * @sha256_hex: the copy is hashed, not the source. Holes stay holes. Refuses anything but a regular
 * file without blocking. -ECANCELED: the job is to end (interrupt.h). */
int artifact_copy(int from_fd, int to_fd, const char *path, const char *sha256_hex,
                  struct tree_owner owner, struct dd_err *err);

#endif
