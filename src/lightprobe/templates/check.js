// Findings are accepted or rejected here; what was accepted can be downloaded as tables.
(() => {
  const findings = JSON.parse(document.getElementById("data").textContent);
  const decided = new Map();

  // File names need not be text: what Python writes as U+DC80 to U+DCFF is a byte of its own.
  function bytes(text) {
    const encoder = new TextEncoder();
    const parts = [];
    for (const letter of text) {
      const code = letter.codePointAt(0);
      if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
      else parts.push(...encoder.encode(letter));
    }
    return new Uint8Array(parts);
  }
  const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = (rows) => bytes(rows.map((row) => `${row.map(cell).join(",")}\r\n`).join(""));

  function tables() {
    const accepted = [...decided].flatMap(([number, choice]) => (choice >= 0 ? [findings[number].choices[choice]] : []));
    const removed = [...new Set(accepted.flatMap((choice) => choice.remove))];
    const relabelled = new Map(accepted.flatMap((choice) => choice.relabel.map((row) => [row[0], row])));
    removed.forEach((path) => relabelled.delete(path));
    return {
      "relabel.csv": [["path", "label"], ...[...relabelled.values()].map(([path, label]) => [path, label])],
      "remove.csv": [["path"], ...removed.map((path) => [path])],
      "plan.csv": [["path", "new_path"], ...removed.map((path) => [path, ""]), ...[...relabelled.values()].map(([path, , to]) => [path, to])],
    };
  }

  function download(name) {
    const address = URL.createObjectURL(new Blob([csv(tables()[name])], { type: "text/csv" }));
    const link = el("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  const status = el("span", { role: "status" });
  const buttons = ["relabel.csv", "remove.csv", "plan.csv"].map((name) => el("button", { type: "button", onclick: () => download(name) }, name));

  function say() {
    const choices = [...decided.values()];
    const n = choices.filter((choice) => choice >= 0).length;
    status.textContent = `${n} accepted, ${choices.length - n} rejected, ${findings.length - choices.length} undecided. Download:`;
    const rows = tables();
    for (const button of buttons) button.disabled = rows[button.textContent].length === 1;
  }

  for (const place of document.querySelectorAll("[data-finding]")) {
    const number = Number(place.dataset.finding);
    const options = findings[number].choices.map((choice, i) => [i, choice.text]);
    const radios = [...options, [-1, "reject: leave it as it is"]].map(([value, text]) =>
      el("label", {}, el("input", { type: "radio", name: `finding-${number}`, onchange: () => {
        decided.set(number, value);
        place.dataset.decided = value >= 0 ? "accepted" : "rejected";
        say();
      } }), ` ${text}`));
    place.append(el("fieldset", {}, el("legend", {}, "What to do"), ...radios));
  }
  if (findings.length) document.querySelector("main").append(el("div", { class: "decided", role: "region", "aria-label": "Decisions" }, status, ...buttons));
  say();
})();
