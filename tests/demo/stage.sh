# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# stage.sh - makes the small world of the demo in the current directory: an authority, two packages, a git repository, a project.
# Sourced by scripts/demo and scripts/tutorial, which set `demo` (this directory).
: "${demo:?}"

make_authority() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=drydock demo authority" \
		-keyout ca.key -out ca.pem 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj "/CN=registry.demo.test" -keyout server.key -out server.csr 2>/dev/null
	printf 'subjectAltName=DNS:registry.demo.test,DNS:git.demo.test\n' >server.ext
	openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
		-out server.pem 2>/dev/null
}

in_git() { git -c user.name=demo -c user.email=demo@demo.test -c init.defaultBranch=main -c core.hooksPath=/dev/null "$@"; }

make_packages() {
	mkdir -p registry/packages registry/git
	for release in optline-1.2 glitter-0.9; do
		cp -r "$demo/${release%-*}" "$release"
		tar czf "registry/packages/$release.tar.gz" "$release"
		(cd registry/packages && sha256sum "$release.tar.gz" >"$release.tar.gz.sha256")
	done
	cp -r "$demo/tinycheck" tinycheck
	in_git -C tinycheck init -q
	in_git -C tinycheck add -A
	in_git -C tinycheck commit -qm "tinycheck"
	git clone -q --bare tinycheck registry/git/tinycheck.git
}

# The checkout that the workflow works on: a git repository, with the authority in it as a file. $1: the registry's port.
make_project() {
	cp -r "$demo/project" project
	cp ca.pem project/ca.pem
	sed -i "s/8443/$1/" project/Makefile project/.github/workflows/release.yml
	in_git -C project init -q
	in_git -C project add -A
	in_git -C project commit -qm "squeeze 1.0"
}

make_token() {
	head -c 32 /dev/urandom | sha256sum | cut -c 1-40 | sed 's/^/demo-token-/' >token
	chmod 600 token
}
