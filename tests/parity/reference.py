#!/usr/bin/env python3
"""Compare a module of mlx-lm's form with Transformers: logits of a small model of random weights.

    python3 reference.py CONFIG     (needs: torch, transformers 5.24, mlx[cpu] 0.32.4, mlx-lm 0.32.2)

CONFIG is a `config.json` with small sizes, as both programs read it. Transformers makes the weights; `sanitize` of
the module has to turn their names into its own. Modules in `models` are found like mlx-lm's. Prints the largest error
over the standard deviation of the logits, which should be about 1e-5.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import mlx_lm.models
import numpy as np
import torch
from mlx_lm.utils import load_model
from transformers import AutoConfig, AutoModelForCausalLM

LENGTH = 160
# Random weights of Transformers' width hardly make attention scores differ.
SPREAD = 5.0


def main():
    mlx_lm.models.__path__.append(str(Path(__file__).parent / "models"))
    mx.set_default_device(mx.cpu)
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(sys.argv[1])
    reference = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for value in reference.parameters():
            if value.ndim > 1:
                value *= SPREAD
            else:
                value += 0.1 * torch.randn_like(value)
    ids = torch.randint(config.get_text_config().vocab_size, (1, LENGTH))
    with torch.no_grad():
        expected = reference(ids).logits[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        reference.save_pretrained(folder)
        # Transformers moves keys, such as `rope_theta`, in the file that it writes.
        shutil.copy(sys.argv[1], Path(folder) / "config.json")
        model, _ = load_model(Path(folder))
        found = np.array(model(mx.array(ids.numpy()))[0].astype(mx.float32))
    print(f"{np.abs(found - expected).max() / expected.std():.1e}")


main()
