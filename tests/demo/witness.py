#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness.py - holds what the registry saw and what the record says against what the demo promises.

usage: witness.py --registry-log FILE --record FILE --artifact FILE --budget BYTES --uploads DIR
Prints what the registry saw, one line per promise, and ends with 1 if one does not hold."""
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


def main():
    parser = argparse.ArgumentParser()
    for name in ("registry-log", "record", "artifact", "uploads"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--budget", type=int, required=True)
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
    print("\nWhat was promised:")
    for promise, holds in promises.items():
        print(f"  {'holds ' if holds else 'BROKEN'}  {promise}")
    return 0 if all(promises.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
