# SPDX-License-Identifier: Apache-2.0
"""fake_record.py - writes a record whose chain holds from a description of what the steps of a run did.

The description is the traffic.json of tests/golden (README there): what happened, not what any policy says about it. Times and process
numbers are made up and always the same, so that one description gives one record, byte for byte."""
import hashlib
import json

import record_schema

BASE_NS = 1_000_000_000
KERNEL = ("accepted_packets", "accepted_bytes", "denied_packets", "denied_bytes")


class FakeRecord:
    """Append events; every line names the SHA-256 of the one before, as runner/record/record.c writes it."""

    def __init__(self, run="20260101-000000-fake", job="test"):
        self.run, self.job, self.lines, self.head = run, job, [], "0" * 64

    def add(self, event, step=None, phase=None, **fields):
        seq = len(self.lines) + 1
        line = {"seq": seq, "time": "2026-01-01T00:00:%02d.%06dZ" % (seq // 1000 % 60, seq % 1000), "mono_ns": BASE_NS + seq * 1_000_000,
                "run": self.run, "job": self.job, "step": step, "phase": phase, "event": event, **fields, "prev": self.head}
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode()
        self.head = hashlib.sha256(text).hexdigest()
        self.lines.append(text + b"\n")

    def write(self, path):
        """A record says what drydock could have written, or, without some fields, an older one; never anything else."""
        wrong = record_schema.complaints([json.loads(line) for line in self.lines], older=True)
        assert not wrong, wrong[:5]
        with open(path, "wb") as file:
            file.writelines(self.lines)
        return path


def _start(record, ref, index, step, phase):
    match = {name: step[name] for name in ("id", "name", "job", "uses", "run", "shell", "working_directory", "vars") if step.get(name)}
    match["job"] = match.get("job", record.job)
    fields = {"index": index, "id": step.get("id") or "", "name": step.get("name") or "Run " + (step.get("uses") or step.get("run") or "?").split("\n")[0],
              "argv0": "bash", "gate": "open", "seccomp": step.get("seccomp", "default"), "phase_why": "", "mounts": "",
              "match": match, "run_exact": step.get("run_exact", True), "read": step.get("read", []), "syscalls": step.get("syscalls", [])}
    if phase == "push":
        fields.update(workspace=step.get("workspace", "pristine"), artifacts=step.get("artifacts", []))
    for gone in step.get("without", []):    # an older record
        fields.pop(gone, None)
    record.add("step.start", ref, phase, **fields)


def _traffic(record, ref, phase, step, observed):
    receipts = {}
    for number, c in enumerate(step.get("connections", [])):
        host, address, port = c.get("host", ""), c.get("address", "45.10.20.1"), c.get("port", 443)
        would = observed and c.get("would", phase == "build")
        row = receipts.setdefault((host or address, port), {"host": host or address, "port": port, "connections": 0, "bytes_in": 0, "bytes_out": 0,
                                                           "denials": 0})
        for _ in range(c.get("times", 1)):
            row["connections"] += 1
            if not c.get("no_event"):
                record.add("net.allow", ref, phase, host=host, port=port, address=address, proto="tcp",
                           why=c.get("why", "not in the allowlist" if would else "allowed by the policy"),
                           **({"would": "deny"} if would else {}), **({"speaks": c.get("speaks", "tls")} if c.get("speaks", "tls") else {}),
                           process={"pid": 100 + number, "exe": "/usr/bin/client", "argv": "client"})
        row["bytes_in"] += c.get("in", 4096)
        row["bytes_out"] += c.get("out", 1024)
    for host in step.get("names", []):
        record.add("dns.allow", ref, phase, host=host, would="deny", reason="name-not-listed", why="not in the allowlist")
    for r in step.get("refused", []):
        record.add(r.get("event", "net.deny"), ref, phase, host=r.get("host", ""), port=r.get("port", 443), address=r.get("address", ""),
                   proto=r.get("proto", "tcp"), why=r.get("why", "not in the allowlist"), count=1, process=None)
    return list(receipts.values())


def _step(record, index, step, observed):
    phase = step.get("phase", "build")
    ref = step.get("id") or "%02d-step" % index
    _start(record, ref, index, step, phase)
    record.add("gate.open", ref, phase, state="open", observing=observed, entries=[], upload_bytes=0)
    for c in step.get("credentials", []):
        record.add("cred.grant", ref, phase, credential=c["name"], kind=c["from"].split(":")[0], delivery=c["as"].split(":")[0],
                   ttl_sec=c.get("ttl_sec", 300), **{"from": c["from"], "as": c["as"]})
    receipts = _traffic(record, ref, phase, step, observed)
    peak = step.get("peak_connections", sum(r["connections"] for r in receipts))
    record.add("gate.close", ref, phase, receipt=receipts, verified=True, kernel=dict.fromkeys(KERNEL, 0), unreported=step.get("unreported", 0),
               **({} if peak is None else {"peak_connections": peak}))
    for call in step.get("calls", []):
        record.add("sys.deny", ref, phase, syscall=call["syscall"], nr=call.get("nr", 0), count=call.get("count", 1),
                   process=None, answer=call.get("answer", "continued"), **({"detail": call["detail"]} if "detail" in call else {}))
    record.add("step.end", ref, phase, outcome="succeeded", exit=0, signal=0, wall_sec=float(step.get("wall_sec", 1.5)), cpu_usec=1000000,
               peak_memory_bytes=step.get("memory", 64 << 20), output_bytes=step.get("output_bytes", 2000), refused=0,
               files=step.get("files", 100), disk_bytes=step.get("disk", 1 << 20), why="")


def build(description):
    """A FakeRecord of a whole run."""
    record = FakeRecord(description.get("run", "20260101-000000-fake"), description.get("job", "test"))
    observed = description.get("mode", "observe") == "observe"
    start = {"version": "test", "kernel": "6.1.0", "policy": {"path": None, "sha256": ""}, "identity": "range", "enforcement": [],
             "workflow": description.get("workflow", "workflow.yml"), "trusted": description.get("trusted", True), "trust_why": "local run",
             "steps": len(description["steps"])}
    if description.get("mode", "observe"):
        start["mode"] = description.get("mode", "observe")
    if "event" in description:
        start["forge_event"] = description["event"]
    record.add("run.start", **start)
    for index, step in enumerate(description["steps"], 1):
        _step(record, index, step, observed)
    if description.get("ended", True):
        n = len(description["steps"])
        record.add("run.end", status="succeeded", counts={"steps": n, "ran": n, "failed": 0, "refused": 0, "would_refuse": 0})
    return record
