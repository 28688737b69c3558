#!/usr/bin/env python3
"""Measure the error of the goldens themselves: compute the Llama-like cases again in float64.

    python3 float64.py        (needs: mlx[cpu], numpy)

Prints `max|Δlogit| / std(logits)` for the rows of each golden. All must be below 2e-5, a tenth of the
bound of the tests. MLX only quantizes here; NumPy does the rest.
"""

import base64
import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np

from fill import fill

LIMIT = 2e-5


def weights(golden):
    """Return every tensor as it is stored, widened to float64."""
    dtype = getattr(mx, golden["dtype"])
    out = {}
    for name, shape, centre, spread, *how in golden["tensors"]:
        value = mx.array(fill(f"{golden['seed']}/{name}", shape, centre, spread))
        if how:
            mode = (how[0]["group_size"], how[0]["bits"])
            packed, scales, *biases = mx.quantize(value, *mode, mode=how[0]["mode"])
            rounded = [x.astype(dtype).astype(mx.float32) for x in (scales, *biases)] if biases else [scales, None]
            value = mx.dequantize(packed, *rounded, *mode, how[0]["mode"], None, mx.float32)
        else:
            value = value.astype(dtype).astype(mx.float32)
        out[name] = np.array(value).astype(np.float64)
    return out


def frequencies(config, width):
    out = config["rope_theta"] ** (-np.arange(0, width, 2) / width)
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("type") or scaling.get("rope_type")
    if kind == "linear":
        return out / scaling["factor"]
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        turns = scaling["original_max_position_embeddings"] * out / (2 * np.pi)
        share = np.clip((turns - low) / (high - low), 0, 1)
        return out * (share + (1 - share) / scaling["factor"])
    return out


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def logits(golden):
    config, w, length = golden["config"], weights(golden), len(golden["ids"])
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    eps = config["rms_norm_eps"]
    angles = np.arange(length)[:, None] * frequencies(config, width)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    behind = np.arange(length)[:, None] - np.arange(length)

    def rope(x):
        a, b = np.split(x, 2, -1)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def linear(x, path):
        return x @ w[f"{path}.weight"].T + w.get(f"{path}.bias", 0)

    x = w["model.embed_tokens.weight"][golden["ids"]]
    for layer in range(config["num_hidden_layers"]):
        path = f"model.layers.{layer}"
        h = rms_norm(x, w[f"{path}.input_layernorm.weight"], eps)
        q, k, v = (linear(h, f"{path}.self_attn.{name}_proj").reshape(length, -1, width) for name in "qkv")
        if f"{path}.self_attn.q_norm.weight" in w:
            q = rms_norm(q, w[f"{path}.self_attn.q_norm.weight"], eps)
            k = rms_norm(k, w[f"{path}.self_attn.k_norm.weight"], eps)
        q, k = rope(q), np.repeat(rope(k), heads // kv_heads, 1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(width)
        seen = behind >= 0
        if config.get("layer_types", ["full_attention"] * (layer + 1))[layer] == "sliding_attention":
            seen &= behind < config["sliding_window"]
        scores = np.where(seen, scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", scores, np.repeat(v, heads // kv_heads, 1))
        x = x + linear(mixed.reshape(length, -1), f"{path}.self_attn.o_proj")
        h = rms_norm(x, w[f"{path}.post_attention_layernorm.weight"], eps)
        gate = linear(h, f"{path}.mlp.gate_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(h, f"{path}.mlp.up_proj"), f"{path}.mlp.down_proj")
    x = rms_norm(x, w["model.norm.weight"], eps)
    return x @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


def main():
    mx.set_default_device(mx.cpu)
    worst = 0
    for path in sorted((Path(__file__).parent / "fixtures").iterdir()):
        if not path.name.startswith(("llama-", "mistral-", "qwen2-", "qwen3-plain-")):
            continue
        golden = json.loads(path.read_text())
        kept = np.frombuffer(base64.b64decode(golden["logits"]), "<f4").reshape(len(golden["rows"]), -1)
        error = np.abs(logits(golden)[golden["rows"]] - kept).max() / golden["std"]
        print(f"{path.stem:32} {error:.1e}")
        worst = max(worst, error)
    if worst > LIMIT:
        sys.exit(f"an error of {worst:.1e} is above {LIMIT}")


main()
