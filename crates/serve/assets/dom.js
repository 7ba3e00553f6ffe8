// Elements, requests and small things that every part of the page needs.
(function (app) {
  "use strict";

  /** Creates an element: attributes, properties with a leading dot, listeners with `on`, then children. */
  app.h = function (name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key.startsWith(".")) element[key.slice(1)] = value;
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  };
  const h = app.h;

  /** Replaces the children of an element; null and false are none. */
  app.fill = (element, ...children) => element.replaceChildren(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));

  app.button = function (text, onclick, attributes) {
    return h("button", { type: "button", onclick, ...attributes }, text);
  };

  /** A range with its label and its value in words. */
  app.range = function ({ id, label, min, max, step, value, oninput, onchange, text }) {
    const output = h("output", { for: id }, text(value));
    const input = h("input", { id, type: "range", min, max, step, ".value": value });
    const show = () => {
      output.textContent = text(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
      const most = Number(input.max);
      const part = (Number(input.value) - min) / (most - min || 1);
      // The part that is filled: from zero, where there are values on both sides of it.
      const zero = min < 0 ? -min / (most - min) : 0, end = Math.min(1, Math.max(0, part));
      input.style.setProperty("--from", `${100 * Math.min(zero, end)}%`);
      input.style.setProperty("--to", `${100 * Math.max(zero, end)}%`);
    };
    input.addEventListener("input", () => { show(); oninput?.(Number(input.value)); });
    input.addEventListener("change", () => onchange?.(Number(input.value)));
    show();
    const root = h("div", { class: "range" }, h("label", { for: id }, label), input, output);
    return { root, input, output, set(next) { input.value = next; show(); } };
  };

  /** An error that the service has explained. */
  class RequestError extends Error {
    constructor(message, status) { super(message); this.status = status; }
  }

  app.request = async function (address, options) {
    let response;
    for (let attempt = 0; ; attempt += 1) {
      response = await fetch(address, options);
      // The queue is full for a moment.
      if (response.status !== 429 || attempt >= 4) break;
      await new Promise((done) => setTimeout(done, 400 * (attempt + 1)));
    }
    if (!response.ok) {
      let message = `${response.status}`;
      try { message = (await response.json()).error || message; } catch { /* not JSON */ }
      throw new RequestError(message, response.status);
    }
    return response;
  };
  app.json = async (address, options) => (await app.request(address, options)).json();

  let toastTimer = 0;
  app.toast = function (text) {
    const toast = document.getElementById("toast");
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => toast.classList.remove("shown"), 3500);
  };

  app.copy = async function (text, said) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard interface.
      const area = h("textarea", { class: "offscreen", ".value": text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    app.toast(said || app.t("copied"));
  };

  app.save = function (blob, name) {
    const address = URL.createObjectURL(blob);
    const anchor = h("a", { href: address, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  /** A command with a button that copies it. */
  app.command = function (text) {
    return h("div", { class: "command" }, h("code", { tabindex: "0" }, text), app.button(app.t("copy"), () => app.copy(text), { class: "small" }));
  };
  /** A word for a shell. */
  app.quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

  app.badge = (state) => h("span", { class: `badge ${state}` }, app.t(state));

  app.message = function (title, text, ...more) {
    return h("section", { class: "message" }, h("h1", {}, title), h("p", {}, text), ...more);
  };

  app.debounce = function (wait, action) {
    let timer = 0;
    return (...values) => { clearTimeout(timer); timer = setTimeout(() => action(...values), wait); };
  };

  app.isReduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
})(window.dcgan);
