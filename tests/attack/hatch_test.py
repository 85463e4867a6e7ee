#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loopback service of steps: who is served what, with which token, and how much."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402
from engine import ENGINE, EngineRun, steps_of  # noqa: E402

REPOSITORY = {"full_name": "acme/app", "default_branch": "main"}
PROTECTED = {"event_name": "push", "ref": "refs/heads/main", "ref_protected": True, "repository": REPOSITORY}
BRANCH = {"event_name": "push", "ref": "refs/heads/work", "repository": REPOSITORY}
PULL = {"event_name": "pull_request", "repository": REPOSITORY,
        "pull_request": {"number": 7, "base": {"ref": "main", "repo": REPOSITORY}, "head": {"ref": "x", "repo": {"full_name": "evil/app"}}}}
OTHER_PULL = dict(PULL, pull_request=dict(PULL["pull_request"], number=8))
COMMENT = {"event_name": "issue_comment", "ref": "refs/heads/main", "repository": REPOSITORY, "issue": {"number": 1}, "comment": {"id": 1}}

# What a client does, in few words; runs inside of the step.
CLIENT = r'''
import base64, hashlib, http.client, json, os, socket, sys, time, urllib.parse
BASE = urllib.parse.urlsplit(os.environ.get("ACTIONS_RESULTS_URL", "http://127.0.0.1:3/"))
TOKEN = os.environ.get("ACTIONS_RUNTIME_TOKEN", "")
def connect():
    return http.client.HTTPConnection(BASE.hostname, BASE.port, timeout=60)
def ask(method, path, body=None, headers=(), conn=None):
    c = conn or connect()
    c.request(method, path, body=body, headers=dict(headers))
    r = c.getresponse()
    data = r.read()
    return r.status, data, r
def call(service, method, token=None, **members):
    status, data, _ = ask("POST", "/twirp/github.actions.results.api.v1.%s/%s" % (service, method), json.dumps(members),
                          {"Authorization": "Bearer " + (TOKEN if token is None else token), "Content-Type": "application/json"})
    try:
        return status, json.loads(data)
    except ValueError:
        return status, data.decode("utf-8", "replace")
def at(url):
    u = urllib.parse.urlsplit(url)
    return u.path + "?" + u.query
def put(url, data):
    return ask("PUT", at(url), data, {"x-ms-blob-type": "BlockBlob"})[0]
def put_blocks(url, blocks, order=None):
    ids = [base64.b64encode(b"block%06d" % i).decode() for i in range(len(blocks))]
    for i in (order or range(len(blocks))):
        status = ask("PUT", at(url) + "&comp=block&blockid=" + urllib.parse.quote(ids[i]), blocks[i])[0]
        assert status == 201, status
    xml = '<?xml version="1.0" encoding="utf-8"?><BlockList>' + "".join("<Latest>%s</Latest>" % i for i in ids) + "</BlockList>"
    return ask("PUT", at(url) + "&comp=blocklist", xml)[0]
def save(key, data, version="v1"):
    status, a = call("CacheService", "CreateCacheEntry", key=key, version=version)
    if status != 200 or not a["ok"]:
        return status, a
    assert put(a["signed_upload_url"], data) == 201
    return call("CacheService", "FinalizeCacheEntryUpload", key=key, version=version, size_bytes=str(len(data)))
def find(key, *restore, version="v1"):
    return call("CacheService", "GetCacheEntryDownloadURL", key=key, restore_keys=list(restore), version=version)
def get(key, *restore):
    status, a = find(key, *restore)
    if status != 200 or not a["ok"]:
        return None
    return ask("GET", at(a["signed_download_url"]))[1].decode()
def upload(name, data, **more):
    status, a = call("ArtifactService", "CreateArtifact", name=name, version=7, workflow_run_backend_id="r", workflow_job_run_backend_id="j")
    if status != 200:
        return status, a
    assert put_blocks(a["signed_upload_url"], [data[i:i + 7] for i in range(0, len(data), 7)]) == 201
    return call("ArtifactService", "FinalizeArtifact", name=name, size=str(len(data)),
                hash=more.get("hash", "sha256:" + hashlib.sha256(data).hexdigest()), workflow_run_backend_id="r", workflow_job_run_backend_id="j")
def download(name):
    status, a = call("ArtifactService", "GetSignedArtifactURL", name=name, workflow_run_backend_id="r", workflow_job_run_backend_id="j")
    return ask("GET", at(a["signed_url"]))[1] if status == 200 else None
def mark(name, value):
    print("@@%s=%s@@" % (name, value))
'''


class Store:
    """Jobs that share one store, and one run's artifacts."""

    def __init__(self):
        self.job = Job([])
        self.records = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.job.close()

    def path(self, *names):
        return os.path.join(self.job.dir, *names)

    def start(self, *scripts, event=None, policy=None, hatch=True, out=None, fault=None):
        """A job with one step a script, each of them python with CLIENT before it."""
        steps = "".join("- shell: python3 {0}\n  id: s%d\n  run: |\n%s\n" % (i, "".join("    " + line + "\n" for line in (CLIENT + script).splitlines()))
                        for i, script in enumerate(scripts))
        self.records += 1
        workflow = f"wf{self.records}.yml"   # of each its own: the next one may start at once
        self.job.write(workflow, steps_of(steps))
        self.job.write("p.yml", json.dumps(policy or {"version": 1}))
        self.job.write("contexts.json", json.dumps({"github": {"event_name": "push", "event": {}}}))
        options = ["hatch"] if hatch else ["plain"]
        options += ["state=" + self.path("state"), "artifacts=" + self.path("artifacts")]
        if event:
            self.job.write("event.json", json.dumps(event))
            options.append("event=event.json")
        if out:
            options.append("out=" + out)
        env = dict(self.job.environ(), **({"DRYDOCK_FAULT": fault} if fault else {}))
        return subprocess.Popen([ENGINE, "p.yml", "src", self.record(), workflow, "j", "contexts.json", *options], cwd=self.job.dir, env=env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def record(self):
        return self.path(f"record{self.records}.jsonl")

    def run(self, *scripts, timeout=240, **how):
        process = self.start(*scripts, **how)
        try:
            out, _ = process.communicate(timeout=timeout)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        r = EngineRun(self.job.dir, process.returncode, out.decode("utf-8", "replace"))
        r.did = []
        if os.path.exists(self.record()):
            r.did = [line for line in map(json.loads, read(self.record()).splitlines()) if line["event"] == "hatch"]
        return r


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def descendants(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in read(f"/proc/{pid}/task/{task}/children").split():
            yield int(child)
            yield from descendants(int(child))


def ok(r):
    equal(r.result, "success", "result", r)
    return r


@case("", "what clients take for a signature, and mask in every log, is the one secret of an address, and long enough to be masked")
def _():
    with Store() as s:
        r = ok(s.run("s, a = call('CacheService', 'CreateCacheEntry', key='k', version='v1')\nu = urllib.parse.urlsplit(a['signed_upload_url'])\n"
                     "sig = urllib.parse.parse_qs(u.query)['sig'][0]\nmark('sig', '%d %s' % (len(sig), u.path.endswith('/' + sig)))\nprint('::add-mask::' + sig)"))
        length, same = r.mark("sig").split()
        check(int(length) >= 16 and same == "True", f"a signature of {length} characters, of the path: {same}", r)
        check("cannot be masked" not in r.out, "masked", r)


@case("W-02", "a cache saved in one job is restored in the next, under a policy that names no host")
def saved_and_restored():
    with Store() as s:
        ok(s.run("mark('save', save('deps-1', b'the bytes'))"))
        r = ok(s.run("mark('exact', get('deps-1')); mark('prefix', get('deps-2', 'other-', 'deps-')); mark('none', get('nothing'))"))
        equal(r.marks.get("exact"), "the bytes", "restored", r)
        equal(r.marks.get("prefix"), "the bytes", "restored by prefix", r)
        equal(r.marks.get("none"), "None", "a key that nobody saved", r)
        equal([d["did"] for d in r.did], ["restored", "restored", "missed"], "in the record", r)
        equal(r.did[0]["sha256"], hashlib.sha256(b"the bytes").hexdigest(), "digest in the record", r)


@case("W-02", "an artifact uploaded in one job is downloaded in the next, and arrives in --out")
def artifact_up_and_down():
    with Store() as s:
        data = "b'a zip, so to speak, of some length'"
        r = ok(s.run(f"mark('up', upload('dist', {data})[0])", out=s.path("out")))
        equal(r.marks.get("up"), "200", "upload", r)
        with open(s.path("out", "dist.zip"), "rb") as file:
            equal(file.read(), b"a zip, so to speak, of some length", "--out", r)
        r = ok(s.run("mark('down', download('dist')); mark('list', [a['name'] for a in call('ArtifactService', 'ListArtifacts')[1]['artifacts']])"))
        equal(r.marks.get("down"), data, "download", r)
        equal(r.marks.get("list"), "['dist']", "list", r)


@case("A-04", "what a pull request wrote is never served to a protected ref, and what that wrote is served to it")
def tiers():
    with Store() as s:
        ok(s.run("assert save('k', b'poison')[0] == 200", event=PULL))
        r = ok(s.run("mark('got', get('k', 'k'))", event=PROTECTED))
        equal(r.marks.get("got"), "None", "the protected ref", r)
        r = ok(s.run("mark('got', get('k', 'k'))", event=PULL))
        equal(r.marks.get("got"), "poison", "its own", r)
        ok(s.run("assert save('k', b'clean')[0] == 200", event=PROTECTED))
        r = ok(s.run("mark('got', get('k', 'k'))", event=PROTECTED))
        equal(r.marks.get("got"), "clean", "the protected ref", r)
        r = ok(s.run("mark('got', get('k', 'k'))", event=OTHER_PULL))
        equal(r.marks.get("got"), "clean", "another pull request sees what main wrote, and not what the first wrote", r)


@case("A-04", "an event that strangers cause writes nothing for the protected ref that it runs on")
def comment_on_main():
    with Store() as s:
        ok(s.run("assert save('k', b'poison')[0] == 200", event=COMMENT))
        r = ok(s.run("mark('got', get('k'))", event=PROTECTED))
        equal(r.marks.get("got"), "None", "the protected ref", r)
        ok(s.run("assert save('k', b'clean')[0] == 200", event=PROTECTED))
        r = ok(s.run("mark('got', get('k'))", event=PULL))
        equal(r.marks.get("got"), "clean", "of what others wrote for main, that of the protected ref", r)


@case("A-04", "what pull requests write drives nothing out that a protected ref wrote")
def no_eviction():
    policy = {"version": 1, "cache": {"size": "1000B"}}
    with Store() as s:
        ok(s.run("assert save('k', b'x' * 600)[0] == 200", event=PROTECTED, policy=policy))
        r = ok(s.run("for i in range(5): mark(i, save('p%d' % i, b'y' * 900)[0])", event=PULL, policy=policy))
        equal([r.marks.get(str(i)) for i in range(5)], ["200"] * 5, "saved", r)
        check(sum(d["did"] == "removed" for d in r.did) == 4, "its own were driven out", r)
        r = ok(s.run("mark('got', len(get('k') or ''))", event=PROTECTED, policy=policy))
        equal(r.marks.get("got"), "600", "what the protected ref wrote", r)


@case("A-05", "the token of a step that ended is refused, and a step that is no action has none")
def token_ends():
    with Store() as s:
        r = ok(s.run("open('/work/token', 'w').write(TOKEN); mark('own', find('k')[0])",
                     "mark('old', find_with(open('/work/token').read()))".replace("find_with(", "call('CacheService', 'GetCacheEntryDownloadURL', key='k', version='v', token=")
                     .replace("read()))", "read())[0])") + "; mark('empty', call('CacheService', 'GetCacheEntryDownloadURL', key='k', version='v', token='')[0])"))
        equal(r.marks.get("own"), "200", "its own", r)
        equal(r.marks.get("old"), "401", "that of the step before", r)
        equal(r.marks.get("empty"), "401", "none", r)
        r = ok(s.run("mark('env', sorted(n for n in os.environ if n.startswith('ACTIONS_')))\n"
                     "try:\n    connect().connect(); mark('connect', 'served')\n"
                     "except OSError as e: mark('connect', type(e).__name__)", hatch=False))
        equal(r.marks.get("env"), "[]", "variables", r)
        equal(r.marks.get("connect"), "ConnectionRefusedError", "the address", r)


@case("A-06", "a push step has no cache, and a policy cannot give it one")
def push_has_no_cache():
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"id": "s1"}}]}
    with Store() as s:
        r = ok(s.run("mark('build', save('k', b'x')[0])", "mark('find', find('k')[0]); mark('save', save('q', b'x')[0])", policy=policy))
        equal(r.marks.get("build"), "200", "the build step", r)
        equal(r.marks.get("find"), "403", "the push step asks", r)
        equal(r.marks.get("save"), "403", "the push step saves", r)
        check("a push step has no cache" in r.out, "the log says why", r)
        wrong = s.run("pass", policy={"version": 1, "cache": {"read": ["push"]}})
        check(wrong.rc == 2 and "a push step has no cache" in wrong.out, "the policy is refused", wrong)


@case("A-09", "a digest is of the bytes that are served: a false one, a false size, or half an upload is nothing")
def digests():
    with Store() as s:
        r = ok(s.run("""
            mark('hash', upload('a', b'some bytes', hash='sha256:' + '0' * 64)[0])
            s, a = call('CacheService', 'CreateCacheEntry', key='k', version='v1')
            mark('before', call('CacheService', 'FinalizeCacheEntryUpload', key='k', version='v1', size_bytes='3')[0])
            put(a['signed_upload_url'], b'abc')
            mark('size', call('CacheService', 'FinalizeCacheEntryUpload', key='k', version='v1', size_bytes='4')[0])
            mark('twice', put(a['signed_upload_url'], b'xyz'))
            mark('done', call('CacheService', 'FinalizeCacheEntryUpload', key='k', version='v1', size_bytes='3')[0])
            mark('after', put(a['signed_upload_url'], b'xyz'))
            mark('got', get('k'))
            s, a = call('CacheService', 'CreateCacheEntry', key='open', version='v1')
            put(a['signed_upload_url'], b'never ended')
            """.replace("            ", "")))
        for name, want in (("hash", "403"), ("before", "412"), ("size", "412"), ("twice", "403"), ("done", "200"), ("after", "403"), ("got", "abc")):
            equal(r.marks.get(name), want, name, r)
        r = ok(s.run("mark('open', get('open')); mark('a', download('a')); mark('list', call('ArtifactService', 'ListArtifacts')[1]['artifacts'])"))
        equal((r.marks.get("open"), r.marks.get("a"), r.marks.get("list")), ("None", "None", "[]"), "what was never whole", r)
        left = [n for _, _, names in os.walk(s.path("state", "store")) for n in names if n.startswith("in-")]
        equal(left, [], "uploads that nobody ended", r)


@case("A-10", "the artifacts of the record are those that were uploaded, and one that is there is never replaced")
def artifact_set():
    with Store() as s:
        r = ok(s.run("mark('one', upload('one', b'first')[0]); mark('again', upload('one', b'second')[0]); mark('two', upload('two', b'2')[0])\n"
                     "mark('gone', call('ArtifactService', 'DeleteArtifact', name='two')[0]); mark('bad', upload('../x', b'2')[0])", out=s.path("out")))
        equal([r.marks.get(n) for n in ("one", "again", "two", "gone", "bad")], ["200", "409", "200", "200", "400"], "answers", r)
        equal([(d["did"], d["name"], d["sha256"]) for d in r.did if d["did"] != "refused"],
              [("saved", "one", hashlib.sha256(b"first").hexdigest()), ("saved", "two", hashlib.sha256(b"2").hexdigest()),
               ("removed", "two", hashlib.sha256(b"2").hexdigest())], "the record", r)
        equal(sorted(os.listdir(s.path("out"))), ["one.zip"], "--out", r)


@case("A-03", "an artifact that was changed on the disk between upload and use is not handed out, and does not get to --out")
def altered():
    with Store() as s:
        ok(s.run("mark('up', upload('one', b'as it was built')[0])"))
        blob, = [os.path.join(s.path("artifacts"), n) for n in os.listdir(s.path("artifacts")) if n.endswith(".blob")]
        with open(blob, "r+b") as file:
            file.write(b"AS")
        r = ok(s.run("mark('down', call('ArtifactService', 'GetSignedArtifactURL', name='one'))"))
        check("507" in r.marks.get("down", "") and "its digest differs" in r.marks["down"], "told", r)


@case("", "blocks that come out of order are put together as their list says, and ranges of them are served")
def blocks():
    with Store() as s:
        r = ok(s.run("""
            s, a = call('CacheService', 'CreateCacheEntry', key='k', version='v1')
            mark('put', put_blocks(a['signed_upload_url'], [b'aaa', b'bbbb', b'c'], order=[2, 0, 1, 0]))
            mark('end', call('CacheService', 'FinalizeCacheEntryUpload', key='k', version='v1', size_bytes='8')[0])
            mark('got', get('k'))
            url = at(find('k')[1]['signed_download_url'])
            for name, want in (('first', 'bytes=0-2'), ('rest', 'bytes=3-'), ('beyond', 'bytes=8-9'), ('odd', 'bytes=x')):
                status, data, _ = ask('GET', url, headers={'Range': want})
                mark(name, '%d %s' % (status, data.decode() if status < 300 else ''))
            status, data, r = ask('HEAD', url)
            mark('head', '%d %s' % (status, r.getheader('Content-Length')))
            """.replace("            ", "")))
        for name, want in (("put", "201"), ("end", "200"), ("got", "aaabbbbc"), ("first", "206 aaa"), ("rest", "206 bbbbc"), ("beyond", "416 "),
                           ("odd", "200 aaabbbbc"), ("head", "200 8")):
            equal(r.marks.get(name), want, name, r)


@case("", "a policy that gives no phase a cache or artifacts is obeyed, and the log names the line that would give them")
def policy_says():
    policy = {"version": 1, "cache": "none", "artifacts": {"read": ["build"], "write": "none"}}
    with Store() as s:
        r = ok(s.run("mark('find', find('k')[0]); mark('save', save('k', b'x')[0]); mark('list', call('ArtifactService', 'ListArtifacts')[0])\n"
                     "mark('up', upload('a', b'x'))", policy=policy))
        equal([r.marks.get(n) for n in ("find", "save", "list")], ["403", "403", "200"], "answers", r)
        for line in ("cache: { read: [ build ] }", "cache: { write: [ build ] }", "artifacts: { write: [ build ] }"):
            check(line in r.out, f"the log names `{line}`", r)
        check("artifacts: { write: [ build ] }" in r.marks.get("up", ""), "and the client is told", r)


@case("", "more than the policy allows is refused before it is read")
def limits():
    policy = {"version": 1, "cache": {"size": "1KiB"}, "artifacts": {"size": "1KiB"}}
    with Store() as s:
        r = ok(s.run("s, a = call('CacheService', 'CreateCacheEntry', key='k', version='v1')\nmark('put', put(a['signed_upload_url'], b'x' * 2000))\n"
                     "mark('fits', put(a['signed_upload_url'], b'x' * 1000))\n"
                     "mark('one', upload('a', b'x' * 700)[0])\n"
                     "s, a = call('ArtifactService', 'CreateArtifact', name='b', version=7)\nmark('two', put(a['signed_upload_url'], b'x' * 700))", policy=policy))
        equal([r.marks.get(n) for n in ("put", "fits", "one", "two")], ["413", "201", "200", "413"], "answers", r)
        check("cache.size" in r.out and "artifacts.size" in r.out, "the log names the lines", r)


@case("", "ten thousand requests, slow clients, huge heads and rubbish are bounded, and the next request is served")
def abuse():
    with Store() as s:
        r = ok(s.run("""
            c = connect()
            for i in range(10000):
                status, _, _ = ask('POST', '/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL', '{"key":"k%d","version":"v"}' % (i % 7),
                                   {'Authorization': 'Bearer ' + TOKEN, 'Content-Type': 'application/json'}, conn=c)
                assert status == 200, status
            mark('many', 'yes')
            c.close()
            slow = []
            for i in range(100):
                k = socket.create_connection((BASE.hostname, BASE.port)); k.sendall(b'POST /twirp/x HTTP/1.1\\r\\nHost: x\\r\\nX-A: '); slow.append(k)
            for k in slow[:60]: k.close()
            k = socket.create_connection((BASE.hostname, BASE.port))
            try:
                k.sendall(b'GET /x HTTP/1.1\\r\\n')
                for i in range(2000): k.sendall(b'X-Long: ' + b'a' * 1000 + b'\\r\\n')
            except OSError: pass
            k.close()
            for bytes in (b'\\x16\\x03\\x01' * 100, b'GET\\r\\n\\r\\n', b'PUT /blob/x HTTP/1.1\\r\\nContent-Length: 99999999999999999999\\r\\n\\r\\n', b'\\0' * 9000):
                k = socket.create_connection((BASE.hostname, BASE.port)); k.sendall(bytes); k.close()
            for k in slow: k.close()
            for i in range(50):
                try:
                    mark('after', find('k')[0]); break
                except OSError: time.sleep(0.1)
            mark('deep', call('CacheService', 'CreateCacheEntry', key='k', version='v', x=eval('[' * 90 + ']' * 90))[0])
            mark('body', ask('POST', '/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry', 'x' * 100000, {'Authorization': 'Bearer ' + TOKEN})[0])
            """.replace("            ", ""), timeout=540))
        for name, want in (("many", "yes"), ("after", "200"), ("deep", "200"), ("body", "413")):
            equal(r.marks.get(name), want, name, r)


@case("", "two jobs that save the same key at the same time leave one whole entry")
def race():
    with Store() as s:
        script = ("s, a = call('CacheService', 'CreateCacheEntry', key='k', version='v1')\nput(a['signed_upload_url'], b'%s' * 3000)\n"
                  "mark('end', call('CacheService', 'FinalizeCacheEntryUpload', key='k', version='v1', size_bytes='3000')[0])")
        # the second begins while the first has not ended: the storekeeper of the first is told to end by hand
        r = ok(s.run(script % "a" + "\ns, b = call('CacheService', 'CreateCacheEntry', key='k', version='v1'); mark('second', b['ok'])"))
        equal((r.marks.get("end"), r.marks.get("second")), ("200", "False"), "answers", r)
        r = ok(s.run("mark('got', set(get('k')))"))
        equal(r.marks.get("got"), "{'a'}", "one of them", r)


@case("A-03 A-09", "a cache that was changed on the disk is served to nobody and makes room for another; one that was only touched is what it was")
def cache_altered():
    with Store() as s:
        ok(s.run("mark('save', save('k', b'as it was saved')[0])"))
        blob, = [os.path.join(d, n) for d, _, names in os.walk(s.path("state")) for n in names if n.endswith(".blob") and n.startswith("c-")]
        os.utime(blob, (1, 1))
        equal(ok(s.run("mark('got', get('k'))")).marks.get("got"), "as it was saved", "touched")
        for change in (b"AS", b"as it was saved and more"):
            before = read(blob)
            with open(blob, "r+b") as file:
                file.write(change)
            os.utime(blob, (1, 1))
            r = ok(s.run("mark('got', get('k')); mark('again', save('k', b'as it was saved')[0]); mark('then', get('k'))"))
            equal([r.marks.get(n) for n in ("got", "again", "then")], ["None", "200", "as it was saved"], f"{before!r} with {change!r}", r)
            check([d for d in r.did if d["did"] == "removed"] and [d for d in r.did if d["did"] == "refused"], "the record", r)
            blob, = [os.path.join(d, n) for d, _, names in os.walk(s.path("state")) for n in names if n.endswith(".blob") and n.startswith("c-")]


@case("A-10", "two jobs that save the same keys at the very same time leave one whole entry of each, and each hears what became of its own")
def race_of_two():
    with Store() as s:
        at = time.time() + 4
        script = ("while time.time() < %r: pass\nfor i in range(12):\n  s, a = save('k%%d' %% i, b'%s' * 30000)\n  mark('k%%d' %% i, s if s != 200 or a['ok'] else 'there')")
        one, two = s.start(script % (at, "a")), None
        first = s.record()
        two = s.start(script % (at, "b"))
        runs = []
        for process, record in ((one, first), (two, s.record())):
            out, _ = process.communicate(timeout=120)
            runs.append(ok(EngineRun(s.job.dir, process.returncode, out.decode("utf-8", "replace"))))
            runs[-1].did = [line for line in map(json.loads, read(record).splitlines()) if line["event"] == "hatch"]
        r = ok(s.run("for i in range(12):\n  g = get('k%d' % i); mark('g%d' % i, [g[:1], len(g), len(set(g))])"))
        for i in range(12):
            said = [run.marks[f"k{i}"] for run in runs]
            saved = [letter for letter, run in zip("ab", runs) for d in run.did if d["did"] == "saved" and d["name"] == f"k{i}"]
            equal(len(saved), 1, f"who saved k{i}: {said}", r)
            equal(said.count("200"), 1, f"answers about k{i}: {said}", r)
            equal(r.marks[f"g{i}"], f"['{saved[0]}', 30000, 1]", f"k{i}", r)


@case("A-09", "on a file system without leases what was put in is copied before its digest is taken, and served as it was put in")
def no_lease():
    with Store() as s:
        r = ok(s.run("mark('save', save('k', b'x' * 200000)[0]); mark('up', upload('a', b'y' * 50)[0]); mark('got', len(get('k')))", fault="store_lease"))
        equal([r.marks.get(n) for n in ("save", "up", "got")], ["200", "200", "200000"], "answers", r)
        equal([n for n in os.listdir(s.path("artifacts")) if n.startswith("in-")], [], "what was copied is gone", r)


@case("", "without its locks no hatch serves, and no byte of the step runs")
def locks():
    with Store() as s:
        for fault, told in (("hatch_fork", "hatch"), ("hatch_seccomp", "CONFIG_SECCOMP_FILTER"), ("libmicrohttpd", "libmicrohttpd12")):
            r = s.run("mark('ran', 'yes')", fault=fault)
            check("ran" not in r.marks and told in r.out, f"with {fault} taken away", r)


@case("", "the hatch and its storekeeper hold no capability, no file of the host, a filter and ids of their own; neither outlives its step")
def confined():
    with Store() as s:
        process = s.start("find('k'); print('serving', flush=True)\nwhile True: time.sleep(0.1)")
        try:
            for line in process.stdout:
                if b"serving" in line:
                    break
            found = {}
            for pid in descendants(process.pid):
                status = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines())
                if status["Name"].strip() in ("drydock-hatch", "drydock-store"):
                    found[status["Name"].strip()] = (pid, {k: v.strip() for k, v in status.items()})
            equal(sorted(found), ["drydock-hatch", "drydock-store"], "processes")
            for name, (pid, status) in found.items():
                equal([int(status[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")], [0, 0, 0, 0], f"capabilities of {name}")
                equal((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), f"filter of {name}")
                equal(read(f"/proc/{pid}/environ").strip("\0"), "", f"environment of {name}")
            hatch, store = found["drydock-hatch"][1], found["drydock-store"][1]
            check(os.geteuid() != 0 or hatch["Uid"] != store["Uid"], "the hatch has an id of its own")
            files = [os.readlink(f"/proc/{found['drydock-hatch'][0]}/fd/{fd}") for fd in os.listdir(f"/proc/{found['drydock-hatch'][0]}/fd")]
            check(all(f.startswith(("socket:", "anon_inode:", "/dev/null")) for f in files), f"descriptors of the hatch: {files}")
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            process.wait()
        check(not any(os.path.exists(f"/proc/{pid}") for pid, _ in found.values()), "they ended with their step")


if __name__ == "__main__":
    main()
