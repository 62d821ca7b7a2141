// Sorting, filtering, single clips and their curves. Text reaches the page as text only.
"use strict";
(() => {
  const root = document.documentElement;
  const make = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };

  // Theme: the system's until it is chosen here.
  const theme = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const showTheme = () => {
    theme.textContent = dark() ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(dark()));
    theme.setAttribute("aria-label", dark() ? "Use the light theme" : "Use the dark theme");
  };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; showTheme(); });
  showTheme();

  // Paper is white: dark is for the screen.
  let chosenTheme;
  addEventListener("beforeprint", () => { chosenTheme = root.dataset.theme; root.dataset.theme = "light"; });
  addEventListener("afterprint", () => {
    if (chosenTheme) root.dataset.theme = chosenTheme; else delete root.dataset.theme;
  });

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("pre").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  const number = (value) => {
    if (value === null || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size < 1e-9) return "0";
    if (size < 1e-4 || size >= 1e6) return value.toExponential(3);
    return value.toFixed(Math.max(0, 3 - Math.floor(Math.log10(size))));
  };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);

  // The table: which columns, which rows, in which order.
  const setUpTable = (sheet) => {
    const table = sheet.querySelector(".leaderboard");
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const chips = [...sheet.querySelectorAll(".chip")];
    const onlyPaper = sheet.querySelector(".only-paper");
    const find = sheet.querySelector(".find-system");
    const count = sheet.querySelector(".count");
    const bounds = table.querySelector(".bounds");

    const show = () => {
      const family = chips.find((chip) => chip.getAttribute("aria-pressed") === "true").dataset.family;
      const word = find.value.trim().toLowerCase();
      const visible = heads.map((head) =>
        (family === "All" || head.dataset.family === family || (family === "Main" && head.dataset.headline === "1")) &&
        !(onlyPaper.checked && head.dataset.status !== "paper"));
      for (const row of table.rows) {
        [...row.cells].slice(1).forEach((cell, place) => { cell.hidden = !visible[place]; });
        if (row.dataset.name !== undefined) row.hidden = !row.dataset.name.toLowerCase().includes(word);
      }
      bounds.hidden = !sheet.querySelector(".show-bounds").checked;
      const rows = [...table.querySelectorAll("tbody tr")].filter((row) => !row.hidden && !row.parentElement.hidden);
      count.textContent = `${rows.length} ${rows.length === 1 ? "row" : "rows"}, ${visible.filter(Boolean).length} of ${heads.length} metrics`;
    };
    for (const chip of chips) {
      chip.addEventListener("click", () => {
        for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
        show();
      });
    }
    for (const input of [onlyPaper, find, sheet.querySelector(".show-bounds")]) input.addEventListener("input", show);
    show();

    heads.forEach((head, place) => head.querySelector(".sort").addEventListener("click", () => {
      const best = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", best ? "ascending" : "descending");
      const cost = (row) => {
        const text = row.cells[place + 1].dataset.cost;
        return text === undefined || text === "" ? Infinity : Number(text);
      };
      for (const body of table.tBodies) {
        const rows = [...body.rows].map((row) => [cost(row), row]);
        rows.sort((a, b) => a[0] === b[0] ? 0 : a[0] === Infinity ? 1 : b[0] === Infinity ? -1 : (a[0] - b[0]) * (best ? 1 : -1));
        body.append(...rows.map((pair) => pair[1]));
      }
    }));
  };

  // Curves of one clip and row: mouth against the real one and the sound, identity over time.
  const kinds = ["mouth opening", "real mouth", "loudness", "identity (CSIM)"];
  const curve = (data, row, clip, kind) => {
    const packed = data.curves.rows[row][clip]?.[kind];
    if (!packed) return null;
    const [low, high] = data.curves.bounds[kind];
    return [...bytes(packed)].map((level) => level === 255 ? null : low + (high - low) * level / 254);
  };
  const svg = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const path = (values, low, high, begin, step, seconds) => {
    let pen = "M", text = "";
    values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      const x = 100 * (begin + i * step) / seconds, y = 100 - 96 * (value - low) / (high - low) - 2;
      text += `${pen}${x.toFixed(2)} ${y.toFixed(2)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    });
    return text;
  };
  const plot = (title, lines, seconds) => {
    const known = lines.flatMap((line) => line.values).filter((value) => value !== null);
    const low = known.reduce((a, b) => Math.min(a, b), Infinity), top = known.reduce((a, b) => Math.max(a, b), -Infinity);
    const high = top > low ? top : low + 1;
    const picture = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": title });
    for (const line of lines) {
      picture.append(svg("path", { class: line.look, d: path(line.values, low, high, line.begin, line.step, seconds) }));
    }
    picture.append(svg("path", { class: "now", d: "" }));
    return make("div", { className: "plot low" },
      make("span", { className: "y", textContent: number(high) }),
      make("span", { className: "y low", textContent: number(low) }), picture,
      make("span", { className: "x" }, make("span", { textContent: "0 s" }),
        make("span", { textContent: title }), make("span", { textContent: `${number(seconds)} s` })));
  };
  const legend = (lines) => make("p", { className: "legend" }, ...lines.map((line) =>
    make("span", {}, make("span", { className: `swatch ${line.look.replace("l", "c")}` }), line.name)));
  const plots = (data, row, clip) => {
    const frame = { begin: 0, step: 1 / data.fps };
    const seen = kinds.map((_, kind) => curve(data, row, clip, kind));
    const lengths = [0, 1, 2].map((kind) => (seen[kind]?.length ?? 0) / data.fps);
    const seconds = Math.max(...lengths, data.begin + (seen[3]?.length ?? 0) * data.step);
    if (!seen.some(Boolean)) return [make("p", { className: "soft small", textContent: "No curves of this clip are in the page; the table `clips` of the results has them." })];
    const nodes = [];
    const mouth = [[0, "l0"], [1, "l7"]].filter(([kind]) => seen[kind])
      .map(([kind, look]) => ({ name: kinds[kind], look, values: seen[kind], ...frame }));
    if (mouth.length) nodes.push(legend(mouth), plot("mouth opening", mouth, seconds));
    if (seen[2]) nodes.push(plot("loudness, dB", [{ look: "l1", values: seen[2], ...frame }], seconds));
    if (seen[3]) nodes.push(plot("identity (CSIM)", [{ look: "l2", values: seen[3], begin: data.begin, step: data.step }], seconds));
    for (const node of nodes) node.dataset.seconds = seconds;
    return nodes;
  };

  // Players: the bar is under the picture, not over the mouth.
  const addBar = (video) => {
    const play = make("button", { type: "button", className: "plain", textContent: "▶" });
    const seek = make("input", { type: "range", min: 0, max: 1000, value: 0, ariaLabel: "Position" });
    const sound = make("button", { type: "button", className: "chip", textContent: "Sound" });
    const show = () => {
      play.textContent = video.paused ? "▶" : "❚❚";
      play.setAttribute("aria-label", video.paused ? "Play" : "Pause");
      sound.setAttribute("aria-pressed", String(!video.muted));
    };
    const toggle = () => video.paused ? video.play() : video.pause();
    play.addEventListener("click", toggle);
    video.addEventListener("click", toggle);
    sound.addEventListener("click", () => { video.muted = !video.muted; });
    seek.addEventListener("input", () => { if (video.duration) video.currentTime = video.duration * seek.value / 1000; });
    video.addEventListener("timeupdate", () => { if (video.duration) seek.value = 1000 * video.currentTime / video.duration; });
    for (const name of ["play", "pause", "volumechange"]) video.addEventListener(name, show);
    video.controls = false;
    video.after(make("div", { className: "player" }, play, seek, sound));
    show();
  };
  // Videos that run together: the first one leads, the others follow it.
  const together = (videos) => {
    const [first, ...others] = videos;
    for (const video of videos) { video.currentTime = 0; video.play().catch(() => {}); }
    const follow = () => {
      for (const video of others) {
        if (video.duration && first.currentTime < video.duration && Math.abs(video.currentTime - first.currentTime) > 0.08) video.currentTime = first.currentTime;
        if (first.paused !== video.paused && first.currentTime < video.duration) first.paused ? video.pause() : video.play().catch(() => {});
      }
    };
    if (!first.followed) { first.followed = true; for (const name of ["timeupdate", "play", "pause", "seeked"]) first.addEventListener(name, follow); }
  };
  const setUpFeatured = (sheet) => {
    const box = sheet.querySelector(".featured"), videos = [...(box?.querySelectorAll("video") ?? [])];
    if (!videos.length) return;
    for (const video of videos) {
      video.controls = false;
      video.addEventListener("click", () => {
        const on = video.muted;
        for (const other of videos) other.muted = other !== video || !on;
        for (const other of videos) other.closest("figure").querySelector(".hear").setAttribute("aria-pressed", String(!other.muted));
      });
      const hear = make("button", { type: "button", className: "chip hear", textContent: "Sound", ariaPressed: "false" });
      hear.addEventListener("click", () => video.click());
      video.closest("figure").querySelector("figcaption").append(hear);
    }
    const play = make("button", { type: "button", className: "plain", textContent: "Pause" });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    play.addEventListener("click", () => { if (videos[0].paused) together(videos); else for (const video of videos) video.pause(); });
    for (const name of ["play", "pause"]) videos[0].addEventListener(name, () => { play.textContent = videos[0].paused ? "Play" : "Pause"; });
    if (calm) play.textContent = "Play"; else together(videos);
    box.append(play);
  };

  const setUpGallery = (sheet, data) => {
    for (const row of sheet.querySelectorAll(".gallery")) {
      const button = row.previousElementSibling.querySelector(".play-row"), videos = [...row.querySelectorAll("video")];
      videos.forEach(addBar);
      button.hidden = videos.length < 2;
      button.addEventListener("click", () => {
        videos.forEach((video, place) => { video.muted = place > 0; });
        together(videos);
      });
    }
    const places = new Map(data.clips.map((clip, place) => [clip, place]));
    for (const figure of sheet.querySelectorAll("figure.clip")) {
      const box = figure.querySelector(".curves"), video = figure.querySelector("video");
      box.addEventListener("toggle", () => {
        const target = box.querySelector(".plots");
        if (box.open && !target.childElementCount) {
          target.append(...plots(data, Number(figure.dataset.row), places.get(figure.dataset.clip)));
        }
      });
      video?.addEventListener("timeupdate", () => {
        for (const node of box.querySelectorAll(".plot")) {
          const x = (100 * video.currentTime / Number(node.dataset.seconds)).toFixed(2);
          node.querySelector(".now").setAttribute("d", `M${x} 0L${x} 100`);
        }
      });
    }
  };

  // Every clip: one metric at a time, 25 a page.
  const setUpClips = (sheet, data) => {
    const box = sheet.querySelector(".explorer"), table = box.querySelector(".clips");
    const metric = box.querySelector(".pick-metric"), order = box.querySelector(".pick-order");
    const find = box.querySelector(".find-clip"), one = box.querySelector(".one-clip");
    const unpacked = new Map();
    const numbers = (name) => {
      if (!unpacked.has(name)) {
        unpacked.set(name, data.metrics[name].rows.map((row) => row && {
          values: floats(row.values), references: row.references ? floats(row.references) : null }));
      }
      return unpacked.get(name);
    };
    for (const [name, about] of Object.entries(data.metrics)) {
      metric.append(make("option", { value: name, textContent: `${name}: ${about.title}` }));
    }
    if (!metric.options.length) { box.hidden = true; return; }
    data.rows.forEach((row, place) => {
      for (const [how, text] of [["worst", "worst"], ["best", "best"]]) {
        order.append(make("option", { value: `${how}-${place}`, textContent: `${text} of ${row} first` }));
      }
    });
    let page = 0;
    const size = 25;

    const cost = (name, row, clip) => {
      const of = numbers(name)[row];
      if (!of) return NaN;
      const value = of.values[clip], direction = data.metrics[name].direction;
      if (direction === "closer") return Math.abs(value - of.references[clip]);
      return direction === "lower" ? value : -value;
    };
    const chosen = () => {
      const word = find.value.trim().toLowerCase();
      const clips = data.clips.map((_, place) => place).filter((place) =>
        data.clips[place].toLowerCase().includes(word) || data.names[place].toLowerCase().includes(word) || (data.speakers[place] ?? "").toLowerCase().includes(word));
      const [how, row] = order.value.split("-");
      if (how === "id") return clips;
      const costs = new Map(clips.map((clip) => [clip, cost(metric.value, Number(row), clip)]));
      const sign = how === "best" ? 1 : -1;
      return clips.sort((a, b) => {
        const x = costs.get(a), y = costs.get(b);
        return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : 1) : Number.isNaN(y) ? -1 : sign * (x - y);
      });
    };
    const show = () => {
      const clips = chosen(), of = numbers(metric.value);
      const pages = Math.max(1, Math.ceil(clips.length / size));
      page = Math.min(Math.max(page, 0), pages - 1);
      table.tHead.replaceChildren(make("tr", {}, make("th", { textContent: "Clip", scope: "col" }),
        make("th", { textContent: "Speaker", scope: "col" }), make("th", { textContent: "Seconds", scope: "col", className: "n" }),
        ...data.rows.map((row, place) => make("th", { scope: "col", className: "n" },
          make("span", { className: `swatch c${place % 8}${Math.floor(place / 8) % 2 ? " second" : ""}` }), row))));
      table.tBodies[0].replaceChildren(...clips.slice(page * size, (page + 1) * size).map((clip) => {
        const open = make("button", { type: "button", textContent: data.names[clip], title: data.clips[clip] });
        open.addEventListener("click", () => showOne(clip, open));
        return make("tr", {}, make("th", { scope: "row" }, open), make("td", { textContent: data.speakers[clip] ?? "–" }),
          make("td", { className: "n", textContent: data.seconds[clip] === null ? "–" : data.seconds[clip].toFixed(1) }),
          ...of.map((row) => make("td", { className: "n", textContent: row ? number(row.values[clip]) : "–" })));
      }));
      table.caption.textContent = `${data.metrics[metric.value].title} of ${clips.length} ${clips.length === 1 ? "clip" : "clips"}. Press a clip for its curves.`;
      box.querySelector(".page").textContent = `page ${page + 1} of ${pages}`;
      box.querySelector(".previous").disabled = page === 0;
      box.querySelector(".next").disabled = page === pages - 1;
    };
    const showOne = (clip, opener) => {
      const close = make("button", { type: "button", className: "plain", textContent: "Close" });
      close.addEventListener("click", () => { one.hidden = true; (opener.isConnected ? opener : find).focus(); });
      const rows = Object.keys(data.metrics).map((name) => make("tr", {}, make("th", { scope: "row", textContent: name }),
        ...numbers(name).map((row) => make("td", { className: "n", textContent: row ? number(row.values[clip]) : "–" }))));
      one.replaceChildren(make("h3", { textContent: data.names[clip] }), ...(data.names[clip] === data.clips[clip] ? [] : [make("p", { className: "soft small", textContent: data.clips[clip] })]),
        ...data.rows.flatMap((row, place) => data.curves.rows[place][clip] ?
          [make("h4", { textContent: row }), ...plots(data, place, clip)] : []),
        make("details", {}, make("summary", { textContent: "All its numbers" }), make("div", { className: "scroll" },
          make("table", {}, make("thead", {}, make("tr", {}, make("th", { textContent: "Metric", scope: "col" }),
            ...data.rows.map((row) => make("th", { scope: "col", className: "n", textContent: row })))), make("tbody", {}, ...rows)))), close);
      if (!data.rows.some((_, place) => data.curves.rows[place][clip])) {
        one.querySelector("h3").after(make("p", { className: "soft small", textContent: "Its curves are not in this page, which holds as many as fit; the table `clips` of the results has them." }));
      }
      one.hidden = false;
      one.scrollIntoView({ block: "nearest" });
    };
    const again = () => { page = 0; show(); };
    for (const choice of [metric, order]) choice.addEventListener("change", again);
    find.addEventListener("input", again);
    box.querySelector(".previous").addEventListener("click", () => { page -= 1; show(); });
    box.querySelector(".next").addEventListener("click", () => { page += 1; show(); });
    show();
  };

  for (const sheet of document.querySelectorAll(".sheet")) {
    const data = JSON.parse(sheet.querySelector(".clip-data").textContent);
    setUpFeatured(sheet);
    setUpTable(sheet);
    setUpGallery(sheet, data);
    setUpClips(sheet, data);
  }
})();
