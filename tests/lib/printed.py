# SPDX-License-Identifier: Apache-2.0
"""printed.py - does what a page of docs/ says, exactly as printed, and holds the output against what the page shows.

usage: printed.py PAGE.md
In a block that begins with ```console a line "$ COMMAND" is typed into one shell for the whole page; the lines below it are its output. "..." alone
stands for any lines, inside a line for any text. A block ```yaml with "# file: NAME" as its first line is written to NAME. TAP, one case a block."""
import re
import subprocess
import sys

BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.M | re.S)
END = "@@end-of-command@@"


class Shell:
    def __init__(self):
        self.bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def type(self, command):
        self.bash.stdin.write(f"{command}\necho; echo {END} $?\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.startswith(END):
                return lines[:-1] if lines and lines[-1] == "" else lines
            lines.append(line.rstrip("\n"))
        raise RuntimeError(f"the shell ended in: {command}")


def matches(shown, printed):
    pattern = re.escape(shown.rstrip()).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, printed.rstrip()) is not None


def difference(shown, printed):
    """None, or the first shown line that the output does not have in its place."""
    at, loose = 0, False
    for line in shown:
        if line.strip() == "...":
            loose = True
            continue
        found = next((i for i in range(at, len(printed)) if matches(line, printed[i])), None) if loose else (
            at if at < len(printed) and matches(line, printed[at]) else None)
        if found is None:
            return line
        at, loose = found + 1, False
    return None if loose or at == len(printed) else f"(nothing more, but the output goes on: {printed[at]!r})"


def run_console(shell, text):
    commands = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif commands and commands[-1][0].endswith("\\"):
            commands[-1] = (commands[-1][0] + "\n" + line, [])
        else:
            commands[-1][1].append(line)
    for command, shown in commands:
        printed = shell.type(command)
        wrong = difference(shown, printed)
        if wrong is not None:
            return f"$ {command}\nexpected: {wrong}\noutput:\n" + "\n".join(printed)
    return None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        page = file.read()
    blocks = [(page.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in BLOCK.finditer(page)]
    shell, good = Shell(), True
    print(f"1..{len(blocks)}")
    for number, (line, kind, text) in enumerate(blocks, 1):
        title = f"{sys.argv[1]}:{line} " + (text.splitlines()[0] if text else "")
        wrong = None
        if kind == "console":
            wrong = run_console(shell, text)
        elif name := re.match(r"# file: (\S+)\n", text):
            with open(name[1], "w", encoding="utf-8") as file:
                file.write(text)
        print(f"{'not ok' if wrong else 'ok'} {number} - {title}")
        for each in (wrong or "").splitlines():
            print(f"#   {each}")
        good = good and not wrong
    sys.exit(0 if good and blocks else 1)


if __name__ == "__main__":
    main()
