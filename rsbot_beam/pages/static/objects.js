"use strict";
/* Objects of a map on one canvas: outlines where they are large enough, else a shape for each class; or how many are where. */
(function (rsbot) {
  const SMALL = 7; // screen pixels across, below which an object is a shape instead of its outline
  const RADIUS = 5;
  const REACH = 10; // screen pixels around a click in which an object is looked for
  const CROWD = 400; // objects in view, of which more are drawn as circles that say how many are where
  const CELL = 64; // screen pixels a side of the squares that such circles stand for

  /**
   * classes: [{code, name, colour}]. Objects are GeoJSON features with the properties n, code, score, lon and lat; clusters
   * are {lon, lat, count, code, score}. Longitudes are brought to the turn of the globe around `middle`.
   */
  const Objects = rsbot.CanvasLayer.extend({
    initialize(classes, middle) {
      this._middle = middle;
      this._colours = new Map(classes.map((item) => [item.code, item.colour]));
      this._order = new Map(classes.map((item, index) => [item.code, index]));
      this._items = [];
      this._given = []; // clusters that a server made
      this._clusters = []; // those that are drawn
      this._chosen = null;
    },
    /** Shows other objects. */
    set(features, clusters) {
      this._items = features.map((feature) => this._item(feature));
      this._given = (clusters || []).map((c) => ({ ...c, x: rsbot.worldX(this._turn(c.lon)), y: rsbot.worldY(c.lat) }));
      this._items.reverse(); // the highest scores lie on top
      this.redraw();
    },
    choose(feature) {
      this._chosen = feature ? feature.properties.n : null;
      this.redraw();
    },
    /** What is at a place: {feature}, {cluster} or null. */
    at(place, map) {
      const scale = 256 * Math.pow(2, map.getZoom());
      const [x, y] = [rsbot.worldX(place.lng), rsbot.worldY(place.lat)];
      for (const c of this._clusters)
        if (Math.hypot(c.x - x, c.y - y) * scale <= Math.max(REACH, size(c.count))) return { cluster: c };
      if (this._crowded) return null;
      let [best, nearest] = [null, REACH / scale];
      for (let i = this._items.length - 1; i >= 0; i--) {
        const item = this._items[i];
        const inside = item.rings.some((ring) => holds(ring, x, y));
        const distance = Math.hypot(item.x - x, item.y - y);
        // Inside of several, the one whose middle is nearest.
        if (inside && (best === null || !best.inside || distance < nearest)) [best, nearest] = [{ item, inside }, distance];
        else if (!inside && !(best && best.inside) && distance < nearest) [best, nearest] = [{ item, inside }, distance];
      }
      return best ? { feature: best.item.feature } : null;
    },
    _turn(lon) {
      return this._middle + ((((lon - this._middle + 180) % 360) + 360) % 360) - 180;
    },
    _item(feature) {
      const { lon, lat, code, score } = feature.properties;
      const own = this._turn(lon);
      const near = (value) => own + ((((value - own + 180) % 360) + 360) % 360) - 180;
      const flat = (ring) => Float64Array.from(ring.flatMap(([a, b]) => [rsbot.worldX(near(a)), rsbot.worldY(b)]));
      const { type, coordinates } = feature.geometry;
      const polygons = type === "Polygon" ? [coordinates] : type === "MultiPolygon" ? coordinates : [];
      const rings = polygons.map((polygon) => flat(polygon[0]));
      const holes = polygons.flatMap((polygon) => polygon.slice(1).map(flat));
      const xs = rings.flatMap((ring) => Array.from(ring).filter((_, i) => i % 2 === 0));
      const across = xs.length ? Math.max(...xs) - Math.min(...xs) : 0;
      return { feature, x: rsbot.worldX(own), y: rsbot.worldY(lat), rings, holes, across, code, score };
    },
    draw(context, size, f) {
      const visible = this._items.filter((item) => {
        const [x, y, reach] = [item.x * f.scale - f.left, item.y * f.scale - f.top, 2 * item.across * f.scale + 9];
        return x > -reach && y > -reach && x < size.x + reach && y < size.y + reach;
      });
      this._crowded = visible.length > CROWD;
      this._clusters = this._crowded ? crowd(visible, f) : this._given;
      if (!this._crowded) this._drawItems(context, visible, f);
      this._clusters.forEach((cluster) => this._drawCluster(context, cluster, f));
    },
    _drawItems(context, items, f) {
      const halo = rsbot.colour("--ground");
      for (const item of items) {
        const [x, y] = [item.x * f.scale - f.left, item.y * f.scale - f.top];
        const across = item.across * f.scale;
        const chosen = item.feature.properties.n === this._chosen;
        const colour = this._colours.get(item.code) || "#808080";
        context.globalAlpha = chosen || item.score === null ? 1 : 0.45 + 0.55 * item.score;
        context.beginPath();
        if (across >= SMALL) {
          for (const ring of [...item.rings, ...item.holes]) trace(context, ring, f);
          stroke(context, halo, chosen ? 7 : 4);
          stroke(context, chosen ? rsbot.colour("--accent") : colour, chosen ? 3 : 2);
        } else {
          shape(context, this._order.get(item.code) || 0, x, y, chosen ? RADIUS + 3 : RADIUS);
          stroke(context, halo, 3);
          context.fillStyle = colour;
          context.fill();
          stroke(context, chosen ? rsbot.colour("--accent") : "#202020", chosen ? 2.5 : 1);
        }
      }
      context.globalAlpha = 1;
    },
    _drawCluster(context, cluster, f) {
      const [x, y] = [cluster.x * f.scale - f.left, cluster.y * f.scale - f.top];
      context.beginPath();
      context.arc(x, y, size(cluster.count), 0, 2 * Math.PI);
      context.fillStyle = rsbot.colour("--glass");
      context.fill();
      stroke(context, this._colours.get(cluster.code) || "#808080", 4);
      context.fillStyle = rsbot.colour("--text");
      context.font = "600 12px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(short(cluster.count), x, y);
    },
  });

  /** Objects put together by squares of the view; the squares are those of the world, and do not move with it. */
  function crowd(items, f) {
    const cells = new Map();
    for (const item of items) {
      const key = Math.floor((item.x * f.scale) / CELL) + "/" + Math.floor((item.y * f.scale) / CELL);
      const cell = cells.get(key) || { x: 0, y: 0, count: 0, codes: new Map() };
      cell.x += item.x;
      cell.y += item.y;
      cell.count += 1;
      cell.codes.set(item.code, (cell.codes.get(item.code) || 0) + 1);
      cells.set(key, cell);
    }
    return Array.from(cells.values(), (cell) => {
      const [x, y] = [cell.x / cell.count, cell.y / cell.count];
      const code = [...cell.codes].sort((a, b) => b[1] - a[1])[0][0];
      return { x, y, count: cell.count, code, lon: (x - 0.5) * 360, lat: rsbot.latOf(y) };
    });
  }

  /** Radius of a cluster on the screen. */
  function size(count) {
    return 12 + 3 * Math.log10(count);
  }

  function short(count) {
    return count >= 10000 ? Math.round(count / 1000) + "k" : String(count);
  }

  function stroke(context, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  function trace(context, ring, f) {
    for (let i = 0; i < ring.length; i += 2) {
      const [x, y] = [ring[i] * f.scale - f.left, ring[i + 1] * f.scale - f.top];
      if (i) context.lineTo(x, y);
      else context.moveTo(x, y);
    }
  }

  /** A disc, a square, a triangle, a diamond: classes differ not by colour alone. */
  function shape(context, number, x, y, r) {
    const corners = [0, 4, 3, 4][number % 4];
    if (!corners) return context.arc(x, y, r, 0, 2 * Math.PI);
    const turn = number % 4 === 1 ? Math.PI / 4 : -Math.PI / 2;
    for (let i = 0; i < corners; i++) {
      const angle = turn + (2 * Math.PI * i) / corners;
      const [a, b] = [x + 1.3 * r * Math.cos(angle), y + 1.3 * r * Math.sin(angle)];
      if (i) context.lineTo(a, b);
      else context.moveTo(a, b);
    }
    context.closePath();
  }

  function holds(ring, x, y) {
    let inside = false;
    for (let c = 0, d = ring.length - 2; c < ring.length; d = c, c += 2) {
      const [ax, ay, bx, by] = [ring[c], ring[c + 1], ring[d], ring[d + 1]];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  }

  rsbot.Objects = Objects;
})(window.rsbot);
