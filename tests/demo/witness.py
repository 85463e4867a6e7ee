#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness.py - holds what the registry saw and what the record says against what the demo promises.

usage: witness.py --registry-log FILE --record FILE --artifact FILE --budget BYTES --uploads DIR --log FILE --token FILE --nowhere PATH...
Prints what the registry saw, one line per promise, and ends with 1 if one does not hold, or could not be looked at: what nobody could
see is not a promise kept."""
import argparse
import hashlib
import json
import os
import sys


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def seen_by_registry(requests):
    print("What the registry saw:")
    for r in requests:
        size = f"{r['bytes_in']:>8} in {r['bytes_out']:>7} out"
        print(f"  {r['status'] or 'cut':>4}  {r['method']:4} {r['path'][:44]:44} {size}  token: {r['token']}")


def mentions(record, event, text):
    return any(line["event"] == event and text in json.dumps(line) for line in record)


class Unknown(Exception):
    """The check could not be made; the reason is printed, and the demo fails."""


def files_below(paths):
    for path in paths:
        if not os.path.exists(path):
            raise Unknown(f"{path} is not there")
        if os.path.isfile(path):
            yield path
            continue
        for where, _, names in os.walk(path, onerror=cannot_look):
            yield from (os.path.join(where, name) for name in names)


def cannot_look(error):
    raise Unknown(str(error))


def token_is_nowhere(token_path, places):
    """The token must be nowhere but in the registry's and drydock's own hands."""
    with open(token_path, "rb") as file:
        token = file.read().strip()
    if len(token) < 20:
        raise Unknown("there was no token")
    for path in files_below(places):
        if os.path.islink(path):
            continue
        with open(path, "rb") as file:
            if token in file.read():
                print(f"  the token is in {path}")
                return False
    return True


def command_lines():
    """pid -> command line of every process of this host. Steps have other ids, so a /proc that hides those shows nothing."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        options = [line.rsplit(" ", 1)[1] for line in file if line.split(" ")[4] == "/proc"]
    hidden = [o for o in options[-1].strip().split(",") if o.startswith("hidepid=") and o not in ("hidepid=0", "hidepid=off")]
    if hidden and os.geteuid() != 0:
        raise Unknown(f"this /proc shows no process of another user ({hidden[0]})")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found[int(pid)] = file.read().decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            pass   # it has just ended
        except OSError as error:
            raise Unknown(str(error)) from error
    if os.getpid() not in found:
        raise Unknown("/proc does not show this process itself")
    return found


def no_hostile_process_is_left(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        if "waits for the push step: started" not in file.read():
            raise Unknown("the dependency never started one")
    return not any("wait-for-push.sh" in command for command in command_lines().values())


def verdict(promise):
    try:
        return ("holds " if promise() else "BROKEN"), ""
    except (Unknown, OSError) as reason:
        return "UNKNOWN", f": {reason}"


def main():
    parser = argparse.ArgumentParser()
    for name in ("registry-log", "record", "artifact", "uploads", "log", "token"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--budget", type=int, required=True)
    parser.add_argument("--nowhere", nargs="+", required=True)
    args = parser.parse_args()

    requests = [line for line in lines(args.registry_log) if line["event"] == "request"]
    record = lines(args.record)
    with open(args.artifact, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    seen_by_registry(requests)

    holders = [r for r in requests if r["token"] != "none"]
    strangers = [r for r in requests if r["method"] in ("PUT", "POST") and "/git/" not in r["path"] and r["token"] == "none"]
    push = [line for line in record if line["event"] == "step.start" and line["phase"] == "push"]
    started = push[0]["time"] if push else ""
    grants = [line for line in record if line["event"] == "cred.grant"]
    promises = {
        "the artifact arrived, bit for bit": any(r.get("sha256") == digest for r in requests),
        "the token was used once, for that upload": len(holders) == 1 and holders[0].get("sha256") == digest,
        "only a push step was granted the token": len(grants) == 1 and grants[0]["phase"] == "push" and bool(started),
        "nothing else was stored": os.listdir(args.uploads) == [os.path.basename(args.artifact)],
        f"the hostile upload was cut at the budget ({sum(r['bytes_in'] for r in strangers)} of 4194304 bytes passed)":
            sum(r["bytes_in"] for r in strangers) <= args.budget and mentions(record, "violation", "budget"),
        "the metadata address was refused": mentions(record, "net.deny", "169.254.169.254"),
        "a direct connection was refused": mentions(record, "net.deny", "203.0.113.7"),
        "a foreign name was refused, and stayed on this host": mentions(record, "dns.deny", "evil.example"),
        "the change to a tracked file was noticed": mentions(record, "violation", "README.md"),
    }
    promises = {text: (lambda kept=kept: kept) for text, kept in promises.items()}
    promises["the token is in no output, record or artifact"] = lambda: token_is_nowhere(args.token, args.nowhere)
    promises["no hostile process is left"] = lambda: no_hostile_process_is_left(args.log)
    print("\nWhat was promised:")
    good = True
    for promise, look in promises.items():
        word, reason = verdict(look)
        good = good and word == "holds "
        print(f"  {word:6}  {promise}{reason}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
