"""Packs for rotated activations: matrices of 2 bits with a Hadamard rotation folded into their inputs.

The weights are those of the model that is packed, by the names of its tensors. Those of the modules that `config.json`
lists are quantized, and their signs are those of the hash.
"""

import mlx.core as mx
import numpy as np
from mlx_lm.models import prism_hadamard_qwen35 as prism

from fill import fill

BITS, GROUP = 2, 128


def is_pack(config):
    return "modules" in config


def twin(config):
    """Return the configuration of the model that is packed."""
    return {"model_type": "qwen3_5", "text_config": config["text_config"]}


def pack(weights, plan, config, seed):
    """Quantize the listed matrices, and add the signs of those whose inputs are rotated."""
    for record in config["modules"]:
        path = f"language_model.{record['path']}"
        dense = weights[f"{path}.weight"]
        for suffix, part in zip(("weight", "scales", "biases"), mx.quantize(dense, GROUP, BITS)):
            weights[f"{path}.{suffix}"] = part
        if record["block"]:
            name = f"{path}.signs"
            plan[name] = ([dense.shape[1]], 0.0, 1.0)
            values = fill(f"{seed}/{name}", *plan[name])
            weights[name] = mx.array(np.where(values < 0, -1, 1).astype(np.float32))


def unrotated(module):
    """Return the matrix of f32 that does the same without a rotation."""
    weight = mx.dequantize(module.weight, module.scales, module.biases, GROUP, BITS).astype(mx.float32)
    return prism.hadamard_rotate(weight, module.block, module.signs, inverse=True) if module.block else weight


def look_up_in_f32():
    """Keep mlx-lm from rounding embeddings to f16."""
    prism.HadamardQuantizedEmbedding.__call__ = lambda self, ids: unrotated(self)[ids]
