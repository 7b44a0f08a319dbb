"use strict";
/* The page of a dataset: the map of its tiles. */
(function (rsbot) {
  const packed = rsbot.data().footprints;
  const DASHES = { empty: [2, 3], dead: [6, 3] };

  /** Footprints of one group of tiles are a layer of their own, so that it can be switched off. */
  const world = rsbot.makeMap("footprints", packed.view);
  const styles = packed.styles.map((name) => ({ name, dash: DASHES[name], hidden: true }));
  const footprints = new rsbot.Footprints(packed, styles);
  function paint() {
    for (const style of styles) style.colour = rsbot.colour("--" + style.name);
    footprints.redraw();
  }
  footprints.addTo(world.map);
  rsbot.onScheme(paint);

  const Group = L.Layer.extend({
    initialize(style) {
      this._style = style;
    },
    onAdd() {
      this._style.hidden = false;
      paint();
    },
    onRemove() {
      this._style.hidden = true;
      paint();
    },
  });
  for (const [index, style] of styles.entries()) {
    const count = footprints.count(index);
    if (!count) continue;
    const mark = rsbot.element("span", { class: "split split-" + style.name }, rsbot.element("span", { class: "mark" }));
    world.add(style.name + " (" + count.toLocaleString("en") + ")", new Group(style), true, mark);
  }

  const keyOfTile = rsbot.numbers(packed.key_of, Uint16Array);
  const places = rsbot.numbers(packed.key_places, Int32Array);

  function keyOf(index) {
    const name = packed.key_names[keyOfTile[index]];
    return name.replace("{row}", places[2 * index]).replace("{col}", places[2 * index + 1]);
  }

  function description(index) {
    const list = rsbot.element("dl", {});
    const rows = [
      ["tile", keyOf(index)],
      ["split", styles[footprints.group(index)].name],
      ["classes", packed.classes[index] || "not read for this page"],
    ];
    for (const [name, value] of rows) list.append(rsbot.element("dt", {}, name), rsbot.element("dd", {}, value));
    return list;
  }

  world.onPick((place) => {
    const index = footprints.at(place, world.map);
    if (index >= 0) rsbot.openPopup(L.popup({ maxWidth: 280 }).setLatLng(place).setContent(description(index)), world.map);
  });
})(window.rsbot);
