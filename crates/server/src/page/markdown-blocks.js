// Cuts Markdown into blocks (CommonMark's main forms, and tables of GitHub). Blocks are plain data.

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:( +)(.*)|)$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const MATH = /^ {0,3}(\$\$|\\\[)/;

const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;

// Returns the blocks of these lines. Each has `type`, and `begin`, the index of its first line.
export function blocksOf(lines) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const block = read(lines, at);
    block.begin = at;
    blocks.push(block);
    at = block.end;
  }
  return blocks;
}

// Reads the block that begins at a line. `end` is the index of the line after it.
function read(lines, at) {
  const line = lines[at];
  const fence = fenceOf(line);
  if (fence) return readFence(lines, at, fence);
  if (MATH.test(line)) return readMath(lines, at);
  if (line.startsWith('    ')) return readIndented(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return { type: 'heading', level: heading[1].length, text: heading[2] ?? '', end: at + 1 };
  if (RULE.test(line)) return { type: 'rule', end: at + 1 };
  if (QUOTE.test(line)) return readQuote(lines, at);
  const item = ITEM.exec(line);
  if (item) return readItem(lines, at, item);
  if (isTable(lines, at)) return readTable(lines, at);
  return readParagraph(lines, at);
}

// Returns the fence that opens a block of code, or `null`.
export function fenceOf(line) {
  const found = FENCE.exec(line);
  return found && { indent: found[1].length, mark: found[2], language: found[3] };
}

// Returns `true` if a line closes a block of code.
export function closes(line, fence) {
  const text = line.trim();
  return indentOf(line) < 4 && text.length >= fence.mark.length && text === fence.mark[0].repeat(text.length);
}

// Returns a line of code without the indentation of its fence.
export function unindented(line, indent) {
  return line.slice(Math.min(indent, indentOf(line)));
}

function readFence(lines, at, fence) {
  const code = [];
  for (at += 1; at < lines.length; at += 1) {
    if (closes(lines[at], fence)) return { type: 'code', fence, code, isOpen: false, end: at + 1 };
    code.push(unindented(lines[at], fence.indent));
  }
  return { type: 'code', fence, code, isOpen: true, end: at };
}

function readIndented(lines, at) {
  const code = [];
  let end = at;
  for (; at < lines.length && (lines[at].startsWith('    ') || isBlank(lines[at])); at += 1) {
    code.push(lines[at].slice(4));
    if (!isBlank(lines[at])) end = at + 1;
  }
  return { type: 'code', fence: { language: '' }, code: code.slice(0, code.length - (at - end)), isOpen: false, end };
}

function readMath(lines, at) {
  const close = lines[at].includes('$$') ? '$$' : '\\]';
  const text = [];
  for (let first = true; at < lines.length; at += 1, first = false) {
    const line = first ? lines[at].replace(MATH, '') : lines[at];
    const end = line.indexOf(close);
    text.push(end < 0 ? line : line.slice(0, end));
    if (end >= 0) return { type: 'math', text: text.join('\n').trim(), end: at + 1 };
    if (isBlank(line) && !first) break;
  }
  return { type: 'math', text: text.join('\n').trim(), end: at };
}

function readQuote(lines, at) {
  const inner = [];
  for (; at < lines.length && !isBlank(lines[at]); at += 1) {
    if (!QUOTE.test(lines[at]) && (isBlank(inner.at(-1) ?? '') || interrupts(lines[at]))) break;
    inner.push(lines[at].replace(QUOTE, ''));
  }
  return { type: 'quote', lines: inner, end: at };
}

function readItem(lines, at, [, indent, mark, number, space = ' ', text = '']) {
  const width = indent.length + mark.length + (space.length > 4 ? 1 : space.length);
  // Models indent nested lists by two columns, also below numbers.
  const least = Math.min(width, 2);
  const inner = [space.length > 4 ? space.slice(1) + text : text];
  let end = at + 1;
  for (at += 1; at < lines.length; at += 1) {
    const line = lines[at];
    if (isBlank(line)) {
      inner.push('');
      continue;
    }
    if (indentOf(line) >= least) inner.push(unindented(line, width));
    else if (isBlank(lines[at - 1]) || interrupts(line) || ITEM.test(line)) break;
    else inner.push(line);
    end = at + 1;
  }
  inner.length -= at - end;
  return { type: 'item', mark: mark.at(-1), number: number && Number(number), lines: inner, end };
}

const isTable = (lines, at) => lines[at].includes('|') && at + 1 < lines.length && lines[at + 1].includes('-')
  && DELIMITERS.test(lines[at + 1]) && cells(lines[at]).length === cells(lines[at + 1]).length;

// Returns the cells of a row. A bar after a backslash is text.
function cells(line) {
  const row = line.trim().replace(/^\|/, '').replace(/(^|[^\\])\|$/, '$1');
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function readTable(lines, at) {
  const head = cells(lines[at]);
  const aligns = cells(lines[at + 1]).map((cell) => `${cell.startsWith(':') ? 'l' : ''}${cell.endsWith(':') ? 'r' : ''}`);
  const rows = [];
  for (at += 2; at < lines.length && !isBlank(lines[at]) && !interrupts(lines[at]); at += 1) {
    const row = cells(lines[at]).slice(0, head.length);
    rows.push([...row, ...Array(head.length - row.length).fill('')]);
  }
  return { type: 'table', head, aligns, rows, end: at };
}

function readParagraph(lines, at) {
  const text = [lines[at].trimStart()];
  for (at += 1; at < lines.length && !isBlank(lines[at]); at += 1) {
    const underline = UNDERLINE.exec(lines[at]);
    if (underline) return { type: 'heading', level: underline[1][0] === '=' ? 1 : 2, text: text.join('\n').trimEnd(), end: at + 1 };
    if (interrupts(lines[at]) || isTable(lines, at)) break;
    text.push(lines[at].trimStart());
  }
  return { type: 'paragraph', text: text.join('\n').trimEnd(), end: at };
}

// Returns `true` if a line ends the paragraph before it.
function interrupts(line) {
  if (fenceOf(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || MATH.test(line)) return true;
  const item = ITEM.exec(line);
  return Boolean(item?.[5]) && (item[3] === undefined || item[3] === '1');
}
