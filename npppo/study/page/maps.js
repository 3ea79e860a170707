// Arrays as maps: a square for a number above 0, a diamond below, its area its size.

// An array as rows of cells: (N,) is a column, a bias (M,) a row; and the entry of a cell
function cells(name, array) {
  if (depth(array) === 2) return { table: array, at: (r, c) => [r, c] };
  if (depth(array) === 0) return { table: [[array]], at: () => [] };
  if (/\.b\d+$/.test(name)) return { table: [array], at: (r, c) => [c] };
  return { table: array.map((value) => [value]), at: (r) => [r] };
}

const cellSize = (n) => (n <= 16 ? 11 : n <= 32 ? 6 : 3);

function mapOf(kind, name) {
  const { table } = cells(name, state.view.arrays[name]);
  const [w, h] = [cellSize(table[0].length), cellSize(table.length)];
  const [width, height] = [w * table[0].length, h * table.length];
  const large = table.length * table[0].length > MOST_IN_A_TABLE ? " large" : "";
  return `<button type="button" class="map${large}" data-kind="${kind}" data-name="${name}" data-w="${w}" data-h="${h}">
    <svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true">
    <rect class="ground" width="${width}" height="${height}"/><rect class="row" width="${width}" height="${h}"/>
    <path class="pos"/><path class="neg"/><path class="wrong"/><rect class="cursor" width="${w}" height="${h}"/>
    </svg></button>`;
}

function drawMap(map) {
  const { kind, name } = map.dataset;
  const [w, h] = [Number(map.dataset.w), Number(map.dataset.h)];
  const table = tableOf(map);
  const largest = Math.max(...table.flat().filter(Number.isFinite).map(Math.abs), 0);
  const paths = { pos: "", neg: "", wrong: "" };
  const right = state.mistake && state.view.right[kind === "v" ? "arrays" : "gradients"][name];
  const rightTable = right !== null && right !== undefined && cells(name, right).table;
  const unit = rightTable && Math.max(...rightTable.flat().map(Math.abs), 0);
  table.forEach((row, r) =>
    row.forEach((value, c) => {
      const [x, y] = [(c + 0.5) * w, (r + 0.5) * h];
      if (rightTable && !(Math.abs(value - rightTable[r][c]) <= 1e-7 * unit)) {
        paths.wrong += `M${x - w / 2 + 0.5} ${y - h / 2 + 0.5}h${w - 1}v${h - 1}h${1 - w}z`;
      }
      if (!value || !largest || !Number.isFinite(value)) return;
      const size = Math.max(0.12, Math.sqrt(Math.abs(value) / largest)) * (value > 0 ? 0.46 : 0.52);
      const [a, b] = [tenth(size * w), tenth(size * h)]; // short numbers are written faster
      if (value > 0) paths.pos += `M${x - a} ${y - b}h${2 * a}v${2 * b}h${-2 * a}z`;
      else paths.neg += `M${x} ${y - b}l${a} ${b}l${-a} ${b}l${-a} ${-b}z`;
    }),
  );
  for (const [name, d] of Object.entries(paths)) setAttribute($(`path.${name}`, map), "d", d);
  const shape = [table.length, table[0].length].join(" by ");
  setAttribute(map, "aria-label", `${label(name, kind)}, ${shape}, largest ${digits(largest)}`);
}

// What is as it was is left alone: the browser would lay it out again
function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

const tenth = (length) => Math.round(length * 10) / 10;

const tableOf = ({ dataset: { kind, name } }) => cells(name, held(kind, name)).table;

// The cell of a map under the pointer or the cursor
function point(map, r, c) {
  const table = tableOf(map);
  const [row, column] = [clamp(r, table.length), clamp(c, table[0].length)];
  Object.assign(map.dataset, { r: row, c: column });
  const { kind, name } = map.dataset;
  const at = cells(name, state.view.arrays[name]).at(row, column);
  place($(".cursor", map), column * map.dataset.w, row * map.dataset.h);
  const twin = state.view[kind === "v" ? "gradients" : "arrays"][name];
  const other =
    twin === undefined
      ? ""
      : `, ${indexed(name, at, kind === "v" ? "g" : "v")} = ${digits(entry(twin, at))}`;
  $("#readout").textContent = `${indexed(name, at, kind)} = ${digits(table[row][column])}${other}`;
  const N = state.view.arrays.x.length;
  for (const one of all("#lanes .map")) {
    const same =
      tableOf(one).length === N &&
      table.length === N &&
      !/\.[Wb]\d+$/.test(one.dataset.name + name);
    one.classList.toggle("in-row", same);
    if (same) place($(".row", one), 0, row * one.dataset.h);
  }
}

const clamp = (i, n) => Math.max(0, Math.min(n - 1, i));

function place(rect, x, y) {
  rect.setAttribute("x", x);
  rect.setAttribute("y", y);
}

function openCell(map) {
  const { kind, name, r, c } = map.dataset;
  const at = cells(name, state.view.arrays[name]).at(Number(r ?? 0), Number(c ?? 0));
  location.hash = key(kind, name, at);
}

function cellUnder(map, event) {
  const box = $("svg", map).getBoundingClientRect();
  return [
    (event.clientY - box.top) / map.dataset.h,
    (event.clientX - box.left) / map.dataset.w,
  ].map(Math.floor);
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function listenToMaps(within) {
  within.addEventListener("pointermove", (event) => {
    const map = event.target.closest(".map");
    if (map) point(map, ...cellUnder(map, event));
  });
  within.addEventListener("focusin", ({ target }) => {
    if (target.matches(".map"))
      point(target, Number(target.dataset.r ?? 0), Number(target.dataset.c ?? 0));
  });
  within.addEventListener("keydown", (event) => {
    const map = event.target.closest(".map");
    if (!map || !(event.key in ARROWS)) return;
    const [down, right] = ARROWS[event.key];
    point(map, Number(map.dataset.r ?? 0) + down, Number(map.dataset.c ?? 0) + right);
    $("#status").textContent = $("#readout").textContent;
    event.preventDefault();
  });
  within.addEventListener("click", (event) => {
    const map = event.target.closest(".map");
    if (map) openCell(map);
  });
}
