// Starts the page: which part is shown, theme and language.
(function (app) {
  "use strict";
  const { h, t } = app;
  const main = document.getElementById("main");
  const report = document.getElementById("report");
  const themes = ["auto", "light", "dark"];
  let theme = themes.includes(app.stored("dcgan.theme")) ? app.stored("dcgan.theme") : "auto";
  let view = null;
  let shownPath = null;

  function applyTheme() {
    document.documentElement.dataset.theme = theme;
    view?.restyle?.();
  }

  /** The part of the address behind `#`: its path and its parameters. */
  function place() {
    const [path, query] = location.hash.replace(/^#/, "").split("?");
    let parts = path.split("/").filter(Boolean);
    try { parts = parts.map(decodeURIComponent); } catch { /* an address that somebody has cut short */ }
    return { parts, query: new URLSearchParams(query || "") };
  }

  /** Changes the parameters of the address without a new part being shown. */
  app.replaceQuery = function (query, path = location.hash.replace(/^#/, "").split("?")[0] || "/") {
    const text = query.toString();
    history.replaceState(null, "", `#${path}${text ? `?${text}` : ""}`);
    shownPath = location.hash;
  };

  function choose() {
    if (report) return new app.RunView(app.reportSource(JSON.parse(report.textContent)), new URLSearchParams());
    const { parts: [name, id], query } = place();
    if (!name) return new app.RunsView();
    if (name === "run" && id) return new app.RunView(app.liveSource(id), query);
    if (name === "compare") return new app.CompareView(query);
    if (name === "explore") return new app.ExplorerView(id, query);
    return null;
  }

  async function show() {
    shownPath = location.hash;
    view?.destroy?.();
    document.title = "dcgan";
    const next = choose();
    view = next;
    showBar();
    if (!next) {
      main.replaceChildren(app.message(t("notFound"), "", h("a", { class: "button", href: "#/" }, t("home"))));
      return;
    }
    main.replaceChildren(next.root);
    try {
      await next.start();
    } catch (error) {
      if (view !== next) return;
      const text = error.status === 404 ? t("notFound") : t("error");
      main.replaceChildren(app.message(text, error.message, h("div", { class: "row" }, app.button(t("retry"), show), report ? null : h("a", { class: "button", href: "#/" }, t("home")))));
    }
  }

  function showBar() {
    const { parts } = place();
    const link = (href, text, isHere) => h("a", { href, "aria-current": isHere ? "page" : null }, text);
    document.getElementById("nav").replaceChildren(...(report ? [] : [link("#/", t("runs"), parts[0] !== "explore"), link("#/explore", t("explore"), parts[0] === "explore")]));
    document.querySelector(".skip").textContent = t("skip");
    const language = document.getElementById("language"), button = document.getElementById("theme");
    language.textContent = t("language");
    language.lang = app.language() === "zh" ? "en" : "zh-CN";
    language.setAttribute("aria-label", t("languageLabel"));
    language.onclick = () => { app.setLanguage(app.language() === "zh" ? "en" : "zh"); show(); };
    const names = { auto: "themeAuto", light: "themeLight", dark: "themeDark" };
    const symbols = { auto: "◐", light: "☀", dark: "☾" };
    const showTheme = () => {
      button.textContent = symbols[theme];
      button.setAttribute("aria-label", t(names[theme]));
      button.title = t(names[theme]);
    };
    button.onclick = () => { theme = themes[(themes.indexOf(theme) + 1) % themes.length]; app.store("dcgan.theme", theme); applyTheme(); showTheme(); };
    showTheme();
  }

  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  window.addEventListener("hashchange", () => {
    // The explorer changes the address itself.
    if (location.hash === shownPath) return;
    if (view?.navigate?.(place())) { shownPath = location.hash; return; }
    show();
    window.scrollTo(0, 0);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (theme === "auto") view?.restyle?.(); });
  applyTheme();
  show();
})(window.dcgan);
