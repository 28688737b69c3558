"""Starts the real binary, for tests with official clients."""

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

MODEL = os.environ.get("MLXK_TEST_MODEL", "smollm2")


Running = collections.namedtuple("Running", "address pid")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(binary, *arguments, log=None, **environment):
    """Runs a server on a free port. It has to exit cleanly at the end. `log` is a file for its log."""
    port = free_port()
    command = [binary, "server", "--port", str(port), "--log-level", "warning", *arguments]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError(f"the server exited with {process.returncode}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{address}/health", timeout=5).read()
                break
            time.sleep(0.05)
        yield Running(address, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, "the server did not exit cleanly"


def call(address, path, body=None, headers=()):
    """Sends a request without a client library. Returns status, headers and body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
    for name, value in headers:
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def memory_mb(pid):
    """Returns the resident memory of a process, on Linux."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1000 for line in status if line.startswith("VmRSS"))
