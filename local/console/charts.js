// Two kinds of chart over the last two minutes: lines, and areas that stand on one another.

import uPlot from './vendor/uPlot.esm.js';

const HEIGHT = 176;

const colour = (name) => {
  // A pair of light and dark is resolved by the browser alone, on an element.
  const probe = document.createElement('i');
  probe.className = `c-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).backgroundColor;
  probe.remove();
  return found;
};

const variable = (name) => {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

/** The powers of ten from one number to another. */
const powers = (_, __, low, high) => {
  const first = Math.round(Math.log10(low));
  return Array.from({ length: Math.round(Math.log10(high)) - first + 1 }, (_, n) => 10 ** (first + n));
};

/**
 * A chart in `place` of `series`: `[{name, of: second => number | null}]`. With `stacked`, each stands on those before;
 * `logarithmic` is for what differs by powers of ten.
 */
export function chart(place, series, { stacked = false, logarithmic = false, values }) {
  let plot = null;
  let last = [];

  function data(seconds) {
    const columns = series.map(({ of }) => seconds.map(of));
    if (stacked) {
      for (let n = 1; n < columns.length; n += 1) columns[n] = columns[n].map((value, at) => value + columns[n - 1][at]);
      columns.reverse();
    }
    return [seconds.map(({ at }) => at), ...columns];
  }

  function make() {
    plot?.destroy();
    const axis = { stroke: variable('--soft'), grid: { stroke: variable('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const drawn = stacked ? [...series].reverse() : series;
    plot = new uPlot({
      width: Math.max(200, place.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 4, 0, 0],
      scales: { x: { time: true }, y: logarithmic ? { distr: 3, range: (_, low, high) => [10 ** Math.floor(Math.log10(low || 1)), 10 ** Math.ceil(Math.log10((high || 10) * 1.01))] } : { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
      axes: [{ ...axis, values: (_, splits) => splits.map((at) => new Date(at * 1000).toTimeString().slice(0, 8)), space: 90, size: 28 },
        { ...axis, size: 58, ...(logarithmic ? { splits: powers } : {}), values: (_, splits) => splits.map((split) => (split === null ? '' : values(split))) }],
      series: [{}, ...drawn.map(({ name }) => ({ stroke: colour(name), width: stacked ? 1 : 2, fill: stacked ? colour(name) : undefined, points: { show: logarithmic, size: 5, fill: colour(name) }, spanGaps: false }))],
    }, data(last), place);
  }

  new ResizeObserver(() => plot && place.clientWidth && plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  document.addEventListener('theme', () => plot && make());

  return (seconds) => {
    last = seconds;
    if (!place.clientWidth) return;
    if (plot) plot.setData(data(seconds));
    else make();
  };
}
