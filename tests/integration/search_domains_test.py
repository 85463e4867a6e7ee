#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""search_domains_test.py - short names work in a step as they do on its host, and the policy decides about the whole names."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import FETCH, case, check, equal, main, py, run, step  # noqa: E402
from world import ALLOWED, OTHER, PRIVATE, Resolver, Sink, Web  # noqa: E402

W = {}


def setup():
    dns = W["dns"] = Resolver()
    dns.say("registry.corp.test", ALLOWED)
    dns.say("deep.infra.second.test", ALLOWED)
    dns.say("inside.corp.test", PRIVATE[0])
    dns.say("registry.other.test", OTHER)
    Web(ALLOWED, "corp")
    Web(OTHER, "other")
    Web(PRIVATE[0], "inside")
    W["tls"] = Sink(ALLOWED, 443)
    says("search corp.test second.test")


def says(*lines):
    """Of the world's own resolv.conf: what the host says besides its server."""
    with open("/etc/resolv.conf", "r+", encoding="utf-8") as file:
        server = file.readline()
        file.seek(0)
        file.truncate()
        file.write(server + "options timeout:1 attempts:2\n" + "".join(line + "\n" for line in lines))


def fetch(code, *hosts, options=()):
    return run([step("one", code, FETCH)], {"fetch": {"egress": list(hosts)}}, options=options)


CURL = "curl -sS -m 3 %s || true; echo"
CORP = {"host": "registry.corp.test", "port": 80}


@case("", "a short name is the long one: looked up, asked for, and judged by its whole name")
def _():
    r = fetch(CURL % "http://registry/", CORP)
    check("this is corp" in r.out, "curl", r)
    equal([(e["host"], e["port"]) for e in r.events("net.allow")], [("registry.corp.test", 80)], "what the record says", r)
    equal(r.events("dns.deny"), [], "nothing was refused", r)
    before = W["tls"].connections
    r = fetch(CURL % "-k https://registry/", {**CORP, "port": 443})
    check(W["tls"].connections == before + 1, "a TLS hello with the short name", r)
    r = fetch(py('attempt("x", lambda: socket.getaddrinfo("registry", 80, socket.AF_INET)[0][4][0])'), CORP)
    check(r.mark("x").startswith("ok:198.18."), r.mark("x"), r)


@case("", "the second domain of the list, with more than one label before it")
def _():
    says("search corp.test second.test", "options ndots:2")
    r = fetch(CURL % "http://deep.infra/", {"host": "deep.infra.second.test", "port": 80})
    check("this is corp" in r.out, "curl", r)
    r = fetch("cat /etc/resolv.conf", CORP)
    check("search corp.test second.test" in r.out and "ndots:2" in r.out, "the step's file", r)
    says("search corp.test second.test")


@case("N-13", "the short name stands for the long one only where the host's own list makes it so")
def _():
    get = 'attempt("%s", lambda: exchange("%s", 80, b"GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n"))\n'
    r = fetch(py(get % ("short", "registry.corp.test", "registry") + get % ("foreign", "registry.other.test", "registry") +
                 get % ("else", "registry.corp.test", "regis") + get % ("domain", "registry.corp.test", "registry.second.test")),
              CORP, {"host": "registry.other.test", "port": 80})
    check("this is corp" in r.mark("short"), r.mark("short"), r)
    equal([e["reason"] for e in r.events("net.deny")], ["http-other-host"] * 3, "the other three", r)


@case("W-09", "what a search list makes of a refused name is recorded, and told in one line")
def _():
    r = fetch(CURL % "http://evil.test/", CORP)
    equal(list(dict.fromkeys(e["host"] for e in r.events("dns.deny"))), ["evil.test", "evil.test.corp.test", "evil.test.second.test"], "the record has them all", r)
    equal(r.out.count("drydock: refused"), 1, "lines", r)
    check("{ host: evil.test, port: 80," in r.out, "the line", r)
    r = fetch(CURL % "http://registry/", {"host": "x.test"})
    told = [line for line in r.out.split("\n") if "drydock: refused" in line]
    equal([("registry.corp.test" in line, "registry.second.test" in line) for line in told], [(True, False), (False, True)], "the long names", r)
    r = fetch(CURL % "http://registry.corp.test/ http://evil.test.", CORP)
    check("this is corp" in r.out, "what is on the list", r)


@case("W-09", "a short name on the list is told the long one that its host's list makes of it")
def _():
    r = fetch(CURL % "http://registry/", {"host": "registry", "port": 80})
    check("{ host: registry.corp.test, port: 80," in r.out, "the line", r)
    r = fetch(CURL % "http://registry/", {"host": "registry", "port": 80}, CORP)
    check("this is corp" in r.out, "with it", r)


@case("V-08", "observing tells the whole name, also of one inside the network")
def _():
    r = fetch(CURL % "http://registry/", {"host": "x.test"}, options=["--observe"])
    check("this is corp" in r.out, "curl", r)
    equal([(e["host"], e["would"]) for e in r.events("net.allow")], [("registry.corp.test", "deny")], "what the record says", r)
    r = fetch(CURL % "http://inside/", {"host": "x.test"}, options=["--observe"])
    check("{ host: inside.corp.test, port: 80, private: allow," in r.out, "the line", r)


@case("X-14", "a list that is no list is left out, and that is said")
def _():
    says("search corp.test 10.0.0.1 b@d")
    r = fetch("cat /etc/resolv.conf", CORP)
    check("search corp.test\n" in r.out.replace("    | ", "") and "steps do without 2 of the search domains" in r.out, "what is said", r)
    says("search corp.test second.test")


if __name__ == "__main__":
    main(setup)
