// One clip: what was measured, drawn over the video and under it, in step.
import { ask } from "/static/view.js";
import { lane } from "/static/charts.js";
import { Transport, faults } from "/static/stage.js";

const box = document.querySelector(".watch"), video = box.querySelector("video"), canvas = box.querySelector("canvas");
const layers = [...box.querySelectorAll(".layers input")];
const pen = canvas.getContext("2d");
let told = null, lanes = [];

const parts = { brows: [[17, 22], [22, 27]], nose: [[27, 31], [31, 36]], jaw: [[0, 17]] };
const loops = { eyes: [[36, 42], [42, 48]], mouth: [[48, 60], [60, 68]] };
const polygon = (points, [from, to], scale, closed) => {
  pen.beginPath();
  for (let i = from; i < to; i += 1) pen.lineTo(points[2 * i] * scale, points[2 * i + 1] * scale);
  if (closed) pen.closePath();
  pen.stroke();
};
const draw = (time) => {
  const side = canvas.clientWidth, ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, side, side);
  if (!told) return;
  const frame = Math.min(told.frames - 1, Math.floor(time * told.fps + 0.01)), scale = side / told.size;
  const on = (name) => layers.find((one) => one.value === name)?.checked;
  const points = told.columns.landmarks_68[frame], head = told.columns.head[frame];
  pen.lineJoin = pen.lineCap = "round";
  if (points) {
    const lost = told.columns.found[frame] === false;
    pen.lineWidth = 1.4;
    pen.setLineDash(lost ? [4, 4] : []);
    if (on("landmarks")) {
      pen.strokeStyle = "rgb(255 255 255 / .75)";
      for (const pieces of Object.values(parts)) for (const piece of pieces) polygon(points, piece, scale, false);
      pen.fillStyle = "rgb(255 255 255 / .95)";
      for (let i = 0; i < 68; i += 1) { pen.beginPath(); pen.arc(points[2 * i] * scale, points[2 * i + 1] * scale, 1.6, 0, 7); pen.fill(); }
    }
    pen.lineWidth = 2;
    if (on("eyes")) { pen.strokeStyle = told.columns.blink[frame] ? "#ffb02e" : "#5cd0ff"; for (const piece of loops.eyes) polygon(points, piece, scale, true); }
    if (on("mouth")) { pen.strokeStyle = "#ff7aa8"; for (const piece of loops.mouth) polygon(points, piece, scale, true); }
    pen.setLineDash([]);
  }
  if (head && on("pose")) {
    const radians = ["yaw", "pitch", "roll"].map((name) => told.columns[name][frame] * Math.PI / 180);
    const [yaw, pitch, roll] = radians;
    // As dawn.features.faces.pose: y up, z toward the viewer; rows of the rotation by its angles.
    const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch), cr = Math.cos(roll), sr = Math.sin(roll);
    const axes = [
      [[cr * cy, sr * cy], "#ff5d5d"],
      [[-cr * sy * sp - sr * cp, -sr * sy * sp + cr * cp], "#6be36b"],
      [[-cr * sy * cp + sr * sp, -sr * sy * cp - cr * sp], "#6aa8ff"],
    ];
    const length = 7 * head[2] * scale, x = head[0] * scale, y = head[1] * scale;
    for (const [[dx, dy], color] of axes) {
      pen.strokeStyle = color;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + dx * length, y - dy * length);
      pen.stroke();
    }
  }
};
const transport = new Transport(box.querySelector(".transport"), [video], (time) => {
  draw(time);
  for (const one of lanes) one.at(time);
});
faults([video]);
for (const layer of layers) layer.addEventListener("change", () => draw(video.currentTime));
addEventListener("resize", () => draw(video.currentTime));

const begin = async () => {
  const target = box.querySelector(".lanes");
  try {
    told = await ask(box.dataset.frames);
  } catch (error) {
    target.textContent = `What was measured cannot be shown: ${error.message}`;
    return;
  }
  const own = told.columns, seconds = told.frames / told.fps;
  const bands = [];
  own.blink.forEach((closed, i) => {
    if (!closed) return;
    const last = bands.at(-1);
    if (last && Math.abs(last[1] - i / told.fps) < 1e-6) last[1] = (i + 1) / told.fps; else bands.push([i / told.fps, (i + 1) / told.fps]);
  });
  const shared = { seconds, fps: told.fps, seek: (time) => { transport.pause(); transport.seek(time); } };
  const line = (name, column, color) => ({ name, values: own[column], color });
  lanes = [
    { title: "Mouth opening", unit: "of the eyes' distance", lines: [line("mouth", "mouth", 5)], least: [0, 0.1] },
    { title: "Eyes", unit: "height over width; bands: blinks", lines: [line("left", "eye_left", 0), line("right", "eye_right", 6)], bands, least: [0, 0.35] },
    { title: "Head", unit: "degrees", lines: [line("yaw", "yaw", 0), line("pitch", "pitch", 2), line("roll", "roll", 1)], least: [-10, 10] },
    { title: "Loudness", unit: "dB full scale", lines: [{ name: "loudness", color: 4, values: own.loudness_db.map((v) => v === null ? null : Math.max(v, -80)) }], least: [-60, 0] },
    { title: "Speech", unit: "how likely somebody speaks", lines: [line("speech", "speech", 3)], least: [0, 1] },
    { title: "Speaking", unit: "logit: does this face speak", lines: [line("speaking", "speaking", 7)], least: [-1, 1] },
  ].map((one) => lane({ ...one, ...shared })).filter(Boolean);
  target.replaceChildren(...lanes);
  transport.show();
};
begin();

const form = document.querySelector("form.mark"), note = document.getElementById("note");
const change = async (event, given) => {
  event.preventDefault();
  note.className = "note";
  note.textContent = "…";
  try {
    await ask(document.querySelector("[data-mark]").dataset.mark, given());
    location.reload();
  } catch (error) {
    note.className = "note bad";
    note.textContent = error.message;
  }
};
form?.addEventListener("submit", (event) => change(event, () => ({ method: "POST", json: { reason: form.elements.reason.value } })));
document.getElementById("unmark")?.addEventListener("click", (event) => change(event, () => ({ method: "DELETE" })));
