#!/usr/bin/env python3
"""Writes fixtures/tiny_logits.json: logits of tiny checkpoints by mlx-lm with f32 activations.

    MLXK_TEST_TINY=FOLDER cargo test -p mlxk-engine --test tiny -- --ignored
    python tests/tiny_logits.py FOLDER

Needs: pip install "mlx[cpu]" mlx-lm
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm.utils import load_model

ROWS = [0, 1, 39, 40, 41, 69]
COLUMNS = 16


def widen(value):
    return value.astype(mx.float32) if mx.issubdtype(value.dtype, mx.floating) else value


def main():
    ids = [(7 * i * i + 3 * i) % 264 for i in range(70)]
    expected = {}
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        model, _ = load_model(folder)
        model.update(tree_map(widen, model.parameters()))
        logits = model(mx.array([ids]))[0]
        expected[folder.name] = [
            [round(float(x), 5) for x in logits[row, :COLUMNS].tolist()] for row in ROWS
        ]
    lines = [f'  "{name}": {json.dumps(rows)}' for name, rows in expected.items()]
    head = f'  "ids": {ids},\n  "rows": {ROWS},\n'
    path = Path(__file__).parent / "fixtures" / "tiny_logits.json"
    path.write_text("{\n" + head + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
