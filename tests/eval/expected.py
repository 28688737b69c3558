#!/usr/bin/env python3
"""Writes expected.json: what lm-evaluation-harness says about a model's answers to the questions here.

    python3 expected.py CHECKPOINT        (needs: lm_eval 0.4.13, mlx[cpu], mlx-lm, numpy)

CHECKPOINT is a folder: SmolLM2-135M-Instruct, converted from its Q4_1 GGUF without loss. The tasks are those of
lm_eval, with files from this folder instead of a download. The model is mlx-lm's code, in f32, on dequantized
weights (tests/golden/answers.py). The questions are invented.

    tasks  {name: {files, examples, shots, acc, acc_stderr, acc_norm, acc_norm_stderr,
                   log_likelihoods: [[one for each choice] for each question]}}
    mmlu   acc and acc_stderr of both files of MMLU together, as lm_eval aggregates them
"""

import csv
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "../golden"))

import answers
import lm_eval
import lm_eval.tasks
import mlx.core as mx
import numpy as np
import yaml
from lm_eval.api.metrics import aggregate_subtask_metrics, pooled_sample_stderr
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from mlx_lm.utils import load

TASKS = Path(lm_eval.tasks.__file__).parent


class Model(TemplateLM):
    """mlx-lm's model in f32."""

    backend = "causal"

    def __init__(self, folder):
        super().__init__()
        self._model, self.tokenizer = load(folder)
        answers.widen(self._model)

    eot_token_id = property(lambda self: self.tokenizer.eos_token_id)

    def tok_encode(self, string, add_special_tokens=None, **_):
        return self.tokenizer.encode(string)

    def _loglikelihood_tokens(self, requests, **_):
        return [self._score(text, choice) for _, text, choice in requests]

    def _score(self, text, choice):
        ids = (text + choice)[:-1]
        logits = np.array(self._model(mx.array([ids]))[0]).astype(np.float64)[-len(choice) :]
        logits -= logits.max(-1, keepdims=True)
        rows = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        greedy = all(int(row.argmax()) == target for row, target in zip(rows, choice))
        return float(sum(row[target] for row, target in zip(rows, choice))), greedy

    def loglikelihood_rolling(self, requests, **_):
        raise NotImplementedError

    def generate_until(self, requests, **_):
        raise NotImplementedError


class Loader(yaml.SafeLoader):
    """Reads a task of lm_eval without its functions."""


Loader.add_constructor("!function", lambda loader, node: None)


def settings(path):
    found = yaml.load((TASKS / path).read_text(), Loader)
    base = found.pop("include", None)
    return (settings(Path(path).parent / base) if base else {}) | found


def rows_of_mmlu(path):
    """The rows of a CSV file in the form of the hub's data set."""
    with open(path, newline="") as file:
        return [{"question": q, "choices": [a, b, c, d], "answer": "ABCD".index(key)} for q, a, b, c, d, key in csv.reader(file)]


def task(name, path, files, examples, shots, folder, **changes):
    data = {}
    for split, file in [("test", files), ("dev", examples)]:
        if file is None:
            continue
        data[split] = str(HERE / file)
        if file.endswith(".csv"):
            data[split] = str(Path(folder) / f"{file}.jsonl")
            Path(data[split]).write_text("".join(json.dumps(row) + "\n" for row in rows_of_mmlu(HERE / file)))
        elif name == "hellaswag":
            # The library of datasets wants one type of label.
            rows = [json.loads(line) for line in Path(data[split]).read_text().splitlines()]
            data[split] = str(Path(folder) / f"{split}-{file}")
            Path(data[split]).write_text("".join(json.dumps(row | {"label": str(row["label"])}) + "\n" for row in rows))
    config = settings(path) | changes | {
        "task": name, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": data},
        "training_split": None, "validation_split": None, "test_split": "test", "num_fewshot": shots,
        "fewshot_split": "dev" if examples else None, "fewshot_config": {"sampler": "first_n"},
    }
    for key in ("tag", "group", "task_alias"):
        config.pop(key, None)
    return ConfigurableTask(config=config)


def main(folder):
    from lm_eval.tasks.hellaswag.utils import process_docs

    anatomy = settings("mmlu/default/mmlu_anatomy.yaml")["description"]
    about = lambda subject: {"description": anatomy.replace("anatomy", subject)}
    cases = [
        ("arc", "arc/arc_easy.yaml", "arc.jsonl", None, 0, {}),
        ("arc_shots", "arc/arc_easy.yaml", "arc.jsonl", "arc_examples.jsonl", 2, {}),
        ("hellaswag", "hellaswag/hellaswag.yaml", "hellaswag.jsonl", None, 0, {"process_docs": process_docs}),
        ("astronomy", "mmlu/default/mmlu_anatomy.yaml", "astronomy_test.csv", None, 0, about("astronomy")),
        ("astronomy_shots", "mmlu/default/mmlu_anatomy.yaml", "astronomy_test.csv", "astronomy_dev.csv", 3, about("astronomy")),
        ("history", "mmlu/default/mmlu_anatomy.yaml", "world_history.jsonl", None, 0, about("world history")),
    ]
    model, tasks = Model(folder), {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, path, file, examples, shots, changes in cases:
            made = task(name, path, file, examples, shots, scratch, **changes)
            found = lm_eval.simple_evaluate(model, tasks=[made], num_fewshot=shots, log_samples=True, bootstrap_iters=1)
            result = found["results"][name]
            rows = sorted(found["samples"][name], key=lambda row: row["doc_id"])
            known = {"files": file, "examples": examples, "shots": shots}
            for metric in ("acc", "acc_norm"):
                if f"{metric},none" in result:
                    known[metric] = result[f"{metric},none"]
                    known[f"{metric}_stderr"] = result[f"{metric}_stderr,none"]
            known["log_likelihoods"] = [[float(value[0]) for value in row["filtered_resps"]] for row in rows]
            tasks[name] = known
    parts = [tasks["astronomy"], tasks["history"]]
    sizes = [len(part["log_likelihoods"]) for part in parts]
    mmlu = {
        "acc": aggregate_subtask_metrics([part["acc"] for part in parts], sizes),
        "acc_stderr": float(pooled_sample_stderr([part["acc_stderr"] for part in parts], sizes)),
    }
    import importlib.metadata as metadata

    versions = {name: metadata.version(name) for name in ("lm_eval", "mlx-lm", "mlx")}
    found = {"oracle": versions, "tasks": tasks, "mmlu": mmlu}
    (HERE / "expected.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
