"""The programs in docs/guide/applications.md, run as they are printed there, with a scripted model.

MLXK_TEST_NODE names the folder where npm installed the JavaScript clients and `typescript`. Without it, only the
programs in Python run.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import scripts

GUIDE = pathlib.Path(__file__).parents[2] / "docs/guide/applications.md"
OPTIONS = ["--strict", "--noEmitOnError", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "--types", "node"]


def programs():
    """Returns the language and the text of each program, which is a block of code in the guide."""
    blocks = re.findall(r"^```(python|typescript)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 9, "the guide has lost programs"
    return blocks


def here(text, address):
    """Returns a program for the server at this address, and its scripted model."""
    text = text.replace("http://127.0.0.1:8000", address)
    found = re.subn(r'(model[=:] ?)"[^"]+"', rf'\1"{scripts.NAME}"', text)
    assert found[1] == 1, text
    return found[0]


def expected(text):
    return scripts.BERN_REPORT if "weather" in text else scripts.SKY


def check(command, text, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{done.stderr}{done.stdout}\n{text}"
    return done.stdout


def run_typescript(address, node, blocks):
    # Its packages are found by the folder of the program.
    with tempfile.TemporaryDirectory(dir=node) as folder:
        folder = pathlib.Path(folder)
        (folder / "package.json").write_text('{"type": "module"}')
        for number, text in enumerate(blocks):
            (folder / f"{number}.ts").write_text(here(text, address))
        files = [f"{number}.ts" for number in range(len(blocks))]
        check(["node", str(pathlib.Path(node) / "node_modules/typescript/bin/tsc"), *OPTIONS, *files], "", cwd=folder)
        for number, text in enumerate(blocks):
            assert check(["node", f"{number}.js"], text, cwd=folder).strip() == expected(text), text


def run(address, quick=False):
    blocks = programs()
    for language, text in blocks:
        if language == "python":
            said = check([sys.executable, "-c", here(text, address)], text)
            assert said.strip() == expected(text), f"{said}\n{text}"
    node = os.environ.get("MLXK_TEST_NODE")
    if node:
        run_typescript(address, os.path.abspath(node), [text for language, text in blocks if language == "typescript"])
    else:
        print("applications: MLXK_TEST_NODE is not set; the programs in TypeScript did not run")
