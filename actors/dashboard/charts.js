// Three curves of the last hour, drawn as SVG by a few lines of our own.
import {byId, clock, count, duration, make} from './dom.js';

const kWidth = 360, kHeight = 136, kLeft = 4, kRight = 4, kTop = 14, kBottom = 18;
const kSvg = 'http://www.w3.org/2000/svg';

const charts = [
  {id: 'rate', title: 'queries a second', show: count, lines: [['qps', 'answered', 'one', 'mean'], ['refused', 'refused', 'two', 'most']]},
  {id: 'latency', title: 'time at the nodes', show: duration, lines: [['p50_us', 'p50', 'one', 'mean'], ['p99_us', 'p99, worst', 'two', 'most']]},
  {id: 'queue', title: 'waiting', show: count, lines: [['queue', 'requests', 'one', 'most']]},
];

const shape = (tag, attributes) => {
  const element = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/** A round number that is not below `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((round) => round >= value);
}

/**
 * One point for every 15 seconds: more than a screen shows is only noise. What may be bad (refusals, queues, slow
 * tails) keeps its worst moment, the rest its mean.
 */
function thin(samples, lines) {
  const kBin = 15_000;
  const bins = new Map();
  for (const sample of samples) {
    const bin = Math.floor(sample.t / kBin);
    if (!bins.has(bin)) bins.set(bin, []);
    bins.get(bin).push(sample);
  }
  return [...bins.values()].map((group) => {
    const point = {t: group.at(-1).t};
    for (const [name, , , how] of lines) {
      const values = group.map((sample) => sample[name]).filter((value) => value >= 0);
      if (values.length === 0) continue;
      point[name] = how === 'most' ? Math.max(...values) : values.reduce((a, b) => a + b) / values.length;
    }
    return point;
  });
}

/** The path of one line; a pause of the samples (the head was away) is a gap, not a line. */
function path(samples, name, x, y, pause) {
  let text = '', pen = false, last = 0;
  for (const sample of samples) {
    const value = sample[name];
    if (value === null || value === undefined || value < 0) {
      pen = false;
      continue;
    }
    if (sample.t - last > pause) pen = false;
    text += `${pen ? 'L' : 'M'}${x(sample.t).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
    last = sample.t;
  }
  return text;
}

const largest = (samples, lines) =>
  samples.reduce((most, sample) => Math.max(most, ...lines.map(([name]) => sample[name] ?? 0)), 0);

function figure(chart) {
  const reading = make('span', {class: 'reading'});
  const svg = shape('svg', {viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: 'none', role: 'img'});
  const element = make('figure', {id: `chart-${chart.id}`},
    make('figcaption', {}, make('b', {text: chart.title}), reading), svg);
  const leave = () => {
    chart.cursor = undefined;
    draw(chart);
  };
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    chart.cursor = (event.clientX - box.left) / box.width;
    draw(chart);
  });
  svg.addEventListener('pointerleave', leave);
  byId('charts').append(element);
  return Object.assign(chart, {svg, reading});
}

function read(chart, sample, when) {
  const parts = chart.lines.map(([name, label, ink]) => [
    make('i', {class: `ink-${ink}`, text: `${ink === 'one' ? '—' : '┄'} ${label} `}),
    chart.show(sample?.[name] ?? null) + ' ',
  ]).flat();
  chart.reading.replaceChildren(...parts, when);
}

function draw(chart) {
  const {now, seconds} = chart;
  if (!chart.samples) return;
  const samples = thin(chart.samples, chart.lines);
  const begin = now - seconds * 1000;
  const top = ceiling(largest(samples, chart.lines));
  const x = (t) => kLeft + ((t - begin) / (now - begin)) * (kWidth - kLeft - kRight);
  const y = (value) => kHeight - kBottom - (value / top) * (kHeight - kTop - kBottom);
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const at = y(top * share);
    parts.push(shape('line', {class: 'grid', x1: kLeft, x2: kWidth - kRight, y1: at, y2: at}));
  }
  const label = (left, bottom, anchor, text) => {
    const element = shape('text', {x: left, y: bottom, 'text-anchor': anchor});
    element.textContent = text;
    parts.push(element);
  };
  label(kLeft, kTop - 3, 'start', chart.show(top));
  label(kLeft, kHeight - 4, 'start', '1 h ago');
  label(kWidth / 2, kHeight - 4, 'middle', '30 min');
  label(kWidth - kRight, kHeight - 4, 'end', 'now');
  for (const [name, , ink] of chart.lines) {
    parts.push(shape('path', {class: `curve ${ink}`, 'vector-effect': 'non-scaling-stroke',
      d: path(samples, name, x, y, 45_000)}));
  }
  let chosen = chart.samples.at(-1), when = '';
  if (chart.cursor !== undefined && samples.length > 0) {
    const t = begin + chart.cursor * (now - begin);
    chosen = samples.reduce((a, b) => (Math.abs(b.t - t) < Math.abs(a.t - t) ? b : a));
    when = `at ${clock(chosen.t)}`;
    parts.push(shape('line', {class: 'cursor', x1: x(chosen.t), x2: x(chosen.t), y1: kTop, y2: kHeight - kBottom}));
  }
  read(chart, chosen, when);
  chart.svg.setAttribute('aria-label', `${chart.title} over the last hour: ` + chart.lines.map(([name, text]) =>
    `${text} now ${chart.show(samples.at(-1)?.[name] ?? null)}, at most ${chart.show(largest(samples, [[name]]))}`).join('; '));
  chart.svg.replaceChildren(...parts);
}

/** `samples`: [{t, qps, refused, p50_us, p99_us, queue}], by rising time in ms. */
export function drawCharts(samples, now, seconds) {
  for (const chart of charts) {
    if (!chart.svg) figure(chart);
    Object.assign(chart, {samples, now, seconds});
    draw(chart);
  }
}
