"use strict";
// The viewers: which two pictures the slider divides, and how large they are shown.
for (const viewer of document.querySelectorAll(".viewer")) {
  const sources = JSON.parse(viewer.querySelector(".sources").textContent);
  const stage = viewer.querySelector(".stage");
  const images = stage.querySelectorAll("img");
  for (const image of images) sources[image.alt] = image.src;
  const width = Number(images[0].getAttribute("width"));
  const zooms = viewer.querySelectorAll("[data-zoom]");
  const labels = viewer.querySelectorAll(".labels b");
  const show = (side, name) => {
    images[side].src = sources[name];
    images[side].alt = name;
    labels[side].textContent = name;
  };
  // The place looked at: where the picture was last touched, as parts of its width and height.
  let place = [0.5, 0.5];
  const touch = (event) => {
    if (event.buttons === 0) return;
    const box = images[1].getBoundingClientRect();
    place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  for (const name of ["pointerdown", "pointermove"]) stage.addEventListener(name, touch);
  // Where that is on the stage; if it has been scrolled away, the middle of what is seen takes its place.
  const locate = () => {
    const sizes = [images[1].offsetWidth, images[1].offsetHeight];
    const scrolled = [stage.scrollLeft, stage.scrollTop];
    const seen = [Math.min(sizes[0], stage.clientWidth), Math.min(sizes[1], stage.clientHeight)];
    const spot = place.map((part, axis) => part * sizes[axis] - scrolled[axis]);
    if (spot.every((x, axis) => x >= 0 && x <= seen[axis])) return spot;
    place = seen.map((side, axis) => (scrolled[axis] + side / 2) / sizes[axis]);
    return seen.map((side) => side / 2);
  };
  const zoom = (factor) => {
    const spot = locate();
    stage.classList.toggle("fit", factor === "fit");
    for (const image of images) image.style.width = `${width * (factor === "fit" ? 1 : Number(factor))}px`;
    for (const button of zooms) button.setAttribute("aria-pressed", String(button.dataset.zoom === factor));
    stage.scrollTo(place[0] * images[1].offsetWidth - spot[0], place[1] * images[1].offsetHeight - spot[1]);
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
