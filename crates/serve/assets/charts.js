// The curves of a run, live, and of several runs compared.
(function (app) {
  "use strict";
  const { h, t } = app;

  /** Live steps that are kept as they are before the whole is asked for again. */
  const MAX_LIVE = 600;

  /** What each chart of a run shows. */
  const charts = () => [
    { name: "losses", curves: [["d_loss", t("dLoss")], ["g_loss", t("gLoss")]] },
    { name: "outputs", curves: [["d_x", t("dX"), 2], ["d_g_z1", t("dGz"), 3]] },
    { name: "speed", curves: [["images_per_second", t("ips"), 4]] },
  ];

  /** The metrics of one run: the part that is shown, and the steps that came since. */
  class Metrics {
    constructor(source) {
      this.source = source;
      this.range = null;
      this.part = { step: [], epoch: [], series: {}, evaluations: [], steps_per_point: 1, last_step: 0 };
      this.live = 0;
    }

    async load() {
      const [after, until] = this.range || [0, null];
      this.part = await this.source.metrics(after, until);
      this.live = 0;
    }

    /** Takes in steps that have just been taken. Returns whether the whole must be asked for again. */
    add(news) {
      this.part.last_step = news.last_step;
      if (this.range) return false;
      const old = this.part;
      const last = old.step.at(-1) ?? 0;
      const fresh = news.step.map((step, place) => [step, place]).filter(([step]) => step > last);
      for (const [step, place] of fresh) {
        old.step.push(step);
        old.epoch.push(news.epoch[place]);
      }
      for (const [name, bands] of Object.entries(news.series)) {
        const known = (old.series[name] ??= { mean: new Array(old.step.length - fresh.length).fill(null) });
        for (const [, place] of fresh) {
          known.mean.push(bands.mean[place]);
          known.min?.push(bands.mean[place]);
          known.max?.push(bands.mean[place]);
        }
      }
      old.evaluations.push(...news.evaluations.filter((one) => !old.evaluations.some((other) => other.step === one.step)));
      this.live += fresh.length;
      return this.live > MAX_LIVE;
    }
  }

  const bandsOf = (part, name) => part.series[name] || { mean: part.step.map(() => null) };

  /** The section with the curves of a run. `source.metrics(after, until)` gives them. */
  app.Curves = class {
    constructor(source) {
      this.metrics = new Metrics(source);
      this.charts = [];
      this.measures = [];
      const zoom = (range) => this.zoom(range);
      this.log = h("input", { type: "checkbox", id: "log", onchange: () => this.charts[0].setLog(this.log.checked) });
      this.whole = app.button(t("resetZoom"), () => this.zoom(null), { class: "small", disabled: true });
      this.hint = h("p", { class: "note" });
      this.grid = h("div", { class: "charts" });
      this.empty = h("p", { class: "empty" }, t("noCurves"));
      for (const { name, curves } of charts()) {
        const chart = new app.Chart({ title: t(name), curves: curves.map(([, label, colour]) => ({ label, colour })), sync: "run", onzoom: zoom });
        chart.names = curves.map(([series]) => series);
        this.charts.push(chart);
        this.grid.append(chart.root);
      }
      this.root = h("section", { class: "card curves", "aria-labelledby": "curves-title" },
        h("div", { class: "head" }, h("h2", { id: "curves-title" }, t("curves")), h("div", { class: "row" }, h("label", { class: "check", for: "log" }, this.log, t("log")), this.whole)),
        this.empty, this.grid, this.hint);
    }

    async start() {
      await this.metrics.load();
      this.show();
    }

    async zoom(range) {
      this.metrics.range = range;
      this.whole.disabled = range === null;
      await this.start();
    }

    /** Takes in live steps. */
    add(news) {
      if (this.metrics.add(news)) return this.reload();
      this.show();
      return null;
    }

    async reload() {
      try { await this.start(); } catch { /* the next event tries again */ }
    }

    show() {
      const { part } = this.metrics;
      const has = part.step.length > 0;
      this.empty.hidden = has;
      this.grid.hidden = !has;
      this.hint.textContent = !has ? "" : part.steps_per_point > 1 ? t("zoomHint", { n: app.integer(part.steps_per_point) }) : t("zoomHintOne");
      if (!has) return;
      for (const chart of this.charts) chart.setData(part.step, chart.names.map((name) => bandsOf(part, name)));
      this.showMeasures(part.evaluations);
    }

    /** Charts of the measures, once there are any. */
    showMeasures(evaluations) {
      if (evaluations.length === 0) return;
      if (this.measures.length === 0) {
        const swd = new app.Chart({ title: t("measures"), sync: "run", curves: [{ label: t("swd"), colour: 1, points: true }, { label: t("swdFloor"), colour: 5, dash: [6, 4], points: true }] });
        swd.pick = [(one) => one.swd?.mean, (one) => one.swd_floor?.mean];
        const share = new app.Chart({ title: t("precisionRecall"), sync: "run", curves: [{ label: t("precision"), colour: 2, points: true }, { label: t("recall"), colour: 3, points: true }] });
        share.pick = [(one) => one.precision, (one) => one.recall];
        this.measures = [swd, share];
        this.grid.append(swd.root, share.root);
      }
      const steps = evaluations.map((one) => one.step);
      for (const chart of this.measures) {
        chart.setData(steps, chart.pick.map((pick) => ({ mean: evaluations.map((one) => pick(one) ?? null) })));
      }
    }

    restyle() {
      [...this.charts, ...this.measures].forEach((chart) => chart.restyle());
    }

    destroy() {
      [...this.charts, ...this.measures].forEach((chart) => chart.destroy());
    }
  };

  /** Several runs in one chart for each quantity. */
  app.Comparison = class {
    constructor(ids) {
      this.ids = ids;
      this.charts = [["d_loss", "dLoss"], ["g_loss", "gLoss"], ["d_x", "dX"], ["d_g_z1", "dGz"]].map(([series, title]) => {
        const chart = new app.Chart({ title: t(title), sync: "compare", curves: ids.map((id, index) => ({ label: id, colour: index })), onzoom: (range) => this.zoom(range) });
        chart.series = series;
        return chart;
      });
      this.swd = new app.Chart({ title: t("measures"), sync: "compare", curves: ids.map((id, index) => ({ label: id, colour: index, points: true })) });
      this.log = h("input", { type: "checkbox", id: "log", onchange: () => this.charts.slice(0, 2).forEach((chart) => chart.setLog(this.log.checked)) });
      this.whole = app.button(t("resetZoom"), () => this.zoom(null), { class: "small", disabled: true });
      this.grid = h("div", { class: "charts" }, this.charts.map((chart) => chart.root));
      this.root = h("section", { class: "card curves" },
        h("div", { class: "head" }, h("h2", {}, t("curves")), h("div", { class: "row" }, h("label", { class: "check", for: "log" }, this.log, t("log")), this.whole)), this.grid);
    }

    async start() { await this.zoom(null); }

    async zoom(range) {
      this.whole.disabled = range === null;
      const [after, until] = range || [0, null];
      const end = until === null ? "" : `&until=${until}`;
      const parts = await Promise.all(this.ids.map((id) => app.json(`/api/runs/${encodeURIComponent(id)}/metrics?after=${after}${end}&points=800`)));
      const steps = [...new Set(parts.flatMap((part) => part.step))].sort((a, b) => a - b);
      const place = new Map(steps.map((step, index) => [step, index]));
      const spread = (known, values) => {
        const all = new Array(steps.length).fill(null);
        known.forEach((step, index) => { all[place.get(step)] = values?.[index] ?? null; });
        return all;
      };
      for (const chart of this.charts) {
        chart.setData(steps, parts.map((part) => {
          const bands = bandsOf(part, chart.series);
          return { mean: spread(part.step, bands.mean), min: spread(part.step, bands.min), max: spread(part.step, bands.max) };
        }));
      }
      const measured = [...new Set(parts.flatMap((part) => part.evaluations.map((one) => one.step)))].sort((a, b) => a - b);
      if (measured.length) {
        if (!this.swd.root.isConnected) this.grid.append(this.swd.root);
        this.swd.setData(measured, parts.map((part) => ({ mean: measured.map((step) => part.evaluations.find((one) => one.step === step)?.swd?.mean ?? null) })));
      }
    }

    restyle() { [...this.charts, this.swd].forEach((chart) => chart.restyle()); }
    destroy() { [...this.charts, this.swd].forEach((chart) => chart.destroy()); }
  };
})(window.dcgan);
