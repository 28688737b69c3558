// The view of benchmark reports, which the user opens as files. They stay in this page.

import { announce, notice } from './announce.js';
import { reportOf } from './bench-report.js';
import { byId, freshId, h, iconButton, textButton } from './dom.js';

export class BenchView {
  constructor() {
    this.file = h('input', { type: 'file', accept: '.json,application/json', multiple: true, hidden: true, tabindex: '-1', 'aria-label': 'Reports' });
    this.file.addEventListener('change', () => this.open([...this.file.files]));
    this.reports = h('div', { class: 'reports' });
    const view = byId('view-benchmark');
    view.append(h('div', { class: 'column wide' },
      h('h1', { id: 'benchmark-title' }, 'Benchmark'),
      h('p', {}, 'Measure with ', h('code', {}, 'mlxk bench'), ', ', h('code', {}, 'mlxk bench model NAME --json'), ' or ',
        h('code', {}, 'mlxk bench kernels --json'), ', and open the reports here, for example ', h('code', {}, 'benchmark_results.json'), '.'),
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
        this.reports.prepend(this.report(reportOf(await file.text()), file.name));
        announce(`${file.name} is shown`);
      } catch (error) {
        notice(`${file.name}: ${error.message}`);
      }
    }
    this.file.value = '';
  }

  report({ title, facts, tables, warnings }, name) {
    const id = freshId('report');
    const section = h('section', { class: 'report', 'aria-labelledby': id },
      h('div', { class: 'row' }, h('h2', { id }, title), h('span', { class: 'faint' }, name),
        iconButton('close', `Close ${name}`, () => {
          section.remove();
          byId('view-benchmark').querySelector('button').focus();
        })),
      h('dl', { class: 'facts-list' }, ...facts.map(([term, text]) => h('div', {}, h('dt', {}, term), h('dd', {}, text)))),
      ...warnings.map((text) => h('p', { class: 'problem-text' }, text)),
      ...tables.map(tableOf));
    return section;
  }
}

function tableOf({ title, note, head, rows }) {
  const hasBars = rows.some((row) => row.some((cell) => cell?.share !== undefined));
  return h('div', { class: `table${hasBars ? ' bars' : ''}`, tabindex: '0', role: 'group', 'aria-label': title }, h('table', {},
    h('caption', {}, title, note && h('span', { class: 'faint' }, ` ${note}`)),
    h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map(cellOf))))));
}

function cellOf(cell, column) {
  if (column === 0) return h('th', { scope: 'row' }, String(cell));
  if (cell?.text === undefined) return h('td', {}, cell);
  const content = [h('span', {}, cell.text)];
  if (cell.share !== undefined) {
    const bar = h('span', { class: cell.isOurs ? 'fill ours' : 'fill', 'aria-hidden': 'true' });
    bar.style.width = `${Math.max(1, cell.share * 100)}%`;
    content.push(h('span', { class: 'track', 'aria-hidden': 'true' }, bar));
  }
  return h('td', {}, h('div', { class: 'value' }, ...content));
}
