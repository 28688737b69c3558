"""Weights from a counter-based hash, which the Rust tests compute in the same way.

Element `i` of tensor `name` is `centre + spread · u`, with `u` in [-1, 1) from the upper 24 bits of
SplitMix64's output function (Steele et al., 2014) at `FNV-1a(name) + (i + 1) · γ`. Each
product and sum is rounded to f32; `u` is exact in f32.
"""

import numpy as np

GAMMA = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def bits24(name, count):
    """Return `count` integers below 2^24."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * GAMMA
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return z >> np.uint64(40)


def fill(name, shape, centre, spread):
    u = bits24(name, int(np.prod(shape))).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return (np.float32(centre) + np.float32(spread) * u).astype(np.float32).reshape(shape)


def tokens(name, count, vocabulary):
    return [int(value) * vocabulary >> 24 for value in bits24(name, count)]


def rule(path, shape, gemma):
    """Return the centre and spread of a tensor. They keep signals near one, and no tensor trivial."""
    name = path.rsplit(".", 1)[-1]
    if name == "sinks":
        return 0.0, 1.5
    if name == "e_score_correction_bias":
        return 0.0, 0.2
    if name == "bias":
        return (0.0, 0.3) if "norm" not in path else (0.0, 0.2)
    if len(shape) == 1:                                              # the scale of a norm
        if path.endswith(("q_norm.weight", "k_norm.weight")):
            return (0.4 if gemma else 1.4), 0.3
        return (0.0 if gemma else 1.0), 0.3
    width = shape[-1]
    gain = 1.0
    if "embed_tokens" in path:
        # Small compared to what the layers add; otherwise a tied head repeats the last token forever.
        return 0.0, 0.3 * (3.0 / width) ** 0.5 if gemma else 0.1
    if path.endswith(("q_proj.weight", "k_proj.weight", "qkv_proj.weight", "q_b_proj.weight",
                      "kv_b_proj.weight", "kv_a_proj_with_mqa.weight", "embed_q.weight")):
        gain = 1.5
    if path.endswith(("gate.weight", "router.weight")):
        gain = 1.5
    return 0.0, gain * (3.0 / width) ** 0.5
