// What all pages do: theme, videos that load as they come into view and play under the pointer.
const root = document.documentElement;

export const make = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

export const number = (value, digits = 4) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(digits - 1);
  return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
};

export const clock = (seconds) => {
  if (!Number.isFinite(seconds)) return "–";
  const tenths = Math.round(seconds * 10);
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
};

// A request that may change something carries the page's token. Throws with what the answer says.
export const ask = async (address, { method = "GET", json, body } = {}) => {
  const headers = {};
  if (method !== "GET") headers["X-Dawn-Token"] = document.querySelector("meta[name=token]").content;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(address, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  } catch {
    throw new Error("dawn view does not answer; is it still running?");
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(typeof told.detail === "string" ? told.detail : `answered ${answer.status}`);
  return told;
};

export const later = (milliseconds, call) => {
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => call(...given), milliseconds); };
};

const theme = document.getElementById("theme");
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const showTheme = () => {
  theme.textContent = dark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", dark() ? "Use the light theme" : "Use the dark theme");
};
try { if (localStorage.theme) root.dataset.theme = localStorage.theme; } catch { /* not kept */ }
theme.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  try { localStorage.theme = root.dataset.theme; } catch { /* not kept */ }
  showTheme();
  dispatchEvent(new Event("theme"));
});
showTheme();

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) { target.src = target.dataset.src; seen.unobserve(target); }
  }
}, { rootMargin: "200px" });
for (const video of document.querySelectorAll("video[data-src]")) {
  seen.observe(video);
  video.addEventListener("error", () => {
    if (video.parentElement.classList.contains("frame")) {
      video.parentElement.append(make("span", { className: "fault", textContent: "cannot be played here" }));
    }
  });
  const card = video.closest("a, .clip") ?? video;
  card.addEventListener("pointerenter", () => video.play().catch(() => {}));
  card.addEventListener("pointerleave", () => video.pause());
}
for (const video of document.querySelectorAll("video.hear")) {
  const hear = () => { video.controls = true; video.muted = false; video.play().catch(() => {}); };
  video.addEventListener("click", (event) => { if (!video.controls) { event.preventDefault(); hear(); } });
  video.addEventListener("keydown", (event) => { if (event.key === "Enter") hear(); });
}
document.querySelector(".top [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
// Addresses say only what was asked.
for (const form of document.querySelectorAll("form[method=get]")) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}
