// Systems side by side on one clip: one clock for all videos and curves.
import { ask, make } from "/static/view.js";
import { lane } from "/static/charts.js";
import { Transport, faults } from "/static/stage.js";

const box = document.getElementById("compare"), videos = [...box.querySelectorAll(".stage video")];
let lanes = [];
faults(videos);
const transport = videos.length ? new Transport(box.querySelector(".transport"), videos, (time) => {
  for (const one of lanes) one.at(time);
}) : null;

const sound = document.getElementById("sound");
const hear = () => { for (const video of videos) video.muted = video.dataset.key !== sound.value; };
sound?.addEventListener("change", hear);
if (sound) hear();

const begin = async () => {
  const target = box.querySelector(".lanes");
  let told;
  try {
    told = await ask(box.dataset.curves);
  } catch (error) {
    target.textContent = error.message;
    return;
  }
  const { fps } = told;
  const length = Math.max(0, ...told.systems.flatMap(({ curves }) => ["mouth_generated", "mouth_reference", "loudness"].map((name) => curves[name]?.length ?? 0)));
  if (!length) {
    target.replaceChildren(make("p", { className: "soft", textContent: "These results hold no curves of this clip." }));
    return;
  }
  const seconds = length / fps, seek = (time) => { transport?.pause(); transport?.seek(time); };
  const color = new Map([...box.querySelectorAll("[data-color]")].map((one) => [one.dataset.key, one.dataset.color]));
  const title = new Map([...box.querySelectorAll("[data-title]")].map((one) => [one.dataset.key, one.dataset.title]));
  const real = told.systems.find(({ curves }) => curves.mouth_reference?.length);
  const made = told.systems.filter(({ curves }) => curves.mouth_generated?.length);
  const mouth = made.map(({ key, curves }) => lane({
    title: `Mouth opening: ${title.get(key) ?? key}`, seconds, fps, seek, least: [0, 0.1],
    lines: [...(real ? [{ name: "real", values: real.curves.mouth_reference, color: 7 }] : []),
      { name: "made", values: curves.mouth_generated, color: color.get(key) ?? 0 }],
  }));
  const heard = told.systems.find(({ curves }) => curves.loudness?.length);
  const loud = heard && lane({ title: "Loudness", unit: "dB full scale", seconds, fps, seek, lines: [{ name: "loudness", values: heard.curves.loudness, color: 4 }] });
  const likeness = told.systems.filter(({ curves }) => curves.csim?.length).map(({ key, curves }) => ({
    name: title.get(key) ?? key, values: curves.csim, color: color.get(key) ?? 0, step: seconds / curves.csim.length }));
  const identity = likeness.length ? lane({ title: "Likeness to the portrait", unit: "cosine (CSIM)", seconds, fps, seek, lines: likeness }) : null;
  lanes = [...mouth, loud, identity].filter(Boolean);
  target.replaceChildren(...lanes);
  transport?.show();
};
begin();
