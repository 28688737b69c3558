// From the JSON of `mlxk bench` to tables. A table has `title`, `note`, `head` and `rows`. A cell is a text, or a
// `value` with a bar: `{ text, share, isOurs }`.

import { bytes, count, seconds, three } from './figures.js';

const SCHEMAS = { 'mlxk-bench-compare/1': compared, 'mlxk-bench-kernels/1': kernels, 'mlxk-bench-model/1': measured };

// Each has a name, a title, the reading of a value, and `true` if more is better.
const MEASURES = [
  ['decode_tokens_per_second', 'Decode', rate, true],
  ['prefill_tokens_per_second', 'Prefill', rate, true],
  ['effective_tokens_per_second', 'Whole answer', rate, true],
  ['first_token_seconds', 'Time to first token', seconds, false],
  ['repeated_first_token_seconds', 'Time to first token, again', seconds, false],
  ['total_seconds', 'Total time', seconds, false],
  ['cpu_seconds', 'Processor time', seconds, false],
  ['load_seconds', 'Load', seconds, false],
  ['cold_first_token_seconds', 'First token after the start', seconds, false],
  ['memory_peak_bytes', 'Peak memory', bytes, false],
];

function rate(value) {
  return `${three(value)} tokens/s`;
}

// Returns the report, or fails with a sentence for the user.
export function reportOf(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error('The file is not JSON');
  }
  const read = SCHEMAS[file?.schema];
  const kind = (schema) => String(schema).split('/')[0];
  if (!read && Object.keys(SCHEMAS).some((known) => kind(known) === kind(file?.schema))) {
    throw new Error(`A newer mlxk wrote the report: this page does not know its schema "${file.schema}"`);
  }
  if (!read) throw new Error('The file is not a report: write one with `mlxk bench --json` or `mlxk bench model NAME --json`');
  try {
    return { ...read(file), facts: facts(file), warnings: file.warnings ?? [] };
  } catch {
    throw new Error(`The report is incomplete for its schema "${file.schema}"`);
  }
}

function facts({ version, machine, benchmark_time: time, limits }) {
  const found = [['Version', `mlxk ${version}`]];
  if (time) found.push(['Time', new Date(time * 1000).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })]);
  if (machine) {
    found.push(['Processor', `${machine.processor ?? machine.architecture}, ${count(machine.usable_cores ?? machine.logical_cores)} cores`]);
    if (machine.memory_bytes) found.push(['Memory', bytes(machine.memory_bytes)]);
    if (machine.system_version) found.push(['System', machine.system_version]);
  }
  if (limits?.read) found.push(['Read bandwidth', `${bytes(limits.read.median)}/s`]);
  return found;
}

const range = (series, read) => `${read(series.lower_quartile)} to ${read(series.upper_quartile)}`;

// Returns the table of a measure, with a row for each side that has it.
function bars(title, sides, read, isMoreBetter) {
  const greatest = Math.max(...sides.map(({ series }) => series.median));
  const rows = sides.map(({ name, series, isOurs }) => [
    name, { text: read(series.median), share: greatest > 0 ? series.median / greatest : 0, isOurs }, range(series, read)]);
  return { title, note: isMoreBetter ? 'More is better.' : 'Less is better.', head: ['Engine', 'Median', 'Quartiles'], rows };
}

function compared(file) {
  const tables = [];
  const workloads = file.options?.workloads?.map(({ name }) => name) ?? [];
  for (const workload of [...workloads, null]) {
    for (const [name, title, read, isMoreBetter] of MEASURES) {
      const sides = file.sides.map((side, index) => {
        const found = workload === null ? side : side.workloads.find((it) => it.workload === workload);
        return { name: side.title, series: found?.series?.[name], isOurs: index === 0 };
      }).filter(({ series }) => series);
      if (sides.length) tables.push(bars(workload === null ? title : `${title} (${workload})`, sides, read, isMoreBetter));
    }
  }
  const titles = new Map(MEASURES.map(([name, title]) => [name, title]));
  const rows = file.comparisons.map(({ against, workload, measure, ratio }) => [
    titles.get(measure) ?? measure, workload ?? 'whole turn', against, `${three(ratio.of_medians)} ×`,
    `${three(ratio.interval.low)} to ${three(ratio.interval.high)} (${three(ratio.interval.confidence * 100)} %)`]);
  const engines = file.sides.map((side) => [
    `${side.title}${side.version ? ` ${side.version}` : ''}`, side.model,
    side.weights?.quantization ?? '', side.failure?.error ?? '']);
  tables.unshift({ title: 'Engines', head: ['Engine', 'Model', 'Weights', 'Failure'], rows: engines });
  if (rows.length) {
    tables.push({ title: 'Ratios', note: 'Above 1, mlxk is better.', head: ['Measure', 'Workload', 'Against', 'Ratio', 'Interval'], rows });
  }
  return { title: 'Comparison of engines', tables };
}

function kernels(file) {
  const greatest = Math.max(...file.rows.map((row) => row.bytes_per_second));
  const rows = file.rows.map((row) => [
    row.mode, `${count(row.out)} × ${count(row.cols)}`, count(row.rows), seconds(row.seconds.median),
    { text: `${bytes(row.bytes_per_second)}/s`, share: row.bytes_per_second / greatest, isOurs: true },
    `${three(row.share_of_read * 100)} %`, `${three(row.multiply_adds_per_second / 1e9)} G/s`]);
  const head = ['Mode', 'Weight', 'Rows', 'Time', 'Bytes of weights', 'Of read', 'Multiply-adds'];
  return { title: `Kernels${file.instructions ? ` (${file.instructions})` : ''}`, tables: [{ title: 'Products', head, rows }] };
}

function measured(file) {
  const tables = file.models.map((model) => {
    const row = (name, series, read) => [name, { text: read(series.median) }, range(series, read)];
    const rows = [
      row('Load', model.load_seconds, seconds),
      row('Process start to first token', model.start_to_first_token_seconds, seconds),
      row('Time to first token', model.time_to_first_token_seconds, seconds),
      row('Prefill', model.prefill_tokens_per_second, rate),
      ...model.decode.map((it) => row(`Decode after ${count(it.context)} tokens`, it.tokens_per_second, rate)),
    ];
    if (model.peak_memory_bytes) rows.push(['Peak memory', { text: bytes(model.peak_memory_bytes) }, '']);
    const facts = model.facts ?? model;
    const note = [facts.model_type, facts.quantization, facts.file_bytes && bytes(facts.file_bytes), facts.device].filter(Boolean).join(' · ');
    return { title: model.name, note, head: ['Measure', 'Median', 'Quartiles'], rows };
  });
  const sides = file.models.filter((model) => model.decode.length)
    .map((model) => ({ name: model.name, series: model.decode[0].tokens_per_second, isOurs: true }));
  if (sides.length > 1) tables.push({ ...bars('Decode', sides, rate, true), head: ['Model', 'Median', 'Quartiles'] });
  return { title: 'Models', tables };
}
