// SPDX-License-Identifier: Apache-2.0
/* git_test.c - what drydock reads of a repository is what git says, and a repository that somebody
 * made up is none. git itself runs only here, on repositories of our own. */
#include "runner/tree/git_config.h"
#include "runner/tree/git_facts.h"
#include "runner/tree/git_index.h"
#include "runner/tree/git_object.h"
#include "runner/tree/git_place.h"
#include "runner/tree/workspace.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static struct dd_err err;
static struct git_place place = GIT_PLACE_NONE;
static struct git_facts facts;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/drydock-git-XXXXXX");
	memset(&err, 0, sizeof(err));
	return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	git_place_close(&place);
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = tree_remove(fd, &err);
	close(fd);
	return r == 0 ? rmdir(top) : -1;
}

/* Runs @script in the test's directory; what it prints, without the last end of line, is returned.
 */
static const char *git(const char *script)
{
	static char out[4096];
	char command[4000];
	(void)snprintf(command, sizeof(command),
	               "cd %s && export HOME=%s GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a "
	               "GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x && git() "
	               "{ command git -c protocol.file.allow=always -c init.defaultBranch=main "
	               "-c advice.detachedHead=false \"$@\"; } && set -e && { %s; } 2>/dev/null",
	               top, top, script);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	size_t n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	if (n > 0 && out[n - 1] == '\n')
		out[n - 1] = '\0';
	assert_int_equal(pclose(p), 0);
	return out;
}

static enum git_kind open_place(const char *dir)
{
	char path[200];
	(void)snprintf(path, sizeof(path), "%s/%s", top, dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	git_place_close(&place);
	git_place_open(fd, &place);
	close(fd);
	git_facts_read(&place, &facts);
	return place.kind;
}

static void hex_of(const unsigned char *oid, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", oid[i]);
}

static const char *tree_of_head(void)
{
	static char hex[65];
	unsigned char oid[GIT_OID_MAX], tree[GIT_OID_MAX];
	size_t len = git_oid_parse(facts.sha, oid);
	if (git_commit_tree(place.common_fd, oid, len, tree, &err) < 0)
		return err.msg;
	hex_of(tree, len, hex);
	return hex;
}

static const char *tree_of_index(void)
{
	static char hex[65];
	struct git_index index;
	unsigned char tree[GIT_OID_MAX];
	int fd = openat(place.git_fd, "index", O_RDONLY | O_CLOEXEC);
	assert_int_equal(git_index_read(fd, &index, &err), 0);
	close(fd);
	int r = git_index_tree(&index, tree, &err);
	if (r == 0)
		hex_of(tree, index.oid_len, hex);
	git_index_done(&index);
	return r == 0 ? hex : err.msg;
}

#define REPO                                                                                       \
	"git init -q r && cd r && mkdir -p a/b a.b && echo 1 >a/b/c && echo 2 >a.b/d && echo 3 "   \
	">a-b && ln -s a-b l && chmod +x a-b && git add . && git commit -qm one"

static void head_branch_and_commit_are_those_that_git_names(void **state)
{
	(void)state;
	git(REPO);
	assert_int_equal(open_place("r"), GIT_DIR);
	assert_string_equal(facts.ref, "refs/heads/main");
	assert_string_equal(facts.sha, git("cd r && git rev-parse HEAD"));
	git("cd r && git checkout -qb feature/x && git commit -qm two --allow-empty && git "
	    "pack-refs --all && git tag v1");
	assert_int_equal(open_place("r"), GIT_DIR);
	assert_string_equal(facts.ref, "refs/heads/feature/x");
	assert_string_equal(facts.sha, git("cd r && git rev-parse HEAD"));
	git("cd r && git checkout -q v1");
	assert_int_equal(open_place("r"), GIT_DIR);
	assert_string_equal(facts.ref, "");
	assert_string_equal(facts.sha, git("cd r && git rev-parse HEAD"));
	git("git init -q unborn");
	assert_int_equal(open_place("unborn"), GIT_DIR);
	assert_string_equal(facts.ref, "refs/heads/main");
	assert_string_equal(facts.sha, "");
}

static void a_worktree_and_a_submodule_have_their_own_head(void **state)
{
	(void)state;
	git(REPO " && cd .. && git -C r worktree add -q ../w -b side && git -C w commit -qm w "
	         "--allow-empty && git init -q s && cd s && git submodule --quiet add ../r sub/mod "
	         "&& git -C sub/mod commit -qm x --allow-empty");
	assert_int_equal(open_place("w"), GIT_WORKTREE);
	assert_string_equal(facts.ref, "refs/heads/side");
	assert_string_equal(facts.sha, git("cd w && git rev-parse HEAD"));
	assert_string_equal(tree_of_head(), git("cd w && git rev-parse HEAD^{tree}"));
	assert_int_equal(open_place("s/sub/mod"), GIT_SUBMODULE);
	assert_string_equal(facts.sha, git("cd s/sub/mod && git rev-parse HEAD"));
}

static void a_git_file_that_somebody_made_up_is_no_repository(void **state)
{
	(void)state;
	git(REPO " && cd .. && git -C r worktree add -q ../w && mkdir evil fake && cp w/.git evil");
	assert_int_equal(open_place("evil"), GIT_NONE); /* another's worktree */
	assert_non_null(strstr(place.why_not, "does not point back"));
	git("echo \"gitdir: $PWD/r/.git\" >evil/.git");
	assert_int_equal(open_place("evil"), GIT_NONE);
	/* a directory of one's own that points back, and to another's objects */
	git("rm evil/.git && mkdir evil/g && echo \"gitdir: g\" >evil/.git && echo "
	    "\"$PWD/evil/.git\" >evil/g/gitdir && echo \"$PWD/r/.git\" >evil/g/commondir && echo "
	    "'ref: refs/heads/main' >evil/g/HEAD");
	assert_int_equal(open_place("evil"), GIT_NONE);
	git("rm evil/.git && ln -s ../r/.git evil/.git");
	assert_int_equal(open_place("evil"), GIT_NONE);
	assert_non_null(strstr(place.why_not, "link"));
	git("mkdir none");
	assert_int_equal(open_place("none"), GIT_NONE);
	assert_string_equal(place.why_not, "");
}

static void trees_of_commit_and_index_are_those_that_git_names(void **state)
{
	(void)state;
	static const char *const formats[] = { "sha1", "sha256" };
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		char script[900];
		(void)snprintf(script, sizeof(script),
		               "rm -rf r && git init -q --object-format=%s r && git -C r config "
		               "user.name x && " REPO,
		               formats[i]);
		git(script);
		assert_int_equal(open_place("r"), GIT_DIR);
		assert_string_equal(tree_of_head(), git("cd r && git rev-parse HEAD^{tree}"));
		assert_string_equal(tree_of_index(), git("cd r && git write-tree"));
		/* long messages that differ a little: git packs them as differences */
		git("cd r && seq 2000 >m && for i in 1 2 3 4 5 6 7 8; do echo $i >>m; echo $i "
		    ">n$i; git add n$i; git commit -qF m; done; git repack -adfq --depth=50 "
		    "--window=50; git prune-packed; git pack-refs --all");
		assert_int_not_equal(atoi(git("cd r && git verify-pack -v .git/objects/pack/*.idx "
		                              "| awk '$2==\"commit\" && NF>5' | wc -l")),
		                     0);
		const char *count = git("cd r && git rev-list HEAD | wc -l");
		int n = atoi(count);
		for (int k = 0; k < n; k++) {
			(void)snprintf(script, sizeof(script),
			               "cd r && git checkout -q --detach main~%d", k);
			git(script);
			assert_int_equal(open_place("r"), GIT_DIR);
			assert_string_equal(tree_of_head(),
			                    git("cd r && git rev-parse HEAD^{tree}"));
		}
		assert_string_equal(tree_of_index(), git("cd r && git write-tree"));
		git("cd r && echo x >>a-b && git add a-b");
		assert_string_equal(tree_of_index(), git("cd r && git write-tree"));
		assert_string_not_equal(tree_of_index(), tree_of_head());
	}
}

static void a_commit_that_is_not_here_or_cut_is_said(void **state)
{
	(void)state;
	git(REPO " && cd .. && git clone -qs r shared");
	assert_int_equal(open_place("shared"), GIT_DIR);
	assert_non_null(strstr(tree_of_head(), "git object"));
	git("cd r && f=.git/objects/$(git rev-parse HEAD | sed 's#^..#&/#') && chmod u+w $f && "
	    "truncate -s 20 $f");
	assert_int_equal(open_place("r"), GIT_DIR);
	assert_non_null(strstr(tree_of_head(), "git object"));
}

static const char config[] =
	"# a checkout of a runner\n"
	"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
	"\tsshCommand = evil\n\tfsmonitor = ./evil\n\thooksPath = /evil\n\tworktree = /evil\n"
	"[remote \"origin\"]\n\turl = https://user:s3cret@example.com/acme/app.git?token=s3cret\n"
	"\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
	"[http \"https://s3cret@example.com/\"]\n\textraheader = AUTHORIZATION: basic s3cret\n"
	"[credential]\n\thelper = \"!echo s3cret\"\n"
	"[url \"https://s3cret@example.com/\"]\n\tinsteadOf = https://example.com/\n"
	"[includeIf \"gitdir:/x\"] path = /evil # on one line\n[include]path=/evil\n"
	"[branch \"main\"] remote = origin ; where it goes\n\tmerge = refs/heads/main\n"
	"[filter \"x\"]\n\tclean = evil\n[alias]\n\tst = !evil\n"
	"[submodule \"m\"]\n\turl = ssh://git:s3cret@example.com/m\n\tupdate = !evil\n"
	"[user]\n\tname = \"A  \\\"B\\\" # C\" \\\n D\n\tuseconfigonly\n";

static void a_copied_configuration_has_neither_credentials_nor_commands(void **state)
{
	(void)state;
	struct git_config_copy copy = { .text = NULL };
	assert_int_equal(git_config_clean(config, sizeof(config) - 1, &copy, &err), 0);
	assert_null(strstr(copy.text, "s3cret"));
	assert_null(strstr(copy.text, "evil"));
	assert_null(strstr(copy.left_out, "s3cret"));
	static const char *const named[] = { "core.sshcommand",
		                             "core.hookspath",
		                             "http.extraheader",
		                             "credential.helper",
		                             "url.insteadof",
		                             "includeif.path",
		                             "include.path",
		                             "filter.clean",
		                             "submodule.update",
		                             "alias.st",
		                             "remote.url (what names a user)" };
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		assert_non_null(strstr(copy.left_out, named[i]));
	/* git reads it, and as it was meant */
	char path[100];
	(void)snprintf(path, sizeof(path), "%s/c", top);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(copy.text, 1, copy.len, f), copy.len);
	assert_int_equal(fclose(f), 0);
	free(copy.text);
	assert_string_equal(git("git config -f c --list"),
	                    "core.repositoryformatversion=0\ncore.filemode=true\n"
	                    "remote.origin.url=https://example.com/acme/app.git\n"
	                    "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*\n"
	                    "branch.main.remote=origin\nbranch.main.merge=refs/heads/main\n"
	                    "submodule.m.url=ssh://git@example.com/m\n"
	                    "user.name=A  \"B\" # C  D\nuser.useconfigonly\ncore.bare=false");
}

static int collect(void *arg, const struct git_variable *var)
{
	size_t n = strlen(arg);
	(void)snprintf((char *)arg + n, 4096 - n, "%s%s%s.%s%s%s\n", var->section,
	               var->sub ? "." : "", var->sub ? var->sub : "", var->key,
	               var->value ? "=" : "", var->value ? var->value : "");
	return 0;
}

static void a_configuration_is_read_as_git_reads_it(void **state)
{
	(void)state;
	static const char *const texts[] = {
		config,
		"\xef\xbb\xbf[a]\r\n x = 1\r\n\ty\t=\t2  \r\n",
		"[A.Sub.Two]\nKey-1 = a\\\n  b\\tc\\\\ \\\"d\n",
		"[a \"s\\\"\\\\x ] y\"]\nk = \"  x \" y \"; z\" ; c\n",
		"[a]k=v\n[b \"\"]\n\tk=\n[c]\n\tk = a   b#c",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char path[100], got[4096] = "";
		(void)snprintf(path, sizeof(path), "%s/c", top);
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		(void)fputs(texts[i], f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(git_config_each(texts[i], strlen(texts[i]), collect, got, &err),
		                 0);
		got[strlen(got) - 1] = '\0';
		assert_string_equal(got, git("git config -f c --no-includes --list"));
	}
	static const char *const wrong[] = { "k = v\n",      "[a\n",         "[a]\nk = \"v\n",
		                             "[a]\n1 = v\n", "[a]\nk = \\x", "[a \"b\n" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char got[4096] = "";
		assert_int_equal(git_config_each(wrong[i], strlen(wrong[i]), collect, got, &err),
		                 -EBADMSG);
	}
}

static void the_name_of_a_repository_comes_out_of_its_url(void **state)
{
	(void)state;
	static const struct {
		const char *url, *name;
	} rows[] = {
		{ "https://example.com/acme/app.git", "acme/app" },
		{ "https://u:p@example.com:8443/acme/app/", "acme/app" },
		{ "https://example.com/group/sub/app.git?x=y", "group/sub/app" },
		{ "git@example.com:acme/app.git", "acme/app" },
		{ "ssh://git@example.com:22/acme/app", "acme/app" },
		{ "example.com:acme/app", "acme/app" },
		{ "/srv/git/app.git", NULL },
		{ "../app", NULL },
		{ "./a:b/c", NULL },
		{ "file:///srv/acme/app", NULL },
		{ "https://example.com/app", NULL },
		{ "https://example.com", NULL },
		{ "https://example.com/a/b;c", NULL },
		{ "https://example.com/a/../b", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[64] = "";
		bool found = git_repository_name(rows[i].url, name, sizeof(name));
		assert_int_equal(found, rows[i].name != NULL);
		if (found)
			assert_string_equal(name, rows[i].name);
	}
	git(REPO " && git remote add up https://example.com/a/up && git remote add origin "
	         "git@example.com:acme/app.git");
	open_place("r");
	assert_string_equal(facts.repository, "acme/app");
	git("cd r && git config branch.main.remote up");
	open_place("r");
	assert_string_equal(facts.repository, "a/up");
}

static int find_root(const char *dir, char *prefix, char *why)
{
	char path[200];
	int root = -1;
	(void)snprintf(path, sizeof(path), "%s/%s", top, dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = git_root_find(fd, &root, prefix, why, &err);
	dd_close(root);
	dd_close(fd);
	return r;
}

static void the_root_of_a_repository_is_found_from_below(void **state)
{
	(void)state;
	char prefix[PATH_MAX], why[300];
	git(REPO " && cd .. && mkdir -p plain/.git/x plain/a r/a/.git");
	assert_int_equal(find_root("r/a/b", prefix, why), 1);
	assert_string_equal(prefix, "a/b/"); /* a .git without a HEAD is passed over, as git does */
	assert_int_equal(find_root("r", prefix, why), 1);
	assert_string_equal(prefix, "");
	assert_int_equal(find_root("plain/a", prefix, why), 0);
	if (geteuid() != 0)
		return;
	git("chown -R 12345 r");
	assert_int_equal(find_root("r/a/b", prefix, why), 0);
	assert_non_null(strstr(why, "another user"));
	assert_int_equal(find_root("r", prefix, why), 1); /* named itself */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(head_branch_and_commit_are_those_that_git_names),
		T(a_worktree_and_a_submodule_have_their_own_head),
		T(a_git_file_that_somebody_made_up_is_no_repository),
		T(trees_of_commit_and_index_are_those_that_git_names),
		T(a_commit_that_is_not_here_or_cut_is_said),
		T(a_copied_configuration_has_neither_credentials_nor_commands),
		T(a_configuration_is_read_as_git_reads_it),
		T(the_name_of_a_repository_comes_out_of_its_url),
		T(the_root_of_a_repository_is_found_from_below),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
