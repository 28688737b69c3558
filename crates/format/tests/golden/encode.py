#!/usr/bin/env python3
"""Writes encoded.safetensors: rows of f32 and the blocks that gguf-py makes of them.

    python3 encode.py        (needs: gguf, numpy, safetensors)

`rows` `[rows, 64]` are quantized; KIND.blocks `[rows, bytes]` is what they become, KIND.values what
gguf-py dequantizes those to.
"""
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

RANDOM = np.random.default_rng(11)


def main():
    rows = RANDOM.standard_normal((12, 64)).astype(np.float32) * 0.03
    rows[1] = 0.0                                         # nothing
    rows[2] = 0.25                                        # one value
    rows[3] = -np.abs(rows[3])                            # one sign
    rows[4] *= 1e-6                                       # scales below the normal halves
    rows[5] *= 1e4                                        # large ones
    rows[6, :] = np.linspace(-1, 1, 64, dtype=np.float32)
    rows[7, ::2] = rows[7, 1::2] * -1                     # equal magnitudes of both signs
    rows[8, 3], rows[8, 9] = 0.5, -0.5                    # two largest magnitudes
    out = {"rows": rows}
    for name in ["F16", "Q8_0", "Q4_0"]:
        kind = gguf.GGMLQuantizationType[name]
        blocks = quantize(rows, kind)
        out[f"{name}.blocks"] = np.ascontiguousarray(blocks).view(np.uint8).reshape(len(rows), -1)
        out[f"{name}.values"] = dequantize(blocks, kind).astype(np.float32).reshape(rows.shape)
    save_file(out, Path(__file__).parent / "encoded.safetensors")


main()
