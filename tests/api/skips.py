"""Parts whose client is not installed."""

import importlib.util


class Skipped(Exception):
    """The reason why a part did not run."""


def need(*modules):
    """Skips a part unless these Python modules are installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise Skipped(f"the Python module `{module}` is not installed")
