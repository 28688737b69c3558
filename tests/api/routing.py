"""A server that passes requests on to another one, with the official clients in the guide for applications.

Every client speaks its own dialect to the first server, which speaks each of the four dialects to the second one.
"""

import sys

import applications
import scripts
from server import server

DIALECTS = ("openai", "responses", "anthropic", "ollama", "mlxk")


def run(address, quick=False):
    host = address.removeprefix("http://")
    for dialect in DIALECTS[:2] if quick else DIALECTS:
        backend = f"{scripts.NAME}={dialect}://{host}/{scripts.NAME}"
        with server(sys.argv[1], "--backend", backend) as router:
            applications.run(router.address, quick)
