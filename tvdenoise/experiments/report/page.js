"use strict";
// The viewers: which two pictures the slider divides, and how large they are shown.
for (const viewer of document.querySelectorAll(".viewer")) {
  const sources = JSON.parse(viewer.querySelector(".sources").textContent);
  const stage = viewer.querySelector(".stage");
  const images = stage.querySelectorAll("img");
  const labels = viewer.querySelectorAll(".labels b");
  viewer.querySelectorAll("select").forEach((select, side) => {
    const show = () => {
      images[side].src = sources[select.value];
      images[side].alt = select.value;
      labels[side].textContent = select.value;
    };
    select.selectedIndex = side;
    select.addEventListener("change", show);
    show();
  });
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
  // The first zoom fits the picture into the window; the others show its pixels as squares of so many pixels.
  const zooms = viewer.querySelectorAll("[data-factor]");
  const width = Number(images[0].getAttribute("width"));
  let level = 0;
  const zoom = (wanted) => {
    const spot = locate();
    level = Math.min(Math.max(wanted, 0), zooms.length - 1);
    stage.classList.toggle("fit", level === 0);
    for (const image of images) image.style.width = `${width * Number(zooms[level].dataset.factor)}px`;
    zooms.forEach((button, at) => button.setAttribute("aria-pressed", String(at === level)));
    stage.scrollTo(place[0] * images[1].offsetWidth - spot[0], place[1] * images[1].offsetHeight - spot[1]);
  };
  zooms.forEach((button, at) => button.addEventListener("click", () => zoom(at)));
  viewer.addEventListener("keydown", (event) => {
    const step = { "+": 1, "=": 1, "-": -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey) return;
    zoom(level + step);
    event.preventDefault();
  });
  zoom(0);
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
