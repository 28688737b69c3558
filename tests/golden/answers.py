#!/usr/bin/env python3
"""Writes MODEL.json: what mlx-lm's own model code answers with real weights.

    python3 answers.py HUB MODEL SUFFIX [SUFFIX ...]        (needs: mlx[cpu], mlx-lm, numpy)

HUB is a Hugging Face cache folder that holds mlx-community/MODEL-SUFFIX. Packed matrices are
dequantized in f32 before the run and everything is computed in f32 (MLX's CPU backend sums in the
type of the activations), products with weights by numpy, which is many times faster. A file holds

    oracle       versions
    prompts      [{prompt, rendered, ids}]: the user's words; the text after the chat template, if
                 the tokenizer has one; its token ids. The last has 1,500 tokens or more
    checkpoints  {name: {commit, answers: [{ids, top, text}]}}, an answer for each prompt:
                 up to 64 greedy tokens, the five most probable tokens of the first eight steps with
                 their log-probabilities, the text
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import mlx.core as mx
import mlx.nn as nn
import mlx_lm
import numpy as np
from mlx.utils import tree_map, tree_unflatten
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load

STEPS, DETAILED, LONG = 64, 8, 1500
HERE = Path(__file__).parent

CHAT = [
    "What is the capital of France?",
    "Write a Python function that returns the n-th Fibonacci number.",
    "List three primary colors, one per line.",
    "Explain in two sentences why the sky is blue. Réponds en français si possible: 日本語も 😀",
    "Complete the sequence: 2, 4, 8, 16,",
]
PLAIN = [
    "The capital of France is",
    'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
    "Once upon a time, in a small village",
    "La tour Eiffel est située à 日本語 😀",
    "2, 4, 8, 16,",
]


def long_prompt(tokenizer, question):
    """A program of this project, as many lines as it takes."""
    program = "".join((HERE / "../parity" / name).read_text() for name in ("fill.py", "goldens.py", "families.py"))
    text = ""
    for line in program.splitlines(keepends=True):
        text += line
        if len(tokenizer.encode(text)) >= LONG:
            break
    return text + question


class Product(nn.Module):
    """A linear layer without its packing."""

    def __init__(self, layer):
        super().__init__()
        self._weight = np.array(dense(layer)).T
        self._bias = np.array(layer.bias) if "bias" in layer else np.float32(0)

    def __call__(self, x):
        return mx.array(np.array(x) @ self._weight + self._bias)


class Table(nn.Module):
    """An embedding without its packing."""

    def __init__(self, layer):
        super().__init__()
        self._weight = np.array(dense(layer))

    def __call__(self, ids):
        return mx.array(self._weight[np.array(ids)])

    def as_linear(self, x):
        return mx.array(np.array(x) @ self._weight.T)


def dense(layer):
    if "scales" not in layer:
        return layer.weight
    return mx.dequantize(layer.weight, layer.scales, layer.get("biases"), layer.group_size, layer.bits,
                         layer.mode, None, mx.float32)


def widen(model):
    """Everything in f32, matrices as plain products."""
    model.update(tree_map(lambda x: x.astype(mx.float32) if mx.issubdtype(x.dtype, mx.floating) else x,
                          model.parameters()))
    kinds = {nn.Linear: Product, nn.QuantizedLinear: Product, nn.Embedding: Table, nn.QuantizedEmbedding: Table}
    plain = [(path, kinds[type(layer)](layer)) for path, layer in model.named_modules() if type(layer) in kinds]
    model.update_modules(tree_unflatten(plain))
    mx.eval(model.parameters())


def answer(model, ending, ids):
    cache = make_prompt_cache(model)
    logits = model(mx.array([ids]), cache=cache)[0, -1]
    greedy, top = [], []
    for step in range(STEPS):
        found = logits - mx.logsumexp(logits)
        if step < DETAILED:
            best = mx.argsort(-found)[:5].tolist()
            top.append([[i, round(found[i].item(), 5)] for i in best])
        greedy.append(mx.argmax(found).item())
        if greedy[-1] in ending:
            break
        logits = model(mx.array([[greedy[-1]]]), cache=cache)[0, -1]
    return greedy, top


def main():
    hub, base, *suffixes = sys.argv[1:]
    out = {"oracle": f"mlx-lm {mlx_lm.__version__}, mlx {mx.__version__}, CPU, f32", "prompts": [],
           "checkpoints": {}}
    for suffix in suffixes:
        name = f"{base}-{suffix}"
        folder = Path(hub) / f"models--mlx-community--{name}"
        commit = (folder / "refs/main").read_text().strip()
        model, tokenizer = load(str(folder / "snapshots" / commit))
        widen(model)
        chat = bool(tokenizer.chat_template)
        if not out["prompts"]:
            question = "\nWhat does this program do?" if chat else "\n\ndef main():\n"
            for prompt in (CHAT if chat else PLAIN) + [long_prompt(tokenizer, question)]:
                messages = [{"role": "user", "content": prompt}]
                rendered = (tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
                            if chat else prompt)
                ids = tokenizer.encode(rendered, add_special_tokens=not chat)
                out["prompts"].append({"prompt": prompt, "rendered": rendered, "ids": ids})
        answers = []
        for prompt in out["prompts"]:
            greedy, top = answer(model, tokenizer.eos_token_ids, prompt["ids"])
            answers.append({"ids": greedy, "top": top, "text": tokenizer.decode(greedy)})
            print(f"{name}: {len(prompt['ids'])} + {len(greedy)} tokens: {answers[-1]['text']!r:.100}", flush=True)
        out["checkpoints"][name] = {"commit": commit, "answers": answers}
        lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in out["prompts"])
        checkpoints = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
                                 for key, value in out["checkpoints"].items())
        (HERE / f"{base}.json").write_text(
            f'{{"oracle": {json.dumps(out["oracle"])},\n"prompts": [\n{lines}],\n"checkpoints": {{\n{checkpoints}}}}}\n')


if __name__ == "__main__":
    main()
