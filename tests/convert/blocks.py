"""Write crates/format/src/convert/fixtures/blocks.safetensors: a random matrix, quantized by MLX in
every mode from every element type. Needs `mlx[cpu]`; run it from the root of the repository."""

import mlx.core as mx

mx.random.seed(5)
base = mx.random.normal((2, 128)) * 0.05
tensors = {}


def add(key, weight, *mode, **named):
    parts = mx.quantize(weight, *mode, **named)
    for name, part in zip(("weight", "scales", "biases"), parts):
        tensors[f"{key}.{name}"] = part
    biases = parts[2] if len(parts) > 2 else None
    tensors[f"{key}.dequantized"] = mx.dequantize(*parts[:2], biases, *mode, **named)


for dtype in ("float32", "float16", "bfloat16"):
    weight = base.astype(getattr(mx, dtype))
    tensors[dtype] = weight
    for group_size in (32, 64, 128):
        for bits in (2, 3, 4, 5, 6, 8):
            add(f"{dtype}.affine_{bits}_{group_size}", weight, group_size, bits)
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        add(f"{dtype}.{mode}", weight, mode=mode)
mx.save_safetensors("crates/format/src/convert/fixtures/blocks.safetensors", tensors)
