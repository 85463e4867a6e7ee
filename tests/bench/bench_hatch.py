#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_hatch.py - saving and restoring a cache of 1 GiB through the hatch, beside a plain copy of the same file, in turns.

All of it happens in one step: the plain copy reads and writes the workspace with the same calls as the client. Ratio: plain copy by this, so 1.00 is as
fast as a copy. Saving includes the digest that the storekeeper takes. Processor time is that of all processes of a run that does it over one that does not:
on a busy machine three processes that hand each other bytes wait where one does not."""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

DRYDOCK = os.path.join(os.environ["DRYDOCK_BUILD"], "drydock")
ROUNDS = int(os.environ.get("DD_BENCH_ROUNDS", "15")) // 5 + 1
CLIENT = r'''
import http.client, json, os, time, urllib.parse
SIZE, CHUNK = 1 << 30, 1 << 20
base = urllib.parse.urlsplit(os.environ["ACTIONS_RESULTS_URL"])
def call(method, **members):
    c = http.client.HTTPConnection(base.hostname, base.port)
    c.request("POST", "/twirp/github.actions.results.api.v1.CacheService/" + method, json.dumps(members), {"Authorization": "Bearer " + os.environ["ACTIONS_RUNTIME_TOKEN"]})
    r = json.loads(c.getresponse().read())
    assert r["ok"], r
    return r
def connect(url):
    u = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(u.hostname, u.port), u.path + "?" + u.query
with open("big", "wb") as f:
    block = os.urandom(CHUNK)
    for i in range(SIZE // CHUNK): f.write(block)
def copy():
    with open("big", "rb") as a, open("copy", "wb") as b:
        while True:
            data = a.read(CHUNK)
            if not data: break
            b.write(data)
def save(key):
    c, path = connect(call("CreateCacheEntry", key=key, version="v")["signed_upload_url"])
    c.putrequest("PUT", path); c.putheader("x-ms-blob-type", "BlockBlob"); c.putheader("Content-Length", str(SIZE)); c.endheaders()
    with open("big", "rb") as f: c.sock.sendfile(f)
    assert c.getresponse().status == 201
    call("FinalizeCacheEntryUpload", key=key, version="v", size_bytes=str(SIZE))
def restore(key):
    c, path = connect(call("GetCacheEntryDownloadURL", key=key, version="v")["signed_download_url"])
    c.request("GET", path)
    r, view, n = c.getresponse(), memoryview(bytearray(CHUNK)), 0
    with open("back", "wb") as f:
        while True:
            got = r.readinto(view)
            if not got: break
            f.write(view[:got]); n += got
    assert n == SIZE
def timed(name, f, *args):
    for leftover in ("copy", "back"):
        if os.path.exists(leftover): os.unlink(leftover)
    began = time.monotonic(); f(*args)
    print("@@%s=%.4f@@" % (name, time.monotonic() - began))
for word in open("mode").read().split():
    if word == "copy": timed("copy", copy)
    else: timed(word, save if word == "save" else restore, "k")
'''


def measure(stage, mode):
    """Wall time in ms of what was done, by its name, and the processor time of the whole run in ms."""
    shutil.rmtree(os.path.join(stage, "state"), ignore_errors=True)
    with open(os.path.join(stage, "src", "mode"), "w", encoding="ascii") as file:
        file.write(mode)
    with subprocess.Popen([DRYDOCK, "run", "w.yml", "--policy", "p.yml", "--workspace", "src", "--state-dir", "state"], cwd=stage, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as child:
        said = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(said)
    return {name: float(v) * 1000 for name, v in re.findall("@@([a-z]+)=([0-9.]+)@@", said)}, (used.ru_utime + used.ru_stime) * 1000


def row(what, values, plain):
    print(f"hatch\t{what}\t{statistics.median(values):.0f}\t{min(values):.0f}\tms\t{min(plain) / max(min(values), 1):.2f}")


def main():
    if not any(os.access(os.path.join(d, "node"), os.X_OK) for d in ("/usr/local/bin", "/usr/bin", "/bin")):
        print("# hatch: no node that a step sees (scripts/deps --peers)")
        return
    # in memory where there is room: a disk that is busy writing the file before is no part of this
    shm = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    room = bool(shm) and shm.f_bavail * shm.f_frsize > (12 << 30)
    stage = tempfile.mkdtemp(prefix="dd-bench-", dir="/dev/shm" if room else None)
    try:
        files = {"src/a/action.yml": "name: a\nruns: { using: node20, main: a.js }\n",
                 "src/a/a.js": "require('child_process').execFileSync('python3', ['a/client.py'], {stdio: 'inherit'})\n",
                 "src/a/client.py": CLIENT,
                 "w.yml": "on: push\njobs:\n  b:\n    runs-on: x\n    steps:\n      - uses: ./a\n", "p.yml": "version: 1\n"}
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
            with open(os.path.join(stage, path), "w", encoding="ascii") as file:
                file.write(text)
        wall, cpu = {name: [] for name in ("copy", "save", "restore")}, {name: [] for name in ("copy", "save", "restore")}
        for _ in range(ROUNDS):
            (_, none), (copied, copy), (_, save), (both, restore) = [measure(stage, mode) for mode in ("", "copy", "save", "save restore")]
            for name, value in {**copied, **both}.items():
                wall[name].append(value)
            for name, value in (("copy", copy - none), ("save", save - none), ("restore", restore - save)):
                cpu[name].append(value)
        for name, what in (("copy", "plain copy of 1 GiB"), ("save", "save 1 GiB into a cache"), ("restore", "restore 1 GiB from a cache")):
            row(what, wall[name], wall["copy"])
            row(what + ", processor time", cpu[name], cpu["copy"])
    finally:
        shutil.rmtree(stage, ignore_errors=True)


main()
