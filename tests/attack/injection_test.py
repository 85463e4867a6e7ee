#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""injection_test.py - values that an outsider writes reach a step as data, never as a part of its script (X-02)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import case, check, equal, main  # noqa: E402
from engine import engine, steps_of  # noqa: E402

HOSTILE = ["$(echo owned >>/work/x)", "`echo owned >>/work/x`", '"; echo owned >>/work/x; "', "'; echo owned >>/work/x; '", "\necho owned >>/work/x\n",
           "a; echo owned >>/work/x #", "${{ secrets.S }}", "E\necho owned >>/work/x"]


def event(title, **more):
    return {"github": {"event_name": "pull_request", "head_ref": title, "event": {"pull_request": {"title": title, "number": 7, **more}}},
            "secrets": {"S": "canary-0123456789"}}


@case("X-02", "a title is data wherever it stands, for every way of breaking out, and the step gets every byte of it")
def _():
    for title in HOSTILE:
        r = engine(steps_of("""
            - run: |
                # ${{ github.event.pull_request.title }}
                echo "${{ github.event.pull_request.title }}" >/work/a
                echo '${{ github.event.pull_request.title }}' >/work/b
                cat <<E >/work/c
                ${{ github.event.pull_request.title }}
                E
                T=${{ github.event.pull_request.title }}
                echo "$T" >/work/d
                echo ${{ github.event.pull_request.title }} "pr ${{ github.event.pull_request.number }}"
            - { shell: sh, run: 'echo "${{ github.head_ref }}" >/work/e' }
            - env: { TITLE: "${{ github.event.pull_request.title }}" }
              run: |
                for f in a b c d e; do test "$(cat /work/$f)" = "$(printf '%s\\n' "$TITLE")" || { cat /work/$f; exit 1; }; done
                test ! -e /work/x
        """), event(title))
        check("canary" not in r.out, "a secret", r)


@case("X-02", "an output made of a title is data, too, through GITHUB_OUTPUT, GITHUB_ENV, format, toJSON and another job's outputs")
def _():
    title = "a\"'$(touch /work/x)`touch /work/x`; touch /work/x"
    r = engine(steps_of("""
        - id: t
          run: |
            echo "title=$(python3 -c 'import json,os; print(json.load(open(os.environ["GITHUB_EVENT_PATH"]))["pull_request"]["title"])')" >>"$GITHUB_OUTPUT"
            echo "T=${{ github.event.pull_request.title }}" >>"$GITHUB_ENV"
        - run: |
            echo "${{ steps.t.outputs.title }}" >/work/a
            echo '${{ env.T }}' >/work/b
            echo "${{ format('{0}', steps.t.outputs.title) }}" >/work/c
            echo "${{ fromJSON(toJSON(steps.t.outputs)).title }}" >/work/d
            echo "${{ needs.other.outputs.t }}" >/work/e
        - env: { TITLE: "${{ github.event.pull_request.title }}" }
          run: for f in a b c d; do test "$(cat /work/$f)" = "$TITLE" || { cat /work/$f; exit 1; }; done; test ! -e /work/x
    """, "outputs: { t: \"${{ steps.t.outputs.title }}\" }"), event(title))
    check(r.origins["t"].startswith("steps.t.outputs.title"), "whose the output of the job is", r)


REFUSED = [
    ("bash", "python3 -c \"print('${{ github.event.pull_request.title }}')\"", "as code"),
    ("bash", "${{ github.event.pull_request.title }}", "a command"),
    ("bash", "echo $(( ${{ github.event.pull_request.title }} ))", "arithmetic"),
    ("bash", "cat <<'E'\n${{ github.event.pull_request.title }}\nE", "quoted here document"),
    ("python", "print('${{ github.event.pull_request.title }}')", "no variables"),
    ("perl {0}", "print '${{ github.event.pull_request.title }}'", "no variables"),
]


@case("X-02", "where a value would be parsed all the same the step fails before it begins, whatever the value is, with place, path and the line to write")
def _():
    for title in ("harmless", "$(touch x)"):
        for shell, script, why in REFUSED:
            text = steps_of("        - shell: %s\n          run: |\n%s" % (shell, "\n".join("            " + line for line in script.split("\n"))))
            r = engine(text, event(title), result="failure")
            note = next((n for n in r.notes if "outside" in n), "")
            check(why in note and "github.event.pull_request.title" in note and "wf.yml:" in note and "env: { VALUE:" in note and "$VALUE" in note,
                  f"told for {script}: {note}", r)
            equal([e["outcome"] for e in r.events("step.not_run")], ["failure"], "recorded", r)


@case("X-02", "what only may be an outsider's is put in where it means nothing, and refused where it does not")
def _():
    text = steps_of("""
        - { id: v, run: 'echo "v=${{ vars.V }}" >>"$GITHUB_OUTPUT"' }
        - { shell: python, run: "print('@@v=${{ steps.v.outputs.v }}@@')" }
    """)
    r = engine(text, {"github": {}, "vars": {"V": "v1.2.3"}})
    equal(r.mark("v"), "v1.2.3", "a version", r)
    r = engine(text, {"github": {}, "vars": {"V": "v1'+'x"}}, result="failure")
    check(r.noted("steps.v.outputs.v"), "told", r)


@case("X-02", "several lines of a value do not become variables of later steps")
def _():
    r = engine(steps_of("""
        - run: echo "T=${{ github.event.pull_request.title }}" >>"$GITHUB_ENV"
    """), event("x\nBASH_ENV=/work/evil"), result="failure")
    check(r.noted("several lines"), "told", r)


@case("X-02", "injection: refuse fails the step, injection: allow is GitHub's way, and what the workflow's author wrote is spliced in every mode")
def _():
    text = steps_of("""
        - { id: a, run: 'echo "${{ github.event.pull_request.title }}"' }
    """)
    r = engine(text, event("hello"), {"version": 1, "injection": "refuse"}, result="failure")
    check(r.noted("injection: refuse"), "told", r)
    r = engine(text, event("$(echo spliced)"), {"version": 1, "injection": "allow"})
    check("| spliced" in r.out, "allow", r)
    for mode in ("refuse", "pass", "allow"):
        r = engine(steps_of("""
            - run: ${{ matrix.command }} ${{ github.sha }} ${{ github.event.number }}
        """), {"github": {"sha": "ab12", "event": {"number": 3}}, "matrix": {"command": "echo a b"}}, {"version": 1, "injection": mode})
        check("| a b ab12 3" in r.out, mode, r)


@case("X-02", "the record says what was evaluated, with the reference and without the value")
def _():
    r = engine(steps_of("""
        - { id: a, run: 'echo "${{ github.event.pull_request.title }}" >/dev/null' }
    """), event("a-title-of-mine"))
    start = r.events("step.start", step="a")[0]
    check("${DRYDOCK_EXPR_1}" in start["evaluated"] and "a-title-of-mine" not in start["evaluated"], "evaluated", r)
    check("github.event.pull_request.title" in start["match"]["run"], "as it is written", r)


main()
