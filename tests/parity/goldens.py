#!/usr/bin/env python3
"""Write fixtures/FAMILY-VARIANT-MODE.json: the outputs of mlx-lm for small checkpoints.

    python3 goldens.py [NAME ...]        (needs: mlx[cpu] 0.32.4, mlx-lm 0.32.2, numpy)

All arithmetic is in f32 on the CPU. MLX's CPU backend sums in the type of the activations, and its
embeddings in mxfp4, mxfp8 and nvfp4 are bf16, in which Gemma would then scale them. The checkpoints
are not stored, because `fill.py` and the tests make the same ones from a hash. A golden has these
keys:

    config      config.json, with the quantization table of mlx-lm (without its copy,
                `quantization_config`)
    dtype       type of stored floats, unless a tensor states another one
    seed        prefix of the names before they are hashed
    tensors     [name, shape, centre, spread, {mode, bits, group_size, global_scale | dtype}];
                the shape is that before quantization; a value of `signs` counts as 1 or -1
    ids         the prompt
    rows        positions of the prompt with stored logits
    logits      logits of these rows, f32, little-endian, base64
    std         standard deviation of the logits of the whole prompt
    greedy      the 64 tokens that follow
    margins     lead of the best token over the second best in each step, divided by `std`
"""

import base64
import copy
import json
import sys
import types
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
import mlx_lm.models
from mlx_lm.models import bitlinear_layers
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.models.prism_hadamard_qwen35 import HadamardQuantizedLinear
from mlx_lm.models.switch_layers import SwitchLinear
from mlx_lm.utils import _get_classes, quantize_model

import hybrids
import packs
from families import (
    ATTENTIONS, CASES, CONFIGS, LEAST_SCORES, MODES, ORIGINAL, VOCABULARY, WINDOW, overrides)
from fill import EMBEDDING, HEAD_NORM, fill, rule, ternary, tokens

FIXTURES = Path(__file__).parent / "fixtures"
# Reference modules of architectures that mlx-lm does not have.
MODELS = Path(__file__).parent / "models"
PROMPT, STEPS = 160, 64
# Tensors that mlx-lm keeps in f32.
EXACT = ("e_score_correction_bias", "expert_bias", "router_bias", "A_log")
SKIPPED = {
    "vision_tower.vision_model.embeddings.patch_embedding.weight": (32, 3, 2, 2),
    "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight": (32, 32),
    "multi_modal_projector.mm_input_projection_weight": (32, 128),
}


def skipped(config):
    """Return the shapes of the tensors of other modalities, by name."""
    if "vision_config" not in config:
        return {}
    # Qwen's wrappers have no projector.
    return {name: shape for name, shape in SKIPPED.items()
            if name.startswith("vision") or not config["model_type"].startswith("qwen")}


def number(value):
    """Return an f32 as a JSON number that reads back as the same f32."""
    return float(np.float32(value))


def build(config):
    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(copy.deepcopy(config)))
    if is_ternary(config):
        bitlinear_layers.bitnet_quantize(model, config["quantization_config"])
    return model


def is_ternary(config):
    return config.get("quantization_config", {}).get("quant_method") == "bitnet"


def weights_of(model, config, seed):
    """Fill the parameters of a model. Return shape, centre and spread by checkpoint name."""
    gemma = config["model_type"].startswith(("gemma", "gear"))
    tied = config["model_type"].startswith("gemma3")
    plan, packed, modules = {}, set(), dict(model.named_modules())
    source = build(packs.twin(config)) if packs.is_pack(config) else model
    for name, value in tree_flatten(source.parameters()):
        if tied and name.endswith("lm_head.weight"):
            continue
        centre, spread = rule(name, value.shape, gemma)
        if config["model_type"].startswith(("gemma4", "gemma3n")):
            # Its norms have plain weights, and its scores no factor.
            centre, spread = rule(name, value.shape, EMBEDDING.search(name) is not None)
            if HEAD_NORM.search(name):
                centre, spread = 0.45, 0.2
        if name.endswith("weight_scale") and modules[name.rsplit(".", 1)[0]].invert_weight_scales:
            centre, spread = 1 / centre, spread / centre**2
        plan[name] = (list(value.shape), number(centre), number(spread))
        if value.dtype == mx.uint8:
            plan[name] = (list(value.shape), 0.0, 1.0)
            packed.add(name)
    weights = {
        name: mx.array(ternary(f"{seed}/{name}", how[0]) if name in packed else fill(f"{seed}/{name}", *how))
        for name, how in plan.items()
    }
    if packs.is_pack(config):
        packs.pack(weights, plan, config, seed)
    extra = {name: mx.array(fill(f"{seed}/{name}", s, 0.0, 0.5)) for name, s in skipped(config).items()}
    kept = model.sanitize({**weights, **extra}) if hasattr(model, "sanitize") else weights
    if config["model_type"] == "minicpm" and config["tie_word_embeddings"]:
        kept.pop("lm_head.weight")                   # a copy that no module takes
    if config["model_type"] == "baichuan_m1":
        kept["lm_head.weight"] = weights["lm_head.weight"]   # as in the file; see `normalize_head`
    assert set(kept) == set(weights), "the names are not those that mlx-lm saves"
    model.load_weights(list(kept.items()), strict=True)
    return plan


def quantize(model, config, mode):
    """Return the model and the configuration after mlx-lm has quantized them from f32."""
    how = MODES[mode][0]
    if how is None:
        return model, copy.deepcopy(config)
    own = getattr(model, "quant_predicate", None)

    def predicate(path, module):
        recipe = overrides(mode, path)
        if recipe is not None:
            return copy.deepcopy(recipe)
        if type(module).__name__ == "FusedLinear":
            # It takes no mode. A checkpoint has to list its modules, or mlx-lm doesn't load it.
            return {key: how[key] for key in ("group_size", "bits")}
        return own(path, module) if own else True

    model, quantized = quantize_model(
        model, config, how["group_size"], how["bits"], how["mode"], how.get("global_scale", False),
        quant_predicate=predicate)
    # mlx-lm refuses packs whose table says more.
    return model, copy.deepcopy(config) if packs.is_pack(config) else quantized


def store(model, dtype):
    """Round every float to the type in which it is stored. The arithmetic stays in f32."""
    kept = {}
    for name, value in tree_flatten(model.parameters()):
        if not mx.issubdtype(value.dtype, mx.floating):
            continue
        exact = name.endswith(("global_scale", *EXACT))
        kept[name] = value if exact else value.astype(getattr(mx, dtype)).astype(mx.float32)
    model.load_weights(list(kept.items()), strict=False)


def normalize_head(model, dtype):
    """Do what Baichuan-M1 does when it loads an output matrix that isn't quantized."""
    if isinstance(model.lm_head, nn.Linear):
        weight = model.lm_head.weight.astype(getattr(mx, dtype))
        model.lm_head.weight = model.sanitize({"lm_head.weight": weight})["lm_head.weight"].astype(mx.float32)


def table(model, plan, dtype):
    """Return the list of tensors for the golden."""
    modules = dict(model.named_modules())
    rows = []
    for name, (shape, centre, spread) in plan.items():
        module = modules[name.rpartition(".")[0]]
        row = [name, shape, centre, spread]
        if name.endswith(".weight") and hasattr(module, "bits"):
            how = {"mode": getattr(module, "mode", "affine"), "bits": module.bits, "group_size": module.group_size}
            if module.get("global_scale") is not None:
                how["global_scale"] = True
            row.append(how)
        elif module.get("weight") is not None and module.weight.dtype == mx.uint8 and name.endswith(".weight"):
            row.append({"ternary": True})
        elif name.endswith(EXACT) and dtype != "float32":
            row.append({"dtype": "float32"})
        rows.append(row)
    return rows


class Scores:
    """Record the standard deviation of the visible attention scores of each call."""

    def __enter__(self):
        self.deviations = []
        self.attention, self.softmax = mx.fast.scaled_dot_product_attention, mx.softmax
        mx.fast.scaled_dot_product_attention = self.watch
        return self

    def __exit__(self, *_):
        mx.fast.scaled_dot_product_attention = self.attention
        mx.softmax = self.softmax

    def watch(self, q, k, v, *, scale, mask=None, sinks=None, **rest):
        assert all(x.dtype == mx.float32 for x in (q, k, v))
        keys = mx.repeat(k, q.shape[1] // k.shape[1], axis=1)
        scores = np.array((q * scale) @ keys.swapaxes(-1, -2))
        seen = np.tril(np.ones(scores.shape[-2:], bool))
        if isinstance(mask, mx.array):
            mask = np.array(mask)
            if mask.dtype == bool:
                seen = seen & mask
            else:
                scores, seen = scores + mask, seen & (mask > -1e30)
        self.deviations.append(float(scores[np.broadcast_to(seen, scores.shape)].std()))
        return self.attention(q, k, v, scale=scale, mask=mask if mask is None or isinstance(mask, str)
                              else mx.array(mask), sinks=sinks, **rest)

    def watch_softmax(self):
        """Record models that compute attention step by step. A first row has one finite score."""
        def softmax(scores, *rest, **named):
            if scores.ndim > 3:
                values = np.array(scores)
                self.deviations.append(float(values[values > -1e30].std()))
            return self.softmax(scores, *rest, **named)
        mx.softmax = softmax


def run(model, ids, by_softmax=False):
    """Return the prompt's logits, their deviation, greedy tokens, margins, score deviations, cache error."""
    with Scores() as scores:
        if by_softmax:
            scores.watch_softmax()
        logits = np.array(model(mx.array([ids]))[0])
    deviation = float(logits.astype(np.float64).std())
    cache = make_prompt_cache(model)
    step = np.array(model(mx.array([ids]), cache=cache)[0, -1])
    greedy, margins, steps = [], [], []
    for _ in range(STEPS):
        steps.append(step)
        second, first = np.argsort(step, kind="stable")[-2:]
        greedy.append(int(first))
        margins.append(float(step[first] - step[second]) / deviation)
        step = np.array(model(mx.array([[greedy[-1]]]), cache=cache)[0, -1])
    # The last token makes Phi-3-small's blocks whole, without which mlx-lm moves them.
    whole = np.array(model(mx.array([ids + greedy]))[0, PROMPT - 1:-1])
    cached = np.abs(whole - np.array(steps)).max() / deviation
    return logits, deviation, greedy, margins, scores.deviations, cached


def dequantized(module):
    """Return the matrix or stack of a quantized module in f32."""
    def one(weight, scales, biases, factor):
        return mx.dequantize(weight, scales, biases, module.group_size, module.bits, module.mode,
                             factor, mx.float32)

    factors = module.get("global_scale")
    if factors is None:
        return one(module.weight, module.scales, module.get("biases"), None)
    return mx.stack([one(*parts, None, factor) for *parts, factor
                     in zip(module.weight, module.scales, factors)])


def widen_scaled(model):
    """Replace stacks with a scale per expert by dense ones; MLX multiplies them on the GPU only."""
    for path, module in model.named_modules():
        if module.get("global_scale") is not None:
            weight = dequantized(module)
            experts, rows, cols = weight.shape
            dense = SwitchLinear(cols, rows, experts, bias=False)
            dense.weight = weight
            model.update_modules(tree_unflatten([(path, dense)]))


def widened(model, case, seed):
    """Return the model with dense matrices in f32, to measure the error of packed products."""
    config = packs.twin(CONFIGS[case]) if packs.is_pack(CONFIGS[case]) else CONFIGS[case]
    plain = build(config)
    weights_of(plain, config, seed)
    weights = dict(tree_flatten(model.parameters()))
    for path, module in model.named_modules():
        if isinstance(module, HadamardQuantizedLinear):
            weights[f"{path}.weight"] = packs.unrotated(module)
        elif hasattr(module, "bits"):
            weights[f"{path}.weight"] = dequantized(module)
    names = {name for name, _ in tree_flatten(plain.parameters())}
    plain.load_weights([(n, w) for n, w in weights.items() if n in names], strict=True)
    return plain


def make(case, mode):
    config = copy.deepcopy(CONFIGS[case])
    seed = 0
    model = build(config)
    plan = weights_of(model, config, seed)
    model, config = quantize(model, config, mode)
    dtype = MODES[mode][1]
    store(model, dtype)
    if config["model_type"] == "baichuan_m1":
        normalize_head(model, dtype)
    tensors = table(model, plan, dtype)
    widen_scaled(model)
    model.eval()
    ids = tokens(f"{seed}/ids", PROMPT, VOCABULARY)
    logits, deviation, greedy, margins, scores, cached = run(
        model, ids, config["model_type"] in ("gemma2", "olmo", "phi3small") or "attn_logit_softcapping" in config)
    tensors += [[name, list(shape), 0.0, 0.5] for name, shape in skipped(config).items()]

    plain = np.array(widened(model, case, seed)(mx.array([ids]))[0])
    dense = float(np.abs(plain - logits).max() / deviation)

    name = f"{case}-{mode}"
    layers = ATTENTIONS.get(case, len(model.layers))
    print(f"{name:34} std {deviation:6.3f} scores {min(scores, default=0):5.2f}-{max(scores, default=0):5.2f} "
          f"cached {cached:.1e} dense {dense:.1e} least margin {min(margins):.1e} "
          f"{len(set(greedy))} different tokens", flush=True)
    assert len(scores) == layers and min(scores, default=1) >= LEAST_SCORES.get(case, 1), f"{name}: scores {scores}"
    # Both sides are sums in f32 in some order, each with an error of its own.
    assert cached < 4e-5 and dense < 3e-5, name
    assert np.isfinite(logits).all()

    edges = [0, WINDOW - 1, WINDOW, PROMPT - 1] if "llama-plain" in name else [
        0, WINDOW - 1, WINDOW, ORIGINAL, PROMPT // 2, PROMPT - 1]
    golden = {
        "config": config, "dtype": dtype, "seed": seed, "tensors": tensors, "ids": ids,
        "rows": edges,
        "logits": base64.b64encode(logits[edges].astype("<f4").tobytes()).decode(),
        "std": number(deviation), "greedy": greedy,
        "margins": [float(f"{m:.3g}") for m in margins],
    }
    write(FIXTURES / f"{name}.json", golden)


def write(path, golden):
    """Write one line for each key, setting and tensor."""
    lines = []
    for key, value in golden.items():
        if key == "tensors":
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        elif key == "config":
            rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()
                              if k != "quantization_config" or is_ternary(value))
            lines.append(f'"{key}": {{\n{rows}\n}}')
        else:
            lines.append(f'"{key}": {json.dumps(value, separators=(",", ":"))}')
    path.parent.mkdir(exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def added_mask(x, cache=None, **_):
    """Return a mask to add to scores. mlx-lm's are no numbers any more."""
    length, offset = x.shape[1], cache.offset if cache else 0
    seen = mx.arange(offset + length)[None] <= mx.arange(offset, offset + length)[:, None]
    return mx.where(seen, 0.0, -1e31)


def repair_phi3small():
    """Keep mlx-lm's Phi-3-small from adding `True` to the scores of a prompt, and from writing to logits of tokens that
    a small vocabulary doesn't have. Tokens one by one have the same logits without this."""
    from mlx_lm.models import phi3small

    made = phi3small.Model.__init__

    def make(self, args):
        made(self, args)
        self._dummy_tokenizer_ids = mx.array([], dtype=mx.int32)

    phi3small.create_attention_mask = added_mask
    phi3small.Model.__init__ = make


def repair_olmo():
    """Make mlx-lm's OLMo run: it asks for a package, adds masks to scores that are no numbers, and
    returns its cache with the logits if the head is tied."""
    sys.modules["hf_olmo"] = types.ModuleType("hf_olmo")
    from mlx_lm.models import olmo

    call = olmo.Model.__call__
    olmo.create_attention_mask = added_mask
    olmo.Model.__call__ = lambda self, ids, cache=None: first(call(self, ids, cache))


def repair_gemma3n():
    """Give mlx-lm's Gemma 3n a cache always: without one, its last layers compute keys of their own."""
    from mlx_lm.models import gemma3n

    call = gemma3n.Model.__call__
    gemma3n.Model.__call__ = lambda self, ids, cache=None: call(
        self, ids, self.make_cache() if cache is None else cache)


def multiply_ternary():
    """Replace mlx-lm's Metal kernel for ternary matrices by a product with the same values in f32."""
    def multiply(self, x, packed):
        codes = mx.concatenate([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=0)
        product = x @ (codes.astype(mx.float32) - 1).T
        return product / self.weight_scale if self.invert_weight_scales else product * self.weight_scale

    bitlinear_layers.BitLinear.execute_matmul_kernel = multiply


def first(result):
    return result[0] if isinstance(result, tuple) else result


def look_up_in_f32():
    look_up = nn.QuantizedEmbedding.__call__
    nn.QuantizedEmbedding.__call__ = lambda self, ids: look_up(self, ids).astype(mx.float32)


def main():
    mx.set_default_device(mx.cpu)
    mlx_lm.models.__path__.append(str(MODELS))
    look_up_in_f32()
    packs.look_up_in_f32()
    repair_olmo()
    repair_gemma3n()
    repair_phi3small()
    multiply_ternary()
    wanted = sys.argv[1:]
    CONFIGS.update(hybrids.CONFIGS)
    CASES.update(hybrids.CASES)
    ATTENTIONS.update(hybrids.ATTENTIONS)
    without = [case for case in CONFIGS if not CASES.get(case)]
    names = [f"{case}-{mode}" for case, modes in CASES.items() for mode in modes]
    for want in wanted:
        if not any(name.startswith(want) for name in names + without):
            sys.exit(f"no case begins with `{want}`: CASES in families.py and hybrids.py lists all, such as `{names[0]}`")
    without = [case for case in without if not wanted or any(case.startswith(w) for w in wanted)]
    if without:
        sys.exit(f"the configuration `{without[0]}` has no case: add its modes to CASES, next to CONFIGS")
    failures = []
    for case, modes in CASES.items():
        for mode in modes:
            name = f"{case}-{mode}"
            if wanted and not any(name.startswith(w) for w in wanted):
                continue
            try:
                make(case, mode)
            except Exception as error:
                print(f"{name}: FAILED {type(error).__name__}: {error}", flush=True)
                failures.append(name)
    if failures:
        sys.exit(f"failed: {' '.join(failures)}")


if __name__ == "__main__":
    main()
