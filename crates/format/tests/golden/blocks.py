#!/usr/bin/env python3
"""Writes blocks.safetensors: blocks of GGUF's quantizations and what gguf-py dequantizes them to.

    python3 blocks.py        (needs: gguf, numpy, safetensors)

Per type, KIND.blocks `[blocks, bytes]` and KIND.expected `[blocks, values]`: random bytes with
scales of usual size, then edges (all bits of the codes set or clear, scales zero, negative,
subnormal, largest).
"""
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize
from safetensors.numpy import save_file

RANDOM = np.random.default_rng(7)
# Where the f16 constants of a block lie.
HALVES = {"Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
EDGES = [0.0, -0.013, 6e-8, 3e-6, 6.1e-5, 65504.0, -65504.0]


def main():
    out = {}
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        count = 4 if values > 32 else 12
        rows = []
        for _ in range(count):
            rows.append((RANDOM.integers(0, 256, size, dtype=np.uint8), RANDOM.uniform(1e-4, 0.02, 2)))
        for edge in EDGES:
            fill = RANDOM.choice([0, 255, 90])
            rows.append((np.full(size, fill, np.uint8), [edge, -edge]))
        for block, constants in rows:
            for at, value in zip(halves, constants):
                block[at : at + 2] = np.array([value], np.float16).view(np.uint8)
        blocks = np.stack([block for block, _ in rows])
        out[f"{name}.blocks"] = blocks
        out[f"{name}.expected"] = dequantize(blocks, kind).astype(np.float32)
    save_file(out, Path(__file__).parent / "blocks.safetensors")


main()
