"""Write a tiny gpt-oss checkpoint in the form in which that family is published: experts packed in
blocks, with alternating rows of gate and up. Then run `compare.py MLXK FOLDER SCRATCH bfloat16
float16` to compare the conversions.

Usage: gpt_oss.py FOLDER TOKENIZER

TOKENIZER is a folder with the tokenizer to copy. Needs `mlx[cpu]`."""

import json
import shutil
import sys
from pathlib import Path

import mlx.core as mx

HIDDEN, INNER, EXPERTS, HEADS, HEAD = 64, 96, 3, 4, 32
CONFIG = {
    "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "torch_dtype": "bfloat16",
    "hidden_size": HIDDEN, "intermediate_size": INNER, "head_dim": HEAD, "num_hidden_layers": 2,
    "num_attention_heads": HEADS, "num_key_value_heads": 2, "num_local_experts": EXPERTS,
    "num_experts_per_tok": 2, "sliding_window": 16, "rope_theta": 150000, "vocab_size": 256,
    "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "tie_word_embeddings": False,
    "layer_types": ["sliding_attention", "full_attention"],
    "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                     "original_max_position_embeddings": 64, "truncate": False},
    "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
}

mx.random.seed(7)
values = lambda *shape: (mx.random.normal(shape) * 0.1).astype(mx.bfloat16)
octets = lambda *shape: mx.random.randint(0, 256, shape).astype(mx.uint8)
tensors = {
    "model.embed_tokens.weight": values(256, HIDDEN),
    "model.norm.weight": values(HIDDEN),
    "lm_head.weight": values(256, HIDDEN),
}
for number in range(CONFIG["num_hidden_layers"]):
    layer = f"model.layers.{number}."
    tensors[layer + "self_attn.sinks"] = values(HEADS)
    for name, rows, cols in [("q", HEADS * HEAD, HIDDEN), ("k", 2 * HEAD, HIDDEN),
                             ("v", 2 * HEAD, HIDDEN), ("o", HIDDEN, HEADS * HEAD)]:
        tensors[f"{layer}self_attn.{name}_proj.weight"] = values(rows, cols)
        tensors[f"{layer}self_attn.{name}_proj.bias"] = values(rows)
    for norm in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"{layer}{norm}.weight"] = values(HIDDEN)
    tensors[layer + "mlp.router.weight"] = values(EXPERTS, HIDDEN)
    tensors[layer + "mlp.router.bias"] = values(EXPERTS)
    for name, rows, cols in [("gate_up_proj", 2 * INNER, HIDDEN), ("down_proj", HIDDEN, INNER)]:
        experts = f"{layer}mlp.experts.{name}"
        tensors[experts + "_blocks"] = octets(EXPERTS, rows, cols // 32, 16)
        tensors[experts + "_scales"] = octets(EXPERTS, rows, cols // 32)
        tensors[experts + "_bias"] = values(EXPERTS, rows)

folder, tokenizer = map(Path, sys.argv[1:])
folder.mkdir(parents=True)
mx.save_safetensors(str(folder / "model.safetensors"), tensors, metadata={"format": "pt"})
(folder / "config.json").write_text(json.dumps(CONFIG, indent=2))
for file in tokenizer.glob("*token*"):
    shutil.copy(file, folder)
