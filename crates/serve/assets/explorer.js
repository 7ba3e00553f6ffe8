// The explorer: seeds, directions, mixing, arithmetic and walks.
(function (app) {
  "use strict";
  const { h, t } = app;

  const SEEDS = 24, MOST_HELD = 4, FIRST_DIRECTIONS = 8, MOST_UNDO = 200;
  const clone = (value) => JSON.parse(JSON.stringify(value));
  const round = (value, digits = 4) => Number(value.toFixed(digits));

  /** What the service is asked to draw. */
  function toPoint(state) {
    const point = { ...state.p };
    if (Object.keys(state.d).length) point.directions = state.d;
    if (Object.keys(state.n).length) point.numbers = state.n;
    if (state.t !== 1) point.trunc = state.t;
    return point;
  }

  const isPlainSeed = (state) => state.p.seed !== undefined && !Object.keys(state.d).length && !Object.keys(state.n).length;

  /** A face in words. */
  function describe(state) {
    const { p } = state;
    const base = p.seed !== undefined ? t("seed", { n: p.seed }) : p.mix ? t("mixOf", { n: p.mix.length }) : p.sum ? t("sumOf", { n: p.sum.length }) : t("custom");
    return isPlainSeed(state) || p.seed === undefined ? base : `${base}, ${t("custom")}`;
  }

  /** A state that came in an address, or null if it is none. */
  function checked(state) {
    const isObject = (value) => value && typeof value === "object" && !Array.isArray(value);
    if (!isObject(state) || !isObject(state.p)) return null;
    const numbers = (object) => Object.fromEntries(Object.entries(isObject(object) ? object : {}).filter(([key, value]) => /^\d+$/.test(key) && Number.isFinite(value)));
    const trunc = Number.isFinite(state.t) ? Math.min(10, Math.max(0, state.t)) : 1;
    return { p: state.p, d: numbers(state.d), n: numbers(state.n), t: trunc };
  }

  /** Draws the newest of the faces that were asked for: while one is on its way, those in between are left out. */
  class Painter {
    constructor(id, canvas, onerror) { Object.assign(this, { id, canvas, onerror, isBusy: false, next: null }); }

    paint(point) {
      this.next = point;
      if (!this.isBusy) this.run();
    }

    async run() {
      this.isBusy = true;
      while (this.next) {
        const point = this.next;
        this.next = null;
        const asked = performance.now();
        try {
          const image = await createImageBitmap(await (await drawing(this.id, { points: [point] })).blob());
          const { canvas } = this;
          const context = canvas.getContext("2d");
          context.imageSmoothingQuality = "high";
          context.drawImage(image, 0, 0, canvas.width, canvas.height);
          image.close();
          canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
          canvas.dataset.milliseconds = (performance.now() - asked).toFixed(1);
        } catch (error) { this.onerror(error); }
      }
      this.isBusy = false;
    }
  }

  const modelAddress = (id) => `/api/models/${encodeURIComponent(id)}`;
  const drawing = (id, body) => app.request(`${modelAddress(id)}/draw`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  app.ExplorerView = class {
    constructor(id, query) {
      Object.assign(this, { id, query });
      this.root = h("div", { class: "page explorer" }, h("p", { class: "note" }, `${t("loading")} …`));
      this.undone = [];
      this.done = [];
      this.held = [];
      this.firstSeed = 0;
      this.pad = [0.5, 0.5];
      this.isLong = false;
    }

    async start() {
      const models = (await app.json("/api/models")).models;
      if (!this.id) this.id = models[0];
      if (!this.id) {
        this.root.replaceChildren(app.message(t("noModel"), t("noModelText"), app.command("dcgan train --demo --preset quick --serve")));
        return;
      }
      this.models = models.includes(this.id) ? models : [this.id, ...models];
      this.facts = await app.json(modelAddress(this.id));
      document.title = `${t("explore")}: ${this.id} · dcgan`;
      this.state = { p: { seed: "0" }, d: {}, n: {}, t: 1 };
      this.read(this.query);
      try { this.names = JSON.parse(app.stored(`dcgan.names.${this.id}`)) || {}; } catch { this.names = {}; }
      this.build();
      this.changed();
    }

    // ------------------------------------------------------------ the address

    read(query) {
      try {
        const text = query.get("s");
        if (!text) return;
        const data = JSON.parse(text);
        const state = checked(data);
        if (state) this.state = state;
        this.held = (Array.isArray(data.h) ? data.h : []).map(checked).filter(Boolean).slice(0, MOST_HELD);
      } catch { /* an address that somebody has cut short: the first seed is shown */ }
    }

    remember() {
      const data = { ...this.state };
      if (this.held.length) data.h = this.held;
      app.replaceQuery(new URLSearchParams({ s: JSON.stringify(data) }), `/explore/${encodeURIComponent(this.id)}`);
    }

    /** Shows the state of another address of the same generator. */
    navigate({ parts, query }) {
      if (parts[0] !== "explore" || parts[1] !== this.id || !this.facts || !query.get("s")) return false;
      this.push();
      this.read(query);
      this.changed();
      return true;
    }

    // ------------------------------------------------------------ changes

    /** Keeps the state as it is now for undo. */
    push() {
      this.done.push(clone(this.state));
      if (this.done.length > MOST_UNDO) this.done.shift();
      this.undone = [];
    }

    set(state) {
      this.push();
      this.state = state;
      this.changed();
    }

    undo(from, to) {
      if (!from.length) return;
      to.push(clone(this.state));
      this.state = from.pop();
      this.changed();
    }

    /** The state has changed: everything that shows it does. */
    changed() {
      this.draw();
      this.showControls();
      this.saveLater();
    }

    draw() {
      this.canvas.setAttribute("aria-label", t("faceAlt", { what: describe(this.state) }));
      this.painter.paint(toPoint(this.state));
    }

    // ------------------------------------------------------------ what is shown

    build() {
      const { facts } = this;
      const side = facts.image_size * Math.max(1, Math.round(448 / facts.image_size));
      this.canvas = h("canvas", { width: side, height: side, role: "img", class: "face" });
      this.painter = new Painter(this.id, this.canvas, (error) => app.toast(error.message));
      this.saveLater = app.debounce(250, () => this.remember());
      this.what = h("p", { class: "what" });
      const model = h("select", { id: "model", onchange: () => { location.hash = app.exploreLink(model.value); } },
        this.models.map((id) => h("option", { value: id, ".selected": id === this.id }, id.endsWith("@best") ? t("best", { id: id.slice(0, -5) }) : id)));
      this.trunc = this.slider({ id: "trunc", label: t("trunc"), min: 0, max: 1.5, step: 0.01, value: 1, text: (value) => app.decimal(value), set: (value) => { this.state.t = round(value); } });
      this.undoButton = app.button(t("undo"), () => this.undo(this.done, this.undone), { "aria-keyshortcuts": "Control+Z" });
      this.redoButton = app.button(t("redo"), () => this.undo(this.undone, this.done));
      const scales = [1, 2, 4, 8, 16, 32].filter((scale) => scale * facts.image_size <= 4096);
      this.scale = h("select", { id: "scale", "aria-label": t("scale") }, scales.map((scale) => h("option", { value: scale, ".selected": scale === 4 }, `${scale}× (${scale * facts.image_size} px)`)));
      this.commandBox = h("div");
      const face = h("section", { class: "card face-card", "aria-labelledby": "face-title" }, h("h2", { id: "face-title", class: "offscreen" }, t("face")), this.canvas, this.what);
      const tools = h("section", { class: "card tools-card", "aria-labelledby": "tools-title" },
        h("h2", { id: "tools-title", class: "offscreen" }, t("download")), this.trunc.root, h("p", { class: "note" }, t("truncHelp")),
        h("div", { class: "row" }, app.button(t("hold"), () => this.hold(), { class: "primary" }), app.button(t("random"), () => this.set({ ...this.state, p: { seed: String(Math.floor(Math.random() * 1e6)) }, d: {}, n: {} })), this.undoButton, this.redoButton, app.button(t("reset"), () => this.set({ ...this.state, d: {}, n: {}, t: 1 }))),
        h("div", { class: "row" }, app.button(t("link"), () => { this.remember(); app.copy(location.href, t("linkCopied")); }), this.scale, app.button(t("picture"), () => this.download("png")), app.button(t("noiseFile"), () => this.download("npy"))),
        h("details", {}, h("summary", {}, t("command")), this.commandBox));
      this.heldBox = h("div", { class: "held" });
      this.heldCard = h("section", { class: "card panel-held", "aria-labelledby": "held-title" }, h("h2", { id: "held-title" }, t("held")), h("p", { class: "note" }, t("heldHelp")), this.heldBox);
      const panels = [this.seedsPanel(), this.heldCard, this.directionsPanel(), this.mixPanel(), this.arithmeticPanel(), this.walkPanel(), this.numbersPanel()];
      this.root.replaceChildren(
        h("div", { class: "head title" }, h("h1", {}, t("explore")), h("label", { class: "pick", for: "model" }, t("model"), model)),
        h("div", { class: "bench" }, h("div", { class: "left" }, face, tools), h("div", { class: "right" }, panels)));
      this.root.addEventListener("keydown", (event) => {
        if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && event.target.type !== "text") {
          event.preventDefault();
          if (event.shiftKey) this.undo(this.undone, this.done);
          else this.undo(this.done, this.undone);
        }
      });
      this.showHeld();
    }

    /** A slider that changes the state: while it is dragged, one step for undo. */
    slider({ set, ...options }) {
      let isDragging = false;
      return app.range({
        ...options,
        oninput: (value) => {
          if (!isDragging) { this.push(); isDragging = true; }
          set(value);
          this.draw();
          this.showWords();
        },
        onchange: () => { isDragging = false; this.changed(); },
      });
    }

    panel(name, help, ...content) {
      const id = `panel-${name}`;
      return h("section", { class: `card panel panel-${name}`, "aria-labelledby": id }, h("h2", { id }, t(name)), h("p", { class: "note" }, help), content);
    }

    seedsPanel() {
      this.seedGrid = h("div", { class: "seeds" });
      const jump = h("input", { type: "text", inputmode: "numeric", id: "go-seed", size: 8, ".value": "0" });
      const go = (first) => { this.firstSeed = Math.max(0, first); jump.value = String(this.firstSeed); this.showSeeds(); };
      this.showSeeds();
      return this.panel("seeds", t("seedsHelp"), this.seedGrid,
        h("div", { class: "row" }, app.button("←", () => go(this.firstSeed - SEEDS), { "aria-label": t("prev") }), app.button("→", () => go(this.firstSeed + SEEDS), { "aria-label": t("next") }),
          h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); go(Math.min(2 ** 32, parseInt(jump.value, 10) || 0)); } }, h("label", { for: "go-seed" }, t("goSeed")), jump)));
    }

    showSeeds() {
      const { facts } = this;
      this.seedGrid.replaceChildren(...Array.from({ length: SEEDS }, (_, place) => {
        const seed = String(this.firstSeed + place);
        const image = h("img", { src: `${modelAddress(this.id)}/face.png?seed=${seed}&v=${facts.fingerprint}`, alt: "", width: facts.image_size, height: facts.image_size });
        return h("button", { type: "button", class: "seed", "data-seed": seed, "aria-label": t("seed", { n: seed }), "aria-pressed": "false", onclick: () => this.set({ ...this.state, p: { seed }, d: {}, n: {} }) }, image, h("span", {}, seed));
      }));
    }

    directionName(index) { return this.names[index] || t("direction", { n: index + 1 }); }

    directionsPanel() {
      this.directionList = h("div", { class: "sliders" });
      this.longButton = app.button("", () => { this.isLong = !this.isLong; this.showDirections(); }, { class: "small" });
      this.showDirections();
      return this.panel("directions", t("directionsHelp"), this.directionList, this.longButton);
    }

    showDirections() {
      const all = this.facts.direction_gains.length;
      const count = this.isLong ? all : Math.min(FIRST_DIRECTIONS, all);
      this.directionSliders = Array.from({ length: count }, (_, index) => {
        const slider = this.slider({ id: `direction-${index}`, label: "", min: -6, max: 6, step: 0.05, value: this.state.d[index] || 0, text: (value) => app.decimal(value), set: (value) => { if (value === 0) delete this.state.d[index]; else this.state.d[index] = round(value); } });
        slider.input.setAttribute("aria-label", t("amount", { name: this.directionName(index) }));
        const name = h("input", {
          type: "text", class: "name", ".value": this.directionName(index), "aria-label": t("rename", { n: index + 1 }), maxlength: 40,
          onchange: () => {
            const text = name.value.trim();
            if (text && text !== t("direction", { n: index + 1 })) this.names[index] = text;
            else delete this.names[index];
            name.value = this.directionName(index);
            slider.input.setAttribute("aria-label", t("amount", { name: this.directionName(index) }));
            app.store(`dcgan.names.${this.id}`, JSON.stringify(this.names));
          },
        });
        slider.root.querySelector("label").replaceWith(name);
        return slider;
      });
      this.directionList.replaceChildren(...this.directionSliders.map((slider) => slider.root));
      this.longButton.hidden = all <= FIRST_DIRECTIONS;
      this.longButton.textContent = this.isLong ? t("fewer") : t("moreDirections", { n: all - FIRST_DIRECTIONS });
    }

    numbersPanel() {
      const { latent_dim: count } = this.facts;
      this.number = h("input", { type: "number", id: "number", min: 0, max: count - 1, ".value": "0", onchange: () => { this.number.value = String(Math.min(count - 1, Math.max(0, parseInt(this.number.value, 10) || 0))); this.showNumber(); } });
      this.numberSlider = this.slider({ id: "number-value", label: "", min: -4, max: 4, step: 0.05, value: 0, text: (value) => app.decimal(value), set: (value) => { this.state.n[this.number.value] = round(value); } });
      this.numberList = h("div", { class: "row" });
      return this.panel("numbers", t("numbersHelp", { n: count }), h("div", { class: "row numbers-row" }, h("label", { for: "number" }, t("number")), this.number, this.numberSlider.root), this.numberList);
    }

    showNumber() {
      const place = this.number.value;
      this.numberSlider.set(this.state.n[place] ?? 0);
      this.numberSlider.input.setAttribute("aria-label", t("value", { n: place }));
      this.numberList.replaceChildren(...Object.keys(this.state.n).map((key) => app.button(`${key}: ${app.decimal(this.state.n[key])} ×`, () => {
        const { [key]: _, ...rest } = this.state.n;
        this.set({ ...this.state, n: rest });
      }, { class: "small", "aria-label": `${t("clear")} ${key}` })));
    }

    // ------------------------------------------------------------ held faces

    hold() {
      if (this.held.length >= MOST_HELD) { app.toast(t("holdFull")); return; }
      this.held.push(clone(this.state));
      this.showHeld();
      this.saveLater();
    }

    showHeld() {
      const { facts } = this;
      this.thumbs = [];
      this.heldBox.replaceChildren(...(this.held.length ? this.held.map((state, place) => {
        const canvas = h("canvas", { width: facts.image_size, height: facts.image_size, "aria-hidden": "true" });
        new Painter(this.id, canvas, () => {}).paint(toPoint(state));
        this.thumbs.push(canvas);
        const letter = "ABCD"[place], what = `${letter}, ${describe(state)}`;
        return h("div", { class: "held-face" },
          h("button", { type: "button", class: "seed", "aria-label": t("use", { what }), onclick: () => this.set(clone(state)) }, canvas, h("span", {}, letter)),
          app.button("×", () => { this.held.splice(place, 1); this.showHeld(); this.saveLater(); }, { class: "drop", "aria-label": t("drop", { what }) }));
      }) : [h("p", { class: "empty" }, t("noHeld"))]));
      this.showPad();
      const n = this.held.length;
      this.sumNote.hidden = n >= 3;
      this.sumButton.disabled = n < 3;
      this.walkNote.hidden = n >= 2;
      this.walkButton.disabled = n < 2;
      this.terms.forEach((select, place) => {
        const chosen = Math.min(this.chosenTerms[place], n - 1);
        select.replaceChildren(...this.held.map((_, index) => h("option", { value: index, ".selected": index === chosen }, "ABCD"[index])));
        select.disabled = n === 0;
      });
    }

    mixPanel() {
      this.puck = h("span", { class: "puck", "aria-hidden": "true" });
      this.corners = h("div", { class: "corners", "aria-hidden": "true" });
      this.padBox = h("div", { class: "pad", role: "application", tabindex: "0", "aria-label": t("pad") }, this.corners, this.puck);
      this.padNote = h("p", { class: "empty" }, t("needHeld", { n: 2 }));
      let isDragging = false;
      const follow = (event) => {
        const box = this.padBox.getBoundingClientRect();
        const part = (value, start, size) => Math.min(1, Math.max(0, (value - start) / size));
        this.pad = [part(event.clientX, box.left, box.width), part(event.clientY, box.top, box.height)];
        this.mix();
      };
      this.padBox.addEventListener("pointerdown", (event) => {
        if (this.held.length < 2) return;
        isDragging = true;
        this.padBox.setPointerCapture(event.pointerId);
        this.push();
        follow(event);
      });
      this.padBox.addEventListener("pointermove", (event) => { if (isDragging) follow(event); });
      const end = () => { if (isDragging) { isDragging = false; this.changed(); } };
      this.padBox.addEventListener("pointerup", end);
      this.padBox.addEventListener("pointercancel", end);
      this.padBox.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!by || this.held.length < 2) return;
        event.preventDefault();
        this.push();
        this.pad = this.pad.map((value, axis) => Math.min(1, Math.max(0, value + by[axis] * (event.shiftKey ? 0.2 : 0.05))));
        this.mix();
        this.changed();
        app.toast(t("padValue", { x: Math.round(100 * this.pad[0]), y: Math.round(100 * this.pad[1]) }));
      });
      return this.panel("mix", t("mixHelp"), this.padNote, this.padBox);
    }

    /** The weights of the held faces at the point on the pad. */
    weights() {
      const [x, y] = this.pad;
      if (this.held.length === 2) return [1 - x, x];
      if (this.held.length === 3) return [(1 - y) * (1 - x), (1 - y) * x, y];
      return [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
    }

    mix() {
      this.state = { p: { mix: this.held.map(toPoint), weights: this.weights().map((weight) => round(weight)) }, d: {}, n: {}, t: 1 };
      this.draw();
      this.showPuck();
      this.showWords();
    }

    showPad() {
      const n = this.held.length;
      this.padNote.hidden = n >= 2;
      this.padBox.hidden = n < 2;
      this.padBox.dataset.count = String(n);
      this.corners.replaceChildren(...this.thumbs.map((canvas, place) => {
        const copy = h("canvas", { width: canvas.width, height: canvas.height });
        new Painter(this.id, copy, () => {}).paint(toPoint(this.held[place]));
        return copy;
      }));
      this.showPuck();
    }

    showPuck() {
      this.puck.style.insetInlineStart = `${100 * this.pad[0]}%`;
      this.puck.style.insetBlockStart = `${100 * (this.held.length === 2 ? 0.5 : this.pad[1])}%`;
    }

    arithmeticPanel() {
      this.chosenTerms = [0, 1, 2];
      this.terms = [0, 1, 2].map((place) => h("select", { "aria-label": "ABC"[place], id: `term-${place}`, onchange: (event) => { this.chosenTerms[place] = Number(event.target.value); } }));
      const [a, b, c] = this.terms;
      this.sumNote = h("p", { class: "empty" }, t("needHeld", { n: 3 }));
      this.sumButton = app.button(t("showResult"), () => {
        const chosen = this.terms.map((select) => toPoint(this.held[Number(select.value)]));
        this.set({ p: { sum: chosen, weights: [1, -1, 1] }, d: {}, n: {}, t: 1 });
      });
      return this.panel("arithmetic", t("arithmeticHelp"), this.sumNote, h("div", { class: "row" }, a, t("minus"), b, t("plus"), c, this.sumButton));
    }

    walkPanel() {
      this.walkNote = h("p", { class: "empty" }, t("needHeld", { n: 2 }));
      const number = (id, value, min, max) => h("input", { type: "number", id, min, max, ".value": String(value) });
      const frames = number("frames", 24, 2, 60), fps = number("fps", 24, 1, 50), loop = h("input", { type: "checkbox", id: "loop", ".checked": true });
      const body = (format) => ({
        points: this.held.map(toPoint), format, frames: Math.min(60, Math.max(2, parseInt(frames.value, 10) || 24)), fps: Math.min(50, Math.max(1, parseInt(fps.value, 10) || 24)), loop: loop.checked,
        scale: Math.max(1, Math.floor(256 / this.facts.image_size)),
      });
      const make = async (format) => (await drawing(this.id, body(format))).blob();
      const attempt = (action) => async () => { try { await action(); } catch (error) { app.toast(error.message); } };
      this.walkImage = h("img", { class: "walk", alt: t("walkAlt"), hidden: true, width: 256, height: 256 });
      const saves = h("div", { class: "row", hidden: true }, app.button(t("saveGif"), attempt(async () => app.save(await make("gif"), "walk.gif"))), app.button(t("saveApng"), attempt(async () => app.save(await make("apng"), "walk.png"))));
      this.walkButton = app.button(t("makeWalk"), attempt(async () => {
        const blob = await make("apng");
        if (this.walkImage.src) URL.revokeObjectURL(this.walkImage.src);
        this.walkImage.src = URL.createObjectURL(blob);
        this.walkImage.hidden = false;
        saves.hidden = false;
      }));
      return this.panel("walk", t("walkHelp"), this.walkNote,
        h("div", { class: "row fields" }, h("label", { for: "frames" }, t("frames"), frames), h("label", { for: "fps" }, t("fps"), fps), h("label", { class: "check", for: "loop" }, loop, t("loop")), this.walkButton), this.walkImage, saves);
    }

    // ------------------------------------------------------------ words and files

    showWords() {
      this.what.textContent = describe(this.state);
    }

    showControls() {
      this.showWords();
      this.trunc.set(this.state.t);
      this.directionSliders.forEach((slider, index) => slider.set(this.state.d[index] || 0));
      this.showNumber();
      this.undoButton.disabled = !this.done.length;
      this.redoButton.disabled = !this.undone.length;
      for (const button of this.seedGrid.children) button.setAttribute("aria-pressed", String(button.dataset.seed === this.state.p.seed));
      const file = app.quoted(this.facts.file);
      const isSeed = isPlainSeed(this.state);
      const trunc = this.state.t === 1 ? "" : ` --trunc ${this.state.t}`;
      const command = isSeed ? `dcgan generate ${file} --seeds ${this.state.p.seed}${trunc} --out faces/` : `dcgan generate ${file} --latents noise.npy --out faces/`;
      this.commandBox.replaceChildren(isSeed ? "" : h("p", { class: "note" }, t("commandNpy")), app.command(command));
    }

    async download(format) {
      try {
        const scale = format === "png" ? Number(this.scale.value) : 1;
        const response = await drawing(this.id, { points: [toPoint(this.state)], format, scale });
        const name = isPlainSeed(this.state) ? `seed-${String(this.state.p.seed).padStart(4, "0")}` : "face";
        app.save(await response.blob(), format === "npy" ? "noise.npy" : `${name}.png`);
      } catch (error) { app.toast(error.message); }
    }

    destroy() {
      if (this.walkImage?.src) URL.revokeObjectURL(this.walkImage.src);
    }
  };
})(window.dcgan);
