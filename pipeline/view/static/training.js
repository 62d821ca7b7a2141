// Curves of runs over each other, drawn anew while a run goes on.
import { ask, clock, make, number } from "/static/view.js";
import { chart } from "/static/charts.js";

const box = document.getElementById("training"), form = document.getElementById("runs");
const charts = box.querySelector(".charts"), samples = box.querySelector(".samples"), live = document.getElementById("live");
const controls = document.getElementById("how");
let told = null, seen = "", changed = 0;
const EVERY = 2000;

const chosen = () => new URLSearchParams([...new FormData(form)].filter(([name]) => name === "run"));
const colors = new Map([...form.querySelectorAll("[name=run]")].map((one, i) => [one.value, i % 8]));
const plain = (name) => name.replace(/^val\//, "");

// Numbers that were measured a single time say more as numbers than as empty charts.
const drawOnce = (once, along) => {
  const box = document.getElementById("once");
  box.hidden = !once.length;
  box.querySelector("tbody").replaceChildren(...once.flatMap(([name, series]) => series.map(({ name: run, points, color, dashed }) => {
    const swatch = make("i", { className: "swatch" });
    swatch.style.background = `var(--c${color})`;
    return make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { className: "n", textContent: number(points[0]?.[1] ?? null) }),
      make("td", {}, swatch, ` ${run.replace(" (validation)", "")}${dashed ? ", validation" : ""}`), make("td", { className: "n soft", textContent: points.length ? along(points[0][0]) : "" }));
  })));
};

const drawCharts = () => {
  const by = controls.elements.by.value, place = by === "step" ? 0 : 2;
  const names = [...new Set(told.flatMap((run) => Object.keys(run.curves)).map(plain))];
  const first = (name) => name === "loss" ? 0 : name === "lr" || name.includes("second") ? 2 : 1;
  names.sort((a, b) => first(a) - first(b) || a.localeCompare(b));
  const weight = Number(controls.elements.smooth.value);
  const along = (value) => by === "step" ? `step ${Math.round(value).toLocaleString("en")}` : clock(value);
  const once = [];
  charts.replaceChildren(...names.flatMap((name) => {
    const series = told.flatMap((run) => [[name, false], [`val/${name}`, true]].filter(([key]) => run.curves[key]).map(([key, dashed]) => ({
      name: `${run.run}${dashed ? " (validation)" : ""}`, color: colors.get(run.run) ?? 0, dashed,
      points: run.curves[key].map((point) => [point[place], point[1]]),
    })));
    if (series.every((one) => one.points.length < 2)) {
      once.push([name, series]);
      return [];
    }
    const both = series.some((one) => one.dashed) && series.some((one) => !one.dashed);
    const only = series.every((one) => one.dashed);
    const title = only ? `${name}, validation` : both ? `${name} (dashed: validation)` : name;
    return [chart(title, series, { log: controls.elements.log.checked, weight, x: along })];
  }));
  drawOnce(once, along);
  if (!names.length) charts.replaceChildren(make("p", { className: "empty", textContent: "No numbers yet: the first are written after a few steps." }));
};

const drawSamples = () => {
  const kept = new Map([...samples.querySelectorAll("figure")].map((one) => [one.dataset.key, one]));
  samples.replaceChildren(...told.flatMap((run) => Object.entries(run.pictures).map(([kind, steps]) => {
    const key = `${run.run}/${kind}`, before = kept.get(key);
    if (before && before.dataset.steps === String(steps.length)) return before;
    const picture = make("img", { alt: `${kind} of ${run.run}` });
    const at = make("span", { className: "soft" });
    const pick = make("input", { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, ariaLabel: `Step of ${kind}`, hidden: steps.length < 2 });
    const show = () => {
      const step = steps[Number(pick.value)];
      picture.src = `/training/${encodeURIComponent(run.run)}/picture/${encodeURIComponent(kind)}/${step}.png`;
      at.textContent = `step ${step.toLocaleString("en")}`;
    };
    pick.addEventListener("input", show);
    show();
    const figure = make("figure", { className: "card pad" }, picture, make("figcaption", {}, make("span", { textContent: `${run.run}: ${kind}` }), at), pick);
    figure.dataset.key = key;
    figure.dataset.steps = steps.length;
    return figure;
  })));
  document.getElementById("none").hidden = samples.childElementCount > 0;
};

const drawProgress = () => {
  for (const run of told) {
    const node = form.querySelector(`[data-of="${CSS.escape(run.run)}"]`);
    if (node) node.textContent = run.steps ? `${run.step.toLocaleString("en")} / ${run.steps.toLocaleString("en")}` : `${run.step.toLocaleString("en")} steps`;
  }
};

const look = async () => {
  try {
    const now = await ask(`/training/curves?${chosen()}&${new URLSearchParams({ seen })}`);
    if (now.runs) {
      if (seen) changed = Date.now();
      told = now.runs;
      seen = now.seen;
      drawCharts();
      drawSamples();
      drawProgress();
    }
    const open = told?.some((run) => run.steps && run.step < run.steps);
    const fresh = Date.now() - changed < 15000;
    live.classList.toggle("on", fresh);
    live.textContent = fresh ? "training now" : open ? "waiting for new numbers" : "complete";
  } catch (error) {
    live.classList.remove("on");
    live.textContent = error.message;
  }
  setTimeout(look, EVERY);
};
form.addEventListener("change", () => form.requestSubmit());
controls.addEventListener("input", () => { if (told) drawCharts(); });
look();
