#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# checkout.sh - what a step runs for actions/checkout; a part of the program (checkout_script.c).
#
# It runs in the sandbox of the step, which trusts it no more than any other: its gate, its files and its limits are those that the policy gives. What it adds is
# that a repository starts nothing: no hooks, no fsmonitor, no filter (none is configured in a .git that is made here, and no file of a repository
# configures one), no other protocol than https for what it or its submodules name; and that a token ends with it: git asks a helper, which reads
# a variable of this process, and .git/config holds a plain address.
set -eu
say() { printf '%s\n' "$*"; }
fail() {
	say "::error::checkout: $*"
	exit 1
}
command -v git >/dev/null || fail 'this host has no git where steps see it'
target=$CHECKOUT_ROOT
if [ -n "$CHECKOUT_PATH" ]; then target=$CHECKOUT_ROOT/$CHECKOUT_PATH; fi
url=$CHECKOUT_SERVER/$CHECKOUT_REPOSITORY
# GIT_ALLOW_PROTOCOL and what -c says hold for what git starts, too
g() {
	GIT_ALLOW_PROTOCOL=https git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.protectNTFS=true -c core.protectHFS=true \
		-c gc.auto=0 -c maintenance.auto=false -c advice.detachedHead=false -c safe.directory='*' -c init.defaultBranch=main \
		-c submodule.recurse=false -c fetch.recurseSubmodules=false "$@"
}
net() {
	if [ -z "$CHECKOUT_TOKEN" ]; then
		g "$@"
		return
	fi
	g -c credential.helper= -c "credential.$CHECKOUT_SERVER.helper=!f() { test \"\$1\" = get && printf 'username=x-access-token\\npassword=%s\\n' \"\$CHECKOUT_TOKEN\"; }; f" "$@"
}
# What an earlier step may have written into the .git of the workspace runs with no token beside it.
alone() { CHECKOUT_TOKEN=''; }
# A place that a link leads out of the workspace is none.
mkdir -p "$target"
real=$(cd "$target" && pwd -P)
top=$(cd "$CHECKOUT_ROOT" && pwd -P)
case $real/ in
"$top"/*) ;;
*) fail "the path $CHECKOUT_PATH leads out of the workspace" ;;
esac
empty() { find "$target" -mindepth 1 -maxdepth 1 -exec rm -rf {} +; }
finish() {
	commit=$(g -C "$target" rev-parse HEAD)
	printf 'ref=%s\ncommit=%s\n' "$1" "$commit" >>"$GITHUB_OUTPUT"
	say "$target is at $commit${1:+ ($1)}"
}
sparse() {
	if [ -z "$CHECKOUT_SPARSE" ]; then return; fi
	cone=--cone
	if [ "$CHECKOUT_CONE" != true ]; then cone=--no-cone; fi
	printf '%s\n' "$CHECKOUT_SPARSE" | net -C "$target" sparse-checkout set "$cone" --stdin
}
submodules() {
	case $CHECKOUT_SUBMODULES in
	'') return ;;
	recursive) set -- --recursive ;;
	*) set -- ;;
	esac
	net -C "$target" submodule sync "$@" >/dev/null
	if [ "$CHECKOUT_DEPTH" != 0 ]; then set -- "$@" "--depth=$CHECKOUT_DEPTH"; fi
	net -C "$target" submodule update --init --force "$@"
}

# ---- the job's own tree ----

# As it stands, in another place, or less of it.
copy_tree() {
	alone
	if [ "$real" = "$top" ]; then
		sparse
		finish ''
		return
	fi
	if [ "$CHECKOUT_CLEAN" = true ]; then empty; fi
	if [ -d "$top/.git" ]; then
		cp -a "$top/.git" "$target/"
		g -C "$top" ls-files -z --cached | tar -C "$top" --null --ignore-failed-read -T - -cf - | tar -C "$target" -xf -
		sparse
		finish ''
	else
		find "$top" -mindepth 1 -maxdepth 1 ! -name "${CHECKOUT_PATH%%/*}" -exec cp -a {} "$target/" \;
		say "$target is a copy of the workspace, which is in no repository"
	fi
}
own_ref() {
	if [ ! -d "$top/.git" ]; then fail 'the workspace is in no repository, so there is no other ref of it'; fi
	found=
	for name in "refs/heads/$CHECKOUT_REF" "refs/remotes/origin/$CHECKOUT_REF" "refs/tags/$CHECKOUT_REF" "$CHECKOUT_REF"; do
		if g -C "$top" rev-parse -q --verify "$name^{commit}" >/dev/null 2>&1; then
			found=$name
			break
		fi
	done
	if [ -z "$found" ]; then
		if [ -z "$CHECKOUT_REPOSITORY" ]; then fail "the repository of the workspace has no $CHECKOUT_REF"; fi
		say "the repository of the workspace has no $CHECKOUT_REF: asking $url"
		fetch_tree
		return
	fi
	alone
	if [ "$real" != "$top" ]; then
		if [ "$CHECKOUT_CLEAN" = true ]; then empty; fi
		cp -a "$top/.git" "$target/"
	fi
	sparse
	g -C "$target" checkout --quiet --force --detach "$(g -C "$target" rev-parse --verify "$found^{commit}")"
	submodules
	finish "$CHECKOUT_REF"
}

# ---- over https ----

is_commit() { printf '%s' "$1" | grep -Eqx '[0-9a-fA-F]{40}|[0-9a-fA-F]{64}'; }
find_ref() {
	if [ -z "$CHECKOUT_REF" ]; then
		name=$(net ls-remote --symref "$url" HEAD | sed -n 's/^ref: \(refs\/[^[:space:]]*\)[[:space:]].*/\1/p' | head -n 1)
		if [ -z "$name" ]; then fail "$url cannot be read, or has no default branch"; fi
		return
	fi
	name=$CHECKOUT_REF
	case $CHECKOUT_REF in refs/*) return ;; esac
	if is_commit "$CHECKOUT_REF"; then return; fi
	there=$(net ls-remote "$url" "refs/heads/$CHECKOUT_REF" "refs/tags/$CHECKOUT_REF")
	case $there in
	*refs/heads/*) name=refs/heads/$CHECKOUT_REF ;;
	*refs/tags/*) name=refs/tags/$CHECKOUT_REF ;;
	*) fail "$url has no branch and no tag $CHECKOUT_REF" ;;
	esac
}
fetch_tree() {
	if [ -z "$CHECKOUT_REPOSITORY" ]; then fail 'which repository is not known here: say repository: OWNER/NAME'; fi
	find_ref
	if [ "$CHECKOUT_CLEAN" = true ]; then empty; fi
	rm -rf "$target/.git" # whoever wrote its configuration, it was not us
	g init -q "$target"
	g -C "$target" config remote.origin.url "$url"
	set -- --quiet --force --no-write-fetch-head
	if [ -n "$CHECKOUT_FILTER" ]; then
		g -C "$target" config remote.origin.promisor true
		set -- "$@" "--filter=$CHECKOUT_FILTER"
	fi
	case $name in
	refs/heads/*) to=refs/remotes/origin/${name#refs/heads/} ;;
	refs/*) to=$name ;;
	*) to=refs/remotes/origin/checkout ;;
	esac
	if [ "$CHECKOUT_DEPTH" = 0 ]; then
		net -C "$target" fetch "$@" --tags origin '+refs/heads/*:refs/remotes/origin/*' "+$name:$to"
	elif [ "$CHECKOUT_TAGS" = true ]; then
		net -C "$target" fetch "$@" --tags "--depth=$CHECKOUT_DEPTH" origin "+$name:$to"
	else
		net -C "$target" fetch "$@" --no-tags "--depth=$CHECKOUT_DEPTH" origin "+$name:$to"
	fi
	sparse
	case $name in
	refs/heads/*) net -C "$target" checkout --quiet --force -B "${name#refs/heads/}" "$to" ;;
	*) net -C "$target" checkout --quiet --force --detach "$to" ;;
	esac
	submodules
	finish "$name"
}

case $CHECKOUT_KIND in
copy) copy_tree ;;
own) own_ref ;;
*) fetch_tree ;;
esac
