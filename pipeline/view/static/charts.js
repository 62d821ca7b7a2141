// Lanes that run in step with a video, and charts of training. Text reaches the page as text only.
import { make, number } from "/static/view.js";

const svg = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
const known = (values) => values.filter((value) => value !== null && Number.isFinite(value));

// A path through points [x, y] in 0..1; gaps where there is no y; a lone point is a dot.
export const path = (points) => {
  let pen = "M", text = "";
  for (const [x, y] of points) {
    if (y === null || !Number.isFinite(y)) { pen = "M"; continue; }
    text += `${pen}${(1000 * x).toFixed(1)} ${(100 - 100 * y).toFixed(2)}${pen === "M" ? "h0" : ""}`;
    pen = "L";
  }
  return text;
};

// One lane: lines over the frames of a video. `seek` is called with seconds where one points.
export const lane = ({ title, unit = "", lines, seconds, fps, bands = [], least, seek }) => {
  const values = lines.flatMap((line) => known(line.values));
  if (!values.length) return null;
  let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  if (least) { low = Math.min(low, least[0]); high = Math.max(high, least[1]); }
  if (high - low < 1e-9) high = low + 1;
  const room = 0.08 * (high - low);
  const y = (value) => value === null ? null : (value - low + room) / (high - low + 2 * room);
  const picture = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": title });
  for (const [start, stop] of bands) {
    picture.append(svg("rect", { x: 1000 * start / seconds, width: Math.max(1, 1000 * (stop - start) / seconds), y: 0, height: 100 }));
  }
  if (low < 0 && high > 0) picture.append(svg("path", { class: "zero", d: path([[0, y(0)], [1, y(0)]]) }));
  const keys = make("span", { className: "keys" });
  for (const line of lines) {
    const begin = line.begin ?? 0, step = line.step ?? 1 / fps;
    picture.append(svg("path", { d: path(line.values.map((value, i) => [(begin + i * step) / seconds, y(value)])), style: `stroke: var(--c${line.color})` }));
    line.shown = make("span", { textContent: "" });
    const swatch = make("i", { className: "swatch" });
    swatch.style.background = `var(--c${line.color})`;
    keys.append(make("span", {}, swatch, lines.length > 1 ? `${line.name} ` : "", line.shown));
  }
  const now = make("div", { className: "now" });
  const plot = make("div", { className: "plot" }, picture,
    make("span", { className: "ends high", textContent: number(high, 2) }),
    make("span", { className: "ends low", textContent: number(low, 2) }), now);
  const node = make("div", { className: "lane" },
    make("header", {}, make("span", {}, make("b", { textContent: title }), unit ? ` ${unit}` : ""), keys), plot);
  const point = (event) => {
    const box = plot.getBoundingClientRect();
    seek?.(seconds * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  plot.addEventListener("pointerdown", (event) => { plot.setPointerCapture(event.pointerId); point(event); });
  plot.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  node.at = (time) => {
    now.style.left = `${100 * Math.min(1, time / seconds)}%`;
    for (const line of lines) {
      const i = Math.floor((time - (line.begin ?? 0)) / (line.step ?? 1 / fps) + 1e-6);
      const value = line.values[i];
      line.shown.textContent = number(value ?? null, 3);
    }
  };
  node.at(0);
  return node;
};

const smooth = (points, weight) => {
  let mean = null;
  return points.map(([x, value]) => {
    if (value === null || !Number.isFinite(value)) return [x, null];
    mean = mean === null ? value : weight * mean + (1 - weight) * value;
    return [x, mean];
  });
};
const nice = (low, high, log) => {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const factor of [1, 2, 5]) {
        const value = factor * 10 ** power;
        if (value >= low && value <= high) found.push(value);
      }
    }
    return found.length > 5 ? found.filter((_, i) => i % Math.ceil(found.length / 5) === 0) : found.length ? found : [low, high];
  }
  const raw = (high - low) / 4, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-12; value += step) found.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return found;
};

// A chart of series {name, color, dashed, points: [x, value]}, over each other.
export const chart = (title, series, { log, weight, x }) => {
  const drawn = series.map((one) => ({ ...one, line: weight ? smooth(one.points, weight) : one.points }));
  const values = known(drawn.flatMap((one) => one.points.map((point) => point[1])));
  const area = make("div", { className: "area" });
  const figure = make("figure", { className: "card chart" });
  figure.style.margin = 0;
  const last = drawn.length === 1 ? number(drawn[0].line.at(-1)?.[1] ?? null) : "";
  figure.append(make("h3", {}, title, make("span", { textContent: last })), area);
  if (!values.length) {
    area.append(make("span", { className: "soft small", textContent: "no number yet" }));
    return figure;
  }
  let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const ratio = log && low > 0;
  if (ratio) { low /= 1.05; high *= 1.05; } else { const room = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1; low -= room; high += room; }
  const place = (value) => value === null ? null : ratio ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const xs = drawn.flatMap((one) => one.points.map((point) => point[0]));
  const first = xs.reduce((a, b) => Math.min(a, b)), end = xs.reduce((a, b) => Math.max(a, b));
  const across = (value) => end > first ? (value - first) / (end - first) : 0.5;
  for (const value of nice(low, high, ratio)) {
    const top = `${100 - 100 * place(value)}%`;
    const label = make("span", { className: "y", textContent: number(value, 3) }), rule = make("div", { className: "rule" });
    label.style.top = rule.style.top = top;
    area.append(rule, label);
  }
  const picture = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": title });
  for (const one of drawn) {
    const look = `stroke: var(--c${one.color})`, many = one.points.length > 1;
    if (weight && many) picture.append(svg("path", { class: "faint", style: look, d: path(one.points.map(([at, value]) => [across(at), place(value)])) }));
    picture.append(svg("path", { class: `${one.dashed ? "dashed" : ""} ${many ? "" : "dot"}`, style: look, d: path(one.line.map(([at, value]) => [across(at), place(value)])) }));
  }
  const cross = make("div", { className: "cross", hidden: true }), tip = make("div", { className: "tip", hidden: true });
  area.append(picture, cross, tip);
  figure.append(make("div", { className: "x" }, make("span", { textContent: x(first) }), make("span", { textContent: end > first ? x(end) : "" })));
  area.addEventListener("pointermove", (event) => {
    const box = area.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
    const wanted = first + share * (end - first);
    const nearest = (points) => points.reduce((a, b) => Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a);
    const rows = drawn.filter((one) => one.points.length).map((one) => ({ one, at: nearest(one.line) }));
    if (!rows.length) return;
    tip.replaceChildren(make("div", { textContent: x(rows[0].at[0]) }), ...rows.map(({ one, at }) => {
      const swatch = make("i", { className: "swatch" });
      swatch.style.background = `var(--c${one.color})`;
      return make("div", {}, swatch, `${one.name} ${number(at[1])}`);
    }));
    const left = 100 * across(rows[0].at[0]);
    cross.hidden = tip.hidden = false;
    cross.style.left = `${left}%`;
    tip.style.left = left > 55 ? "auto" : `calc(${left}% + .6rem)`;
    tip.style.right = left > 55 ? `calc(${100 - left}% + .6rem)` : "auto";
    tip.style.top = ".4rem";
  });
  area.addEventListener("pointerleave", () => { cross.hidden = tip.hidden = true; });
  return figure;
};
