"""Ollama's dialect, through its Go package: Go builds and runs `ollama_client.go`."""

import pathlib
import shutil
import subprocess
import tempfile

from server import MODEL
from skips import Skipped

PACKAGE = "github.com/ollama/ollama/api@v0.17.4"


def run(address, quick=False):
    if shutil.which("go") is None:
        raise Skipped("`go` is not installed")
    source = pathlib.Path(__file__).with_name("ollama_client.go")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(source, folder)

        def go(*words):
            subprocess.run(["go", *words], cwd=folder, check=True)

        go("mod", "init", "acceptance")
        go("get", PACKAGE)
        go("run", source.name, address, MODEL)
