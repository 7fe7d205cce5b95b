
"use strict";
(() => {
  const map = document.querySelector(".service-map");
  if (!map) return;
  const svg = map.querySelector("svg.map"), form = map.querySelector(".controls");
  const details = map.querySelector(".details"), output = form.querySelector("output");
  const nodes = [...svg.querySelectorAll(".node")], edges = [...svg.querySelectorAll(".edge")];
  const find = form.querySelector("input[type=search]");
  const ends = edges.map((e) => [Number(e.dataset.a), Number(e.dataset.b)]);
  const out = nodes.map(() => []), into = nodes.map(() => []);
  ends.forEach(([a, b]) => { if (a !== b) { out[a].push(b); into[b].push(a); } });
  let chosen = -1, stop = 0;

  const look = (i) => {
    svg.classList.toggle("looking", i >= 0);
    const near = new Set(i < 0 ? [] : [i, ...out[i], ...into[i]]);
    nodes.forEach((n, k) => n.classList.toggle("near", near.has(k)));
    edges.forEach((e, k) => e.classList.toggle("near", i >= 0 && ends[k].includes(i)));
  };
  const names = (list) => [...new Set(list)].map((k) => nodes[k].dataset.name).sort().join(", ");
  const choose = (i) => {
    chosen = i;
    nodes.forEach((n, k) => n.classList.toggle("chosen", k === i));
    look(i);
    details.hidden = i < 0;
    if (i < 0) return;
    const [name, told, links] = details.children, data = nodes[i].dataset;
    name.textContent = data.name + " (" + data.kind + ")";
    told.textContent = data.told;
    links.textContent = (into[i].length ? "Called by " + names(into[i]) + ". " : "")
      + (out[i].length ? "Calls " + names(out[i]) + "." : "");
  };
  const focus = (i) => {
    if (i === undefined) return;
    nodes[stop].setAttribute("tabindex", "-1");
    stop = i;
    nodes[i].setAttribute("tabindex", "0");
    nodes[i].focus({preventScroll: true});
    nodes[i].scrollIntoView({block: "nearest", inline: "nearest"});
  };
  const shown = (k) => !nodes[k].classList.contains("off");
  const at = (k) => [Number(nodes[k].dataset.x), Number(nodes[k].dataset.y)];
  const closest = (i, fits) => nodes.map((_, k) => k).filter((k) => k !== i && shown(k) && fits(at(k), at(i)))
    .sort((a, b) => Math.hypot(at(a)[0] - at(i)[0], at(a)[1] - at(i)[1]) - Math.hypot(at(b)[0] - at(i)[0], at(b)[1] - at(i)[1]))[0];
  const moves = {
    ArrowUp: (p, o) => p[0] === o[0] && p[1] < o[1], ArrowDown: (p, o) => p[0] === o[0] && p[1] > o[1],
    ArrowLeft: (p, o) => p[0] < o[0], ArrowRight: (p, o) => p[0] > o[0],
  };
  nodes.forEach((node, i) => {
    node.addEventListener("mouseenter", () => { if (chosen < 0) look(i); });
    node.addEventListener("mouseleave", () => { if (chosen < 0) look(-1); });
    node.addEventListener("click", () => { focus(i); choose(chosen === i ? -1 : i); });
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") choose(chosen === i ? -1 : i);
      else if (moves[event.key]) focus(closest(i, moves[event.key]));
      else return;
      event.preventDefault();
    });
  });
  const filter = () => {
    const hidden = new Set(), failing = form.querySelector("[value=failing]").checked;
    form.querySelectorAll("input[type=checkbox]:not(:checked)").forEach((box) => hidden.add(box.value));
    edges.forEach((e) => e.classList.remove("off"));
    nodes.forEach((n) => n.classList.toggle("off", hidden.has(n.dataset.kind)));
    edges.forEach((e, k) => e.classList.toggle("off",
      ends[k].some((i) => !shown(i)) || (failing && !e.classList.contains("failing"))));
    if (failing) {
      const kept = new Set(ends.filter((_, k) => !edges[k].classList.contains("off")).flat());
      nodes.forEach((n, k) => { if (!kept.has(k)) n.classList.add("off"); });
    }
    const text = find.value.trim().toLowerCase();
    const hits = nodes.map((_, k) => k).filter((k) => text && shown(k) && nodes[k].dataset.name.toLowerCase().includes(text))
      .sort((a, b) => nodes[a].dataset.name.length - nodes[b].dataset.name.length || a - b);
    nodes.forEach((n, k) => n.classList.toggle("hit", hits.includes(k)));
    output.textContent = text ? hits.length + " found" : "";
    return hits;
  };
  const fit = (on) => {
    map.classList.toggle("fit", on);
    form.querySelector("[value=fit]").setAttribute("aria-pressed", String(on));
  };
  const clear = () => { find.value = ""; filter(); choose(-1); };
  form.addEventListener("change", filter);
  find.addEventListener("input", () => {
    const hits = filter();
    if (hits.length) nodes[hits[0]].scrollIntoView({block: "nearest", inline: "center"});
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const hits = filter();
    if (hits.length) { focus(hits[0]); choose(hits[0]); }
  });
  form.addEventListener("click", (event) => {
    if (event.target.value === "clear") clear();
    if (event.target.value === "fit") fit(!map.classList.contains("fit"));
  });
  map.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
  if (nodes.length) nodes[0].setAttribute("tabindex", "0");
  form.hidden = false;
  const canvas = map.querySelector(".canvas");
  if (nodes.length) {
    const first = nodes.map((_, k) => k).sort((a, b) => at(a)[0] - at(b)[0] || out[b].length - out[a].length)[0];
    canvas.scrollTop = at(first)[1] - canvas.clientHeight / 2;
  }
})();
