"""Records the output of every command in a page of the guide.

    record.py MLXK PAGE...

Runs the commands of each ```console block in order, with `bash`, and writes their output below them. A command
starts with `$ ` and continues after a backslash, or on lines that start with `> `. One that ends with `&` runs until
the page ends, and its output is what it prints within a second. A block after `<!-- by hand -->` stays as it is, and
the command in `<!-- setup: COMMAND -->` runs without a trace.

Every page starts in an empty folder of an empty home, with the program MLXK first on the search path.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BLOCK = re.compile(
    r"<!-- setup: (?P<setup>.*?) -->"
    r"|(?P<by_hand><!-- by hand[^\n]*-->\n)?^(?P<fence>```+)console\n(?P<block>.*?)^(?P=fence)\n",
    re.DOTALL | re.MULTILINE,
)


def commands(block):
    """Returns the commands of a block, each with its continuation lines."""
    found, is_open = [], False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line)
        elif is_open or (found and line.startswith("> ") and is_command):
            found[-1] += "\n" + line
        else:
            is_command = False
            continue
        is_command, is_open = True, line.endswith("\\")
    return found


class Shell:
    def __init__(self, program, home):
        self.home, self.running = home, []
        keep = {name: os.environ[name] for name in ("LANG", "PYENV_ROOT", "PIP_INDEX_URL") if name in os.environ}
        self.environment = keep | {
            "HOME": str(home),
            "PATH": f"{home}/bin:{os.environ['PATH']}",
            "HOSTNAME": "localhost",
            "SHELL": "/bin/bash",
        }
        self.folder = home / "work"
        self.folder.mkdir()
        (home / "bin").mkdir()
        shutil.copy(program, home / "bin" / "mlxk")

    def run(self, command):
        """Returns what the command prints, standard output and errors together."""
        text = re.sub("^[$>] ", "", command, flags=re.MULTILINE)
        options = {"cwd": self.folder, "env": self.environment, "executable": "/bin/bash", "shell": True}
        if text.endswith("&"):
            log = open(self.home / "log", "w+")
            options["start_new_session"] = True
            self.running.append(subprocess.Popen(text.removesuffix("&"), stdout=log, stderr=log, **options))
            time.sleep(1.5)
            output = pathlib.Path(log.name).read_text()
        else:
            done = subprocess.run(text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, text=True, timeout=300, **options)
            output = done.stdout
        output = output.replace(str(self.folder), ".").replace(str(self.home), "~").replace(sys.prefix, "~/.venv")
        return output if not output or output.endswith("\n") else output + "\n"

    def end(self):
        for process in self.running:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()


def record(program, page):
    text = page.read_text()
    with tempfile.TemporaryDirectory() as home:
        shell = Shell(program, pathlib.Path(home))

        def replace(match):
            if match["setup"]:
                shell.run(match["setup"])
            if match["setup"] or match["by_hand"]:
                return match[0]
            text = "".join(f"{command}\n{shell.run(command)}" for command in commands(match["block"]))
            fence = "````" if "```" in text else "```"
            return f"{fence}console\n{text}{fence}\n"

        text = BLOCK.sub(replace, text)
        shell.end()
    page.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        record(sys.argv[1], pathlib.Path(name))
