// The view of benchmark reports, which the user opens as files. The server lays them out, in the words of every other
// output of `mlxk bench`, and keeps nothing.

import { announce, notice } from './announce.js';
import { request } from './api.js';
import { byId, freshId, h, iconButton, textButton } from './dom.js';
import { renderMarkdown } from './markdown.js';

export class BenchView {
  constructor() {
    this.file = h('input', { type: 'file', accept: '.json,application/json', multiple: true, hidden: true, tabindex: '-1', 'aria-label': 'Reports' });
    this.file.addEventListener('change', () => this.open([...this.file.files]));
    this.reports = h('div', { class: 'reports' });
    const view = byId('view-benchmark');
    view.append(h('div', { class: 'column wide' },
      h('h1', { id: 'benchmark-title' }, 'Benchmark'),
      h('p', {}, 'Measure with ', h('code', {}, 'mlxk bench'), ', ', h('code', {}, 'mlxk bench model NAME --json'), ' or ',
        h('code', {}, 'mlxk bench kernels --json'), ', and open the reports here, for example ', h('code', {}, 'benchmark_results.json'),
        '. For a page with plots of a comparison, run ', h('code', {}, 'mlxk bench show FILE --output report.html'), '.'),
      h('p', {}, textButton('Open reports', () => this.file.click(), { class: 'primary' }), this.file), this.reports));
    view.addEventListener('dragover', (event) => event.preventDefault());
    view.addEventListener('drop', (event) => {
      event.preventDefault();
      this.open([...event.dataTransfer.files]);
    });
  }

  async open(files) {
    for (const file of files) {
      try {
        this.reports.prepend(section(await textOf(await file.text()), file.name));
        announce(`${file.name} is shown`);
      } catch (error) {
        notice(`${file.name}: ${error.message}`);
      }
    }
    this.file.value = '';
  }
}

// Returns the Markdown of a report.
async function textOf(json) {
  let report;
  try {
    report = JSON.parse(json);
  } catch {
    throw new Error('The file is not JSON');
  }
  return (await request('bench/report', { body: { report } })).text();
}

function section(text, name) {
  const id = freshId('report');
  // The first title is that of the section, and the others are one level below it.
  const [, title, rest] = /^## (.*)\n([^]*)$/.exec(text) ?? [null, 'Report', text];
  const body = h('div', { class: 'text' });
  renderMarkdown(body, rest.replace(/^## /gm, '# '));
  body.querySelectorAll('table').forEach(label);
  const element = h('section', { class: 'report', 'aria-labelledby': id },
    h('div', { class: 'row' }, h('h2', { id }, title), h('span', { class: 'faint' }, name),
      iconButton('close', `Close ${name}`, () => {
        element.remove();
        byId('view-benchmark').querySelector('button').focus();
      })),
    body);
  return element;
}

// Gives each cell the title of its column, which stands before it on a narrow screen.
function label(table) {
  const titles = [...table.querySelectorAll('thead th')].map((title) => title.textContent);
  for (const row of table.tBodies[0].rows) {
    [...row.cells].slice(1).forEach((cell, column) => {
      if (cell.textContent && titles[column + 1]) cell.dataset.title = titles[column + 1];
    });
  }
}
