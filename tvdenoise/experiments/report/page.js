"use strict";
// The viewers: which two pictures the slider divides, and how large they are shown.
for (const viewer of document.querySelectorAll(".viewer")) {
  const sources = JSON.parse(viewer.querySelector(".sources").textContent);
  const stage = viewer.querySelector(".stage");
  const images = stage.querySelectorAll("img");
  for (const image of images) sources[image.alt] = image.src;
  const width = Number(images[0].getAttribute("width"));
  const zooms = viewer.querySelectorAll("[data-zoom]");
  const show = (place, name) => {
    images[place].src = sources[name];
    images[place].alt = name;
  };
  const zoom = (factor) => {
    stage.classList.toggle("fit", factor === "fit");
    for (const image of images) image.style.width = `${width * (factor === "fit" ? 1 : Number(factor))}px`;
    for (const button of zooms) button.setAttribute("aria-pressed", String(button.dataset.zoom === factor));
  };
  viewer.querySelector(".left").addEventListener("change", (event) => show(0, event.target.value));
  viewer.querySelector(".right").addEventListener("change", (event) => show(1, event.target.value));
  for (const button of zooms) button.addEventListener("click", () => zoom(button.dataset.zoom));
  viewer.addEventListener("keydown", (event) => {
    const step = { "+": 1, "=": 1, "-": -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey) return;
    const names = [...zooms].map((button) => button.dataset.zoom);
    const now = names.indexOf([...zooms].find((b) => b.getAttribute("aria-pressed") === "true").dataset.zoom);
    zoom(names[Math.min(Math.max(now + step, 0), names.length - 1)]);
    event.preventDefault();
  });
  zoom("fit");
}
// The table: a click on a heading sorts by it, another one the other way; empty cells stay last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.querySelectorAll("th")];
  const value = (row, column) => row.cells[column].dataset.value;
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = order === "ascending" ? 1 : -1;
    for (const other of headings) other.setAttribute("aria-sort", other === heading ? order : "none");
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      if (a === "" || b === "") return (a === "") - (b === "");
      const difference = Number(a) - Number(b);
      return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
    });
    table.tBodies[0].append(...rows);
  }));
}
