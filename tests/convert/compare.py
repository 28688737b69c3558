"""Compare the tensors of `mlxk convert` and `mlx_lm convert` bit for bit, and the sizes in their
indexes.

Usage: compare.py MLXK MODEL SCRATCH [NAME...]

MODEL is a folder with an unquantized checkpoint. NAME is one of `CASES`; the default is all of them.
Needs `mlx[cpu]` and `mlx-lm`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
from mlx_lm import convert

AFFINE = {
    f"affine-{bits}-{group}": (
        ["--quantize", str(bits), "--q-group-size", str(group)],
        {"quantize": True, "q_bits": bits, "q_group_size": group},
    )
    for bits in (2, 3, 4, 5, 6, 8)
    for group in (32, 64, 128)
}
BLOCKS = {
    mode: (["--mode", mode], {"quantize": True, "q_mode": mode}) for mode in ("mxfp4", "mxfp8", "nvfp4")
}
RECIPES = {
    recipe: (
        ["--quantize", "4", "--recipe", recipe],
        {"quantize": True, "q_bits": 4, "q_group_size": 64, "quant_predicate": recipe},
    )
    for recipe in ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6")
}
TYPES = {
    dtype: (["--dtype", dtype], {"dtype": dtype}) for dtype in ("float16", "bfloat16", "float32")
}
CASES = {**AFFINE, **BLOCKS, **RECIPES, **TYPES}


def tensors(folder):
    found = {}
    for path in sorted(Path(folder).glob("model*.safetensors")):
        found.update(mx.load(str(path)))
    return found


def total_size(folder):
    """Return the size in bytes of all tensors, according to the index."""
    index = json.loads((Path(folder) / "model.safetensors.index.json").read_text())
    return index["metadata"]["total_size"]


def bits(array):
    """Return the bytes of a tensor as integers, so that NaN equals itself."""
    return array.view(mx.uint8)


def difference(ours, theirs):
    """Return a description of the first difference, or `None` if there is none."""
    if ours.keys() != theirs.keys():
        return f"names: {sorted(ours.keys() ^ theirs.keys())[:4]}"
    for name, array in ours.items():
        other = theirs[name]
        if (array.dtype, array.shape) != (other.dtype, other.shape):
            return f"{name}: {array.dtype} {array.shape} and {other.dtype} {other.shape}"
        if not mx.array_equal(bits(array), bits(other)):
            return f"{name}: {int((bits(array) != bits(other)).sum())} bytes"
    return None


def main():
    mlxk, model, scratch, *names = sys.argv[1:]
    Path(scratch).mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names or CASES:
        flags, settings = CASES[name]
        ours, theirs = Path(scratch) / "ours", Path(scratch) / "theirs"
        pairs = [("there", model, flags, settings)]
        if "quantize" in settings:
            pairs.append(("back", None, ["--dequantize"], {"dequantize": True}))
        for way, source, flags, settings in pairs:
            if way == "there":
                sources = (source, source)
            else:
                sources = (ours, theirs)
                ours, theirs = ours.with_suffix(".back"), theirs.with_suffix(".back")
            for folder in (ours, theirs):
                shutil.rmtree(folder, ignore_errors=True)
            command = [mlxk, "convert", str(sources[0]), str(ours), *flags]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            convert(str(sources[1]), str(theirs), **settings)
            left, right = tensors(ours), tensors(theirs)
            found = difference(left, right)
            sizes = total_size(ours), total_size(theirs)
            if found is None and sizes[0] != sizes[1]:
                found = f"total_size: {sizes[0]} and {sizes[1]}"
            failed += found is not None
            print(f"{name:14} {way:6} {len(left):4} tensors  {found or 'equal'}", flush=True)
    sys.exit(min(failed, 1))


main()
