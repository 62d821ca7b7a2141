// A portrait and a voice become a video, which plays while it is made.
import { ask, make } from "/static/view.js";

const $ = (id) => document.getElementById(id);
const have = { portrait: null, voice: null };
let camera = null, recorder = null, current = null;

const say = (node, text, bad = false) => { node.textContent = text; node.className = bad ? "note bad" : "note"; };
const ready = () => { $("go").disabled = !(have.portrait && have.voice) || current !== null; };
const take = async (kind, file, where) => {
  say($(`${kind}-note`), "sending …");
  try {
    const told = await ask(where, { method: "POST", body: file });
    have[kind] = told[kind];
    return told;
  } catch (error) {
    say($(`${kind}-note`), error.message, true);
    return null;
  } finally { ready(); }
};
let group = null; // a picture with several faces, and the one that is taken
const portrait = async (file, face = 0) => {
  const told = await take("portrait", file, face ? `/try/portrait?face=${face}` : "/try/portrait");
  if (!told) return;
  group = told.faces > 1 ? { file, faces: told.faces, face: told.face } : null;
  $("another").hidden = !group;
  $("portrait-shown").replaceChildren(make("img", { src: `/try/portrait/${told.portrait}.png`, alt: "The face that will speak" }));
  say($("portrait-note"), group ? `face ${told.face} of ${told.faces}, the largest first` : "one face found");
};
$("another").addEventListener("click", () => group && portrait(group.file, group.face % group.faces + 1));
const voiceIs = (told) => {
  if (!told) return;
  $("voice-shown").replaceChildren(make("audio", { src: `/try/voice/${told.voice}.wav`, controls: true }));
  say($("voice-note"), `${told.seconds.toFixed(1)} s`);
};
const voice = async (file) => voiceIs(await take("voice", file, "/try/voice"));

for (const [id, call] of [["portrait", portrait], ["voice", voice]]) {
  const input = $(`${id}-file`), drop = $(`${id}-drop`);
  input.addEventListener("change", () => { if (input.files[0]) call(input.files[0]); });
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) call(event.dataTransfer.files[0]);
  });
  $(`${id}-choose`).addEventListener("click", () => input.click());
}

$("camera").addEventListener("click", async () => {
  if (camera) {
    const video = $("portrait-shown").querySelector("video"), canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    for (const track of camera.getTracks()) track.stop();
    camera = null;
    $("camera").textContent = "Camera";
    canvas.toBlob((blob) => portrait(blob), "image/jpeg", 0.95);
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    const video = make("video", { srcObject: camera, muted: true, playsInline: true });
    $("portrait-shown").replaceChildren(video);
    await video.play();
    $("camera").textContent = "Take the picture";
  } catch { say($("portrait-note"), "no camera can be used here", true); }
});

$("record").addEventListener("click", async () => {
  if (recorder) { recorder.stop(); return; }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }), parts = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      recorder = null;
      $("record").textContent = "Microphone";
      voice(new Blob(parts));
    });
    recorder.start();
    $("record").textContent = "Stop recording";
    say($("voice-note"), "recording …");
  } catch { say($("voice-note"), "no microphone can be used here", true); }
});

$("speak")?.addEventListener("click", async () => {
  say($("voice-note"), "speaking …");
  try {
    const told = await ask("/try/sentence", { method: "POST", json: { text: $("text").value } });
    have.voice = told.voice;
    voiceIs(told);
  } catch (error) { say($("voice-note"), error.message, true); }
  ready();
});

$("dice").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 1e6); });
$("stop").addEventListener("click", () => current && ask(`/try/videos/${current}`, { method: "DELETE" }).catch(() => {}));
$("go").addEventListener("click", async () => {
  $("made").hidden = false;
  $("save").hidden = true;
  const video = $("result"), bar = $("progress");
  video.removeAttribute("src");
  video.load();
  bar.removeAttribute("value");
  try {
    const told = await ask("/try/videos", { method: "POST", json: {
      portrait: have.portrait, voice: have.voice, seed: Number($("seed").value), pose: $("pose").value,
      blink: $("blink").value, steps: Number($("steps").value) } });
    current = told.video;
  } catch (error) { say($("made-note"), error.message, true); return; }
  ready();
  $("stop").hidden = false;
  const address = `/try/videos/${current}.mp4`;
  let begun = false, now;
  do {
    await new Promise((done) => setTimeout(done, 300));
    try { now = await ask(`/try/videos/${current}`); } catch (error) { now = { state: "failed", fault: error.message }; }
    if (now.total) { bar.max = now.total; bar.value = Math.min(now.done, now.total); }
    const share = now.total ? `${Math.round(100 * Math.min(1, now.done / now.total))} %` : "";
    say($("made-note"), now.state === "waiting" ? "waiting for the video before" : now.state === "making" ? `${share || "loading the model …"}${begun ? ", playing what is there" : ""}` : "");
    if (!begun && now.bytes > 2000 && now.state === "making") {
      begun = true;
      video.src = address;
      video.play().catch(() => {});
    }
  } while (now.state === "waiting" || now.state === "making");
  $("stop").hidden = true;
  if (now.state === "done") {
    bar.max = 1;
    bar.value = 1;
    say($("made-note"), `made: ${now.seconds.toFixed(1)} s, seed ${$("seed").value}`);
    const whole = () => {
      video.src = `${address}?whole`;
      if (!begun) video.play().catch(() => {});
    };
    if (begun && !video.ended) video.addEventListener("ended", whole, { once: true }); else whole();
    $("save").href = address;
    $("save").hidden = false;
  } else say($("made-note"), now.state === "stopped" ? "stopped" : now.fault, now.state !== "stopped");
  current = null;
  ready();
});
ready();
