"""Writes a tiny Llama checkpoint that answers by a script.

    scripted.py FOLDER SCRIPTS.json

Tests of tool calls need answers that a small model can't give reliably. The real parts of the server run: the
tokenizer, the chat template, the engine, the grammars, and the parser of calls.

A script has a condition and a text. The chat template ends the prompt with a mark of the first script whose
condition holds. Attention and MLP are zero, so each token alone determines the next one: its embedding is the code of
that token, which is also the token's row in the output matrix. The text is cut into tokens at random places, also
within characters and marks. A token occurs once, or is followed by the same token everywhere.

A condition is a Jinja expression of `asked` (the user's last text), `results` (the number of tool results after it),
`all_results` (in the whole conversation) and `tools`, and of `enable_thinking` if the model thinks.
"""

import json
import pathlib
import random
import re
import struct
import sys
from collections import Counter
from typing import NamedTuple

WIDTH = 128
WORDS = 600
START, END = "<|im_start|>", "<|im_end|>"

# End of a prompt without thinking. The texts of a model that thinks begin with `<think>`.
NO_THOUGHTS = r"""{%- if enable_thinking is defined and not enable_thinking -%}
        {{- '<think>\n\n</think>\n\n' -}}
    {%- endif -%}"""

TEMPLATE = r"""
{%- set state = namespace(asked='', results=0, all_results=0) -%}
{{- '<|im_start|>system\n' -}}
{%- if messages and messages[0].role == 'system' -%}
    {{- messages[0].content + '\n' -}}
{%- endif -%}
{%- if tools -%}
    {{- 'Call tools as <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call>.\n<tools>' -}}
    {%- for tool in tools -%}{{- '\n' + tool | tojson -}}{%- endfor -%}
    {{- '\n</tools>\n' -}}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}
        {%- set state.asked = message.content -%}
        {%- set state.results = 0 -%}
        {{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' -}}
    {%- elif message.role == 'tool' -%}
        {%- set state.results = state.results + 1 -%}
        {%- set state.all_results = state.all_results + 1 -%}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' -}}
    {%- elif message.role == 'assistant' -%}
        {{- '<|im_start|>assistant\n' + (message.content or '') -}}
        {%- for call in message.tool_calls or [] -%}
            {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' -}}
            {{- call.function.arguments | tojson + '}\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\n' -}}
    {%- elif not loop.first -%}
        {{- '<|im_start|>system\n' + message.content + '<|im_end|>\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
    THINKING
    {%- set asked, results, all_results = state.asked, state.results, state.all_results -%}
    {{- CHOICE -}}
{%- endif -%}
"""


class Script(NamedTuple):
    """An answer, and the Jinja expression that chooses it."""

    when: str
    say: str


class Vocabulary(NamedTuple):
    """Byte-level tokens. `following` maps a token of a script to the next one."""

    ids: dict
    merges: list
    specials: list
    following: dict


def call(name, arguments):
    """Returns the text of a tool call in the form of Hermes."""
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False) + "\n</tool_call>"


def answers(asked, *texts):
    """Returns scripts for a user's text: an answer to it, one to the first tool result, and so on."""
    return [Script(f"asked == {json.dumps(asked)} and results == {count}", text) for count, text in enumerate(texts)]


def byte_letters():
    """Returns the letter of each byte, as byte-level tokenizers write it."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {**{byte: chr(byte) for byte in visible}, **{byte: chr(256 + at) for at, byte in enumerate(hidden)}}


LETTERS = byte_letters()


def letters(text):
    return "".join(LETTERS[byte] for byte in (text if isinstance(text, bytes) else text.encode()))


def learn_merges(text, count):
    """Returns merges that make single tokens of the most frequent words of a text. They keep prompts short."""
    words = Counter(letters(" " + word) for word in re.findall(r"\w+", text))
    merges = {}
    for word, _ in words.most_common(count):
        merges |= {(word[:at], word[at]): None for at in range(1, len(word))}
    return list(merges)


def cut(text, following, draw, longest):
    """Cuts a text into tokens from its end on. Returns the first one, or `None` if a token would be ambiguous."""
    data, next_token = text.encode(), END
    # A grammar ends with a call, and another may begin after the thoughts, so no token may go on after them.
    marks = ("</tool_call>", "</think>\n\n")
    ends = [len(text[:at].encode()) for at in range(len(text) + 1) if text[:at].endswith(marks)]
    end = len(data)
    # The mark of thoughts is within one token, as in real tokenizers.
    opened = len("<think>") if text.startswith("<think>") else 0
    while end > 0:
        lowest = max([at for at in ends if at < end], default=0)
        begin = max(lowest, end - draw.randint(2, longest))
        begin = 0 if begin < opened else begin
        while following.get(letters(data[begin:end]), next_token) != next_token:
            if begin == lowest:
                return None
            begin = begin - 1 if begin > opened else 0
        token = letters(data[begin:end])
        following[token] = next_token
        end, next_token = begin, token
    return next_token


def vocabulary(scripts, text, most):
    """Returns all tokens. The mark of a script is followed by its first token."""
    draw = random.Random(23)
    following = {}
    for number, script in enumerate(scripts):
        # Scripts with the same beginning need longer tokens.
        for longest in range(8, 200):
            tried = dict(following)
            first = cut(script.say, tried, draw, longest)
            if first is not None:
                break
        else:
            raise ValueError(f"script {number} can't be cut into tokens of its own: {script.say!r}")
        following = {**tried, mark(number): first}
    merges = learn_merges(text, most)
    marks = [mark(number) for number in range(len(scripts))]
    plain = dict.fromkeys([*LETTERS.values(), *map("".join, merges), *(set(following) - set(marks))])
    specials = [START, END, *marks]
    ids = {token: number for number, token in enumerate([*sorted(plain), *specials])}
    return Vocabulary(ids, merges, specials, following)


def mark(number):
    return f"<|script:{number}|>"


def template(scripts, thinks):
    choice = f"'{END}'"
    for number, script in reversed(list(enumerate(scripts))):
        choice = f"('{mark(number)}' if ({script.when}) else {choice})"
    written = TEMPLATE.strip().replace("CHOICE", choice)
    return written.replace("    THINKING\n", f"    {NO_THOUGHTS}\n" if thinks else "")


def tokenizer(words):
    added = [{"id": words.ids[token], "content": token, "special": True, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False} for token in words.specials]
    plain = {token: number for token, number in words.ids.items() if token not in words.specials}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
             "vocab": plain, "merges": [" ".join(pair) for pair in words.merges]}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": model}


def tensors(words):
    """Returns the shapes and f16 bytes of all tensors."""
    draw = random.Random(7)
    codes = {token: [draw.choice([-1, 1]) for _ in range(WIDTH)] for token in words.ids}
    # If a grammar has led away from the script, the model ends the answer, or what is open.
    wanted = [END, END, END, *letters('"}]')]
    lost = [sum(codes[token][at] for token in wanted) for at in range(WIDTH)]
    inputs = b"".join(half(codes[words.following[token]] if token in words.following else lost)
                      for token in words.ids)
    outputs = b"".join(half(code) for code in codes.values())
    layer = "model.layers.0."
    shapes = {f"{layer}self_attn.{name}_proj.weight": [WIDTH // parts, WIDTH] for name, parts in
              [("q", 1), ("k", 2), ("v", 2)]}
    shapes |= {f"{layer}self_attn.o_proj.weight": [WIDTH, WIDTH]}
    shapes |= {f"{layer}mlp.{name}_proj.weight": [WIDTH, WIDTH] for name in ["gate", "up", "down"]}
    zeros = {name: (shape, bytes(2 * shape[0] * shape[1])) for name, shape in shapes.items()}
    norms = ["model.norm.weight", f"{layer}input_layernorm.weight", f"{layer}post_attention_layernorm.weight"]
    size = [len(words.ids), WIDTH]
    return {"model.embed_tokens.weight": (size, inputs), "lm_head.weight": (size, outputs), **zeros,
            **{name: ([WIDTH], half([1] * WIDTH)) for name in norms}}


def half(numbers):
    return struct.pack(f"<{len(numbers)}e", *numbers)


def safetensors(found):
    header, at = {"__metadata__": {"format": "mlx"}}, 0
    for name, (shape, data) in found.items():
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in found.values())


def write(folder, scripts, text=__doc__, most=WORDS, thinks=False):
    """Writes the checkpoint into a new folder. The most frequent words of `text` become tokens."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    words = vocabulary(scripts, text, most)
    end = words.ids[END]
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH,
              "intermediate_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
              "head_dim": WIDTH // 2, "vocab_size": len(words.ids), "max_position_embeddings": 262144,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False, "hidden_act": "silu",
              "torch_dtype": "float16", "eos_token_id": end}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "model_max_length": 262144}
    files = {"config.json": config, "tokenizer.json": tokenizer(words), "tokenizer_config.json": settings,
             "generation_config.json": {"eos_token_id": end}}
    for name, content in files.items():
        folder.joinpath(name).write_text(json.dumps(content), encoding="utf-8")
    folder.joinpath("chat_template.jinja").write_text(template(scripts, thinks), encoding="utf-8")
    folder.joinpath("model.safetensors").write_bytes(safetensors(tensors(words)))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as listed:
        write(sys.argv[1], [Script(**script) for script in json.load(listed)])
