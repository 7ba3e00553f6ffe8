// The list of runs, one run, and runs compared.
(function (app) {
  "use strict";
  const { h, t } = app;

  const runAddress = (id) => `/api/runs/${encodeURIComponent(id)}`;
  app.exploreLink = (id) => `#/explore/${encodeURIComponent(id)}`;

  /** A run that the service shows. */
  app.liveSource = (id) => ({
    id,
    isLive: true,
    details: () => app.json(runAddress(id)),
    metrics: (after, until) => app.json(`${runAddress(id)}/metrics?after=${after}${until === null ? "" : `&until=${until}`}`),
    sample: (epoch) => `${runAddress(id)}/samples/${epoch}.png`,
    dataSheet: () => `${runAddress(id)}/data.png`,
    /** Calls `on.metrics`, `on.run`, `on.reset`, `on.lost` and `on.back`; returns a function that ends it. */
    follow(after, on) {
      const stream = new EventSource(`${runAddress(id)}/events?after=${after}`);
      let isLost = false;
      stream.onopen = () => { if (isLost) { isLost = false; on.back(); } };
      stream.onerror = () => { if (!isLost) { isLost = true; on.lost(); } };
      stream.addEventListener("metrics", (event) => on.metrics(JSON.parse(event.data)));
      stream.addEventListener("run", (event) => on.run(JSON.parse(event.data)));
      stream.addEventListener("resync", () => on.resync());
      stream.addEventListener("reset", (event) => on.reset(JSON.parse(event.data).last_step));
      return () => stream.close();
    },
  });

  /** A run that is in a report. */
  app.reportSource = (report) => ({
    id: report.run.id,
    isLive: false,
    details: async () => report.run,
    metrics: async (after, until) => {
      const all = report.metrics;
      const places = all.step.map((step, place) => [step, place]).filter(([step]) => step > after && (until === null || step <= until)).map(([, place]) => place);
      const pick = (list) => places.map((place) => list[place]);
      const series = Object.fromEntries(Object.entries(all.series).map(([name, bands]) => [name, Object.fromEntries(Object.entries(bands).map(([edge, list]) => [edge, pick(list)]))]));
      return { ...all, step: pick(all.step), epoch: pick(all.epoch), series, evaluations: all.evaluations.slice() };
    },
    sample: (epoch) => report.pictures[epoch],
    dataSheet: () => report.data_sheet,
    follow: () => () => {},
  });

  const progressOf = (run) => (run.steps ? Math.min(1, run.step / run.steps) : 0);
  const epochText = (run) => (run.epochs ? t("epochOf", { a: app.integer(run.epoch), b: app.integer(run.epochs) }) : t("epochN", { n: app.integer(run.epoch) }));

  // ---------------------------------------------------------------- the list

  app.RunsView = class {
    constructor() {
      this.selected = new Set();
      this.filter = h("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: () => this.show() });
      this.compare = h("a", { class: "button", hidden: true });
      this.count = h("p", { class: "note" });
      this.list = h("ul", { class: "runs" });
      this.body = h("div", { class: "stack" }, h("p", { class: "note" }, `${t("loading")} …`));
      this.root = h("div", { class: "page" }, this.body);
      this.cards = new Map();
    }

    async start() {
      await this.load();
      this.timer = setInterval(() => { if (!document.hidden) this.load().catch(() => {}); }, 3000);
    }

    async load() {
      this.runs = (await app.json("/api/runs")).runs;
      this.show();
    }

    show() {
      if (this.runs.length === 0) {
        this.body.replaceChildren(app.message(t("noRuns"), t("noRunsText"), app.command("dcgan train --demo --preset quick --serve")));
        return;
      }
      if (!this.list.isConnected) {
        app.fill(this.body,
          h("div", { class: "head" }, h("div", {}, h("h1", {}, t("runs")), this.count), h("div", { class: "row" }, this.filter, this.compare)),
          this.list, this.runs.length > 1 ? h("p", { class: "note" }, t("compareHint")) : null);
      }
      this.count.textContent = this.runs.length === 1 ? t("oneRun") : t("runsText", { n: app.integer(this.runs.length) });
      const wanted = this.filter.value.trim().toLowerCase();
      const shown = this.runs.filter((run) => `${run.id} ${run.data || ""}`.toLowerCase().includes(wanted));
      const items = shown.map((run) => this.card(run));
      // Elements stay, so that what has the focus keeps it.
      if (items.length !== this.list.children.length || items.some((item, place) => item !== this.list.children[place])) this.list.replaceChildren(...items);
      const n = this.selected.size;
      this.compare.hidden = n < 2;
      this.compare.textContent = t("compare", { n });
      this.compare.href = `#/compare?runs=${[...this.selected].map(encodeURIComponent).join(",")}`;
    }

    card(run) {
      let card = this.cards.get(run.id);
      if (!card) {
        const box = h("input", { type: "checkbox", "aria-label": t("select", { id: run.id }), onchange: () => { this.selected[box.checked ? "add" : "delete"](run.id); this.show(); } });
        const image = h("img", { alt: "", loading: "lazy", width: 530, height: 266 });
        const badge = h("span"), facts = h("p", { class: "facts" }), bar = h("div", { class: "progress" }, h("i"));
        const root = h("li", { class: "run-card" },
          h("a", { class: "cover", href: `#/run/${encodeURIComponent(run.id)}` }, h("div", { class: "thumb" }, image), h("span", { class: "name" }, run.id)),
          h("div", { class: "row between" }, badge, box), facts, bar);
        card = { root, image, badge, facts, bar };
        this.cards.set(run.id, card);
      }
      card.badge.className = `badge ${run.state}`;
      card.badge.textContent = t(run.state);
      const left = run.seconds_left ? ` · ${t("soon", { t: app.duration(run.seconds_left) })}` : "";
      card.facts.textContent = `${epochText(run)} · ${app.time(run.started)}${left}`;
      card.bar.firstChild.style.inlineSize = `${100 * progressOf(run)}%`;
      const last = run.samples.at(-1);
      if (last !== undefined) {
        const address = `${runAddress(run.id)}/samples/${last}.png`;
        if (card.image.getAttribute("src") !== address) card.image.src = address;
      } else card.image.removeAttribute("src");
      return card.root;
    }

    destroy() { clearInterval(this.timer); }
  };

  app.CompareView = class {
    constructor(query) {
      this.ids = (query.get("runs") || "").split(",").filter(Boolean).map(decodeURIComponent).slice(0, 6);
      this.comparison = new app.Comparison(this.ids);
      this.faces = h("div", { class: "side" });
      this.root = h("div", { class: "page" }, h("p", {}, h("a", { href: "#/" }, `← ${t("back")}`)), h("h1", {}, t("compareTitle")), this.comparison.root, h("section", { class: "card" }, h("h2", {}, t("faces")), this.faces));
    }

    async start() {
      const runs = (await app.json("/api/runs")).runs;
      this.faces.replaceChildren(...this.ids.map((id) => {
        const run = runs.find((one) => one.id === id);
        const last = run?.samples.at(-1);
        return h("figure", {}, last === undefined ? null : h("img", { src: `${runAddress(id)}/samples/${last}.png`, alt: t("facesAlt", { n: last }) }),
          h("figcaption", {}, h("a", { href: `#/run/${encodeURIComponent(id)}` }, id), last === undefined ? "" : ` · ${t("epochN", { n: last })}`));
      }));
      await this.comparison.start();
    }

    restyle() { this.comparison.restyle(); }
    destroy() { this.comparison.destroy(); }
  };

  // ---------------------------------------------------------------- the faces of a run

  /** The sheets of faces through the epochs. */
  class Faces {
    constructor(source, query) {
      this.source = source;
      this.epochs = [];
      this.images = new Map();
      const asked = query.get("epoch");
      /** The epochs that were chosen; null follows the newest. */
      this.chosen = [asked === null ? null : Number(asked), query.get("with") === null ? undefined : Number(query.get("with"))];
      this.frames = [0, 1].map(() => h("div", { class: "frame" }));
      this.labels = [0, 1].map(() => h("figcaption", {}));
      this.figures = [0, 1].map((side) => h("figure", { class: "sheet", hidden: side === 1 }, this.frames[side], this.labels[side]));
      this.sliders = [0, 1].map((side) => app.range({
        id: `epoch-${side}`, label: side === 0 ? t("epochSlider") : t("epochSliderB"), min: 0, max: 0, step: 1, value: 0,
        text: (place) => this.name(this.epochs[place] ?? 0),
        oninput: (place) => this.choose(side, this.epochs[place]),
      }));
      this.sliders[1].root.hidden = true;
      this.play = app.button(t("play"), () => this.toggle(), { "aria-keyshortcuts": "Space" });
      this.follow = h("input", { type: "checkbox", id: "follow", onchange: () => { this.stop(); this.chosen[0] = this.follow.checked ? null : this.shown(0); this.show(); } });
      this.two = app.button(t("twoEpochs"), () => this.toggleTwo(), { "aria-pressed": "false" });
      this.empty = h("p", { class: "empty" }, t("noFaces"));
      this.view = h("div", { class: "sheets" }, this.figures);
      this.root = h("section", { class: "card faces", "aria-labelledby": "faces-title" },
        h("div", { class: "head" }, h("h2", { id: "faces-title" }, t("faces")),
          h("div", { class: "row" }, source.isLive ? h("label", { class: "check", for: "follow" }, this.follow, t("follow")) : null, this.two)),
        this.empty, this.view,
        this.controls = h("div", { class: "controls" }, this.play, h("div", { class: "sliders" }, this.sliders.map((slider) => slider.root))),
        h("p", { class: "note keys" }, t("keys")));
      this.root.addEventListener("keydown", (event) => this.key(event));
    }

    name(epoch) { return epoch === 0 ? t("before") : t("epochN", { n: app.integer(epoch) }); }

    /** The epoch that is shown on a side. */
    shown(side) {
      const chosen = this.chosen[side];
      if (chosen === null || chosen === undefined) return this.epochs.at(-1);
      // The nearest that there is.
      return this.epochs.reduce((best, epoch) => (Math.abs(epoch - chosen) < Math.abs(best - chosen) ? epoch : best), this.epochs[0]);
    }

    setEpochs(epochs, isAgain) {
      if (isAgain) this.images.clear();
      if (!isAgain && epochs.length === this.epochs.length && epochs.at(-1) === this.epochs.at(-1)) return;
      this.epochs = epochs;
      this.show();
    }

    choose(side, epoch, isPlaying) {
      if (!isPlaying) this.stop();
      this.chosen[side] = epoch;
      this.show();
      this.remember();
    }

    toggleTwo() {
      this.chosen[1] = this.chosen[1] === undefined ? this.epochs[0] : undefined;
      this.show();
      this.remember();
    }

    remember() {
      const query = new URLSearchParams();
      if (this.chosen[0] !== null) query.set("epoch", this.chosen[0]);
      if (this.chosen[1] !== undefined) query.set("with", this.chosen[1]);
      if (this.source.isLive) app.replaceQuery(query);
    }

    image(epoch) {
      let image = this.images.get(epoch);
      if (!image) {
        image = h("img", { src: this.source.sample(epoch), alt: "", decoding: "async" });
        this.images.set(epoch, image);
        if (this.images.size > 400) this.images.delete(this.images.keys().next().value);
      }
      return image;
    }

    async showSide(side) {
      const epoch = this.shown(side);
      const frame = this.frames[side];
      this.labels[side].textContent = this.name(epoch);
      if (frame.dataset.epoch === String(epoch) && this.images.has(epoch)) return;
      frame.dataset.epoch = String(epoch);
      const image = this.image(epoch);
      try { await image.decode(); } catch { /* shown as it comes */ }
      // Another epoch may have been chosen while this one was loaded.
      if (frame.dataset.epoch !== String(epoch)) return;
      // The same sheet may be shown twice.
      const copy = image.isConnected && image.parentNode !== frame ? image.cloneNode() : image;
      copy.alt = t("facesAlt", { n: epoch });
      frame.replaceChildren(copy);
    }

    show() {
      const has = this.epochs.length > 0;
      this.empty.hidden = has;
      this.view.hidden = !has;
      this.controls.hidden = !has;
      if (!has) return;
      this.follow.checked = this.chosen[0] === null;
      const isTwo = this.chosen[1] !== undefined;
      this.two.textContent = isTwo ? t("oneEpoch") : t("twoEpochs");
      this.two.setAttribute("aria-pressed", String(isTwo));
      this.figures[1].hidden = !isTwo;
      this.sliders[1].root.hidden = !isTwo;
      this.view.classList.toggle("two", isTwo);
      for (const side of isTwo ? [0, 1] : [0]) {
        this.sliders[side].input.max = this.epochs.length - 1;
        this.sliders[side].set(this.epochs.indexOf(this.shown(side)));
        this.showSide(side);
      }
    }

    /** Moves by some epochs. */
    step(by) {
      const place = this.epochs.indexOf(this.shown(0)) + by;
      this.choose(0, this.epochs[Math.min(this.epochs.length - 1, Math.max(0, place))]);
    }

    toggle() {
      if (this.timer) { this.stop(); return; }
      if (this.epochs.length < 2) return;
      if (this.shown(0) === this.epochs.at(-1)) this.choose(0, this.epochs[0]);
      this.play.textContent = t("pause");
      const pace = Math.max(80, Math.min(450, 9000 / this.epochs.length));
      this.timer = setInterval(() => {
        const place = this.epochs.indexOf(this.shown(0)) + 1;
        if (place >= this.epochs.length) { this.stop(); return; }
        this.image(this.epochs[Math.min(place + 3, this.epochs.length - 1)]);
        this.choose(0, this.epochs[place], true);
      }, pace);
    }

    stop() {
      clearInterval(this.timer);
      this.timer = 0;
      this.play.textContent = t("play");
    }

    key(event) {
      const isSlider = event.target.type === "range", isControl = ["BUTTON", "INPUT", "A"].includes(event.target.tagName);
      if (event.key === " " && !(isControl && !isSlider)) { event.preventDefault(); this.toggle(); }
      if (isSlider || event.altKey || event.ctrlKey || event.metaKey) return;
      const actions = { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), Home: () => this.choose(0, this.epochs[0]), End: () => this.choose(0, this.epochs.at(-1)) };
      if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
    }

    destroy() { this.stop(); }
  }

  // ---------------------------------------------------------------- words about a run

  app.healthText = function (line) {
    if (!line) return [];
    const percent = (value) => Math.round(100 * value);
    if (line.findings.length === 0) {
      return [line.diversity === null || line.diversity === undefined ? t("balanced") : t("balancedVaried", { n: percent(line.diversity) })];
    }
    return line.findings.map((finding) => {
      const values = { ...finding };
      for (const name of ["sharpness", "diversity"]) if (name in values) values[name] = percent(values[name]);
      for (const name of ["recall", "precision", "floor"]) if (name in values) values[name] = app.decimal(values[name], 2);
      return app.words.en[finding.finding] ? t(finding.finding, values) : line.text;
    });
  };

  /** A text whose options of the command line, such as `--augment translation`, are not broken between lines. */
  function withOptions(text) {
    return text.split(/(--[a-z0-9-]+(?: [a-z]+)?)/).map((part, index) => (index % 2 ? h("span", { class: "option" }, part) : part));
  }

  function healthCard() {
    const body = h("div", {}), root = h("section", { class: "card health", "aria-labelledby": "health-title" }, h("h2", { id: "health-title" }, t("health")), body);
    return {
      root,
      show(run) {
        const line = run.health;
        const texts = app.healthText(line);
        root.classList.toggle("good", !!line && line.findings.length === 0);
        root.classList.toggle("bad", !!line && line.findings.length > 0);
        app.fill(body, ...(texts.length ? texts.map((text) => h("p", { class: "verdict" }, ...withOptions(text))) : [h("p", { class: "empty" }, t("noHealth"))]),
          line ? h("p", { class: "note" }, t("healthOf", { n: app.integer(line.epoch) })) : null);
      },
    };
  }

  function factsCard() {
    const list = h("dl", { class: "tiles" });
    return {
      root: list,
      show(run) {
        const facts = [
          [t("epoch"), run.epochs ? `${app.integer(run.epoch)} / ${app.integer(run.epochs)}` : app.integer(run.epoch)],
          [t("step"), run.steps ? `${app.integer(run.step)} / ${app.integer(run.steps)}` : app.integer(run.step)],
          [t("speedLabel"), run.images_per_second ? t("speedText", { n: app.integer(run.images_per_second) }) : "–"],
          run.state === "running" ? [t("left"), run.seconds_left ? t("soon", { t: app.duration(run.seconds_left) }) : "–"] : [t("started"), app.time(run.started)],
          run.run_bytes ? [t("disk"), run.free_bytes ? t("diskText", { a: app.bytes(run.run_bytes), b: app.bytes(run.free_bytes) }) : app.bytes(run.run_bytes)] : null,
        ].filter(Boolean);
        list.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
      },
    };
  }

  function dataCard(source, run) {
    const report = run.data_report;
    const name = run.data === "demo" ? t("builtIn") : run.data || "";
    const parts = [];
    if (report) {
      const list = (title, entries) => (entries.length ? h("div", {}, h("dt", {}, title), h("dd", {}, entries.slice(0, 5).join(", ") + (entries.length > 5 ? `, ${t("more", { n: app.integer(entries.length - 5) })}` : ""))) : null);
      const facts = [];
      if (report.formats) facts.push(list(t("formats"), Object.entries(report.formats).map(([kind, n]) => `${app.integer(n)} ${kind}`)));
      if (report.sizes) facts.push(list(t("sizes"), report.sizes.map((size) => `${app.integer(size.pictures)} × (${size.width} × ${size.height})`)));
      if (report.channels) facts.push(list(t("channels"), report.channels.map((kind) => `${app.integer(kind.pictures)} ${kind.colour}`)));
      const odd = [];
      if (report.identical?.length) odd.push(t("identical", { n: app.integer(report.identical.length) }));
      if (report.tiny?.paths?.length) odd.push(t("tiny", { n: app.integer(report.tiny.paths.length) }));
      if (report.oblong?.paths?.length) odd.push(t("oblong", { n: app.integer(report.oblong.paths.length) }));
      if (odd.length) facts.push(h("div", {}, h("dt", {}, "≠"), h("dd", {}, odd.join(", "))));
      parts.push(h("dl", { class: "facts-list" }, facts));
      const left = report.left_out || [];
      if (left.length) {
        parts.push(h("details", {}, h("summary", {}, t(left.length === 1 ? "oneLeftOut" : "leftOut", { n: app.integer(left.length) })),
          h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, t("file")), h("th", {}, t("reason")))),
            h("tbody", {}, left.slice(0, 500).map((file) => h("tr", {}, h("td", {}, file.path), h("td", {}, file.reason))))))));
      } else if (report.data) parts.push(h("p", { class: "note" }, t("nothingLeftOut")));
    } else parts.push(h("p", { class: "empty" }, t("noReport")));
    if (run.has_data_sheet) parts.push(h("figure", { class: "data-sheet" }, h("img", { src: source.dataSheet(), alt: t("contactSheet"), loading: "lazy" }), h("figcaption", {}, t("contactSheet"))));
    return h("section", { class: "card", "aria-labelledby": "data-title" }, h("h2", { id: "data-title" }, t("data")),
      h("p", {}, [run.pictures ? t("pictures", { n: app.integer(run.pictures) }) : "", name].filter(Boolean).join(" · ")), parts);
  }

  function configCard(run) {
    const folder = app.quoted(run.folder);
    const commands = [[t("again"), `dcgan train --config ${app.quoted(`${run.folder}/config.toml`)}`], [t("drawMore"), `dcgan generate ${folder}`]];
    if (run.state !== "finished") commands.splice(1, 0, [t("resume"), `dcgan train --resume ${folder}`]);
    const resumed = run.sessions.length - 1;
    const sessions = run.sessions.map((session) => h("li", {}, `${app.time(session.started)} · ${t("stepN", { n: app.integer(session.from_step) })} · dcgan ${session.version} · ${session.machine || ""} ${session.device || ""} ${session.instruction_set || ""}`,
      (session.changes || []).map((change) => h("div", { class: "note" }, change))));
    return h("section", { class: "card", "aria-labelledby": "config-title" }, h("h2", { id: "config-title" }, t("config")),
      h("h3", {}, t("commands")), commands.map(([name, command]) => h("div", { class: "labelled" }, h("span", { class: "note" }, name), app.command(command))),
      h("details", {}, h("summary", {}, "config.toml"), h("pre", { class: "scroll", tabindex: "0" }, run.config)),
      h("details", {}, h("summary", {}, `${t("sessions")} (${run.sessions.length})`), resumed > 0 ? h("p", { class: "note" }, t("resumed", { n: resumed })) : null, h("ul", { class: "plain" }, sessions)));
  }

  // ---------------------------------------------------------------- one run

  app.RunView = class {
    constructor(source, query) {
      this.source = source;
      this.query = query;
      this.root = h("div", { class: "page run" }, h("p", { class: "note" }, `${t("loading")} …`));
    }

    async start() {
      const run = await this.source.details();
      const { source } = this;
      this.run = run;
      document.title = `${run.id} · dcgan`;
      this.badge = h("span");
      this.bar = h("div", { class: "progress" }, h("i"));
      this.facts = factsCard();
      this.health = healthCard();
      this.faces = new Faces(source, this.query);
      this.curves = new app.Curves(source);
      this.explore = h("a", { class: "button", hidden: true }, t("openExplorer"));
      this.lower = h("div", { class: "columns" });
      app.fill(this.root,
        source.isLive ? h("p", { class: "crumb" }, h("a", { href: "#/" }, `← ${t("back")}`)) : null,
        h("div", { class: "head title" }, h("div", { class: "row" }, h("h1", {}, run.id), this.badge), h("div", { class: "row" }, source.isLive ? this.explore : null)),
        this.bar, this.facts.root,
        h("div", { class: "stage" }, this.faces.root, this.health.root), this.curves.root, this.lower);
      this.show(run);
      this.showLower();
      await this.curves.start();
      this.end = source.follow(this.curves.metrics.part.last_step, {
        metrics: (news) => this.curves.add(news),
        resync: () => this.curves.reload(),
        reset: (step) => { app.toast(t("rewound", { n: app.integer(step) })); this.isAgain = true; this.curves.reload(); },
        run: (summary) => this.update(summary),
        lost: () => app.toast(t("liveLost")),
        back: () => { app.toast(t("liveBack")); this.curves.reload(); },
      });
    }

    /** Shows what changes while the run goes on. */
    show(run) {
      this.badge.className = `badge ${run.state}`;
      this.badge.textContent = t(run.state);
      this.bar.firstChild.style.inlineSize = `${100 * progressOf(run)}%`;
      this.facts.show(run);
      this.health.show(run);
      this.faces.setEpochs(run.samples, this.isAgain);
      this.isAgain = false;
      const model = run.best || run.model;
      this.explore.hidden = !model;
      if (model) this.explore.href = app.exploreLink(model);
    }

    showLower() {
      this.lower.replaceChildren(dataCard(this.source, this.run), configCard(this.run));
    }

    async update(summary) {
      const before = this.run;
      this.run = { ...before, ...summary };
      this.show(this.run);
      if (before.state !== summary.state || before.started !== summary.started || before.samples.length !== summary.samples.length) {
        try {
          const open = [...this.lower.querySelectorAll("details")].map((one) => one.open);
          const next = await this.source.details();
          const hasChanged = JSON.stringify([next.sessions, next.config, next.state, next.has_data_sheet]) !== JSON.stringify([before.sessions, before.config, before.state, before.has_data_sheet]);
          this.run = next;
          this.show(next);
          if (hasChanged) {
            this.showLower();
            [...this.lower.querySelectorAll("details")].forEach((one, place) => { one.open = open[place] || false; });
          }
        } catch { /* the next event tries again */ }
      }
    }

    restyle() { this.curves?.restyle(); }

    destroy() {
      this.end?.();
      this.faces?.destroy();
      this.curves?.destroy();
    }
  };
})(window.dcgan);
