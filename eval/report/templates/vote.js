// Blind pairs: which ones, in which order and on which side follows from the rater's code.
"use strict";
(() => {
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const get = (id) => document.getElementById(id);
  const left = get("left"), right = get("right");
  const store = `dawn-vote-${plan.study}`;
  const load = () => { try { return JSON.parse(localStorage.getItem(store)); } catch { return null; } };
  const keep = () => { try { localStorage.setItem(store, JSON.stringify(state)); } catch { /* private windows */ } };
  const code = () => [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const state = load() ?? { rater: code(), at: 0, answers: {} };

  // A small generator (mulberry32), seeded by the study's seed and the rater's code.
  let seed = plan.seed >>> 0;
  for (const c of state.rater) seed = Math.imul(seed ^ c.charCodeAt(0), 2654435761) >>> 0;
  const random = () => {
    seed = (seed + 0x6D2B79F5) >>> 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const shuffled = (list) => {
    const found = [...list];
    for (let i = found.length - 1; i > 0; i -= 1) {
      const j = Math.floor(random() * (i + 1));
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  };
  const items = shuffled(plan.items).slice(0, plan.pairs);
  for (const check of shuffled(plan.checks)) items.splice(1 + Math.floor(random() * items.length), 0, check);
  const tasks = items.flatMap((item) => {
    const flipped = random() < 0.5;
    return plan.questions.map((question) => ({ item, question, flipped }));
  });

  let begun = 0, playing = 0;
  const task = () => tasks[state.at];
  const sides = () => task().flipped ? ["b", "a"] : ["a", "b"];
  const sound = (video) => {
    for (const one of [left, right]) {
      one.muted = one !== video;
      one.parentElement.classList.toggle("sounding", one === video);
    }
  };
  const alone = (video) => {
    playing += 1;
    const other = video === left ? right : left;
    other.pause();
    sound(video);
    video.currentTime = 0;
    return video.play().catch(() => {});
  };
  // Left with its sound, then right with its own.
  const inTurn = () => {
    alone(left);
    const mine = playing;
    left.onended = () => { if (mine === playing) alone(right); };
    right.onended = null;
  };
  const show = () => {
    const done = state.at >= tasks.length;
    get("start").hidden = true;
    get("ask").hidden = done;
    get("end").hidden = !done;
    const per = plan.questions.length;
    document.querySelector(".progress").textContent = done ? "" : `pair ${Math.floor(state.at / per) + 1} of ${items.length}`;
    if (done) { finish(); return; }
    const [l, r] = sides().map((side) => `v/${task().item[side]}`);
    if (left.getAttribute("src") !== l || right.getAttribute("src") !== r) {
      left.src = l;
      right.src = r;
      inTurn();
    }
    get("question").textContent = task().question.text;
    const given = state.answers[`${task().item.id} ${task().question.id}`];
    for (const button of document.querySelectorAll("[data-answer]")) {
      const means = button.dataset.answer === "tie" ? "tie" : sides()[button.dataset.answer === "left" ? 0 : 1];
      button.classList.toggle("chosen", given?.winner === means);
    }
    begun = performance.now();
  };
  const answer = (side) => {
    if (get("ask").hidden) return;
    const winner = side === "tie" ? "tie" : sides()[side === "left" ? 0 : 1];
    state.answers[`${task().item.id} ${task().question.id}`] = {
      item: task().item.id, question: task().question.id, winner, seconds: Math.round((performance.now() - begun) / 100) / 10 };
    state.at += 1;
    keep();
    show();
  };
  const back = () => { if (state.at > 0 && !get("ask").hidden) { state.at -= 1; keep(); show(); } };

  const text = () => `${JSON.stringify({ format: 1, study: plan.study, rater: state.rater, answers: Object.values(state.answers) }, null, 1)}\n`;
  let finished = false;
  const finish = async () => {
    if (finished) return;
    finished = true;
    left.pause();
    right.pause();
    const save = get("save"), sent = get("sent");
    save.href = URL.createObjectURL(new Blob([text()], { type: "application/json" }));
    save.download = `answers-${state.rater}.json`;
    sent.textContent = "Save the file and send it back to whoever asked you.";
    if (!location.protocol.startsWith("http")) return;
    try {
      const reply = await fetch("votes", { method: "POST", body: text(), headers: { "content-type": "application/json" } });
      if (reply.ok) { sent.textContent = "Your answers have arrived; you can close this page."; save.hidden = true; save.style.display = "none"; }
    } catch { /* a host that takes no answers: the file is there */ }
  };

  get("begin").textContent = state.at ? "Go on, with sound" : "Start, with sound";
  get("begin").addEventListener("click", show);
  get("back").addEventListener("click", back);
  get("again").addEventListener("click", inTurn);
  for (const button of document.querySelectorAll(".play")) button.addEventListener("click", () => alone(get(button.dataset.side)));
  for (const video of [left, right]) video.addEventListener("click", () => alone(video));
  for (const button of document.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
  const keys = { ArrowLeft: () => answer("left"), ArrowRight: () => answer("right"), ArrowDown: () => answer("tie"), " ": inTurn, 1: () => alone(left), 2: () => alone(right), Backspace: back };
  addEventListener("keydown", (event) => {
    if (get("ask").hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in keys) { event.preventDefault(); keys[event.key](); }
  });
})();
