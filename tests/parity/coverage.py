#!/usr/bin/env python3
"""Compare the model types of the installed mlx-lm with those that have goldens here.

    python3 coverage.py [--strict] [PARITY]     (needs: mlx-lm; reads its files without importing them)

Writes coverage.md: the types that are compared, and for each of the others why it isn't. Fails if a type
has neither a golden nor a reason in left_out.toml, as after an update of mlx-lm. With `--strict`, writes
nothing, and also fails if a reason or coverage.md is out of date. PARITY is a file with the output of
`cargo xtask parity`; without it, the errors of the page stay as they are.
"""

import ast
import importlib.metadata
import importlib.util
import json
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
# Files that are no models of their own.
HELPERS = {"base", "cache"}


def installed():
    """Return the folder of the installed mlx-lm."""
    found = importlib.util.find_spec("mlx_lm")
    if found is None:
        sys.exit("mlx-lm is not installed: pip install mlx-lm")
    return Path(found.submodule_search_locations[0])


def model_files(folder):
    """Return the names of the files that define a model."""
    names = set()
    for path in (folder / "models").glob("*.py"):
        tree = ast.parse(path.read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        imported = {name.asname or name.name for node in tree.body
                    if isinstance(node, ast.ImportFrom) for name in node.names}
        if "ModelArgs" in defined and "Model" in defined | imported and path.stem not in HELPERS:
            names.add(path.stem)
    return names


def other_names(folder):
    """Return the model types that mlx-lm runs with the file of another."""
    for node in ast.parse((folder / "utils.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MODEL_REMAPPING":
            return ast.literal_eval(node.value)
    sys.exit("mlx_lm/utils.py has no MODEL_REMAPPING any more")


def goldens():
    """Return the number of goldens by model type."""
    counts = {}
    for path in sorted((HERE / "fixtures").glob("*.json")):
        kind = json.loads(path.read_text())["config"]["model_type"]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def errors(path):
    """Return the largest error by model type, from the output of the parity tests or from the page."""
    found = {}
    if path is None:
        page = HERE / "coverage.md"
        for line in page.read_text().splitlines() if page.exists() else []:
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) == 5 and cells[1].startswith("`") and cells[3][:1].isdigit():
                found[cells[1].strip("`")] = float(cells[3])
        return found
    for line in Path(path).read_text().splitlines():
        words = line.split()
        golden = HERE / "fixtures" / "-".join(words[:2]) if len(words) > 4 else None
        if golden is None or not golden.with_name(golden.name + ".json").exists():
            continue
        kind = json.loads(golden.with_name(golden.name + ".json").read_text())["config"]["model_type"]
        found[kind] = max(found.get(kind, 0.0), float(words[2]))
    return found


def supported():
    """Return the model types in docs/models.md."""
    page = (HERE / "../../docs/models.md").read_text()
    return {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}


def main():
    folder = installed()
    is_check = "--strict" in sys.argv[1:]
    paths = [argument for argument in sys.argv[1:] if argument != "--strict"]
    largest = errors(paths[0] if paths else None)
    files, others, counts, here = model_files(folder), other_names(folder), goldens(), supported()
    reasons = tomllib.loads((HERE / "left_out.toml").read_text())
    known = files | set(others)
    compared = sorted(kind for kind in known if kind in counts)
    # Another name of a type that is compared needs no golden of its own.
    named = sorted(kind for kind in known - set(compared) if others.get(kind) in counts and kind in here)
    missing = sorted(known - set(compared) - set(named))
    version = importlib.metadata.version("mlx-lm")
    lines = [
        "# Coverage of mlx-lm's models", "",
        "*Written by `tests/parity/coverage.py`; do not edit.*", "",
        f"mlx-lm {version} has {len(known)} model types. {len(compared)} are compared by goldens, "
        f"{len(named)} {'is another name' if len(named) == 1 else 'are other names'} of these, and {len(missing)} are left out.", "",
        "The error is the largest max |Δlogit| over the standard deviation of the logits, in exact mode. For each of "
        "these types, prompts in chunks, in batches, on several threads, in forks and after wrong drafts have the "
        "same bits as alone and at once.", "",
        "| compared | goldens | error |", "|---|---|---|",
        *(f"| `{kind}` | {counts[kind]} | {f'{largest[kind]:.1e}' if kind in largest else ''} |"
          for kind in compared), "",
        "| other name | of |", "|---|---|",
        *(f"| `{kind}` | `{others[kind]}` |" for kind in named), "",
        "| left out | reason |", "|---|---|",
        *(f"| `{kind}` | {reasons.get(kind, '**none yet**')} |" for kind in missing), "",
    ]
    page, text = HERE / "coverage.md", "\n".join(lines)
    is_current = page.exists() and page.read_text() == text
    if not is_check:
        page.write_text(text)
    unexplained = [kind for kind in missing if kind not in reasons]
    outdated = sorted(set(reasons) - set(missing))
    for kind in unexplained:
        print(f"{kind}: neither a golden nor a reason in left_out.toml; make one with goldens.py")
    for kind in outdated:
        print(f"{kind}: has a golden now; drop its reason from left_out.toml")
    print(f"{len(compared)} compared, {len(named)} other names, {len(missing)} left out")
    if is_check and not is_current:
        print("coverage.md is out of date; run coverage.py without --strict")
    # A reason that is out of date can wait until the family is complete.
    if unexplained or (is_check and (outdated or not is_current)):
        sys.exit(1)


main()
