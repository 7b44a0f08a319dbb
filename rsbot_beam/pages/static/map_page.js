"use strict";
/* The page of a map: its layers, what it says of a place, and its objects; from a server, or from what the page holds. */
(function (rsbot) {
  const content = rsbot.data().map;
  const live = content.live;
  const bounds = L.latLngBounds(content.view.bounds);
  const world = rsbot.makeMap("map", content.view);
  const map = world.map;
  const part = (id) => document.getElementById(id);

  // Layers ---------------------------------------------------------------------------------------------------------

  // Below lies what the map is compared with, and above it the map, cut off at the slider.
  map.createPane("beside").style.zIndex = 250;
  map.createPane("shown").style.zIndex = 260;
  map.createPane("swipe").style.zIndex = 640; // below what pops up
  const byKey = new Map(content.layers.map((layer) => [layer.key, layer]));

  function picture(layer, pane) {
    const smooth = layer.raster === "composite" ? "" : "exact";
    if (!live) {
      const kept = content.overlays;
      const uri = kept.pictures[layer.key];
      return uri ? L.imageOverlay(uri, kept.bounds, { pane, className: smooth, alt: layer.name }) : L.layerGroup();
    }
    const size = window.devicePixelRatio > 1 ? 512 : 256;
    const url = `tiles/${layer.raster}/{z}/{x}/{y}.png?size=${size}&band=${layer.band}&v=${live.version}`;
    const tiles = L.tileLayer(url, { pane, bounds, className: smooth, maxZoom: 22, maxNativeZoom: live.finest });
    tiles.on("tileerror", () => say("The server does not answer: is `rsbot view --serve` still running?"));
    return tiles;
  }

  /** One of the two places of a layer: shows the layer of a key, or none. */
  function slot(pane) {
    const group = L.layerGroup();
    return {
      group,
      show(key) {
        group.clearLayers();
        if (byKey.has(key)) group.addLayer(picture(byKey.get(key), pane));
      },
    };
  }

  const shown = slot("shown");
  const beside = slot("beside");

  function scaleOf(layer) {
    const ramp = layer.ramp;
    if (!ramp.length) return "";
    const bar = rsbot.element("div", { class: "scale-bar", style: `background:linear-gradient(to right,${ramp.join(",")})` });
    const ends = layer.raster === "entropy" ? ["0: sure", "1: knows nothing"] : ["0", "1"];
    const labels = rsbot.element("div", { class: "scale-ends" }, ...ends.map((text) => rsbot.element("span", {}, text)));
    return rsbot.element("div", { class: "scale" }, rsbot.element("div", {}, layer.name), bar, labels);
  }

  function update() {
    const [top, under] = [part("layer").value, part("beside") ? part("beside").value : ""];
    shown.show(top);
    beside.show(under);
    const seen = [top, under].filter((key, i, all) => byKey.has(key) && all.indexOf(key) === i);
    part("scales").replaceChildren(...seen.map((key) => scaleOf(byKey.get(key))));
    swipe.name(byKey.get(top), byKey.get(under));
  }

  function opacity() {
    const value = Number(part("opacity").value);
    map.getPane("shown").style.opacity = value / 100;
    part("opacity-said").textContent = value + " %";
  }

  // The slider that divides the map from what is beside it ---------------------------------------------------------

  const swipe = (function () {
    const handle = rsbot.element("div", {
      class: "swipe",
      role: "slider",
      tabindex: "0",
      "aria-orientation": "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    });
    handle.append(rsbot.element("span", { class: "swipe-grip", "aria-hidden": "true" }, "◂ ▸"));
    let [share, active, names] = [0.5, false, ["", ""]];
    const box = map.getContainer();
    map.getPane("swipe").append(handle);
    L.DomEvent.disableClickPropagation(handle);

    function cut() {
      const pane = map.getPane("shown");
      const size = map.getSize();
      handle.style.height = size.y + "px";
      L.DomUtil.setPosition(handle, map.containerPointToLayerPoint([share * size.x, 0]));
      if (!active) return (pane.style.clipPath = "");
      const corner = map.containerPointToLayerPoint([0, 0]);
      const far = map.containerPointToLayerPoint([share * size.x, size.y]);
      const at = [corner.x, corner.y, far.x, far.y].map((v) => v + "px");
      pane.style.clipPath = `polygon(${at[0]} ${at[1]}, ${at[2]} ${at[1]}, ${at[2]} ${at[3]}, ${at[0]} ${at[3]})`;
      return undefined;
    }
    function move(to) {
      share = Math.min(1, Math.max(0, to));
      const percent = Math.round(share * 100);
      handle.setAttribute("aria-valuenow", percent);
      handle.setAttribute("aria-valuetext", `${names[0]} on the left ${percent} %, ${names[1]} on the right`);
      cut();
    }
    function drag(event) {
      const frame = box.getBoundingClientRect();
      move((event.clientX - frame.left) / frame.width);
    }
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener("pointermove", drag);
    });
    for (const end of ["pointerup", "pointercancel"])
      handle.addEventListener(end, () => handle.removeEventListener("pointermove", drag));
    const STEPS = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
    handle.addEventListener("keydown", (event) => {
      if (!(event.key in STEPS)) return;
      event.preventDefault();
      event.stopPropagation(); // the map moves by the same keys
      move(share + STEPS[event.key]);
    });
    map.on("move zoom zoomend resize viewreset", cut);
    return {
      name(left, right) {
        active = Boolean(left && right && left !== right);
        handle.hidden = !active;
        names = [left ? left.name : "", right ? right.name : ""];
        handle.setAttribute("aria-label", `Divides ${names[0]} from ${names[1]}`);
        move(share);
      },
    };
  })();

  // What the map says of a place -----------------------------------------------------------------------------------

  const pointer = L.circleMarker([0, 0], { radius: 7, color: "#fff", weight: 3, fill: false, interactive: false });
  const popup = L.popup({ maxWidth: 260 });

  function say(text) {
    part("said").textContent = text;
  }

  function row(list, name, ...values) {
    list.append(rsbot.element("dt", {}, name), rsbot.element("dd", {}, ...values));
  }

  /** A place whose latitude and longitude each stay on one line. */
  function placeParts(place, zoom) {
    const [, lat, lon] = /^(.*?° ?[NS]?) (.*)$/.exec(rsbot.placeText(place, zoom));
    return [rsbot.element("span", { class: "whole" }, lat), " ", rsbot.element("span", { class: "whole" }, lon)];
  }

  function swatch(code) {
    const found = content.classes.find((item) => item.code === code);
    const made = rsbot.element("span", { class: "swatch", "aria-hidden": "true" });
    made.style.background = found ? found.colour : "#808080";
    return made;
  }

  function bar(value) {
    const made = rsbot.element("span", { class: "share", "aria-hidden": "true" });
    made.style.width = Math.round(value * 100) + "%";
    return rsbot.element("span", { class: "share-frame" }, made);
  }

  /** Values of a place as elements, and as one sentence. */
  function described(values, place) {
    const box = rsbot.element("div", { class: "values" });
    const list = rsbot.element("dl", {});
    const texts = [];
    const nothing = values.nothing || "no data";
    if (!values.found) texts.push(nothing);
    if (values.class !== undefined) {
      row(list, "class", swatch(values.code), values.class);
      texts.push(values.class);
    }
    if (values.probability !== undefined) {
      row(list, "probability", values.probability.toFixed(3));
      texts.push("probability " + values.probability.toFixed(3));
    }
    if (values.entropy !== undefined) row(list, "entropy", values.entropy.toFixed(3));
    if (!values.found) row(list, "here", nothing);
    row(list, "place", ...placeParts(place, Math.max(12, map.getZoom())));
    box.append(list);
    if (values.note) box.append(rsbot.element("p", { class: "note" }, values.note));
    return { box, text: texts.join(", ") };
  }

  function probabilities(all) {
    const table = rsbot.element("table", { class: "probabilities" }, rsbot.element("caption", {}, "Probability of each class"));
    for (const item of [...all].sort((a, b) => b.probability - a.probability)) {
      const name = rsbot.element("th", { scope: "row" }, swatch(item.code), item.class);
      const value = rsbot.element("td", {}, item.probability.toFixed(3));
      table.append(rsbot.element("tr", {}, name, rsbot.element("td", {}, bar(item.probability)), value));
    }
    return table;
  }

  /** The values that the page holds, each deflated: read once, when first asked for. */
  let held = null;
  async function inflate(text) {
    const stream = new Blob([rsbot.numbers(text, Uint8Array)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  async function valuesHeld(place) {
    const kept = content.overlays.values;
    if (!kept) return null;
    if (held === null)
      held = { classes: await inflate(kept.classes), probability: kept.probability ? await inflate(kept.probability) : null };
    const [[south, west], [north, east]] = content.overlays.bounds;
    const [left, right] = [rsbot.worldX(west), rsbot.worldX(east)];
    const [top, bottom] = [rsbot.worldY(north), rsbot.worldY(south)];
    const [height, width] = kept.shape;
    const col = Math.floor(((rsbot.worldX(place.lng) - left) / (right - left)) * width);
    const line = Math.floor(((rsbot.worldY(place.lat) - top) / (bottom - top)) * height);
    const inside = col >= 0 && line >= 0 && col < width && line < height;
    const number = inside ? held.classes[line * width + col] : 255;
    if (number === 255) return { found: false };
    const found = { found: true, code: content.classes[number].code, class: content.classes[number].name };
    const probability = held.probability ? held.probability[line * width + col] : 255;
    if (probability !== 255) found.probability = probability / 250;
    return { ...found, note: `Of a pixel of this page, ${Math.round(content.overlays.metres)} m wide.` };
  }

  // A composite alone says nothing of a place in words.
  const tells = content.layers.some((layer) => layer.raster !== "composite");
  let asked = 0;
  async function pick(place) {
    const number = ++asked;
    const found = objects && map.hasLayer(objects) ? objects.at(place, map) : null;
    if (found && found.cluster) return map.setView([found.cluster.lat, turned(found.cluster.lon)], map.getZoom() + 2);
    if (found) return openObject(found.feature);
    if (!content.layers.length) return undefined;
    pointer.setLatLng(place).addTo(map);
    let values;
    try {
      values = !tells ? { found: false, nothing: "no object" } : live ? await ask(`point?lon=${place.lng}&lat=${place.lat}`) : await valuesHeld(place);
    } catch (error) {
      return say(error.message);
    }
    if (number !== asked || !values) return undefined;
    const { box, text } = described(values, place);
    rsbot.openPopup(popup.setLatLng(place).setContent(box), map);
    say(text);
    part("values").replaceChildren(values.probabilities ? probabilities(values.probabilities) : "");
    return undefined;
  }

  async function ask(path, signal) {
    let answer;
    try {
      answer = await fetch(path, { signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer: is `rsbot view --serve` still running?");
    }
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }

  // Objects --------------------------------------------------------------------------------------------------------

  const middle = bounds.getCenter().lng;
  const turned = (lon) => middle + ((((lon - middle + 180) % 360) + 360) % 360) - 180;
  const objects = content.objects ? new rsbot.Objects(content.classes, middle) : null;

  function number(value) {
    return value.toLocaleString("en");
  }

  function openObject(feature) {
    const p = feature.properties;
    objects.choose(feature);
    map.removeLayer(pointer);
    const list = rsbot.element("dl", {});
    row(list, "object", swatch(p.code), p.class);
    if (p.score !== null) row(list, "score", p.score.toFixed(3));
    row(list, "area", number(Math.round(p.area_m2)) + " m²");
    row(list, "size", `${number(Math.round(p.width_m))} m × ${number(Math.round(p.height_m))} m`);
    row(list, "place", ...placeParts({ lng: p.lon, lat: p.lat }, 15));
    const uri = pictureOf(p.n);
    const link = rsbot.element("a", { href: uri || "#", class: "object-picture", "data-object": p.n }, "Its patch");
    const none = live ? "" : `Its patch: rsbot view --serve`;
    const box = rsbot.element("div", { class: "values" }, list, uri ? link : rsbot.element("p", { class: "note" }, none));
    link.addEventListener("click", (event) => showPicture(event, p));
    rsbot.openPopup(popup.setLatLng([p.lat, turned(p.lon)]).setContent(box), map);
    say(`${p.class}${p.score === null ? "" : ", score " + p.score.toFixed(3)}`);
  }

  function pictureOf(n) {
    if (live) return live.patch ? `patch/${n}.png?v=${live.version}` : null;
    return content.objects.pictures[n] || null;
  }

  function showPicture(event, properties) {
    event.preventDefault();
    const dialog = part("picture");
    part("picture-title").textContent = properties.score === null || properties.score === undefined
      ? properties.class
      : `${properties.class}, score ${properties.score.toFixed(3)}`;
    const image = part("picture-image");
    image.src = pictureOf(properties.n);
    image.alt = `The ground around object ${properties.n}`;
    dialog.showModal();
  }

  function note(found) {
    const matched = number(found.matched);
    const text = found.clusters
      ? `${matched} objects here: circles say how many are where; zoom in, or click one, for each of them.`
      : `${matched} object${found.matched === 1 ? "" : "s"} here.`;
    part("objects-note").textContent = text;
  }

  let running = null;
  async function loadObjects() {
    if (running) running.abort();
    running = new AbortController();
    const b = map.getBounds();
    const box = [b.getWest(), Math.max(-90, b.getSouth()), b.getEast(), Math.min(90, b.getNorth())].join(",");
    try {
      const found = await ask(`detections?bbox=${box}&limit=${live.limit}`, running.signal);
      objects.set(found.clusters ? [] : found.features, found.clusters);
      note(found);
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  }

  function startObjects() {
    world.add(`objects (${number(content.objects.count)})`, objects, true);
    map.on("popupclose", () => objects.choose(null));
    if (live) {
      map.on("moveend", loadObjects);
      loadObjects();
    } else {
      const kept = content.objects.features;
      objects.set(kept);
      const all = content.objects.count;
      part("objects-note").textContent =
        kept.length < all ? `The page holds ${number(kept.length)} of ${number(all)} objects, those with the highest scores.` : "";
    }
    for (const button of document.querySelectorAll("button.go")) button.addEventListener("click", () => goTo(button.dataset));
    for (const link of document.querySelectorAll("a.object-picture"))
      link.addEventListener("click", async (event) => {
        event.preventDefault();
        showPicture(event, (await featureOf(link.dataset.object)).properties);
      });
  }

  async function goTo({ object, lon, lat }) {
    map.setView([Number(lat), turned(Number(lon))], Math.max(map.getZoom(), 15), { animate: false });
    part("map").scrollIntoView({ block: "nearest" });
    part("map").focus({ preventScroll: true });
    openObject(await featureOf(object));
  }

  /** An object by its number. */
  async function featureOf(n) {
    const kept = live ? await ask(`detections?object=${n}`) : content.objects;
    return kept.features.find((feature) => feature.properties.n === Number(n));
  }

  // Start ----------------------------------------------------------------------------------------------------------

  part("picture-close").addEventListener("click", () => part("picture").close());
  for (const form of document.querySelectorAll("form.shown")) form.addEventListener("submit", (event) => event.preventDefault());
  if (content.layers.length) {
    if (byKey.has("composite") && part("beside") && part("layer").value !== "composite") part("beside").value = "composite";
    world.add("the layer", L.layerGroup([shown.group]), true);
    if (part("beside")) world.add("what is beside it", L.layerGroup([beside.group]), true);
    part("layer").addEventListener("change", update);
    if (part("beside")) part("beside").addEventListener("change", update);
    part("opacity").addEventListener("input", opacity);
    update();
  } else swipe.name(null, null);
  if (objects) startObjects();
  world.onPick(pick);
  rsbot.page = { map, objects }; // for whoever looks at the page with the browser's tools
})(window.rsbot);
