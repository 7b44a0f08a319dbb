"use strict";
/* Maps of all pages, over Leaflet: outlines of countries, a grid of degrees, layers that can be switched, footprints. */
(function (rsbot) {
  const LIMIT = 85.0511287798066; // where the square of Web Mercator ends

  /**
   * Make a map.
   * view: {bounds: [[south, west], [north, east]], outlines: [[lon, lat, lon, lat ...] ...], snap: of zooms}; longitudes may
   * pass 180.
   * Returns {map, add(name, layer, shown), onPick(call)}: `add` puts a layer on the map with a switch of that name;
   * `onPick` calls with a place when it is clicked, or Enter is pressed while it is under the cross.
   */
  function makeMap(id, view) {
    const box = document.getElementById(id);
    const map = L.map(box, { zoomSnap: view.snap || 0.25, maxZoom: 22, worldCopyJump: false, attributionControl: true });
    map.attributionControl.setPrefix("Leaflet");
    L.control.scale({ imperial: false }).addTo(map);
    map.fitBounds(view.bounds, { padding: [12, 12], maxZoom: 16 });
    const layers = layerSwitches(map);
    const base = rsbot.data().base_map;
    if (base) layers.add("base map", L.tileLayer(base, { maxZoom: 22 }), true);
    layers.add("countries and degrees", new Ground({ outlines: view.outlines || [] }), true);
    readout(map);
    addLocator(map, view);
    const calls = [];
    const pick = (place) => calls.forEach((call) => call(place));
    map.on("click", (event) => pick(event.latlng));
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === box) pick(map.getCenter());
    });
    return { map, add: layers.add, onPick: (call) => calls.push(call) };
  }

  /** A list of check boxes, one for each layer, in the map's corner. */
  function layerSwitches(map) {
    const list = rsbot.element("details", { class: "switches" }, rsbot.element("summary", {}, "Layers"));
    list.open = map.getSize().x > 520; // on a phone it would hide the map
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      L.DomEvent.disableClickPropagation(list);
      L.DomEvent.disableScrollPropagation(list);
      return list;
    };
    control.addTo(map);
    function add(name, layer, shown, mark) {
      const input = rsbot.element("input", { type: "checkbox" });
      input.checked = shown !== false;
      const update = () => (input.checked ? map.addLayer(layer) : map.removeLayer(layer));
      input.addEventListener("change", update);
      list.append(rsbot.element("label", {}, input, mark || "", " ", name));
      update();
      return layer;
    }
    return { add };
  }

  function degrees(value, positive, negative, digits) {
    const sign = Math.abs(value) % 180 < 1e-9 ? "" : value < 0 ? negative : positive;
    return (Math.abs(value).toFixed(digits) + "° " + sign).trim();
  }

  /** Opens what pops up so that no control lies over it: those at the top are as high as the layers are many. */
  function openPopup(popup, map) {
    const bottoms = [...map.getContainer().querySelectorAll(".leaflet-top > *")].map((box) => box.offsetTop + box.offsetHeight);
    const size = map.getSize();
    popup.options.autoPanPaddingTopLeft = [12, Math.min(Math.max(20, ...bottoms) + 8, size.y / 3)];
    popup.options.autoPanPaddingBottomRight = [12, 12];
    popup.options.maxWidth = Math.min(popup.options.maxWidth, size.x - 70);
    popup.openOn(map);
  }

  /** A place for people. */
  function placeText(place, zoom) {
    const digits = Math.max(0, Math.min(6, Math.round(zoom / 3)));
    const lon = ((((place.lng + 180) % 360) + 360) % 360) - 180;
    return degrees(place.lat, "N", "S", digits) + " " + degrees(lon, "E", "W", digits);
  }

  function readout(map) {
    const text = rsbot.element("div", { class: "readout" });
    const control = L.control({ position: "bottomleft" });
    control.onAdd = () => text;
    control.addTo(map);
    const show = (place) => (text.textContent = placeText(place, map.getZoom()));
    map.on("mousemove", (event) => show(event.latlng));
    map.on("moveend", () => show(map.getCenter()));
    show(map.getCenter());
  }

  /** A layer that is one canvas over the map's view, drawn anew after each move. */
  const CanvasLayer = L.Layer.extend({
    onAdd(map) {
      this._canvas = rsbot.element("canvas", { class: "leaflet-zoom-hide", "aria-hidden": "true" });
      this.getPane().appendChild(this._canvas);
      map.on("moveend zoomend resize viewreset", this.redraw, this);
      this._scheme = this._scheme || rsbot.onScheme(() => this.redraw()) || true;
      this.redraw();
    },
    onRemove(map) {
      map.off("moveend zoomend resize viewreset", this.redraw, this);
      this._canvas.remove();
    },
    redraw() {
      if (!this._map || !this._canvas || !this._canvas.isConnected) return;
      const size = this._map.getSize();
      const ratio = window.devicePixelRatio || 1;
      const canvas = this._canvas;
      canvas.width = size.x * ratio;
      canvas.height = size.y * ratio;
      canvas.style.width = size.x + "px";
      canvas.style.height = size.y + "px";
      L.DomUtil.setPosition(canvas, this._map.containerPointToLayerPoint([0, 0]));
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      this.draw(context, size, frame(this._map));
    },
  });

  /** From world coordinates (0..1, Web Mercator) to the map's view: x * scale - left, y * scale - top. */
  function frame(map) {
    const scale = 256 * Math.pow(2, map.getZoom());
    const corner = map.getPixelBounds().min;
    return { scale, left: corner.x, top: corner.y };
  }

  function worldX(lon) {
    return lon / 360 + 0.5;
  }

  function worldY(lat) {
    const s = Math.sin((Math.max(-LIMIT, Math.min(LIMIT, lat)) * Math.PI) / 180);
    return 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI);
  }

  /** Inverse of worldY. */
  function latOf(y) {
    return (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
  }

  const STEPS = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];

  /** Outlines of countries and a grid of degrees: what there is to see without an online map. */
  const Ground = CanvasLayer.extend({
    initialize(options) {
      this._rings = options.outlines.map((ring) => Float64Array.from(ring, (v, i) => (i % 2 ? worldY(v) : worldX(v))));
    },
    draw(context, size, f) {
      this._grid(context, size);
      context.strokeStyle = rsbot.colour("--outline");
      context.lineWidth = 1.2;
      // Maps may reach beyond 180 degrees on either side: there the world goes on.
      for (let turn = -1; turn <= 1; turn++) strokeRings(context, this._rings, f, size, turn);
    },
    _grid(context, size) {
      const bounds = this._map.getBounds();
      const wanted = (bounds.getEast() - bounds.getWest()) / Math.max(2, size.x / 140);
      const step = STEPS.filter((s) => s >= wanted).pop() || STEPS[0];
      const digits = Math.max(0, Math.ceil(-Math.log10(step)));
      const labels = [];
      context.strokeStyle = rsbot.colour("--grid");
      context.lineWidth = 1;
      context.beginPath();
      for (let i = Math.ceil(bounds.getWest() / step); i * step <= bounds.getEast(); i++) {
        const x = Math.round(this._map.latLngToContainerPoint([0, i * step]).x) + 0.5;
        const lon = ((((i * step + 180) % 360) + 360) % 360) - 180;
        context.moveTo(x, 0);
        context.lineTo(x, size.y);
        labels.push([degrees(lon, "E", "W", digits), x + 3, size.y - 22]);
      }
      for (let i = Math.ceil(bounds.getSouth() / step); i * step <= bounds.getNorth(); i++) {
        if (Math.abs(i * step) > LIMIT) continue;
        const y = Math.round(this._map.latLngToContainerPoint([i * step, 0]).y) + 0.5;
        context.moveTo(0, y);
        context.lineTo(size.x, y);
        labels.push([degrees(i * step, "N", "S", digits), 50, y - 3]);
      }
      context.stroke();
      labelGrid(context, size, labels);
    },
  });

  const CORNER = { x: 135, y: 72 }; // screen pixels at the lower left that the scale and the place under the pointer take

  /** Degrees beside the lines: legible on any picture, whole, and not under what stands in the corners. */
  function labelGrid(context, size, labels) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = rsbot.colour("--muted");
    context.strokeStyle = rsbot.colour("--sea");
    context.lineWidth = 3;
    context.lineJoin = "round";
    for (const [text, x, y] of labels) {
      const end = x + context.measureText(text).width;
      const hidden = end > size.x - 4 || y < 12 || (x < CORNER.x && y > size.y - CORNER.y);
      if (hidden) continue;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
  }

  function strokeRings(context, rings, f, size, turn) {
    context.beginPath();
    for (const ring of rings) {
      for (let i = 0; i < ring.length; i += 2) {
        const x = (ring[i] + turn) * f.scale - f.left;
        const y = ring[i + 1] * f.scale - f.top;
        if (i) context.lineTo(x, y);
        else context.moveTo(x, y);
      }
    }
    context.stroke();
  }

  /** A small map of the surroundings in the corner, with a frame where the map is. */
  function addLocator(map, view) {
    if (!view.outlines || !view.outlines.length) return;
    const canvas = rsbot.element("canvas", { class: "locator", width: "240", height: "160", "aria-hidden": "true" });
    const control = L.control({ position: "bottomright" });
    control.onAdd = () => canvas;
    control.addTo(map);
    const rings = view.outlines.map((ring) => Float64Array.from(ring, (v, i) => (i % 2 ? worldY(v) : worldX(v))));
    function draw() {
      const context = canvas.getContext("2d");
      const [[south, west], [north, east]] = view.bounds;
      const centre = [(worldX(west) + worldX(east)) / 2, (worldY(south) + worldY(north)) / 2];
      const width = Math.min(1, Math.max(0.11, 3 * (worldX(east) - worldX(west)), 4.5 * (worldY(south) - worldY(north))));
      const f = { scale: canvas.width / width };
      f.left = centre[0] * f.scale - canvas.width / 2;
      f.top = centre[1] * f.scale - canvas.height / 2;
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.strokeStyle = rsbot.colour("--outline");
      context.lineWidth = 1.5;
      for (let turn = -1; turn <= 1; turn++) strokeRings(context, rings, f, null, turn);
      const seen = map.getBounds();
      const x = worldX(seen.getWest()) * f.scale - f.left;
      const y = worldY(seen.getNorth()) * f.scale - f.top;
      const w = Math.max(8, (worldX(seen.getEast()) - worldX(seen.getWest())) * f.scale);
      const h = Math.max(8, (worldY(seen.getSouth()) - worldY(seen.getNorth())) * f.scale);
      context.strokeStyle = rsbot.colour("--accent");
      context.lineWidth = 3;
      context.strokeRect(x, y, w, h);
    }
    map.on("moveend resize", draw);
    rsbot.onScheme(draw);
    draw();
  }

  const SMALL = 8; // screen pixels below which a tile is a plain square: whether it is turned cannot be seen

  /** A small tile, never too small to be seen, with a gap to the next one where there is room. */
  function square(context, x, y, across) {
    const side = Math.max(2.5, across > 4 ? across - 1 : across);
    context.globalAlpha = 0.9;
    context.fillRect(x, y, side, side);
  }

  /**
   * Footprints of tiles on one canvas: fit for hundreds of thousands.
   * packed: see footprints.py. styles: for each group {name, colour, dash}. `hidden` holds the groups not shown.
   */
  const Footprints = CanvasLayer.extend({
    initialize(packed, styles) {
      const corners = rsbot.numbers(packed.corners, Int32Array);
      const offsets = rsbot.numbers(packed.offsets, Int16Array);
      this._groups = rsbot.numbers(packed.groups, Uint8Array);
      this._styles = styles;
      this._world = new Float64Array(this._groups.length * 8);
      for (let i = 0; i < this._groups.length; i++) {
        for (let c = 0; c < 4; c++) {
          const at = 6 * i + 2 * (c - 1);
          const x = corners[2 * i] + (c ? offsets[at] * packed.step : 0);
          const y = corners[2 * i + 1] + (c ? offsets[at + 1] * packed.step : 0);
          this._world[8 * i + 2 * c] = worldX(x * packed.unit);
          this._world[8 * i + 2 * c + 1] = worldY(y * packed.unit);
        }
      }
    },
    draw(context, size, f) {
      const w = this._world;
      this._styles.forEach((style, group) => {
        if (style.hidden) return;
        context.fillStyle = style.colour;
        context.strokeStyle = style.colour;
        context.setLineDash(style.dash || []);
        context.lineWidth = 1.5;
        for (let i = 0; i < this._groups.length; i++) {
          if (this._groups[i] !== group) continue;
          const x = w[8 * i] * f.scale - f.left;
          const y = w[8 * i + 1] * f.scale - f.top;
          const across = Math.abs(w[8 * i + 4] - w[8 * i]) * f.scale;
          if (x < -2 * across - 5 || y < -2 * across - 5 || x > size.x + across || y > size.y + across) continue;
          if (across < SMALL) square(context, x, y, across);
          else this._outline(context, i, f);
        }
        context.setLineDash([]);
        context.globalAlpha = 1;
      });
    },
    // One path for each tile: a browser takes seconds for one of 100,000.
    _outline(context, i, f) {
      const w = this._world;
      context.beginPath();
      for (let c = 0; c < 4; c++)
        context.lineTo(w[8 * i + 2 * c] * f.scale - f.left, w[8 * i + 2 * c + 1] * f.scale - f.top);
      context.closePath();
      context.globalAlpha = 0.35;
      context.fill();
      context.globalAlpha = 1;
      context.stroke();
    },
    /** How many tiles a group has. */
    count(group) {
      return this._groups.reduce((sum, g) => sum + (g === group ? 1 : 0), 0);
    },
    group(index) {
      return this._groups[index];
    },
    /** Index of the tile at a place, or -1; near its edges, or where tiles are small, some screen pixels do not matter. */
    at(place, map) {
      const x = worldX(place.lng);
      const y = worldY(place.lat);
      const reach = 6 / (256 * Math.pow(2, map.getZoom()));
      const w = this._world;
      let best = -1;
      let nearest = Infinity;
      for (let i = this._groups.length - 1; i >= 0; i--) {
        if (this._styles[this._groups[i]].hidden) continue;
        if (this._holds(i, x, y)) return i;
        const away = Math.hypot((w[8 * i] + w[8 * i + 4]) / 2 - x, (w[8 * i + 1] + w[8 * i + 5]) / 2 - y);
        if (away < nearest && away < reach + Math.abs(w[8 * i + 4] - w[8 * i]) / 2) {
          nearest = away;
          best = i;
        }
      }
      return best;
    },
    _holds(i, x, y) {
      const w = this._world;
      let inside = false;
      for (let c = 0, d = 3; c < 4; d = c++) {
        const [ax, ay, bx, by] = [w[8 * i + 2 * c], w[8 * i + 2 * c + 1], w[8 * i + 2 * d], w[8 * i + 2 * d + 1]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      return inside;
    },
  });

  Object.assign(rsbot, { makeMap, CanvasLayer, Footprints, openPopup, placeText, worldX, worldY, latOf, frame });
})(window.rsbot);
