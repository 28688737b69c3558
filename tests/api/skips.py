"""Parts whose client is not installed."""

import importlib.util


class Skipped(Exception):
    """The reason why a part did not run."""


def need(*modules):
    """Skips a part unless these Python modules are installed."""
    for module in modules:
        if not is_installed(module):
            raise Skipped(f"the Python module `{module}` is not installed")


def is_installed(module):
    # The search for `a.b` imports `a`.
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
