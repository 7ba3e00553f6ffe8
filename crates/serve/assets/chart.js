// One chart: curves with bands of minimum and maximum, on uPlot.
(function (app) {
  "use strict";
  const { h, t } = app;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  /** Distances of marks on the axis of steps, which are whole numbers. */
  const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

  /** The colors of curves, by their number. */
  app.curveColour = (index) => colour(`--curve-${(index % 6) + 1}`);

  /**
   * Creates a chart.
   *
   * `curves` are `{ label, colour, dash }`, the colour a number. `setData` takes the steps and for each curve
   * `{ mean, min, max }`, of which the last two may be empty. `onzoom` gets the range of steps, or null for all.
   */
  app.Chart = class {
    constructor({ title, curves, log, sync, onzoom, height }) {
      Object.assign(this, { title, curves, log: !!log, sync, onzoom, height: height || 220 });
      this.legend = h("div", { class: "legend" });
      this.holder = h("div", { class: "plot", role: "img" });
      this.root = h("figure", { class: "chart" }, h("figcaption", {}, h("span", { class: "title" }, title), this.legend), this.holder);
      this.data = null;
      this.width = 0;
      this.observer = new ResizeObserver((entries) => {
        const width = Math.floor(entries[0].contentRect.width);
        if (width === this.width || width < 50) return;
        this.width = width;
        if (this.plot) this.plot.setSize({ width, height: this.height });
        else this.draw();
      });
      this.observer.observe(this.holder);
    }

    /** The series of uPlot: the steps, then for each curve its mean, minimum and maximum. */
    options() {
      const text = colour("--soft"), grid = colour("--line");
      const font = `12px ${getComputedStyle(document.body).fontFamily}`;
      const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      const series = [{}], bands = [];
      this.curves.forEach((curve, index) => {
        const stroke = app.curveColour(curve.colour ?? index);
        series.push({ label: curve.label, stroke, width: 2, dash: curve.dash, points: { show: curve.points || false, size: 5 }, spanGaps: true });
        const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
        series.push(edge, { ...edge });
        bands.push({ series: [3 * index + 3, 3 * index + 2], fill: `color-mix(in srgb, ${stroke} 20%, transparent)` });
      });
      const onzoom = this.onzoom;
      return {
        width: this.width, height: this.height, series, bands, legend: { show: false }, padding: [12, 24, 0, 0],
        scales: { x: { time: false }, y: { distr: this.log ? 3 : 1, log: 10 } },
        axes: [
          { ...axis, size: 34, incrs: WHOLE, values: (_, values) => values.map((value) => app.integer(value)) },
          { ...axis, size: 56, values: (_, values) => values.map((value) => (value === null ? "" : app.decimal(value))) },
        ],
        cursor: {
          sync: this.sync ? { key: this.sync, setSeries: false } : undefined,
          drag: { x: !!onzoom, y: false, setScale: false },
          points: { size: 7 },
        },
        hooks: {
          setCursor: [() => this.showLegend()],
          setSelect: [(plot) => {
            if (!onzoom || plot.select.width < 6) return;
            const from = plot.posToVal(plot.select.left, "x"), to = plot.posToVal(plot.select.left + plot.select.width, "x");
            plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            onzoom([Math.max(0, Math.floor(from) - 1), Math.ceil(to)]);
          }],
        },
      };
    }

    draw() {
      if (!this.data || this.width < 50) return;
      this.plot?.destroy();
      this.plot = new uPlot(this.options(), this.data, this.holder);
      if (this.onzoom) this.plot.over.addEventListener("dblclick", () => this.onzoom(null));
      this.showLegend();
    }

    setData(steps, values) {
      const empty = steps.map(() => null);
      const positive = (list) => (this.log ? list.map((value) => (value > 0 ? value : null)) : list);
      const columns = values.flatMap(({ mean, min, max }) => [mean, min && min.length ? min : empty, max && max.length ? max : empty].map(positive));
      this.raw = { steps, values };
      this.data = [steps, ...columns];
      if (this.plot) this.plot.setData(this.data);
      else this.draw();
      this.showLegend();
    }

    setLog(log) {
      if (log === this.log) return;
      this.log = log;
      if (this.raw) this.setData(this.raw.steps, this.raw.values);
      this.draw();
    }

    /** The values under the cursor, or the last ones. */
    showLegend() {
      if (!this.data) return;
      const place = this.plot?.cursor.idx;
      const isLive = place === null || place === undefined;
      const index = isLive ? this.data[0].length - 1 : place;
      const items = this.curves.map((curve, number) => {
        const mean = this.data[3 * number + 1];
        let at = index;
        while (isLive && at > 0 && mean[at] === null) at -= 1;
        return { curve, number, value: app.decimal(mean[at] ?? null) };
      });
      if (this.legend.childElementCount !== items.length + 1) {
        this.legend.replaceChildren(
          h("span", { class: "at" }),
          ...items.map(({ curve, number }) => {
            const swatch = h("i", { "aria-hidden": "true" });
            swatch.style.background = app.curveColour(curve.colour ?? number);
            return h("span", { class: "entry" }, swatch, curve.label, h("b", {}));
          }));
      }
      const [at, ...entries] = this.legend.children;
      at.textContent = isLive || this.data[0].length === 0 ? "" : `${t("step")} ${app.integer(this.data[0][index])}`;
      entries.forEach((entry, number) => { entry.lastChild.textContent = items[number].value; });
      if (isLive) {
        const text = items.map(({ curve, value }) => `${curve.label} ${value}`).join(", ");
        this.holder.setAttribute("aria-label", t("chartLabel", { name: this.title, values: text }));
      }
    }

    /** Draws again with the colors of another theme. */
    restyle() {
      this.legend.replaceChildren();
      this.draw();
    }

    destroy() {
      this.observer.disconnect();
      this.plot?.destroy();
    }
  };
})(window.dcgan);
