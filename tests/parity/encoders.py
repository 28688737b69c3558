#!/usr/bin/env python3
"""Write encoders/FAMILY-VARIANT-MODE.json: the outputs of Transformers for small encoders.

    python3 encoders.py [NAME ...]        (needs: torch, transformers 5.24, safetensors, mlx[cpu], numpy)

mlx-lm has no encoders, so the reference is the model code of Transformers in f32. The checkpoints are made from a hash
as those of `goldens.py` are. A quantized matrix is quantized and dequantized by MLX before Transformers gets it. A
golden has the keys `config`, `dtype`, `seed` and `tensors` of those goldens, and these:

    texts       [[token ids]]
    seconds     index of the first token of a second text, for pairs
    pooling     `cls`, `mean` or `last`
    width       width of a vector
    vectors     [texts, width] pooled states, or scores of pairs, f32, little-endian, base64
"""

import base64
import json
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file

from fill import fill, rule, tokens

HERE = Path(__file__).parent
VOCABULARY = 128
LENGTHS = (1, 7, 33, 70)
MODES = {
    "f32": None,
    "affine4g32": ("affine", 4, 32),
    "affine8g32": ("affine", 8, 32),
    "mxfp4": ("mxfp4", 4, 32),
    "mxfp8": ("mxfp8", 8, 32),
    "nvfp4": ("nvfp4", 4, 16),
}

BERT = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": VOCABULARY, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 80,
    "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
}
ROBERTA = {
    **BERT, "model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"], "type_vocab_size": 1,
    "layer_norm_eps": 1e-5, "pad_token_id": 1,
}
MODERN = {
    "model_type": "modernbert", "architectures": ["ModernBertModel"], "vocab_size": VOCABULARY, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "max_position_embeddings": 80,
    "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False, "mlp_bias": False, "local_attention": 16,
    "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
    "hidden_activation": "gelu", "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1,
    "sep_token_id": 2,
}
NOMIC = {
    "model_type": "nomic_bert", "architectures": ["NomicBertModel"], "vocab_size": VOCABULARY, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 80,
    "type_vocab_size": 2, "hidden_act": "silu", "layer_norm_eps": 1e-12,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0},
}
GEMMA = {
    "model_type": "gemma3_text", "architectures": ["Gemma3TextModel"], "vocab_size": VOCABULARY, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 32, "max_position_embeddings": 80, "rms_norm_eps": 1e-6, "query_pre_attn_scalar": 32,
    "sliding_window": 16, "sliding_window_pattern": 3, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
    "use_bidirectional_attention": True, "hidden_activation": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
}
QWEN = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 32, "max_position_embeddings": 80, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
    "tie_word_embeddings": True, "hidden_act": "silu",
}


def scoring(config, name):
    return {**config, "architectures": [name], "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}


# Configuration, pooling and modes of each case.
CASES = {
    "bert-mean": (BERT, "mean", list(MODES)),
    "bert-cls": (BERT, "cls", ["f32"]),
    "bert-score": (scoring(BERT, "BertForSequenceClassification"), "cls", ["f32"]),
    "xlm_roberta-cls": (ROBERTA, "cls", ["f32", "affine4g32"]),
    "xlm_roberta-score": (scoring(ROBERTA, "XLMRobertaForSequenceClassification"), "cls", ["f32"]),
    "modernbert-mean": (MODERN, "mean", ["f32", "affine8g32"]),
    "modernbert-score": (
        scoring({**MODERN, "classifier_pooling": "mean", "classifier_bias": False},
                "ModernBertForSequenceClassification"), "mean", ["f32"]),
    "nomic_bert-mean": (NOMIC, "mean", ["f32", "affine4g32"]),
    "embeddinggemma-mean": (GEMMA, "mean", ["f32", "affine8g32"]),
    "qwen3-last": (QWEN, "last", ["f32", "affine4g32"]),
}


def model_class(config):
    name = config["architectures"][0]
    # The states of a decoder, without its output projection.
    return getattr(transformers, name.replace("ForCausalLM", "Model"))


def changed(weights, seed, mode, gemma):
    """Fill the tensors. Return the weights for Transformers, and the list of tensors."""
    filled, plan = {}, []
    for name in sorted(weights):
        shape = weights[name]
        path = name.replace("LayerNorm", "norm").replace("emb_ln", "norm").replace("norm1", "norm").replace("norm2", "norm")
        centre, spread = (float(np.float32(x)) for x in rule(path, shape, gemma))
        values = fill(f"{seed}/{name}", shape, centre, spread)
        how = {}
        if mode and len(shape) == 2 and name.endswith(".weight") and shape[1] % mode[2] == 0:
            kind, bits, group = mode
            packed = mx.quantize(mx.array(values), group_size=group, bits=bits, mode=kind)
            scales, biases = packed[1], packed[2] if len(packed) > 2 else None
            back = mx.dequantize(packed[0], scales, biases, group_size=group, bits=bits, mode=kind)
            values = np.array(back.astype(mx.float32))
            how = {"mode": kind, "bits": bits, "group_size": group, "global_scale": False}
        filled[name] = values
        plan.append([name, list(shape), centre, spread, how])
    return filled, plan


def pooled(states, pooling):
    if pooling == "mean":
        return states.mean(axis=0)
    return states[0] if pooling == "cls" else states[-1]


def golden(case, config, pooling, mode_name, seed):
    mode = MODES[mode_name]
    kind = model_class(config)
    gemma = config["model_type"].startswith("gemma")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        settings = transformers.AutoConfig.for_model(**dict(config))
        settings.architectures = [kind.__name__]
        kind(settings).save_pretrained(folder)
        with safe_open(folder / "model.safetensors", "np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
        weights, plan = changed(shapes, seed, mode, gemma)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        own = dict(config)
        (folder / "config.json").write_text(json.dumps({**own, "architectures": [kind.__name__]}))
        model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    scores = config["architectures"][0].endswith("ForSequenceClassification")
    texts, seconds, vectors = [], [], []
    for index, length in enumerate(LENGTHS):
        # Padding is not a token of a text.
        ids = [max(3, id) for id in tokens(f"{seed}/{case}/{index}", length, VOCABULARY)]
        start = length // 2
        types = [0] * start + [1] * (length - start)
        arguments = {"input_ids": torch.tensor([ids])}
        if scores and config["model_type"] == "bert":
            arguments["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            out = model(**arguments)
        vectors.append(out.logits[0].numpy() if scores else pooled(out.last_hidden_state[0].numpy(), pooling))
        texts.append(ids)
        seconds.append(start if scores and config["model_type"] == "bert" else length)
    vectors = np.stack(vectors).astype("<f4")
    stored = dict(config)
    if mode:
        stored["quantization"] = {"group_size": mode[2], "bits": mode[1], "mode": mode[0]}
    return {
        "config": stored, "dtype": "float32", "seed": seed, "tensors": plan, "texts": texts, "seconds": seconds,
        "pooling": pooling, "width": vectors.shape[1], "vectors": base64.b64encode(vectors.tobytes()).decode(),
    }


def main():
    wanted = tuple(sys.argv[1:])
    (HERE / "encoders").mkdir(exist_ok=True)
    for case, (config, pooling, modes) in CASES.items():
        for seed, mode in enumerate(modes, 1):
            name = f"{case}-{mode}"
            if wanted and not name.startswith(wanted):
                continue
            made = golden(case, config, pooling, mode, seed)
            (HERE / "encoders" / f"{name}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")
            print(name, made["width"])


if __name__ == "__main__":
    main()
