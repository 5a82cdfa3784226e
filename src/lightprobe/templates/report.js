// What a report can be explored by; without it the page shows the same tables, pictures and map.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const photos = (data.photos || []).map(([split, path, label, answer, p, second, q, tile]) => ({ split, path, label, answer, p, second, q, tile }));
  const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}\u00a0%`;
  const sure = (p) => percent(Math.min(p, 0.9999), p < 0.99 ? 0 : p < 0.999 ? 1 : 2);

  function verdict(photo) {
    const name = (index) => data.classes[index];
    if (photo.label === photo.answer) return `✓ ${name(photo.answer)}, ${sure(photo.p)} (or ${name(photo.second)}, ${sure(photo.q)})`;
    return `✗ is ${name(photo.label)}, called ${name(photo.answer)}, ${sure(photo.p)}`;
  }

  // Pictures: those of the galleries, which are larger, else a tile of the sheet.
  const large = new Map();
  const heat = new Map();
  for (const item of document.querySelectorAll("li[data-photo]")) {
    const number = Number(item.dataset.photo);
    large.set(number, item.querySelector("img").src);
    const map = item.querySelector("img.heat");
    if (map) heat.set(number, map);
  }
  const sheet = new Image();
  if (data.tiles) sheet.src = data.tiles.source;
  const hasPicture = (number) => large.has(number) || photos[number].tile >= 0;

  function picture(number, alt = "") {
    if (large.has(number)) return el("img", { src: large.get(number), alt });
    const { tile } = photos[number];
    if (tile < 0) return el("span", { class: "gone" });
    const { side, columns } = data.tiles;
    const canvas = el("canvas", { width: side, height: side, role: "img", "aria-label": alt || "photo" });
    const draw = () => canvas.getContext("2d").drawImage(sheet, (tile % columns) * side, Math.floor(tile / columns) * side, side, side, 0, 0, side, side);
    if (sheet.complete) draw();
    else sheet.addEventListener("load", draw, { once: true });
    return canvas;
  }

  // A photo, enlarged; arrow keys go through those that it was opened among.
  const dialog = el("dialog", { "aria-labelledby": "enlarged" });
  document.body.append(dialog);
  let among = [];
  let shown = 0;

  function fill() {
    const number = among[shown];
    const photo = photos[number];
    const figures = [el("figure", {}, picture(number, photo.path), el("figcaption", {}, data.splits[photo.split]))];
    if (heat.has(number)) {
      const { src, alt } = heat.get(number);
      figures.push(el("figure", {}, el("img", { src, alt }), el("figcaption", {}, alt)));
    }
    const go = (step) => () => move(step);
    dialog.replaceChildren(
      el("div", { class: "pair" }, ...figures),
      el("p", { id: "enlarged", "aria-live": "polite" }, el("b", {}, verdict(photo)), el("br"), photo.path),
      el("p", { class: "buttons" },
        el("button", { type: "button", onclick: go(-1), disabled: among.length < 2 }, "← previous"),
        el("button", { type: "button", onclick: go(1), disabled: among.length < 2 }, "next →"),
        el("button", { type: "button", onclick: () => dialog.close() }, "close"),
        among.length > 1 ? ` ${shown + 1} of ${among.length}` : ""),
    );
  }

  function move(step) {
    const place = [...dialog.querySelectorAll("button")].indexOf(document.activeElement);
    shown = (shown + step + among.length) % among.length;
    fill();
    dialog.querySelectorAll("button")[Math.max(place, 0)].focus();
  }

  function enlarge(numbers, place) {
    among = numbers;
    shown = place;
    fill();
    dialog.showModal();
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  for (const gallery of document.querySelectorAll(".gallery")) {
    const items = [...gallery.querySelectorAll("li[data-photo]")];
    const numbers = items.map((item) => Number(item.dataset.photo));
    items.forEach((item, place) => {
      const images = [...item.querySelectorAll("img")];
      const button = el("button", { type: "button", class: "enlarge", onclick: () => enlarge(numbers, place) });
      item.prepend(button);
      button.append(...images);
    });
  }

  // A cell of a table of confusions opens its photos.
  function open(button, key, table) {
    const before = table.nextElementSibling;
    if (before && before.classList.contains("cell-photos")) before.remove();
    const again = button.getAttribute("aria-expanded") === "true";
    for (const other of table.querySelectorAll("button[aria-expanded=true]")) other.setAttribute("aria-expanded", "false");
    if (again) return;
    button.setAttribute("aria-expanded", "true");
    const [split, label, answer] = key.split(" ").map(Number);
    const total = Number(button.textContent.replaceAll(",", ""));
    const numbers = photos.flatMap((photo, i) => (photo.split === split && photo.label === label && photo.answer === answer ? [i] : []));
    const seen = numbers.filter(hasPicture);
    const list = el("ul", { class: "gallery" });
    seen.forEach((number, place) => {
      const photo = photos[number];
      list.append(el("li", {},
        el("button", { type: "button", class: "enlarge", onclick: () => enlarge(seen, place) }, picture(number, photo.path)),
        el("b", {}, sure(photo.p)), el("small", {}, photo.path)));
    });
    const unseen = numbers.filter((number) => !hasPicture(number)).map((number) => photos[number].path);
    const what = label === answer ? `${data.classes[label]}, called so` : `${data.classes[label]}, called ${data.classes[answer]}`;
    const panel = el("section", { class: "cell-photos", tabindex: "-1", "aria-label": `Photos: ${what}` },
      el("h3", {}, `${what}: ${seen.length === total ? total : `${seen.length} of ${total}`} ${total === 1 ? "photo" : "photos"}`), list);
    if (unseen.length) panel.append(el("p", { class: "note" }, `Without a picture: ${unseen.slice(0, 20).join(", ")}${unseen.length > 20 ? ` and ${unseen.length - 20} more` : ""}.`));
    if (numbers.length < total) panel.append(el("p", { class: "note" }, "The others stand in artifacts/answers.csv."));
    table.after(panel);
    panel.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  }

  for (const cell of document.querySelectorAll("td[data-cell]")) {
    const [, label, answer] = cell.dataset.cell.split(" ").map(Number);
    const said = `${cell.textContent} of ${data.classes[label]} called ${data.classes[answer]}: show them`;
    const button = el("button", { type: "button", "aria-expanded": "false", "aria-label": said }, cell.textContent);
    button.addEventListener("click", () => open(button, cell.dataset.cell, cell.closest(".scroll")));
    cell.replaceChildren(button);
  }

  // Answering only above a threshold.
  for (const place of document.querySelectorAll("[data-thresholds]")) {
    const stops = data.thresholds.stops;
    const out = el("output", { for: "threshold" });
    const slider = el("input", { type: "range", id: "threshold", min: 0, max: stops.length - 1, value: stops.indexOf(0.9), step: 1 });
    const say = () => {
      const stop = stops[slider.value];
      const above = percent(stop, Number.isInteger(100 * stop) || stop < 0.99 ? 0 : 1);
      slider.setAttribute("aria-valuetext", above);
      out.replaceChildren(el("b", {}, stop ? `Answers only above ${above}` : "Answers always"));
      for (const { name, answered, right } of data.thresholds.splits) {
        const [n, k, all] = [answered[slider.value], right[slider.value], answered[0]];
        const share = n ? `, ${percent(k / n)} of them right` : "";
        out.append(el("br"), `${n.toLocaleString("en")} of ${all.toLocaleString("en")} ${name} answered (${percent(n / all)})${share}`);
      }
    };
    slider.addEventListener("input", say);
    place.append(el("label", { for: "threshold" }, "Answer only above"), slider, out);
    say();
  }

  // The map: hover, or arrow keys from photo to photo; click or Enter enlarges.
  for (const figure of document.querySelectorAll(".map")) {
    const svg = figure.querySelector("svg");
    const dots = [...svg.querySelectorAll("circle")].map((dot) => ({
      dot, x: Number(dot.getAttribute("cx")), y: Number(dot.getAttribute("cy")), number: Number(dot.dataset.photo), group: dot.closest("g").dataset.class,
    }));
    if (!dots.length) continue;
    const tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    const said = el("p", { class: "note said", role: "status" }, "Point at a photo, or press arrow keys here; click or Enter enlarges it.");
    const stage = el("div", { class: "stage", tabindex: "0", role: "application", "aria-label": "Map of photos: arrow keys go from photo to photo, Enter enlarges" });
    svg.replaceWith(stage);
    stage.append(svg, tip);
    stage.after(said);
    let current = null;
    let byKey = false;
    let only = "";

    function pick(found, announce, key = false) {
      byKey = key;
      if (current) current.dot.classList.remove("current");
      current = found;
      tip.hidden = !found;
      if (!found) return;
      found.dot.classList.add("current");
      const photo = photos[found.number];
      tip.replaceChildren(...(hasPicture(found.number) ? [picture(found.number)] : []), el("span", {}, verdict(photo), el("small", {}, photo.path)));
      const box = svg.getBoundingClientRect();
      const x = (found.x / 1000) * box.width;
      tip.style.left = `${Math.max(0, Math.min(x + 12, box.width - 190))}px`;
      const y = (found.y / 720) * box.height;
      tip.style.top = found.y < 360 ? `${y + 12}px` : "auto";
      tip.style.bottom = found.y < 360 ? "auto" : `${box.height - y + 12}px`;
      if (announce) said.textContent = `${verdict(photo)}: ${photo.path}`;
    }

    const visible = () => dots.filter((one) => !only || one.group === only);
    const nearest = (x, y, list) => list.reduce((best, one) => (!best || (one.x - x) ** 2 + (one.y - y) ** 2 < (best.x - x) ** 2 + (best.y - y) ** 2 ? one : best), null);
    function under(event) {
      const box = svg.getBoundingClientRect();
      const [x, y] = [((event.clientX - box.left) / box.width) * 1000, ((event.clientY - box.top) / box.height) * 720];
      const found = nearest(x, y, visible());
      return found && Math.hypot(found.x - x, found.y - y) * (box.width / 1000) < 16 ? found : null;
    }
    const enlargeCurrent = () => {
      const list = visible().map((one) => one.number);
      if (current) enlarge(list, list.indexOf(current.number));
    };
    stage.addEventListener("pointermove", (event) => {
      const found = under(event);
      if (found || !byKey) pick(found, false);
    });
    stage.addEventListener("pointerleave", () => { if (!byKey) pick(null, false); });
    stage.addEventListener("blur", () => pick(null, false));
    stage.addEventListener("click", (event) => { pick(under(event), true); enlargeCurrent(); });
    stage.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Enter") enlargeCurrent();
      if (event.key === "Escape") pick(null, false);
      if (!step) return;
      event.preventDefault();
      if (!current) return pick(nearest(500, 360, visible()), true, true);
      // The nearest of those that lie that way, far ones aside counting as farther.
      const way = visible().flatMap((one) => {
        const along = (one.x - current.x) * step[0] + (one.y - current.y) * step[1];
        const aside = Math.abs((one.x - current.x) * step[1]) + Math.abs((one.y - current.y) * step[0]);
        return along > 0 && one !== current ? [[along + 2 * aside, one]] : [];
      });
      if (way.length) pick(way.reduce((best, one) => (one[0] < best[0] ? one : best))[1], true, true);
    });

    // The legend's names single a class out.
    const entries = [...figure.querySelectorAll(".legend li")];
    for (const entry of entries) {
      const button = el("button", { type: "button", "aria-pressed": "false" });
      button.append(...entry.childNodes);
      entry.append(button);
      button.addEventListener("click", () => {
        only = only === entry.dataset.class ? "" : entry.dataset.class;
        for (const other of entries) other.firstElementChild.setAttribute("aria-pressed", String(only !== "" && other.dataset.class === only));
        for (const group of svg.querySelectorAll("g")) group.classList.toggle("dim", only !== "" && group.dataset.class !== only);
        pick(null, false);
      });
    }
  }

  // Tables wider than the window say so.
  function hint() {
    for (const table of document.querySelectorAll(".scroll")) {
      const note = table.previousElementSibling;
      if (note && note.classList.contains("hint")) note.hidden = table.scrollWidth <= table.clientWidth + 1;
    }
  }
  document.documentElement.classList.add("explorable");
  addEventListener("resize", hint);
  hint();
})();
