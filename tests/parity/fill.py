"""Weights from a counter-based hash, which the Rust tests compute in the same way.

Element `i` of tensor `name` is `centre + spread · u`, with `u` in [-1, 1) from the upper 24 bits of
SplitMix64's output function (Steele et al., 2014) at `FNV-1a(name) + (i + 1) · γ`. Each
product and sum is rounded to f32; `u` is exact in f32.
"""

import re

import numpy as np

GAMMA = np.uint64(0x9E3779B97F4A7C15)


EMBEDDING = re.compile(r"(embed_tokens|embed_in|wte|wpe|tok_embeddings|token_embeddings|word_embeddings|embeddings?)\.")
QUERY_KEY = re.compile(
    r"(q_proj|k_proj|qkv_proj|q_k_v_proj|q_b_proj|kv_b_proj|kv_a_proj_with_mqa|embed_q|c_attn|wqkv|Wqkv|query_key_value|"
    r"att_proj|c_q|c_k|W_pack)\.weight$")
ROUTER = re.compile(r"(gate|router|router\.layer|router\.classifier|gate\.wg|gate\.gate_proj|gate\.proj|router\.gate)\.weight$")
HEAD_NORM = re.compile(r"(q_norm|k_norm|query_layernorm|key_layernorm|[qk]_layernorm(\.norms\.\d+)?)\.weight$")
# Parameters of an xIELU, before their softplus.
XIELU = {"alpha_p": (0.3, 0.3), "alpha_n": (0.3, 0.3), "beta": (0.5, 0.1), "eps": (-1e-6, 0.0)}


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


def ternary(name, shape):
    """Return bytes of four codes of 0, 1 or 2, as BitNet packs its matrices."""
    numbers = bits24(name, int(np.prod(shape)))
    codes = [numbers // np.uint64(3**at) % np.uint64(3) << np.uint64(2 * at) for at in range(4)]
    return sum(codes).astype(np.uint8).reshape(shape)


def tokens(name, count, vocabulary):
    return [int(value) * vocabulary >> 24 for value in bits24(name, count)]


def rule(path, shape, gemma):
    """Return the centre and spread of a tensor. They keep signals near one, and no tensor trivial."""
    parts = path.split(".")
    name = parts[-1]
    if name in ("sinks", "attention_sink_bias"):
        return 0.0, 1.5
    if name in ("e_score_correction_bias", "expert_bias", "router_bias"):
        return 0.0, 0.2
    # Factors of the queries of each head, after a norm.
    if name == "head_g":
        return 1.6, 0.4
    # Factors of ternary matrices.
    if name == "weight_scale":
        return (0.16, 0.02) if path.endswith(("q_proj.weight_scale", "k_proj.weight_scale")) else (0.1, 0.02)
    # Filters over two keys or values.
    if name in ("conv_k", "conv_v"):
        return 0.3, 0.7
    # Steps to which keys and values are rounded. They are so long that hardly any number is near the middle of two:
    # there, a tiny error becomes one of a step.
    if name in ("quant_key_scale", "quant_value_scale"):
        return 0.4, 0.1
    if name in XIELU:
        return XIELU[name]
    # A state remembers some tokens, and some heads remember more than others.
    if name == "A_log":
        return -2.5, 1.5
    if name == "dt_bias":
        return -0.5, 0.5
    # Factors and shares of RWKV-7, and norms whose weights are no modules.
    if name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"):
        return 0.6, 0.3
    if name in ("r_k", "recurrent_param"):
        return (0.0, 0.3) if name == "r_k" else (-4.0, 2.0)
    # Its input is divided by the width.
    if path.endswith("modality_router.weight"):
        return 0.0, 5.0
    if path.endswith(("q_weight", "k_weight")) or parts[-2:] == ["g_norm", "weight"]:
        return (1.4 if name == "weight" else 1.6), 0.3
    if parts[-2:] == ["g_norm", "bias"] or name.endswith("_gate_bias"):
        return 0.0, 0.2
    if path.endswith(("conv.weight", "conv1d.weight", "conv_1d.weight")) and len(shape) == 3:
        return 0.3, (3.0 / shape[1]) ** 0.5
    if name == "bias":
        return (0.0, 0.3) if "norm" not in path else (0.0, 0.2)
    if HEAD_NORM.search(path):
        return (0.4 if gemma else 1.4), 0.3
    if len(shape) == 1:                                              # the scale of a norm
        return (0.0 if gemma else 1.0), 0.3
    width = shape[-1]
    gain = 1.0
    if EMBEDDING.search(path):
        # Small compared to what the layers add; otherwise a tied head repeats the last token forever.
        return 0.0, 0.3 * (3.0 / width) ** 0.5 if gemma else 0.1
    if QUERY_KEY.search(path) or ROUTER.search(path):
        gain = 1.5
    return 0.0, gain * (3.0 / width) ** 0.5
