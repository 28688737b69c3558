#!/usr/bin/env python3
"""Writes a Hugging Face cache with an example of every rule of `mlxk health` and of detection.

    fabricate.py FOLDER          FOLDER/hub is the cache, FOLDER/workspaces the workspaces
    fabricate.py FOLDER --many N creates N complete models with headers of real size and sparse files

Needs only the standard library, and writes the same bytes every time. Times are fixed too, so that
output can be compared. `verdicts.json` has the expected verdict on each model.
"""

import hashlib
import json
import os
import struct
import sys
from pathlib import Path

# 2026-01-02 03:04:05 UTC
WHEN = 1767323045
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123456789\n" % (b"0" * 64)

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
QUANTIZED = {**CONFIG, "quantization": {"group_size": 64, "bits": 4}}
TOKENIZER = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}}
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
CHAT = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE}
PLAIN = {"tokenizer_class": "PreTrainedTokenizerFast"}


def text(value):
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def tensors(first, last, rows=8):
    """Returns names and shapes of layers `first` to `last`."""
    return {f"model.layers.{n}.self_attn.q_proj.weight": (rows, 64) for n in range(first, last)}


def safetensors(shapes, metadata=None, fill=0):
    """Returns a file of F16 tensors."""
    header, offset = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, shape in shapes.items():
        size = 2
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + bytes([fill]) * offset


def gguf():
    """Returns a file without tensors, with the one key that every file has."""
    string = lambda value: struct.pack("<Q", len(value)) + value
    return (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
        + string(b"general.architecture") + struct.pack("<I", 8) + string(b"llama")
    )


MLX = {"format": "mlx"}
WEIGHTS = safetensors(tensors(0, 2), MLX)
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
SHARD_1, SHARD_2 = safetensors(tensors(0, 1), MLX), safetensors(tensors(1, 2), MLX, 1)


def index(shards=SHARDS, extra=None):
    """Puts layer n into the n-th shard."""
    names = {next(iter(tensors(n, n + 1))): shard for n, shard in enumerate(shards)}
    return {"metadata": {"total_size": 2048}, "weight_map": {**names, **(extra or {})}}


def whole(config=QUANTIZED, settings=CHAT, **files):
    """Returns the files of a complete model, some replaced; `None` leaves one out."""
    found = {
        "config.json": config,
        "tokenizer.json": TOKENIZER,
        "tokenizer_config.json": settings,
        "model.safetensors": WEIGHTS,
    }
    found.update({name.replace("__", "/").replace("_DOT_", "."): value for name, value in files.items()})
    return {name: value for name, value in found.items() if value is not None}


def sharded(**changes):
    files = whole(**{"model.safetensors": None})
    files.update({SHARDS[0]: SHARD_1, SHARDS[1]: SHARD_2, "model.safetensors.index.json": index()})
    files.update(changes)
    return {name: value for name, value in files.items() if value is not None}


def without(files, *names):
    return {name: value for name, value in files.items() if name not in names}


def revision(name, number=0):
    return hashlib.sha1(f"{name} {number}".encode()).hexdigest()


class Cache:
    def __init__(self, root):
        self.hub = Path(root) / "hub"

    def repo(self, name):
        return self.hub / ("models--" + name.replace("/", "--"))

    def add(self, name, files, number=0, ref="main"):
        """Adds a revision. Returns its snapshot folder. Weights are named by SHA-256, other files like in git."""
        commit = revision(name, number)
        snapshot = self.repo(name) / "snapshots" / commit
        blobs = self.repo(name) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        for path, value in files.items():
            content = value if isinstance(value, bytes) else text(value)
            big = path.endswith((".safetensors", ".bin", ".gguf", ".npz", "tokenizer.json"))
            blob = (
                hashlib.sha256(content) if big
                else hashlib.sha1(b"blob %d\0" % len(content) + content)
            ).hexdigest()
            write(blobs / blob, content)
            self.link(snapshot / path, blob)
        if not files:
            snapshot.mkdir(parents=True)
        if ref:
            write(self.repo(name) / "refs" / ref, commit.encode())
        return snapshot

    def link(self, path, blob):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        up = "../" * (len(path.relative_to(self.hub).parts) - 2)
        path.symlink_to(f"{up}blobs/{blob}")

    def blob(self, name, blob, content):
        write(self.repo(name) / "blobs" / blob, content)

    def damage(self, name, path, change):
        """Changes the bytes of a file. Its blob keeps its name."""
        blob = (self.repo(name) / "snapshots" / revision(name) / path).resolve()
        write(blob, change(blob.read_bytes()))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def healthy(cache):
    """Adds complete models of every detected kind."""
    add = cache.add
    add("mlx-community/Single-4bit", whole())
    add("mlx-community/Sharded-4bit", sharded())
    add("mlx-community/Base-4bit", whole(settings=PLAIN))
    add("mlx-community/Tiny-Instruct-4bit", whole(settings=PLAIN))
    add("mlx-community/Template-File-4bit", {**whole(settings=PLAIN), "chat_template.jinja": TEMPLATE})
    add("org/Quantized", whole())
    dense = whole(config=CONFIG)
    add("org/Dense-Mlx", dense)
    add("org/Readme-Tag", {**whole(config=CONFIG, **{"model.safetensors": safetensors(tensors(0, 2))}),
                           "README.md": "---\ntags:\n- text\n- mlx\n---\n# A model\n"})
    add("org/Readme-Library", {**whole(config=CONFIG, **{"model.safetensors": safetensors(tensors(0, 2))}),
                               "README.md": "---\nlibrary_name: mlx\n---\n"})
    torch = safetensors(tensors(0, 2), {"format": "pt"})
    add("org/Torch-Safetensors", whole(config=CONFIG, **{"model.safetensors": torch}))
    add("org/Torch-Bin", {**without(whole(config=CONFIG), "model.safetensors"), "pytorch_model.bin": b"\x80\x02}q\x00."})
    gptq = {**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}
    add("org/Gptq", whole(config=gptq, **{"model.safetensors": torch}))
    add("org/Model-GGUF", {"model-q4_0.gguf": gguf(), "config.json": CONFIG})
    add("mlx-community/Unsupported-4bit", whole(config={**QUANTIZED, "model_type": "strange"}))
    add("mlx-community/No-Model-Type-4bit", whole(config={k: v for k, v in QUANTIZED.items() if k != "model_type"}))
    bert = {**CONFIG, "model_type": "bert", "architectures": ["BertModel"]}
    add("mlx-community/Bert-Embed", whole(config=bert, settings=PLAIN))
    qwen3 = {**QUANTIZED, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    add("mlx-community/Qwen3-Embedding-4bit", whole(config=qwen3))
    vision = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"],
              "text_config": {**CONFIG, "model_type": "gemma3_text", "head_dim": 16}, "vision_config": {"hidden_size": 8},
              "quantization": {"group_size": 64, "bits": 4}}
    tower = safetensors({**tensors(0, 2), "vision_tower.patch.weight": (8, 8)}, MLX)
    add("mlx-community/Vision-4bit", {**whole(config=vision, **{"model.safetensors": tower}), "preprocessor_config.json": {"size": 8}})
    add("mlx-community/Vision-Text-Only-4bit", whole(config=vision))
    whisper = {"model_type": "whisper", "n_mels": 80, "n_audio_ctx": 1500}
    add("mlx-community/whisper-tiny", {"config.json": whisper, "weights.safetensors": safetensors({"encoder.conv1.weight": (8, 8)})})
    add("mlx-community/Legacy-Names", {**without(whole(), "model.safetensors"), "weights.00.safetensors": WEIGHTS})
    add("mlx-community/Sentence-Piece", {**without(whole(settings=PLAIN), "tokenizer.json"), "tokenizer.model": b"\n\x0e\n\x05<unk>"})
    add("org/Name-with--dashes", whole())
    add("org/Name with spaces", whole())
    named = {**CONFIG, "quantization_config": {"quant_method": "mlx", "bits": 4, "group_size": 64}}
    add("org/Method-Mlx", whole(config=named))
    add("gpt2", whole(config=CONFIG))
    # `main` is the older revision by time; the newest folder is another branch.
    add("mlx-community/Revisions-4bit", whole(), number=0)
    add("mlx-community/Revisions-4bit", whole(settings=PLAIN), number=1, ref="experiment")
    newer = cache.repo("mlx-community/Revisions-4bit") / "snapshots" / revision("mlx-community/Revisions-4bit", 1)
    os.utime(newer, (WHEN + 1000, WHEN + 1000))
    add("mlx-community/Leftover-Download-4bit", whole())
    cache.blob("mlx-community/Leftover-Download-4bit", "f" * 64 + ".incomplete", b"12345")


def damaged(cache):
    """Adds damaged and incomplete models."""
    add = cache.add
    add("mlx-community/Config-Missing", without(whole(), "config.json"))
    add("mlx-community/Config-Broken", whole(config="{\"model_type\": "))
    add("mlx-community/Config-Empty", whole(config={}))
    add("mlx-community/Config-List", whole(config=[1]))
    add("mlx-community/Weights-Missing", without(whole(), "model.safetensors"))
    add("mlx-community/Weights-Empty", {**whole(), "model.safetensors": b""})
    add("mlx-community/Weights-Lfs", {**whole(), "model.safetensors": LFS})
    add("mlx-community/Weights-Truncated", {**whole(), "model.safetensors": WEIGHTS[:-100]})
    add("mlx-community/Weights-Longer", {**whole(), "model.safetensors": WEIGHTS + b"x"})
    add("mlx-community/Header-Corrupt", {**whole(), "model.safetensors": WEIGHTS[:8] + b"[" + WEIGHTS[9:]})
    add("mlx-community/Header-Too-Long", {**whole(), "model.safetensors": struct.pack("<Q", 1 << 40) + WEIGHTS[8:]})
    add("mlx-community/Header-Overlap", {**whole(), "model.safetensors": WEIGHTS.replace(b"[1024, 2048]", b"[1000, 2024]")})
    add("mlx-community/Shard-Missing", sharded(**{SHARDS[1]: None}))
    add("mlx-community/Shards-All-Missing", sharded(**{SHARDS[0]: None, SHARDS[1]: None}))
    add("mlx-community/Shard-Empty", sharded(**{SHARDS[1]: b""}))
    add("mlx-community/Shard-Lfs", sharded(**{SHARDS[1]: LFS}))
    add("mlx-community/Shard-Truncated", sharded(**{SHARDS[1]: SHARD_2[:-1]}))
    add("mlx-community/Shard-Other-Tensors", sharded(**{SHARDS[1]: safetensors({"other": (1,)}, MLX)}))
    add("mlx-community/Index-Broken", sharded(**{"model.safetensors.index.json": "{"}))
    add("mlx-community/Index-Empty", sharded(**{"model.safetensors.index.json": {"weight_map": {}}}))
    add("mlx-community/Index-Leaves", sharded(**{"model.safetensors.index.json": index(extra={"x": "../../escape.safetensors"})}))
    add("mlx-community/Index-Missing", sharded(**{"model.safetensors.index.json": None}))
    add("mlx-community/Index-Stale", whole(**{"model.safetensors.index.json": index()}))
    renamed = index(extra={"language_model.old.weight": SHARDS[0]})
    add("mlx-community/Index-Of-Source", whole(**{"model.safetensors.index.json": renamed}))
    add("mlx-community/Mac-Files", {**whole(), "._model.safetensors": b"\0\5\x16\7", ".DS_Store": b"\0\0\0\1Bud1",
                                    "._config.json": b"\0\5\x16\7"})
    adapters = {"adapter_config.json": {"fine_tune_type": "lora"}, "adapters.safetensors": b"cut off"}
    add("mlx-community/Adapters-Beside", {**whole(), **adapters})
    add("mlx-community/Adapters-Alone", {**without(whole(), "model.safetensors"), **adapters})
    add("mlx-community/Template-Broken", {**whole(settings=PLAIN), "chat_template.jinja": "{% if %}"})
    add("mlx-community/Generation-Broken", {**whole(), "generation_config.json": "{"})
    add("mlx-community/Generation-Wrong", {**whole(), "generation_config.json": {"temperature": "hot"}})
    add("mlx-community/Pattern-Incomplete", sharded(**{"model.safetensors.index.json": None, SHARDS[1]: None}))
    add("mlx-community/Tokenizer-Missing", without(whole(), "tokenizer.json"))
    add("mlx-community/Tokenizer-Truncated", {**whole(), "tokenizer.json": text(TOKENIZER)[:-20]})
    add("mlx-community/Tokenizer-Config-Broken", whole(settings="{"))
    add("mlx-community/Tokenizer-Lfs", {**whole(), "tokenizer.json": LFS})
    add("mlx-community/Partial-Marker", {**whole(), "model.safetensors.tmp": b"12"})
    add("mlx-community/Vision-No-Processor", whole(
        config={"model_type": "gemma3", "text_config": CONFIG, "vision_config": {"hidden_size": 8},
                "quantization": {"group_size": 64, "bits": 4}},
        **{"model.safetensors": safetensors({**tensors(0, 2), "vision_tower.patch.weight": (8, 8)}, MLX)}))
    name = "mlx-community/Link-Dead"
    snapshot = add(name, without(whole(), "model.safetensors"))
    cache.link(snapshot / "model.safetensors", "e" * 64)
    name = "mlx-community/Incomplete-Download"
    snapshot = add(name, without(whole(), "model.safetensors"))
    cache.link(snapshot / "model.safetensors", "d" * 64)
    cache.blob(name, "d" * 64 + ".incomplete", WEIGHTS[:50])
    add("org/Torch-Bin-Shard-Missing", {
        **without(whole(config=CONFIG), "model.safetensors"), "pytorch_model-00001-of-00002.bin": b"\x80\x02}q\x00.",
        "pytorch_model.bin.index.json": {"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}})
    add("org/Torch-Zip-Truncated", {**without(whole(config=CONFIG), "model.safetensors"), "pytorch_model.bin": b"PK\x03\x04" + b"\0" * 100})
    add("org/Truncated-GGUF", {"model-q4_0.gguf": gguf()[:-4], "config.json": CONFIG})
    add("org/No-Files", {})
    (cache.repo("org/No-Snapshots") / "blobs").mkdir(parents=True)
    # The headers are intact; only the hash of the content shows the damage.
    for name, path in [("mlx-community/Bits-Flipped", "model.safetensors"), ("mlx-community/Readme-Changed", "README.md")]:
        add(name, {**whole(), "README.md": "# A model\n"})
        cache.damage(name, path, lambda content: content[:-1] + bytes([content[-1] ^ 1]))


def workspaces(root):
    """Adds a clone, a plain checkpoint, and a folder that is not a checkpoint."""
    for name, files in [("plain-4bit", whole()), ("dense", whole(config=CONFIG)), ("broken", without(whole(), "config.json")),
                        ("my own model", whole()), ("quantized", whole()), ("repaired", whole()), ("foreign", whole()),
                        ("torn", whole())]:
        for path, value in files.items():
            write(root / name / path, value if isinstance(value, bytes) else text(value))
    common = {"mlxk_version": "2.0.8", "created_at": "2026-01-02T03:04:05Z", "source_revision": None, "managed": True,
              "operation": "convert", "source_repo": "/models/source"}
    for name, more in [
        ("quantized", {"mode": "quantize", "quantization": {"bits": 4, "group_size": 64}}),
        ("repaired", {"mode": "repair-index", "content_hash": "0" * 64, "hash_modified": "2026-01-02T03:04:05Z"}),
        ("foreign", {"managed": False, "source_repo": "org/Other", "operation": "clone"}),
    ]:
        write(root / name / ".mlxk_workspace.json", text({**common, **more}))
    write(root / "torn" / ".mlxk_workspace.json", b"{")
    sentinel = {"mlxk_version": "2.0.8", "created_at": "2026-01-02T03:04:05Z", "source_repo": "org/Quantized",
                "source_revision": revision("org/Quantized"), "managed": True, "operation": "clone"}
    write(root / "plain-4bit" / ".mlxk_workspace.json", text(sentinel))


def many(cache, count):
    """Adds complete models of real proportions: headers of 4-bit 8B models, holes instead of weights."""
    shapes = {}
    for layer in range(32):
        for part in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                     "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]:
            shapes[f"model.layers.{layer}.{part}.weight"] = (4096, 512)
            shapes[f"model.layers.{layer}.{part}.scales"] = (4096, 64)
            shapes[f"model.layers.{layer}.{part}.biases"] = (4096, 64)
        for part in ["input_layernorm", "post_attention_layernorm"]:
            shapes[f"model.layers.{layer}.{part}.weight"] = (4096,)
    names = list(shapes)
    halves = [names[: len(names) // 2], names[len(names) // 2:]]
    settings = {**CHAT, "added_tokens_decoder": {
        str(n): {"content": f"<|reserved_special_token_{n}|>", "lstrip": False, "normalized": False, "special": True}
        for n in range(256)}}
    for number in range(count):
        name = f"mlx-community/Model-{number:03}-8B-Instruct-4bit"
        snapshot = cache.add(name, without(whole(settings=settings), "model.safetensors"))
        weight_map = {}
        for part, half in enumerate(halves):
            shard = SHARDS[part]
            weight_map.update(dict.fromkeys(half, shard))
            head, offset = {"__metadata__": MLX}, 0
            for tensor in half:
                size = 2
                for dimension in shapes[tensor]:
                    size *= dimension
                head[tensor] = {"dtype": "F16", "shape": shapes[tensor], "data_offsets": [offset, offset + size]}
                offset += size
            head = json.dumps(head).encode()
            blob = hashlib.sha256(f"{name} {part}".encode()).hexdigest()
            path = cache.repo(name) / "blobs" / blob
            write(path, struct.pack("<Q", len(head)) + head)
            os.truncate(path, 8 + len(head) + offset)
            cache.link(snapshot / shard, blob)
        write(cache.repo(name) / "blobs" / ("a" * 40), text({"metadata": {}, "weight_map": weight_map}))
        cache.link(snapshot / "model.safetensors.index.json", "a" * 40)


def main():
    root = Path(sys.argv[1])
    cache = Cache(root)
    if sys.argv[2:3] == ["--many"]:
        many(cache, int(sys.argv[3]))
        return
    healthy(cache)
    damaged(cache)
    workspaces(root / "workspaces")
    for folder, folders, files in os.walk(root, topdown=False):
        for name in folders + files:
            path = Path(folder) / name
            if not path.is_symlink() and path.stat().st_mtime < WHEN + 1000 or path.stat(follow_symlinks=False).st_mtime > WHEN + 5000:
                os.utime(path, (WHEN, WHEN), follow_symlinks=False)


main()
