"use strict";
// Slider over steps, values under the pointer, copying. Without it the page is whole, and still.
document.documentElement.classList.add("js");
const all = (css, root = document) => [...root.querySelectorAll(css)];
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("step"), shown = document.getElementById("shown");
const strip = document.querySelector(".strip");
const plots = all(".plot"), reads = all(".read");
const resting = data.steps.length;
let step = resting, index = plots.map(() => null);

const number = v => {
  if (v === null) return "not measured";
  if (v === 0) return "0";
  const [mantissa, power] = v.toExponential(2).split("e"), e = Number(power), size = Math.abs(v);
  if (size >= 999.5 && size < 9999.5) return v.toFixed(0);
  if (e >= -4 && e < 3) return String(Number(v.toPrecision(3)));
  return Number(mantissa) + "e" + (e < 0 ? "-" : "+") + String(Math.abs(e)).padStart(2, "0");
};
const percent = v => v === null ? "not measured" : number(100 * v) + "%";
const clamp = (low, v, high) => Math.max(low, Math.min(high, v));

function measured(plot, curve) {
  return step < resting && curve.measured && plot.frames.length ? plot.frames[step] : curve.values;
}

function height(svg, value) {
  const { height, low, high } = svg.dataset;
  const at = "log" in svg.dataset ? (value > 0 ? Math.log10(value) : Number(low)) : value;
  return height * (1 - clamp(0, (at - low) / (high - low), 1));
}

function move(svg, plot) {
  const values = measured(plot, plot.curves.find(curve => curve.measured)), { limit, side } = svg.dataset;
  all(".point", svg).forEach(point => {
    const value = values[point.dataset.i];
    point.classList.toggle("gone", value === null);
    if (value === null) return;
    point.setAttribute("y", height(svg, value).toFixed(1));
    const mark = point.firstChild;
    mark.dataset.judged ??= mark.getAttribute("class");
    const bad = side === "above" ? value > limit : value < limit;
    const now = step === resting ? mark.dataset.judged : limit && bad ? "is-bad" : "is-good";
    mark.setAttribute("class", now);
  });
  const drawable = v => v !== null && !("log" in svg.dataset && v <= 0);
  const points = plot.at.map((x, i) => drawable(values[i]) ? (1000 * x).toFixed(1) + "," + height(svg, values[i]).toFixed(1) : "");
  all(".line.measured", svg).forEach((line, i) => line.setAttribute("points", i ? "" : points.filter(Boolean).join(" ")));
}

const moment = () => step < resting ? data.steps[step] / data.steps.at(-1) : 1;

function draw() {
  if (slider) {
    shown.textContent = step < resting ? String(data.steps[step]) : data.resting;
    slider.setAttribute("aria-valuetext", "step " + shown.textContent);
  }
  const at = 100 * moment() + "%";
  plots.forEach((svg, p) => {
    if (data.plots[p].frames?.length) move(svg, data.plots[p]);
    all(".cursor", svg).forEach(line => { line.setAttribute("x1", at); line.setAttribute("x2", at); });
    tell(p);
  });
}

function nearest(positions, x) {
  return positions.reduce((best, at, i) => Math.abs(at - x) < Math.abs(positions[best] - x) ? i : best, 0);
}

function latest(plot) {
  const known = i => plot.curves.some(curve => curve.values[i] !== null);
  const before = plot.at.findLastIndex((at, i) => at <= moment() + 1e-9 && known(i));
  return Math.max(0, before);
}

function figures(plot, i) {
  if (plot.kind === "rows") {
    const when = moment();
    const before = plot.at.findLastIndex(at => at <= when + 1e-9);
    return [percent(plot.rows[i].values[Math.max(0, before)]) + " " + plot.verb];
  }
  const written = plot.share ? percent : number;
  return plot.curves.map(curve => [curve.label, measured(plot, curve)[i]])
    .filter(([, value]) => value !== null).map(([label, value]) => label + " " + written(value) + plot.unit);
}

function tell(p) {
  const plot = data.plots[p], i = index[p] ?? (plot.kind === "steps" ? latest(plot) : 0);
  const name = document.createElement("b");
  name.textContent = plot.kind === "rows" ? plot.rows[i].label : plot.names[i];
  reads[p].replaceChildren(name, " ", figures(plot, i).join(" \u00b7 "));
  if (index[p] === null) return;
  const cross = plots[p].querySelector(".cross");
  if (cross) ["x1", "x2"].forEach(end => cross.setAttribute(end, 100 * plot.at[i] + "%"));
  if (strip) all(".cell", strip).forEach(cell => cell.classList.toggle("now", cell.dataset.layer === name.textContent));
}

function pick(p, i) {
  const plot = data.plots[p];
  index[p] = clamp(0, i, (plot.kind === "rows" ? plot.rows : plot.names).length - 1);
  tell(p);
}

function go(to) {
  step = clamp(0, to, resting);
  if (slider) slider.value = step;
  draw();
}

function openRow(layer) {
  const row = all("tr[data-layer]").findLast(each => each.dataset.layer === layer);
  if (!row) return;
  for (let up = row.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  all("tr.hot").forEach(each => each.classList.remove("hot"));
  row.classList.add("hot");
  row.scrollIntoView({ block: "center" });
}

plots.forEach((svg, p) => {
  const plot = data.plots[p];
  const at = event => {
    const box = svg.getBoundingClientRect();
    return plot.kind === "rows" ? Math.floor((event.clientY - box.top) / svg.dataset.row)
      : nearest(plot.at, (event.clientX - box.left) / box.width);
  };
  const chosen = () => plot.kind === "rows" ? plot.rows[index[p] ?? 0].label : plot.names[index[p] ?? 0];
  svg.addEventListener("pointermove", event => pick(p, at(event)));
  svg.addEventListener("click", event => { pick(p, at(event)); openRow(chosen()); });
  svg.addEventListener("keydown", event => {
    const along = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (along && plot.kind === "rows" && event.key.length > 7 && event.key !== "ArrowDown") go(step + along);
    else if (along) pick(p, (index[p] ?? (along > 0 ? -1 : 1)) + along);
    else if (event.key === "Enter") openRow(chosen());
    else return;
    event.preventDefault();
  });
});
if (strip) all(".cell", strip).forEach(cell => {
  cell.addEventListener("click", () => openRow(cell.dataset.layer));
  cell.addEventListener("pointerenter", () => data.plots.forEach((plot, p) => {
    const i = (plot.kind === "rows" ? plot.rows.map(row => row.label) : plot.names).indexOf(cell.dataset.layer);
    if (i >= 0) pick(p, i);
  }));
});
if (slider) slider.addEventListener("input", () => go(Number(slider.value)));
all("button.copy").forEach(button => button.addEventListener("click", async () => {
  const command = button.nextElementSibling.textContent;
  try { await navigator.clipboard.writeText(command); } catch { getSelection().selectAllChildren(button.nextElementSibling); document.execCommand("copy"); }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}));
all("nav a").forEach(link => link.addEventListener("click", () => { document.querySelector(link.hash).open = true; }));
addEventListener("beforeprint", () => all("details").forEach(each => { each.open = true; }));
draw();
