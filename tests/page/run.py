"""Drives the page in headless Chromium, as a user does.

    run.py MLXK [PART...] [--screens FOLDER]

This Python needs `playwright`, and `chromium` has to be installed. MLXK_TEST_NODE is a folder into which npm has
installed `axe-core` and `markdown-it`; without it, the parts that need them are skipped. Parts are the journeys in
`journeys.py`, `real`, `rendering`, `accessibility`, `smooth` and `screens`. The files of the page come from the real server, and so do
their headers.
"""

import os
import pathlib
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "api"))

import accessibility
import journeys
import real
import rendering
import screens
import scripted
import smooth
from browser import browser
from peer import Peer
from server import server


def files_of(address):
    """Returns a function that gets a file of the page from the real server, or sends it a report."""
    def get(path, headers, body=None):
        wanted = ("accept", "if-none-match", "content-type")
        kept = {name: value for name, value in headers.items() if name.lower() in wanted}
        try:
            with urllib.request.urlopen(urllib.request.Request(address + path, body, kept)) as response:
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    return get


def main():
    binary, *words = sys.argv[1:]
    folder = None
    if "--screens" in words:
        at = words.index("--screens")
        folder = words[at + 1]
        del words[at:at + 2]
    node = os.environ.get("MLXK_TEST_NODE")
    with tempfile.TemporaryDirectory() as home:
        scripted.write(pathlib.Path(home) / "models" / real.NAME, [scripted.Script(**it) for it in real.SCRIPTS], thinks=True)
        places = {"MLXK_WORKSPACE_HOME": f"{home}/models", "HF_HOME": f"{home}/hf", "XDG_DATA_HOME": f"{home}/data"}
        model = ["--model", real.NAME]
        with server(binary, *model, **places) as running, browser() as opened:
            def peers(**options):
                return Peer(files_of(running.address), **options)

            parts = {journey.__name__: lambda it=journey: it(opened, peers) for journey in journeys.JOURNEYS}
            parts["real"] = lambda: real.run(opened, running.address)
            if node:
                parts["rendering"] = lambda: rendering.run(opened, peers, node)
                parts["accessibility"] = lambda: accessibility.run(opened, peers, node)
            else:
                print("MLXK_TEST_NODE is not set: rendering and accessibility are skipped")
            parts["smooth"] = lambda: smooth.run(opened, peers)
            if folder:
                parts["screens"] = lambda: screens.run(opened, peers, pathlib.Path(folder))
            for name, part in parts.items():
                if not words or name in words:
                    print(f"{name}: {part() or 'ok'}", flush=True)


if __name__ == "__main__":
    main()
