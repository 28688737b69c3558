"""Checks the renderer of Markdown: the same result in one piece and in many, and that of markdown-it for common text."""

import json
import pathlib
import random
import subprocess

from browser import tab
from peer import CODE, HOSTILE, long_text

SAMPLES = [
    "One *em*, **strong**, ***both***, ~~gone~~, `code`, ``a ` b`` and \\*text\\*.",
    "snake_case_name and __init__ and 2 * 3 * 4 and **bold**text and *a*b",
    "**unclosed and *nested `code* here` end*",
    "[a link](https://example.com/a_(b) \"title\"), <https://example.com>, https://example.com/x. And [none](x y).",
    "# One\n\n## Two ##\n\nThree\n===\n\nFour\n---\n\n#NoHeading\n\n---\n\n***",
    "- a\n- b\n  - c\n    - d\n- e\n\n1. x\n2. y\n\n7) seven\n8) eight",
    "1. one\n\n   still one\n\n   ```py\n   code\n   ```\n2. two\n\nafter",
    "> quote\n> more\nlazy\n\n> > nested\n>\n> - item\n\nend",
    "```\nplain\n\n  indented\n```\nafter\n\n~~~rust\nfn main() {}\n~~~\n\n````md\n```\ninner\n```\n````",
    "    indented code\n\n    more\n\ntext",
    "| a | b | c |\n|:--|:-:|--:|\n| 1 | *2* | `3` |\n| 4 \\| 5 | 6 |\n\nafter",
    "line one  \nline two\\\nline three\nsame line",
    "&amp; &lt;b&gt; &copy; a < b > c & d",
    "text\n- list after text\n\ntext\n2. not a list\n\ntext\n> quote",
    "* star\n+ plus\n- minus",
    "-   wide\n\n-       code in an item\n",
    "a\n\n\n\nb\n   c\n",
    "**Bold:** text, then *it*. **\"quoted\"** and (*paren*)",
    "![image](https://example.com/i.png)",
    "- [ ] open\n- [x] done",
    "Text with \ttab and trailing   \n",
    "```unclosed\ncode goes on",
    "Ünïcödé **fett** 日本語**強調**です 🦀",
]
# Ours differ from markdown-it on purpose: addresses and images become links, entities are few, tasks have boxes.
OWN = ("https://example.com/x.", "&copy;", "![image]", "[ ]")

ORACLE = """
const markdown = require('markdown-it')({ html: false, linkify: false });
let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', () => console.log(JSON.stringify(JSON.parse(text).map((it) => markdown.render(it)))));
"""

# Renders texts in pieces, and writes the result as plain HTML.
RENDER = """async (samples) => {
    const { MarkdownStream } = await import('./page/markdown.js');
    const names = { h3: 'h1', h4: 'h2', h5: 'h3' };
    const plain = (node) => {
      if (node.nodeType === 3) return node.data.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
      const inner = [...node.childNodes].map(plain).join('');
      const tag = node.localName;
      if (tag === 'figure') return `<pre><code>${plain(node.querySelector('code')).replace(/<.?(span|code)>/g, '')}</code></pre>`;
      if (tag === 'div' || (tag === 'span' && !node.className)) return tag === 'div' || node.parentNode.localName === 'code' ? inner : `<span>${inner}</span>`;
      if (['br', 'hr', 'input'].includes(tag)) return `<${tag}>`;
      const attribute = tag === 'a' ? ` href="${node.getAttribute('href')}"` : tag === 'ol' && node.hasAttribute('start') ? ` start="${node.getAttribute('start')}"` : '';
      const name = names[tag] ?? (tag === 'del' ? 's' : tag);
      return `<${name}${attribute}>${inner}</${name}>`;
    };
    return samples.map((parts) => {
      const element = document.createElement('div');
      const stream = new MarkdownStream(element);
      for (const part of parts) stream.push(part);
      stream.finish();
      return plain(element);
    });
}"""


def in_parts(text, draw, most):
    parts = []
    while text:
        size = draw.randint(1, most)
        parts.append(text[:size])
        text = text[size:]
    return parts


def normal(html):
    """Returns HTML without what doesn't matter: attributes of classes, titles, and paragraphs in items."""
    import re
    html = re.sub(r' (class|style|title)="[^"]*"', "", html)
    html = re.sub(r"<li>\s*<p>", "<li>", html)
    html = re.sub(r"</?(p|tbody)>", "\n", html)
    html = re.sub(r"\n?</code></pre>", "</code></pre>", html)
    return re.sub(r"\s+", " ", re.sub(r"\s*(</?(?:li|ul|ol|blockquote|table|thead|tr|th|td|pre|h\d|hr)[^>]*>)\s*", r"\1", html)).replace("<br> ", "<br>").strip()


def run(running, peers, folder):
    """Returns the number of samples that were compared with markdown-it."""
    draw = random.Random(5)
    texts = [*SAMPLES, CODE, HOSTILE, long_text(1500)]
    with tab(running, peers().address) as it:
        it.open()
        whole = it.page.evaluate(RENDER, [[text] for text in texts])
        for most in (1, 3, 20):
            parted = it.page.evaluate(RENDER, [in_parts(text, draw, most) for text in texts])
            for text, one, many in zip(texts, whole, parted, strict=True):
                assert one == many, f"in parts of up to {most}: {text!r}\n{one}\n{many}"
        # Nesting and marks without end take no endless time.
        odd = ["[" * 5000, "*a " * 5000, "> " * 3000 + "x", "`" * 4999 + "x" + "`" * 5001, "- " * 2000, "**" * 5000 + "a", "$" * 4000]
        assert len(it.page.evaluate(RENDER, [[text] for text in odd])) == len(odd)
    common = [(text, ours) for text, ours in zip(texts, whole, strict=True) if text != HOSTILE and not any(own in text for own in OWN)]
    command = ["node", "-e", ORACLE]
    answered = subprocess.run(command, input=json.dumps([text for text, _ in common]), capture_output=True, text=True, check=True, cwd=pathlib.Path(folder))
    wrong = []
    for (text, ours), theirs in zip(common, json.loads(answered.stdout), strict=True):
        if normal(ours) != normal(theirs):
            wrong.append(f"{text!r}\n  ours:   {normal(ours)}\n  theirs: {normal(theirs)}")
    assert not wrong, "\n".join(wrong)
    return len(common)
