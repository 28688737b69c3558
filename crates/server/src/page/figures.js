// Numbers as text.

const whole = new Intl.NumberFormat('en');

export const count = (number) => whole.format(number);

export const tokens = (number) => `${count(number)} ${number === 1 ? 'token' : 'tokens'}`;

// Returns three significant digits.
export function three(number) {
  if (!Number.isFinite(number)) return '–';
  if (number === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number))));
  return new Intl.NumberFormat('en', { maximumFractionDigits: Math.min(digits, 6) }).format(Number(number.toPrecision(3)));
}

// Returns a size in units of 1000.
export function bytes(size) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${three(size)} ${units[unit]}`;
}

export function seconds(time) {
  if (time < 1) return `${three(time * 1000)} ms`;
  if (time < 120) return `${three(time)} s`;
  return time < 7200 ? `${Math.round(time / 60)} min` : `${Math.round(time / 3600)} h`;
}

// Returns the day of a time in milliseconds, as a person says it.
export function day(time) {
  const start = new Date().setHours(0, 0, 0, 0);
  if (time >= start) return 'Today';
  if (time >= start - 86_400_000) return 'Yesterday';
  if (time >= start - 6 * 86_400_000) return 'This week';
  return new Date(time).toLocaleDateString('en', { month: 'long', year: 'numeric' });
}
