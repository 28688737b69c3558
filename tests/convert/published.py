#!/usr/bin/env python3
"""Write published.json: what mlx-lm converts small published checkpoints into.

    python3 published.py            (needs: mlx[cpu], mlx-lm, numpy)

A published checkpoint has the tensors of a model before `sanitize` of mlx-lm: experts one by one or
fused, filters in another shape, other names, parts that are not used. Here each is made by undoing
that. Values come from the hash of `tests/parity/fill.py`, so the file has only names, shapes and hashes:

    config      config.json
    tensors     [name, shape] of the published checkpoint, and "float32" if it isn't bfloat16. A name
                with `{8}` stands for eight tensors, numbered from 0
    results     for each conversion and layer, or tensor outside of layers, the FNV-1a hash of its
                tensors by name: "NAME DTYPE SHAPE " and the bytes of each
"""

import copy
import importlib
import json
import re
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes, load_model, save_model

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "../parity"))
import families  # noqa: E402
import hybrids  # noqa: E402
from fill import fill  # noqa: E402

CONVERT = importlib.import_module("mlx_lm.convert")
CONVERSIONS = {"bfloat16": {}, "affine4g64": {"quantize": True, "q_bits": 4, "q_group_size": 64}}
# Stored in f32, so that casts show.
WIDE = ("A_log", "e_score_correction_bias", "expert_bias", "dt_bias")


def moved(name, shape):
    """Return the published shape of filters over time."""
    is_filter = name.endswith(("conv1d.weight", "conv_1d.weight", "conv.weight")) and len(shape) == 3
    return [shape[0], shape[2], shape[1]] if is_filter else shape


def apart(into, names):
    """Return a function that takes stacks apart into experts."""
    def undo(name, shape, config):
        path, _, module = name.removesuffix(".weight").rpartition(".")
        if path.endswith("switch_mlp") and module in names:
            path = path.removesuffix("switch_mlp") + into
            return [(f"{path}.{expert}.{names[module]}.weight", shape[1:]) for expert in range(shape[0])]
        return [(name, moved(name, shape))]
    return undo


def fused(stack):
    """Return a function that puts gate and up of all experts in `stack` into one tensor."""
    def undo(name, shape, config):
        for module in ("gate_proj", "up_proj", "down_proj"):
            if name.endswith(f".{stack}.{module}.weight"):
                before = name.removesuffix(f".{stack}.{module}.weight").removesuffix(".experts") + ".experts"
                if module == "down_proj":
                    return [(f"{before}.down_proj", shape)]
                both = [shape[0], 2 * shape[1], shape[2]]
                return [(f"{before}.gate_up_proj", both)] if module == "gate_proj" else []
        return [(name, moved(name, shape))]
    return undo


def lfm2_moe(name, shape, config):
    names = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
    found = apart("experts", names)(name, shape, config)
    module = name.removesuffix(".weight").rsplit(".", 1)[-1]
    if len(found) == 1 and "feed_forward" in name and module in names:
        return [(name.replace(module, names[module]), shape)]
    return found


def granite(name, shape, config):
    module = name.removesuffix(".weight").rsplit(".", 1)[-1]
    path = None
    if not name.endswith(".weight") or len(shape) < 2:
        return [(name, shape)]
    if ".switch_mlp." in name:
        path = name.split(".switch_mlp.")[0]
    elif ".mlp." in name:
        path = name.split(".mlp.")[0] + ".shared_mlp"
    if path is None:
        return [(name, moved(name, shape))]
    if module == "down_proj":
        return [(f"{path}.output_linear.weight", shape)]
    both = [*shape[:-2], 2 * shape[-2], shape[-1]]
    return [(f"{path}.input_linear.weight", both)] if module == "gate_proj" else []


def dbrx(name, shape, config):
    """Put the matrices of all experts into one, with down turned."""
    path, _, module = name.removesuffix(".weight").rpartition(".")
    if ".experts." not in path:
        return [(name, shape)]
    path, _, expert = path.rpartition(".")
    if expert != "0":
        return []
    rows, cols = shape[::-1] if module == "w2" else shape
    return [(f"{path}.mlp.{module}", [config["ffn_config"]["moe_num_experts"] * rows, cols])]


def ngrams(name, shape, config):
    found = apart("experts", USUAL)(name, shape, config)
    return [(own.replace("ngram_embeddings.word_embeddings", "embed_tokens"), own_shape)
            for own, own_shape in found]


USUAL = {name: name for name in ("gate_proj", "up_proj", "down_proj")}


def ling(name, shape, config):
    return apart("experts", USUAL)(name.replace(".mlp.gate.gate_proj.", ".mlp.gate."), shape, config)


def kimi(name, shape, config):
    names = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
    if any(part in name for part in (".switch_mlp.", ".shared_experts.", ".mlp.gate.", ".mlp.e_score")):
        name = name.replace(".mlp.", ".block_sparse_moe.").replace(".e_score", ".gate.e_score")
    found = apart("experts", names)(name, shape, config)
    return [(re.sub(r"\.([qkv])_conv\.conv\.", r".\1_conv1d.", own), own_shape) for own, own_shape in found]


def in_place(name, shape, config):
    """Take stacks apart that MLX has below `experts`."""
    path, _, module = name.removesuffix(".weight").rpartition(".")
    if path.endswith(".experts") and module in USUAL:
        return [(f"{path}.{expert}.{module}.weight", shape[1:]) for expert in range(shape[0])]
    return [(name, shape)]


def below_model(undo):
    """Return a function that puts the names of a wrapper into their published order."""
    def wrapped(name, shape, config):
        return [(own.replace("language_model.model.", "model.language_model.", 1)
                 .replace("language_model.lm_head", "lm_head"), own_shape)
                for own, own_shape in undo(name, shape, config)]
    return wrapped


def plain(name, shape, config):
    return [(name, moved(name, shape))]


def gemma4_extra(config):
    """Return tensors that a published Gemma 4 has and MLX does not."""
    text = config.get("text_config", config)
    shared = text["num_hidden_layers"] - text["num_kv_shared_layers"]
    prefix = "model.language_model." if "text_config" in config else "model."
    if not text["num_kv_shared_layers"]:
        return []
    return [(f"{prefix}layers.{shared}.self_attn.{name}", shape) for name, shape in
            (("k_proj.weight", [8, 128]), ("v_proj.weight", [8, 128]), ("k_norm.weight", [8]),
             ("k_proj.input_max", []))]


def guess(config):
    return [("mtp.fc.weight", [8, 16]), ("mtp.layers.0.input_layernorm.weight", [8])]


VISION = [("model.visual.patch_embed.proj.weight", [8, 16])]
CASES = {
    "qwen3_5-wrapper": (below_model(plain), lambda c: guess(c) + VISION),
    "qwen3_5-tied": (below_model(plain), guess),
    "qwen3_5_moe-wrapper": (below_model(fused("switch_mlp")), guess),
    "qwen3_next-plain": (apart("experts", USUAL), guess),
    "lfm2-plain": (plain, None),
    "lfm2_moe-plain": (lfm2_moe, None),
    "mamba2-plain": (plain, None),
    "granitemoehybrid-plain": (granite, None),
    "granitemoehybrid-dense": (granite, None),
    "falcon_h1-plain": (plain, None),
    "falcon_h1-norm": (plain, None),
    "nemotron_h-experts": (apart("experts", {"fc1": "up_proj", "fc2": "down_proj"}),
                           lambda c: [("mtp.layers.0.norm.weight", [8])]),
    "gemma4-vision": (below_model(fused("switch_glu")),
                      lambda c: gemma4_extra(c) + [("model.vision_tower.patch.weight", [8, 16])]),
    "gemma4_text-experts": (fused("switch_glu"), gemma4_extra),
    "mamba-plain": (plain, None),
    "jamba-plain": (apart("experts", USUAL), None),
    "plamo2-plain": (plain, None),
    "olmo_hybrid-plain": (plain, None),
    "bailing_moe_linear-plain": (ling, None),
    "bailing_hybrid-plain": (ling, None),
    "bailing_moe_v3-plain": (apart("experts", USUAL), None),
    "kimi_linear-plain": (kimi, None),
    "recurrent_gemma-plain": (plain, None),
    "rwkv7-plain": (plain, None),
    "baichuan_m1-plain": (plain, None),
    "gear-plain": (plain, None),
    "Klear-plain": (in_place, None),
    "gemma3n-plain": (plain, None),
    "dbrx-plain": (dbrx, None),
    "longcat_flash-plain": (apart("experts", USUAL), lambda c: [("model.mtp.norm.weight", [8])]),
    "longcat_flash_ngram-split": (ngrams, None),
    "deepseek_v32-plain": (apart("experts", USUAL), lambda c: [("model.layers.3.enorm.weight", [8])]),
    "glm_moe_dsa-plain": (apart("experts", USUAL), None),
}
CHANGES = {
    # A fused matrix has no bias in mlx-lm's conversion.
    "granitemoehybrid-dense": {"mlp_bias": False},
    # Not the defaults, so that no factor is forgotten.
    "falcon_h1": {"attention_in_multiplier": 0.7, "attention_out_multiplier": 1.3,
                  "ssm_in_multiplier": 1.1, "ssm_out_multiplier": 0.3, "mlp_multipliers": [0.9, 1.7],
                  "ssm_multipliers": [0.35, 0.6, 0.8, 1.2, 0.45]},
}


def published(config, undo, extra):
    """Return name, shape and type of the tensors of a published checkpoint."""
    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(copy.deepcopy(config)))
    found = []
    for name, value in tree_flatten(model.parameters()):
        found += undo(name, list(value.shape), config)
    found += extra(config) if extra else []
    return [[name, shape, *(["float32"] if name.endswith(WIDE) else [])] for name, shape in found]


def collapsed(tensors):
    """Write tensors of experts that differ only in their numbers as one row."""
    experts = {}
    for name, shape, *dtype in tensors:
        key = (re.sub(r"\.experts\.\d+\.", ".experts.{}.", name), tuple(shape), *dtype)
        experts.setdefault(key, []).append(name)
    return [[name.replace("{}", f"{{{len(names)}}}"), list(shape), *dtype]
            for (name, shape, *dtype), names in experts.items()]


def layer_of(name):
    found = re.match(r".*?(layers|blocks)\.\d+", name)
    return found[0] if found else name


def fnv1a(data, value=0xCBF29CE484222325):
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def bytes_of(array):
    if array.ndim == 0:
        array = array.reshape(1)
    return np.array(array.view(mx.uint8)).tobytes()


def convert(source, target, **settings):
    """Convert without a tokenizer."""
    def load(path, **_):
        model, config = load_model(Path(path), lazy=True)
        return model, None, config

    CONVERT.load = load
    CONVERT.save = lambda path, _, model, __, ___: save_model(path, model)
    CONVERT.convert(str(source), str(target), **settings)


def main():
    mx.set_default_device(mx.cpu)
    configs = {**families.CONFIGS, **hybrids.CONFIGS}
    written = {}
    for case, (undo, extra) in CASES.items():
        config = {**copy.deepcopy(configs[case]), **CHANGES.get(case, CHANGES.get(case.split("-")[0], {})),
                  "torch_dtype": "bfloat16"}
        tensors = published(config, undo, extra)
        entry = {"config": config, "tensors": collapsed(tensors), "results": {}}
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            source.mkdir()
            (source / "config.json").write_text(json.dumps(config))
            weights = {name: mx.array(fill(f"0/{name}", shape, 0.0, 1.0)).astype(mx.float32 if dtype else mx.bfloat16)
                       for name, shape, *dtype in tensors}
            mx.save_safetensors(str(source / "model.safetensors"), weights, metadata={"format": "pt"})
            for conversion, settings in CONVERSIONS.items():
                target = Path(folder) / conversion
                convert(source, target, **settings)
                made = mx.load(str(target / "model.safetensors"))
                hashes = {}
                for name, value in sorted(made.items()):
                    head = f"{name} {str(value.dtype).split('.')[-1]} {list(value.shape)} ".encode()
                    hash = hashes.get(layer_of(name), fnv1a(b""))
                    hashes[layer_of(name)] = fnv1a(head + bytes_of(value), hash)
                entry["results"][conversion] = {layer: f"{hash:016x}" for layer, hash in hashes.items()}
        written[case] = entry
        print(f"{case:24} {len(tensors)} tensors", flush=True)
    lines = [f'"{case}": {{\n"config": {json.dumps(entry["config"])},\n"tensors": [\n'
             + ",\n".join(json.dumps(row) for row in entry["tensors"]) + '\n],\n"results": {'
             + ",".join(f'\n"{name}": {{\n' + ",\n".join(
                 f"{json.dumps(tensor)}: {json.dumps(hash)}" for tensor, hash in made.items()) + "\n}"
                        for name, made in entry["results"].items()) + "}\n}"
             for case, entry in written.items()]
    (HERE / "published.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
