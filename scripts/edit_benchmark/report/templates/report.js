"use strict";
// Every text of the data becomes a text node: nothing in it is ever parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { ui, models, judges, samples } = data;
  const byId = new Map(samples.map((sample, index) => [sample.id, index]));
  const labels = new Map(data.categories.map(({ key, label }) => [key, label]));
  const BATCH = 20;
  const $ = (id) => document.getElementById(id);

  function el(tag, props = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === undefined || value === null) continue;
      if (name in node && name !== "list") node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const words = (key) => key.replaceAll("_", " ");
  const digits = (value, judge) => value.toFixed(data.decimals[judge]);
  const small = (image) => `images/${image[0]}-small.jpg`;
  const large = (image) => `images/${image[0]}.jpg`;
  const spoken = (text, language, tag = "p") =>
    text ? el(tag, { lang: language, dir: "auto", textContent: text }) : null;
  const rowsOf = (sample, model) => sample.rows.filter((row) => row.model === model);

  // ----- Theme -----
  const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
  $("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", document.documentElement.dataset.theme); } catch { /* private window */ }
  });

  // ----- Tables -----
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[column];
        return "value" in cell.dataset ? (cell.dataset.value === "" ? null : +cell.dataset.value) : cell.textContent.trim();
      };
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" ? a - b : a.localeCompare(b, data.language);
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    }));
  }

  // ----- Filters -----
  const form = $("filters");
  const shownModels = new Set(models.keys());
  function fill(name, values, label = (value) => value) {
    const select = form.elements[name];
    for (const value of values) select.append(el("option", { value, textContent: label(value) }));
    // A choice of one is none.
    if (values.length < 2 && name !== "status") select.closest("label").hidden = true;
  }
  const distinct = (values) => [...new Set(values)].sort((a, b) => a.localeCompare(b, data.language));
  const NONE = "\u0000";
  fill("category", data.categories.map(({ key }) => key), (key) => labels.get(key));
  fill("status", Object.keys(data.words), (key) => data.words[key]);
  fill("difficulty", distinct(samples.map((sample) => sample.difficulty || NONE)), (value) => value === NONE ? ui.none : value);
  fill("tag", distinct(samples.flatMap((sample) => sample.tags)));
  fill("flag", distinct(samples.flatMap((sample) => sample.rows.flatMap((row) => row.flags ?? []))), words);
  if (form.elements.flag.options.length > 1) form.elements.flag.closest("label").hidden = false;
  fill("judge", judges.map((_, index) => String(index)), (index) => judges[+index]);
  models.forEach((model, index) => {
    const box = el("input", { type: "checkbox", name: "model", value: String(index), defaultChecked: true });
    $("models").append(el("label", {}, box, model));
  });
  if (models.length < 2) form.querySelector("fieldset").hidden = true;

  const haystack = samples.map((sample) => [sample.id, sample.instruction_en, sample.instruction_zh, sample.tags.join(" ")]
    .filter(Boolean).join("\n").toLocaleLowerCase());
  const judge = () => +form.elements.judge.value;
  const visibleRows = (sample) => sample.rows.filter((row) => row.judge === judge() && shownModels.has(row.model));

  function chosen() {
    const wanted = Object.fromEntries(["category", "status", "difficulty", "tag", "flag", "sort"].map((name) => [name, form.elements[name].value]));
    const search = form.elements.search.value.trim().toLocaleLowerCase();
    const matches = [];
    samples.forEach((sample, index) => {
      if (wanted.category && sample.category !== wanted.category) return;
      if (wanted.difficulty && (sample.difficulty || NONE) !== wanted.difficulty) return;
      if (wanted.tag && !sample.tags.includes(wanted.tag)) return;
      if (search && !haystack[index].includes(search)) return;
      const rows = visibleRows(sample);
      if (wanted.status && !rows.some((row) => row.status === wanted.status)) return;
      if (wanted.flag && !rows.some((row) => row.flags?.includes(wanted.flag))) return;
      const scores = rows.map((row) => row.score).filter((score) => score !== null && score !== undefined);
      const order = {
        benchmark: index,
        worst: scores.length ? Math.min(...scores) : Infinity,
        best: scores.length ? -Math.max(...scores) : Infinity,
        gap: scores.length > 1 ? -(Math.max(...scores) - Math.min(...scores)) : Infinity,
      }[wanted.sort];
      matches.push([order, index]);
    });
    matches.sort(([a, i], [b, j]) => (a === b ? i - j : a - b));
    return matches.map(([, index]) => index);
  }

  // ----- Gallery -----
  let listed = [];
  let rendered = 0;
  const gallery = $("gallery");

  function thumbnail(image, alt, className) {
    return el("img", { loading: "lazy", decoding: "async", width: image[1], height: image[2], src: small(image), alt, className });
  }

  function criteria(row) {
    const entries = Object.entries(row.criteria ?? {});
    if (!entries.length) return null;
    return el("ul", { className: "criteria" }, ...entries.map(([key, value]) => {
      if (value === null) return el("li", {}, words(key), el("span", { className: "off", textContent: ui.not_applicable }));
      const bar = el("i");
      const [lowest, highest] = data.scales[row.judge];
      bar.style.width = `${100 * (value - lowest) / (highest - lowest)}%`;
      return el("li", {}, el("span", { textContent: words(key) }), el("span", { className: "track", ariaHidden: "true" }, bar), el("span", { className: "value", textContent: digits(value, row.judge) }));
    }));
  }

  function verdict(row, named) {
    const scored = row.score !== null && row.score !== undefined;
    const flags = (row.flags ?? []).map((flag) => el("span", { className: "flag", textContent: words(flag) }));
    return el("div", {},
      el("div", { className: "score" },
        named ? el("span", { textContent: named }) : null,
        scored ? el("b", { textContent: digits(row.score, row.judge) }) : el("span", { className: `status ${row.status}`, textContent: data.words[row.status] }),
        ...flags),
      row.repeats ? el("div", { className: "quiet", textContent: `${ui.repeats} ${row.repeats.map((value) => (typeof value === "number" ? digits(value, row.judge) : data.words[value])).join(", ")}` }) : null,
      row.reason ? el("div", { className: "reason", dir: "auto", textContent: row.reason }) : null,
      criteria(row),
      row.text ? el("blockquote", { dir: "auto", title: ui.words, textContent: row.text }) : null);
  }

  // What a model edited: of a later turn of a chain its own edit of the turn before.
  const sourceOf = (sample, model) => sample.before ? sample.before[model] : sample.sources[0];

  function figure(sample, model) {
    const row = rowsOf(sample, model).find((entry) => entry.judge === judge());
    if (!row) return null;
    const image = sample.edits[model];
    let shown;
    if (image) {
      shown = el("button", { type: "button", className: "image", ariaLabel: `${ui.compare}: ${ui.edit_alt} ${sample.id} ${ui.by} ${models[model]}` },
        thumbnail(image, `${ui.edit_alt} ${sample.id} ${ui.by} ${models[model]}`), sourceOf(sample, model) && thumbnail(sourceOf(sample, model), "", "over"));
      shown.addEventListener("click", () => open(sample.id, "source", String(model), "slider"));
    } else {
      shown = el("div", { className: "no-image", textContent: ui.no_image });
    }
    const original = image ? el("a", { href: image[3], textContent: ui.original, ariaLabel: `${ui.original}: ${sample.id} ${models[model]}` }) : null;
    return el("figure", {}, shown, el("figcaption", {}, el("strong", { textContent: models[model] }), " ", original, verdict(row)));
  }

  function labelled(sample, image, name, shown) {
    return el("figure", {}, shown, el("figcaption", {}, el("strong", { textContent: name }), " ", el("a", { href: image[3], textContent: ui.original, ariaLabel: `${ui.original}: ${sample.id} ${name}` })));
  }

  // Of several source images each has its number, from 1; a single one has 0.
  function sourceFigure(sample, image, number) {
    const name = number ? `${ui.source} ${number}` : ui.source;
    const alt = `${ui.source_alt} ${sample.id}${number ? `, ${number}` : ""}${sample.description_en ? `: ${sample.description_en}` : ""}`;
    const shown = el("button", { type: "button", className: "image", ariaLabel: `${ui.compare}: ${ui.source_alt} ${sample.id}${number ? `, ${number}` : ""}` }, thumbnail(image, alt));
    shown.addEventListener("click", () => open(sample.id));
    return labelled(sample, image, name, shown);
  }

  function targetFigure(sample, image) {
    const alt = `${ui.target_alt} ${sample.id}`;
    const shown = el("button", { type: "button", className: "image", ariaLabel: `${ui.compare}: ${alt}` }, thumbnail(image, alt));
    shown.addEventListener("click", () => open(sample.id, String([...shownModels][0] ?? 0), "target", "slider"));
    return labelled(sample, image, ui.target, shown);
  }

  function texts(sample) {
    return [spoken(sample.instruction_en, "en"), spoken(sample.instruction_zh, "zh-Hans")].filter(Boolean);
  }

  function card(index) {
    const sample = samples[index];
    const compare = el("button", { type: "button", textContent: ui.compare, ariaLabel: `${ui.compare}: ${sample.id}` });
    compare.addEventListener("click", () => open(sample.id));
    const given = sample.before ? [] : sample.sources.length ? sample.sources.map((image, number) => sourceFigure(sample, image, sample.sources.length > 1 ? number + 1 : 0))
      : [el("figure", {}, el("div", { className: "no-image", textContent: ui.no_image }), el("figcaption", {}, el("strong", { textContent: ui.source })))];
    if (sample.mask) given.push(labelled(sample, sample.mask, ui.mask, thumbnail(sample.mask, `${ui.mask} ${sample.id}`)));
    // The target below the source: beside the edits, and where no scores stand.
    const known = sample.target ? [el("div", { className: "stacked" }, given[0], targetFigure(sample, sample.target)), ...given.slice(1)] : given;
    const extra = ["description", "rationale"].flatMap((what) => [spoken(sample[`${what}_en`], "en"), spoken(sample[`${what}_zh`], "zh-Hans")]).filter(Boolean);
    const node = el("article", { className: "card", tabIndex: -1, "data-id": sample.id },
      el("header", {},
        el("h3", {}, el("a", { href: `#${encodeURIComponent(sample.id)}`, title: ui.link }, el("bdi", { textContent: sample.id }))),
        el("span", { className: "chip", textContent: labels.get(sample.category) ?? sample.category }),
        sample.turn ? el("span", { className: "chip" }, `${ui.turn} ${sample.turn}`,
          sample.after ? el("a", { href: `#${encodeURIComponent(sample.after)}`, title: `${ui.before} ${sample.after}`, ariaLabel: `${ui.before} ${sample.after}`, textContent: " ←" }) : null) : null,
        sample.difficulty ? el("span", { className: "chip", dir: "auto", textContent: sample.difficulty }) : null,
        ...sample.tags.map((tag) => el("span", { className: "chip", dir: "auto", textContent: tag })),
        sample.human !== null ? el("span", { className: "chip", textContent: `${ui.human} ${sample.human.toFixed(2)}` }) : null,
        compare),
      ...texts(sample),
      extra.length ? el("details", {}, el("summary", { textContent: ui.more }), ...extra) : null,
      el("div", { className: "strip" },
        ...known,
        ...[...shownModels].sort((a, b) => a - b).map((model) => figure(sample, model)).filter(Boolean)));
    return node;
  }

  function more(count = BATCH) {
    const part = document.createDocumentFragment();
    for (const index of listed.slice(rendered, rendered + count)) part.append(card(index));
    rendered = Math.min(listed.length, rendered + count);
    gallery.append(part);
  }

  function refresh() {
    shownModels.clear();
    for (const box of form.querySelectorAll("input[name=model]:checked")) shownModels.add(+box.value);
    listed = chosen();
    rendered = 0;
    gallery.replaceChildren();
    $("count").textContent = listed.length ? `${listed.length} ${ui.shown} ${samples.length} ${ui.samples}` : ui.nothing;
    more();
    // The observer only tells of changes; after a new list the end may have stayed in view.
    watcher.unobserve($("end"));
    watcher.observe($("end"));
  }
  const watcher = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && rendered < listed.length) {
      more();
      watcher.unobserve($("end"));
      watcher.observe($("end"));
    }
  }, { rootMargin: "1500px" });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));

  function show(id, focus = true) {
    if (!byId.has(id)) return false;
    let position = listed.indexOf(byId.get(id));
    if (position < 0) { form.reset(); refresh(); position = listed.indexOf(byId.get(id)); }
    if (position >= rendered) more(position - rendered + 5);
    const node = gallery.children[position];
    gallery.querySelector(".here")?.classList.remove("here");
    node.classList.add("here");
    if (focus) node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "start" });
    return true;
  }
  function follow() {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    if (id && !id.startsWith("/")) show(id);
  }
  addEventListener("hashchange", follow);

  // ----- Comparing images -----
  const viewer = $("viewer");
  const stage = $("stage");
  const state = { id: "", left: "source", right: "0", mode: "slider" };
  // The sides of a comparison that are no model's edit.
  const fixed = { source: sourceOf, ...(samples.some((sample) => sample.target) ? { target: (sample) => sample.target } : {}) };
  const name = (side) => (side in fixed ? ui[side] : models[+side]);
  const imageOf = (sample, side, other) => (side in fixed ? fixed[side](sample, other) : sample.edits[side]);

  for (const id of ["viewer-left", "viewer-right"]) {
    for (const side of [...Object.keys(fixed), ...models.keys()].map(String)) $(id).append(el("option", { value: side, textContent: name(side) }));
    $(id).addEventListener("change", () => { state[id === "viewer-left" ? "left" : "right"] = $(id).value; draw(); });
  }

  function open(id, left, right, mode) {
    state.id = id;
    const shown = [...shownModels].sort((a, b) => a - b).map(String);
    state.left = left ?? (shown.length > 1 ? shown[0] : "source");
    state.right = right ?? (shown.length > 1 ? shown[1] : shown[0] ?? "0");
    state.mode = mode ?? "side";
    draw();
    if (!viewer.open) viewer.showModal();
  }

  function draw() {
    const sample = samples[byId.get(state.id)];
    const images = [imageOf(sample, state.left, state.right), imageOf(sample, state.right, state.left)];
    const both = images.every(Boolean);
    const mode = both ? state.mode : "side";
    $("viewer-title").replaceChildren(el("bdi", { textContent: sample.id }));
    $("viewer-texts").replaceChildren(...texts(sample));
    $("viewer-left").value = state.left;
    $("viewer-right").value = state.right;
    for (const button of viewer.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
      button.disabled = !both && button.dataset.mode !== "side";
    }
    stage.className = mode === "side" ? "side" : `over ${mode}`;
    stage.classList.toggle("gain", mode === "difference" && $("gain").firstElementChild.checked);
    $("handle").hidden = mode !== "slider";
    $("gain").hidden = mode !== "difference";
    stage.replaceChildren(...images.map((image, position) => {
      const side = [state.left, state.right][position];
      if (!image) return el("div", { className: "no-image", textContent: `${name(side)}: ${ui.no_image}` });
      const alt = side in fixed ? `${ui[`${side}_alt`]} ${sample.id}` : `${ui.edit_alt} ${sample.id} ${ui.by} ${name(side)}`;
      return el("img", { src: large(image), width: image[1], height: image[2], alt });
    }));
    $("viewer-scores").replaceChildren(el("div", { className: "pair" }, ...[state.left, state.right].map((side) => el("div", {},
      el("h3", { textContent: name(side) }),
      ...(side in fixed ? [] : rowsOf(sample, +side).map((row) => verdict(row, judges[row.judge]))),
    ))));
  }

  const at = $("handle").querySelector("input");
  function place(percent) { at.value = percent; stage.style.setProperty("--at", `${percent}%`); }
  at.addEventListener("input", () => place(at.value));
  function drag(event) {
    if (!stage.classList.contains("slider") || (event.type === "pointermove" && event.pointerType !== "mouse" && !event.buttons)) return;
    const box = stage.getBoundingClientRect();
    place(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
  }
  stage.addEventListener("pointermove", drag);
  stage.addEventListener("pointerdown", drag);
  $("gain").addEventListener("input", draw);

  function step(by) {
    const position = listed.indexOf(byId.get(state.id)) + by;
    if (position < 0 || position >= listed.length) return;
    state.id = samples[listed[position]].id;
    draw();
  }
  const acts = {
    close: () => viewer.close(),
    previous: () => step(-1),
    next: () => step(1),
    swap: () => { [state.left, state.right] = [state.right, state.left]; draw(); },
  };
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === viewer) viewer.close();
    else if (button?.dataset.act) acts[button.dataset.act]();
    else if (button?.dataset.mode) { state.mode = button.dataset.mode; draw(); }
  });
  viewer.addEventListener("close", () => show(state.id));

  // ----- Keys -----
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    if (viewer.open) {
      const modes = { 1: "side", 2: "slider", 3: "difference" };
      if (event.key in modes) { state.mode = modes[event.key]; draw(); }
      else if (event.key === "x") acts.swap();
      else if (!typing && event.key === "ArrowLeft") step(-1);
      else if (!typing && event.key === "ArrowRight") step(1);
      else return;
      event.preventDefault();
      return;
    }
    if (typing) return;
    const here = gallery.querySelector(".here");
    if (event.key === "/") { form.elements.search.focus(); event.preventDefault(); }
    else if (event.key === "j" || event.key === "k") {
      const next = here ? [...gallery.children].indexOf(here) + (event.key === "j" ? 1 : -1) : 0;
      if (next >= 0 && next < listed.length) show(samples[listed[next]].id);
    } else if (event.key === "Enter" && here && event.target === here) open(here.dataset.id);
  });

  refresh();
  follow();
})();
