"""Parts whose client is not installed."""

import importlib.util
import os
import pathlib


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


def need_npm(*packages):
    """Skips a part unless the folder MLXK_TEST_NODE has these npm packages."""
    modules = pathlib.Path(os.environ.get("MLXK_TEST_NODE", ".")) / "node_modules"
    for package in packages:
        if not modules.joinpath(package).is_dir():
            raise Skipped(f"the npm package `{package}` is not installed in the folder MLXK_TEST_NODE")
