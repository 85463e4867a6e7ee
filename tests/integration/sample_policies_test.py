#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sample_policies_test.py - each policy of configs/policies with the real tool that it is written for: a small project of that kind goes
through its steps, without a network. What needs a registry is in package_managers_test.py."""
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, Skip, case, check, equal, main  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
POLICIES = os.path.join(ROOT, "configs", "policies")
POM = ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId>'
       '<version>1</version></project>')
TAG = ('{"event_name": "push", "ref": "refs/tags/v1", "ref_protected": true, "server_url": "https://github.com",'
       ' "repository": {"full_name": "acme/x", "default_branch": "main"}}')

# policy: tools that must be below /usr, files, steps (id, script, phase that the policy gives it), event
SAMPLES = {
    "java.yml": (["mvn", "javac", "jar"], {"pom.xml": POM, "A.java": "class A { public static void main(String[] a) { System.out.println(\"@@built=yes@@\"); } }\n"},
                 [("dependencies", "mvn -version && test -e /usr/share/maven/conf/logging", "fetch"),
                  ("compile", "javac A.java && jar cfe a.jar A A.class && java -jar a.jar", "build")], None),
    "node.yml": (["npm", "node"], {"package.json": '{"name": "x", "version": "1.0.0", "scripts": {"test": "node -e \\"console.log(\'@@built=yes@@\')\\""}}',
                                   "package-lock.json": '{"name": "x", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "x", "version": "1.0.0"}}}'},
                 [("", "npm ci --no-audit", "fetch"), ("test", "npm test", "build")], None),
    "python.yml": (["python3"], {"t.py": "import ssl, ctypes, sqlite3\nprint('@@built=yes@@')\n"},
                   [("dependencies", "python3 -m pip --version || echo no pip; python3 -m venv --without-pip v", "fetch"), ("test", "v/bin/python t.py", "build")], None),
    "go.yml": (["go"], {"go.mod": "module a\ngo 1.19\n", "a.go": 'package main\nfunc main() { println("@@built=yes@@") }\n'},
               [("", "go mod download", "fetch"), ("build", "go build -o a . && ./a", "build")], None),
    "rust.yml": (["cargo", "rustc"], {"Cargo.toml": '[package]\nname = "a"\nversion = "1.0.0"\n', "src/main.rs": 'fn main() { println!("@@built=yes@@"); }\n',
                                      "Cargo.lock": 'version = 3\n\n[[package]]\nname = "a"\nversion = "1.0.0"\n'},
                 [("", "cargo fetch --locked", "fetch"), ("build", "cargo run --locked -q", "build")], None),
    "c-project.yml": (["gcc", "make"], {"Makefile": "all:\n\tgcc a.c -o a\n\t./a\n", "a.c": '#include <stdio.h>\nint main(void) { return puts("@@built=yes@@") < 0; }\n'},
                      [("fetch", "true", "fetch"), ("build", "make", "build")], None),
    "container-push.yml": (["skopeo"], {}, [("base", "skopeo --version", "fetch"), ("build", "echo @@built=yes@@", "build")], TAG),
    "release.yml": (["apt-get", "tar"], {}, [("", "apt-get --version | head -1", "fetch"), ("pack", "tar czf x.tar.gz README && echo @@built=yes@@", "build")], TAG),
    "closed.yml": (["sh"], {}, [("build", "echo @@built=yes@@", "build")], None),
}


def below_usr(tool):
    found = shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    return found and os.path.realpath(found).startswith("/usr/")


def sample(name):
    tools, files, steps, event = SAMPLES[name]

    def test():
        missing = [t for t in tools if not below_usr(t)]
        if missing:
            raise Skip(f"there is no {' and no '.join(missing)} below /usr")
        job = Job([{**({"id": i} if i else {}), "name": f"step {n}", "run": script, "_phase": "build"} for n, (i, script, _) in enumerate(steps)], files=files)
        try:
            shutil.copy(os.path.join(POLICIES, name), os.path.join(job.dir, "policy.yml"))
            options = []
            if event:
                job.write("event.json", event)
                options = ["--event", "event.json"]
            if name == "rust.yml":      # cargo's built-in index cannot be asked for
                job.write("egress/cargo.yml", '- { host: index.crates.example.com, port: 443, why: "crates" }\n')
            os.chmod(job.write("credentials/maven-token", "none"), 0o600)      # as a service manager would give it
            r = job.run(*options, timeout=180, env={"CREDENTIALS_DIRECTORY": os.path.join(job.dir, "credentials")})
            equal(r.rc, 0, "exit status", r)
            equal([e["phase"] for e in r.events("step.start")], [phase for _, _, phase in steps], "phases", r)
            equal(r.mark("built"), "yes", "what was built", r)
        finally:
            job.close()
    return test


for _name in sorted(SAMPLES):
    case("W-12", f"{_name} with {', '.join(SAMPLES[_name][0])}: the steps get their phases, and the tools do their work in them")(sample(_name))


@case("", "every policy of configs/policies is tried here")
def _():
    there = {os.path.basename(p) for p in glob.glob(os.path.join(POLICIES, "*.yml"))}
    check(there == set(SAMPLES), f"without a trial, or gone: {sorted(there ^ set(SAMPLES))}")


if __name__ == "__main__":
    main()
