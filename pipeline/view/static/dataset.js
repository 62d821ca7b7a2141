// What if: bounds are moved by sliders, the counts follow, nothing is changed.
import { ask, later } from "/static/view.js";

const form = document.getElementById("ask"), told = document.getElementById("told");
const sliders = [...form.querySelectorAll(".slider[data-bound]")];
const asked = () => {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") values.append(name, value);
  return values;
};
const show = (slider) => {
  const range = slider.querySelector("input[type=range]"), box = slider.querySelector("input[type=number]");
  const low = Number(range.min), high = Number(range.max), cut = slider.querySelector(".cut");
  const at = box.value === "" ? Number(slider.dataset.bound) : Number(box.value);
  const share = Math.min(1, Math.max(0, (at - low) / (high - low || 1)));
  slider.classList.toggle("moved", box.value !== "");
  const reach = "(100% - 14px)";
  cut.style.left = slider.dataset.rule === "min" ? "7px" : `calc(7px + ${share} * ${reach})`;
  cut.style.width = `calc(${slider.dataset.rule === "min" ? share : 1 - share} * ${reach})`;
};
const count = later(120, async () => {
  try {
    const now = await ask(`${form.dataset.counts}?${asked()}`);
    const moved = sliders.some((slider) => slider.classList.contains("moved"));
    told.querySelector(".accepted").textContent = now.accepted_then.toLocaleString("en");
    told.querySelector(".of").textContent = ` of ${now.clips.toLocaleString("en")} accepted`;
    told.querySelector(".change").textContent = moved ? ` (now ${now.accepted.toLocaleString("en")}: +${now.gained.toLocaleString("en")} −${now.lost.toLocaleString("en")})` : "";
    told.querySelector(".fault").textContent = "";
  } catch (error) {
    told.querySelector(".fault").textContent = error.message;
  }
});
for (const slider of sliders) {
  const range = slider.querySelector("input[type=range]"), box = slider.querySelector("input[type=number]");
  range.addEventListener("input", () => { box.value = Number(Number(range.value).toPrecision(4)); show(slider); count(); });
  box.addEventListener("input", () => { range.value = box.value === "" ? slider.dataset.bound : box.value; show(slider); count(); });
  show(slider);
}
document.getElementById("reset").addEventListener("click", () => {
  for (const slider of sliders) {
    slider.querySelector("input[type=number]").value = "";
    slider.querySelector("input[type=range]").value = slider.dataset.bound;
    show(slider);
  }
  count();
});
document.getElementById("changed").addEventListener("click", () => {
  form.elements.state.value = "changed";
  form.requestSubmit();
});
const folded = matchMedia("(max-width: 62rem)");
const aside = document.getElementById("filters");
const fold = () => { aside.open = !folded.matches; };
folded.addEventListener("change", fold);
fold();
count();
