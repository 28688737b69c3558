#!/usr/bin/env python3
"""Writes quantized.safetensors: what `mx.quantize` makes of random and of extreme blocks in f32.

    python3 quantize.py        (needs: mlx[cpu], numpy)

`input` [20, 128] f32; for every mode its packed words, scales and, for affine groups, biases.
`nvfp4_global` is scaled by the largest magnitude of the whole matrix.
"""
from pathlib import Path

import mlx.core as mx
import numpy as np

RANDOM = np.random.default_rng(3)


def rows():
    plain = RANDOM.standard_normal((6, 128)) * 0.05
    # Multiples of a quarter and an eighth: values half way between two that a block can hold.
    quarters = RANDOM.integers(-24, 25, (3, 128)) / 4
    eighths = RANDOM.integers(-3000, 3000, (2, 128)) / 8
    spread = RANDOM.standard_normal((3, 128)) * np.exp2(RANDOM.integers(-20, 20, (3, 128)))
    # The largest magnitude of a block at, above and below a power of two times 6 and 448.
    edges = RANDOM.uniform(-1, 1, (8, 16))
    for block, edge in enumerate(edges):
        top = np.float32((6, 448)[block % 2] * 2.0 ** (3 * block - 12))
        toward = np.float32((np.inf, 0, top)[block % 3])
        edge *= top
        edge[block] = np.nextafter(top, toward)
    small = np.stack([plain[0] * 1e-5, plain[1] * 1e-30, np.abs(plain[2])])
    flat = np.zeros((2, 128))
    flat[0, :32] = -0.0
    flat[1, :64] = 0.25
    flat[1, 64:] = -3.0
    return np.concatenate([plain, quarters, eighths, spread, edges.reshape(1, 128), small, flat])


def main():
    mx.set_default_device(mx.cpu)
    source = mx.array(rows().astype(np.float32))
    out = {"input": source}

    def add(name, *arguments, **named):
        for part, value in zip(("weight", "scales", "biases"), mx.quantize(source, *arguments, **named)):
            out[f"{name}.{part}"] = value

    for bits in (2, 3, 4, 5, 6, 8):
        for group_size in (32, 64, 128):
            add(f"affine_{bits}_{group_size}", group_size, bits)
    add("mxfp4", 32, 4, mode="mxfp4")
    add("mxfp8", 32, 8, mode="mxfp8")
    add("nvfp4", 16, 4, mode="nvfp4")
    add("nvfp4_global", 16, 4, mode="nvfp4", global_scale=mx.abs(source).max())
    mx.save_safetensors(str(Path(__file__).parent / "quantized.safetensors"), out)


main()
