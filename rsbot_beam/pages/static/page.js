"use strict";
/* What all pages share: the page's data, elements made of text, filters. Texts from data are never read as HTML. */
window.rsbot = (function () {
  let parsed = null;

  /** The data of the page. */
  function data() {
    if (parsed === null) parsed = JSON.parse(document.getElementById("data").textContent);
    return parsed;
  }

  /** An element with a text, attributes and children. */
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    for (const child of children) made.append(child);
    return made;
  }

  /** Numbers from base64, little-endian: kind is Int8Array, Int16Array, Int32Array, Float32Array, Uint8Array ... */
  function numbers(text, kind) {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new kind(bytes.buffer);
  }

  /** A colour of the page's style sheet. */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /** Calls a function when light turns to dark or back, or the screen to paper. */
  function onScheme(call) {
    for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", call);
  }

  /** Shows those of the items whose data-* hold what all selects of a form say; tells how many in its output. */
  function filter(form) {
    const items = Array.from(document.querySelectorAll(form.dataset.items));
    const selects = Array.from(form.querySelectorAll("select"));
    const output = form.querySelector("output");
    function apply() {
      let shown = 0;
      for (const item of items) {
        const fits = selects.every((s) => !s.value || item.dataset[s.name].split("\u001f").includes(s.value));
        item.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      output.textContent = shown + " of " + items.length + " shown";
    }
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form.filter").forEach(filter));
  return { data, element, numbers, colour, onScheme };
})();
