#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tutorial_test.sh - docs/tutorial.md, every command as printed, in the world that scripts/tutorial makes for its reader.
cd "$(dirname "$0")/../.." || exit 1
export PAGE=$PWD/docs/tutorial.md
exec scripts/tutorial python3 "$PWD/tests/lib/printed.py" "$PAGE"
