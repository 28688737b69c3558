"""Writes tiny encoders of random weights: one that turns texts into vectors, and one that scores pairs.

Tests of clients need the shapes of answers, not their sense. The tokenizer knows the letters of the alphabet.
"""

import json
import random
import struct

EMBEDDER, RERANKER = "tiny-embedder", "tiny-reranker"
WIDTH, INNER, LAYERS, POSITIONS = 32, 64, 2, 64
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def tokenizer():
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = SPECIAL + letters + [f"##{letter}" for letter in letters]
    added = [{"id": index, "content": word, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for index, word in enumerate(SPECIAL)]
    mark = lambda word, kind=0: {"SpecialToken": {"id": word, "type_id": kind}}
    text = lambda word, kind: {"Sequence": {"id": word, "type_id": kind}}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [mark("[CLS]"), text("A", 0), mark("[SEP]")],
            "pair": [mark("[CLS]"), text("A", 0), mark("[SEP]"), text("B", 1), mark("[SEP]", 1)],
            "special_tokens": {word: {"id": word, "ids": [SPECIAL.index(word)], "tokens": [word]}
                               for word in ("[CLS]", "[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: index for index, word in enumerate(words)}},
    }


def shapes(vocabulary, scores):
    prefix = "bert." if scores else ""
    found = {
        f"{prefix}embeddings.word_embeddings.weight": [vocabulary, WIDTH],
        f"{prefix}embeddings.position_embeddings.weight": [POSITIONS, WIDTH],
        f"{prefix}embeddings.token_type_embeddings.weight": [2, WIDTH],
    }
    norms, matrices = [f"{prefix}embeddings.LayerNorm"], []
    for layer in range(LAYERS):
        path = f"{prefix}encoder.layer.{layer}"
        matrices += [(f"{path}.attention.{name}", WIDTH, WIDTH)
                     for name in ("self.query", "self.key", "self.value", "output.dense")]
        matrices += [(f"{path}.intermediate.dense", INNER, WIDTH), (f"{path}.output.dense", WIDTH, INNER)]
        norms += [f"{path}.attention.output.LayerNorm", f"{path}.output.LayerNorm"]
    if scores:
        matrices += [("bert.pooler.dense", WIDTH, WIDTH), ("classifier", 1, WIDTH)]
    for path, rows, cols in matrices:
        found |= {f"{path}.weight": [rows, cols], f"{path}.bias": [rows]}
    for path in norms:
        found |= {f"{path}.weight": [WIDTH], f"{path}.bias": [WIDTH]}
    return found


def write_one(folder, scores):
    folder.mkdir(parents=True)
    words = tokenizer()
    config = {
        "model_type": "bert", "architectures": ["BertForSequenceClassification" if scores else "BertModel"],
        "vocab_size": len(words["model"]["vocab"]), "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
    }
    if scores:
        config["id2label"] = {"0": "LABEL_0"}
    drawn, header, data = random.Random(7), {"__metadata__": {"format": "mlx"}}, b""
    for name, shape in shapes(config["vocab_size"], scores).items():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        center, spread = (1.0, 0.2) if "Norm.weight" in name else (0.0, 0.4)
        values = struct.pack(f"<{count}f", *(center + spread * drawn.uniform(-1, 1) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(words))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": POSITIONS}))


def write(workspaces):
    write_one(workspaces / EMBEDDER, False)
    write_one(workspaces / RERANKER, True)
