#!/usr/bin/env python3
"""Makes the golden files of this folder with the two reference implementations.

    python3 make.py        (needs: mlx[cpu], gguf, numpy)

modes/          a checkpoint that MLX itself wrote: one module per quantization mode. `expected.M` is
                what MLX dequantizes module M to, in f32; `input` and `input.*` are what was quantized.
tiny-llama.gguf one small layer with a tensor of every importable type, written by gguf-py.
tiny-llama.expected.safetensors  the same tensors as gguf-py dequantizes them, rows in MLX's order.
"""
import json
from pathlib import Path

import gguf
import mlx.core as mx
import numpy as np

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(20)


def modes():
    folder = HERE / "modes"
    folder.mkdir(exist_ok=True)
    source = RANDOM.standard_normal((3, 128)).astype(np.float32) * 0.05
    source[1, :32] = 0.0                                  # a group of nothing
    source[1, 32:64] = 0.25                               # one value only
    source[1, 64:] = np.abs(source[1, 64:]) + 0.01        # zero lies outside the range
    source[2] *= 1e-6                                     # steps near the smallest scale
    source[0, 5] = -9.0                                   # an outlier
    out = {"input": mx.array(source)}

    def affine(name, weights, bits, group_size):
        packed, scales, biases = mx.quantize(weights, group_size, bits)
        out[f"{name}.weight"], out[f"{name}.scales"], out[f"{name}.biases"] = packed, scales, biases
        wide = [x.astype(mx.float32) for x in (scales, biases)]
        out[f"expected.{name}"] = mx.dequantize(packed, *wide, group_size=group_size, bits=bits)

    for bits in (2, 3, 4, 5, 6, 8):
        for group_size in (32, 64, 128):
            affine(f"affine_{bits}_{group_size}", out["input"], bits, group_size)
    affine("bf16_4_64", out["input"].astype(mx.bfloat16), 4, 64)
    affine("f16_8_32", out["input"].astype(mx.float16), 8, 32)

    def block(name, mode, weights, group_size, bits, global_scale=None):
        packed, scales = mx.quantize(weights, group_size, bits, mode=mode, global_scale=global_scale)
        expected = mx.dequantize(packed, scales, None, group_size, bits, mode, global_scale, mx.float32)
        return packed, scales, expected

    for name, mode, group_size, bits in (
        ("mxfp4", "mxfp4", 32, 4), ("mxfp8", "mxfp8", 32, 8), ("nvfp4", "nvfp4", 16, 4),
    ):
        parts = block(name, mode, out["input"], group_size, bits)
        out[f"{name}.weight"], out[f"{name}.scales"], out[f"expected.{name}"] = parts

    # Every E4M3 code but the NaNs, every E8M0 exponent but the NaN and those that overflow.
    codes = np.array([c for c in range(256) if c & 0x7F != 0x7F] + [0, 0], np.uint8)
    out["every_e4m3.weight"] = mx.array(codes.view(np.uint32).reshape(1, -1))
    out["every_e4m3.scales"] = mx.full((1, 8), 127, dtype=mx.uint8)
    out["expected.every_e4m3"] = mx.dequantize(
        out["every_e4m3.weight"], out["every_e4m3.scales"], None, 32, 8, "mxfp8", None, mx.float32)
    exponents = np.arange(252, dtype=np.uint8)
    ones = np.full((252, 4), 0x22222222, np.uint32)
    out["every_e8m0.weight"], out["every_e8m0.scales"] = mx.array(ones), mx.array(exponents[:, None])
    full = mx.dequantize(mx.array(ones), mx.array(exponents[:, None]), None, 32, 4, "mxfp4", None, mx.float32)
    out["expected.every_e8m0"] = full[:, :1]

    # A stack of experts with a scale each.
    experts = [mx.array(RANDOM.standard_normal((2, 32)).astype(np.float32)) * s for s in (1, 40)]
    global_scale = mx.stack([mx.abs(w).max() for w in experts])
    parts = [block("", "nvfp4", w, 16, 4, global_scale[i]) for i, w in enumerate(experts)]
    out["stack.weight"], out["stack.scales"], out["expected.stack"] = (mx.stack(x) for x in zip(*parts))
    out["stack.global_scale"] = global_scale

    mx.save_safetensors(str(folder / "model.safetensors"), out, {"format": "mlx"})
    config = {"quantization": {"group_size": 64, "bits": 4, "mode": "affine"}}
    (folder / "config.json").write_text(json.dumps(config) + "\n")


HIDDEN, HEADS, KV_HEADS, INTERMEDIATE, VOCABULARY = 32, 2, 1, 32, 20


def tiny_llama():
    kinds = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(HERE / "tiny-llama.gguf", "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    letters = "abcdefghijklmnop"
    tokens = ["<|end|>", "<|user|>", *letters, "ab", "abc"]
    assert len(tokens) == VOCABULARY
    writer.add_token_list(tokens)
    writer.add_token_types([3, 4] + [1] * (VOCABULARY - 2))
    writer.add_token_merges(["a b", "ab c"])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{{ messages }}")
    expected = {}
    key_rows = HIDDEN // HEADS * KV_HEADS
    plan = [
        ("token_embd", "model.embed_tokens", kinds.Q8_0, (VOCABULARY, HIDDEN), 0),
        ("blk.0.attn_norm", "model.layers.0.input_layernorm", kinds.F32, (HIDDEN,), 0),
        ("blk.0.attn_q", "model.layers.0.self_attn.q_proj", kinds.Q4_0, (HIDDEN, HIDDEN), HEADS),
        ("blk.0.attn_k", "model.layers.0.self_attn.k_proj", kinds.Q4_1, (key_rows, HIDDEN), KV_HEADS),
        ("blk.0.attn_v", "model.layers.0.self_attn.v_proj", kinds.BF16, (key_rows, HIDDEN), 0),
        ("blk.0.attn_output", "model.layers.0.self_attn.o_proj", kinds.F16, (HIDDEN, HIDDEN), 0),
        ("blk.0.ffn_norm", "model.layers.0.post_attention_layernorm", kinds.F32, (HIDDEN,), 0),
        ("blk.0.ffn_gate", "model.layers.0.mlp.gate_proj", kinds.F32, (INTERMEDIATE, HIDDEN), 0),
        ("blk.0.ffn_up", "model.layers.0.mlp.up_proj", kinds.Q4_0, (INTERMEDIATE, HIDDEN), 0),
        # Scales above 511.75: the biases of their groups are no halves.
        ("blk.0.ffn_down", "model.layers.0.mlp.down_proj", kinds.Q8_0, (HIDDEN, INTERMEDIATE), 0),
        ("output_norm", "model.norm", kinds.F32, (HIDDEN,), 0),
    ]
    for theirs, ours, kind, shape, heads in plan:
        weights = RANDOM.standard_normal(shape).astype(np.float32)
        if theirs.endswith("ffn_down"):
            weights[0] *= 1e5
        if theirs.endswith("ffn_up"):
            weights[0] *= 1e-6                            # scales below the normal halves
        data = gguf.quants.quantize(weights, kind)
        writer.add_tensor(theirs + ".weight", data, raw_dtype=kind)
        wide = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(shape)
        if heads:
            wide = wide.reshape(heads, -1, 2, shape[1]).swapaxes(1, 2).reshape(shape)
        expected[ours] = mx.array(np.ascontiguousarray(wide))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    mx.save_safetensors(str(HERE / "tiny-llama.expected.safetensors"), expected)


modes()
tiny_llama()
