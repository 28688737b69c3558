#!/usr/bin/env python3
"""Write fixtures/rope_frequencies.json: the rotary frequencies of mlx-lm and transformers.

mlx-lm does not store frequencies, so the script measures its rotation: the pair (1, 0) at position 1
becomes (cos f, sin f). The functions of transformers need torch, so NumPy evaluates their formulas
(modeling_rope_utils.py) in f64. Nothing is written unless both agree.

Needs: pip install mlx mlx-lm numpy
"""

import json
import math
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx_lm.models.rope_utils import initialize_rope

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
CASES = [
    {"head_dim": 64, "rope_theta": 100000, "rope_scaling": None},
    {"head_dim": 128, "rope_theta": 1000000.0, "rope_scaling": None},
    {"head_dim": 64, "rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 4.0}},
    {"head_dim": 64, "rope_theta": 500000.0, "rope_scaling": LLAMA3},
    {"head_dim": 128, "rope_theta": 500000.0, "rope_scaling": {**LLAMA3, "factor": 8.0}},
]


def measured(case):
    """Return the frequencies measured by rotating unit vectors with mlx-lm."""
    dims = case["head_dim"]
    rope = initialize_rope(dims, case["rope_theta"], False, case["rope_scaling"], 131072)
    x = np.zeros((1, 1, 2, dims), np.float32)
    x[..., : dims // 2] = 1.0
    y = np.array(rope(mx.array(x)))[0, 0, 1].astype(np.float64)
    return np.arctan2(y[dims // 2 :], y[: dims // 2])


def computed(case):
    """Return the frequencies by the formulas of transformers."""
    dims, scaling = case["head_dim"], case["rope_scaling"] or {}
    inverse = 1.0 / case["rope_theta"] ** (np.arange(0, dims, 2, dtype=np.float64) / dims)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "linear":
        return inverse / scaling["factor"]
    if kind == "default":
        return inverse
    factor, low, high = (scaling[k] for k in ("factor", "low_freq_factor", "high_freq_factor"))
    old = scaling["original_max_position_embeddings"]
    wavelength = 2 * math.pi / inverse
    scaled = np.where(wavelength > old / low, inverse / factor, inverse)
    smooth = (old / wavelength - low) / (high - low)
    smoothed = (1 - smooth) * scaled / factor + smooth * scaled
    medium = ~(wavelength < old / high) & ~(wavelength > old / low)
    return np.where(medium, smoothed, scaled)


def main():
    cases = []
    for case in CASES:
        theirs, formula = measured(case), computed(case)
        np.testing.assert_allclose(theirs, formula, rtol=2e-5)
        cases.append({**case, "frequencies": [float(f"{f:.9g}") for f in formula]})
    path = Path(__file__).parent / "fixtures" / "rope_frequencies.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
