// Several videos played as one, with whatever runs in step.
import { clock, make } from "/static/view.js";

export class Transport {
  // `box` gets the controls; `told` is called with the time in seconds whenever it changes.
  constructor(box, videos, told) {
    this.videos = videos;
    this.told = told;
    this.button = make("button", { type: "button", className: "strong", textContent: "Play" });
    this.scrub = make("input", { type: "range", min: 0, max: 1000, value: 0, ariaLabel: "Position" });
    this.time = make("span", { className: "time", textContent: "–" });
    this.speed = make("select", { ariaLabel: "Speed" }, ...[["1", "1×"], ["0.5", "½×"], ["0.25", "¼×"]].map(
      ([value, textContent]) => make("option", { value, textContent })));
    box.append(this.button, this.scrub, this.time, this.speed);
    this.button.addEventListener("click", () => this.toggle());
    this.scrub.addEventListener("input", () => this.seek(this.seconds * this.scrub.value / 1000));
    this.speed.addEventListener("change", () => { for (const video of videos) video.playbackRate = Number(this.speed.value); });
    for (const video of videos) {
      video.addEventListener("loadedmetadata", () => this.show());
      video.addEventListener("seeked", () => this.show());
      video.addEventListener("click", () => this.toggle());
      video.addEventListener("ended", () => { if (video === this.lead && this.playing) { this.seek(0); this.play(); } });
    }
    addEventListener("keydown", (event) => {
      if (event.target.closest("input:not([type=range]), textarea, select, button, a")) return;
      if (event.key === " ") { event.preventDefault(); this.toggle(); }
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        this.pause();
        this.seek(this.lead.currentTime + (event.key === "ArrowLeft" ? -0.04 : 0.04));
      }
    });
    this.playing = false;
    this.show();
  }

  // The longest: the others hold their last picture until it begins again.
  get lead() {
    const able = this.videos.filter((video) => Number.isFinite(video.duration));
    return able.reduce((a, b) => b.duration > a.duration ? b : a, able[0] ?? this.videos[0]);
  }

  get seconds() { return Number.isFinite(this.lead?.duration) ? this.lead.duration : 0; }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    this.playing = true;
    this.button.textContent = "Pause";
    const at = this.lead.currentTime;
    for (const video of this.videos) {
      if (Number.isFinite(video.duration) && at < video.duration - 0.02) {
        if (Math.abs(video.currentTime - at) > 0.05) video.currentTime = at;
        video.play().catch(() => {});
      }
    }
    requestAnimationFrame(() => this.follow());
  }

  pause() {
    this.playing = false;
    this.button.textContent = "Play";
    for (const video of this.videos) video.pause();
    this.show();
  }

  seek(seconds) {
    const at = Math.min(Math.max(0, seconds), Math.max(0, this.seconds - 0.001));
    for (const video of this.videos) {
      if (Number.isFinite(video.duration)) video.currentTime = Math.min(at, Math.max(0, video.duration - 0.001));
    }
    this.show(at);
  }

  follow() {
    if (!this.playing) return;
    const at = this.lead.currentTime;
    for (const video of this.videos) {
      const drifted = video !== this.lead && !video.paused && at < video.duration && Math.abs(video.currentTime - at) > 0.12;
      if (drifted && !video.seeking) video.currentTime = at;
    }
    this.show(at);
    requestAnimationFrame(() => this.follow());
  }

  show(at = this.lead?.currentTime ?? 0) {
    const seconds = this.seconds;
    this.time.textContent = seconds ? `${clock(at)} / ${clock(seconds)}` : "–";
    if (seconds) this.scrub.value = Math.round(1000 * at / seconds);
    this.told(at);
  }
}

export const faults = (videos) => {
  for (const video of videos) {
    video.addEventListener("error", () => {
      video.hidden = true;
      video.parentElement.append(make("span", { className: "fault", textContent: "cannot be played here: gone, or of a kind that this browser does not know" }));
    });
  }
};
