// What opens: a function, or one entry of an array.

const link = (kind, name, at) => {
  const table = held(kind, name);
  return `<a data-key="${key(kind, name, at)}" href="#${key(kind, name, at)}">${digits(entry(table, at))}</a>`;
};

const field = (name, at) =>
  `<input inputmode="decimal" size="8" autocomplete="off" data-input="${key("v", name, at)}"
    aria-label="${indexed(name, at)}">`;

// An array with numbers, and the gradient by it; inputs can be edited
function tableFor(kind, name) {
  const table = held(kind, name);
  if (table === undefined) return "<p class='none'>no gradient: data</p>";
  const { table: rows, at } = cells(name, table);
  if (rows.flat().length > MOST_IN_A_TABLE) {
    return `<p>${rows.length} × ${rows[0].length} numbers: Enter on a cell opens it.</p>${mapOf(kind, name)}`;
  }
  const cell = (r, c) =>
    kind === "v" && isInput(name) ? field(name, at(r, c)) : link(kind, name, at(r, c));
  return `<div class="scroll"><table>${depth(table) === 2 ? `<tr><th></th>${rows[0].map((_, c) => `<th scope="col">${c}</th>`).join("")}</tr>` : ""}
    ${rows.map((row, r) => `<tr><th scope="row">${r}</th>${row.map((_, c) => `<td>${cell(r, c)}</td>`).join("")}</tr>`).join("")}
    </table></div>`;
}

const escaped = (text) =>
  text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

const crumbs = (...more) =>
  `<p class="crumbs"><a href="#graph">the graph</a>${more.map((part) => ` › ${part}`).join("")}</p>`;

function functionPanel(node) {
  const text = DATA.functions[node.function];
  const arrays = [...node.in, node.out].map(
    (name) => `<div class="array"><h4>${label(name)}
    ${isInput(name) ? "<small>given</small>" : ""}</h4>${tableFor("v", name)}
    ${state.view.gradients[name] === undefined ? "" : `<h4>${label(name, "g")}</h4>${tableFor("g", name)}`}</div>`,
  );
  const equations = (DATA.equations[node.run] ?? DATA.equations[node.function]).join("");
  return `${crumbs(title(node))}<h2>${title(node)} <small>${node.function}, ${text.file}</small></h2>
    <div class="equations">${equations}</div>
    <p class="checks">Here, against a numeric derivative of the loss: <span data-checks="${node.id}"></span>
      npppo's own checker, by complex step: ${text.checker
        .map(({ argument, complex }) => `<b>d${argument}</b> ${digits(complex)}`)
        .join(", ")}.</p>
    ${node.run === "clipped_surrogate_loss" ? "<p>The library's function begins at log π and takes the ratio's step as well; here the two are apart.</p>" : ""}
    ${node.run === "mean" ? "<p>A part of ppo_loss: what one entropy counts.</p>" : ""}
    <div class="pair"><figure><figcaption>forward</figcaption><pre tabindex="0">${escaped(text.forward)}</pre></figure>
      <figure><figcaption>backward</figcaption><pre tabindex="0">${escaped(text.backward)}</pre></figure></div>
    <details><summary>Definition and derivation</summary><pre tabindex="0">${escaped(text.doc)}</pre></details>
    <h3>Its arrays</h3><div class="arrays">${arrays.join("")}</div>`;
}

function entryPanel(kind, name, at) {
  const gradient = state.view.gradients[name];
  const twin =
    kind === "v"
      ? gradient === undefined
        ? ""
        : `gradient ${link("g", name, at)}`
      : `the entry itself ${link("v", name, at)}`;
  return `${crumbs(...nodesAround(name).map((node) => `<a href="#f/${node.id}">${title(node)}</a>`), indexed(name, at, kind))}
    <h2>${indexed(name, at, kind)} = <span data-key="${key(kind, name, at)}"></span></h2>
    <p>${twin}</p>
    ${isInput(name) ? `<p><label>Change ${indexed(name, at)} ${field(name, at)}</label></p>` : ""}
    <div id="spelt"></div>`;
}

const nodesAround = (name) =>
  GRAPH.filter(({ in: given, out }) => out === name || given.includes(name)).slice(0, 3);

// The equation of an entry: the forward's, or the one that gives the gradient by `name`
function equationOf(node, kind, name) {
  const [forward, ...backward] = DATA.equations[node.run] ?? DATA.equations[node.function];
  return kind === "v" ? forward : (backward[node.in.indexOf(name)] ?? backward[0]);
}

// The sums of the entry that is open, with the numbers as they are now
function spell() {
  const place = $("#spelt");
  if (!place) return;
  const [kind, name, at] = opened;
  if (state.mistake) {
    place.innerHTML = "<p>While a mistake is made the sums are not shown.</p>";
    return;
  }
  const found = explain(GRAPH, state.view, kind, name, at);
  const lines = found.map(
    ({ node, expression }) => `<div class="sum"><p>${kind === "v" ? "made by" : "sent down by"}
    <a href="#f/${node.id}">${title(node)}</a></p>${equationOf(node, kind, name)}<p class="expression">${expression.html}</p>
    <p class="result">= ${digits(expression.v)}</p></div>`,
  );
  const none =
    kind === "v"
      ? "Nothing makes it: it is given, and can be changed."
      : "Here the gradient begins: ∂L/∂L = 1.";
  const more =
    found.length > 1
      ? `<p class="result">together ${digits(sum(found.map(({ expression }) => expression.v)))}</p>`
      : "";
  const numericly =
    kind === "g" && found.length
      ? `<p>A numeric derivative of the loss says <b>${digits(sum(found.map(({ node }) => numeric(node, behind(GRAPH, GRAPH.indexOf(node)), state.view.arrays, name, at))))}</b>.</p>`
      : "";
  place.innerHTML = (lines.join("") || `<p>${none}</p>`) + more + numericly;
}

let opened = null; // the entry in the panel: kind, name, at

function openPanel(html) {
  const panel = $("#panel");
  panel.innerHTML = html;
  panel.hidden = false;
  refresh();
  panel.focus({ preventScroll: true });
  panel.scrollIntoView({ block: "start" });
}

// "#f/ratio" opens a function, "#v/ratio/3" an entry, "#g/…" one of a gradient, "#m/…" a mistake
function route() {
  const [kind, name, ...rest] = decodeURIComponent(location.hash.slice(1)).split("/");
  const at = rest.map(Number);
  if (kind === "f") {
    const node = GRAPH.find(({ id }) => id === name);
    if (!node) return;
    opened = null;
    openPanel(functionPanel(node));
  } else if (kind === "v" || kind === "g") {
    const table = held(kind, name);
    if (table === undefined) return;
    const full = range(depth(table)).map((i) => at[i] ?? 0);
    opened = [kind, name, full];
    openPanel(entryPanel(kind, name, full));
  } else if (kind === "m") {
    $("#mistake").value = DATA.mistakes.findIndex(({ ids }) => ids === name);
    breakIt();
    $("#break").scrollIntoView({ block: "start" });
    $("#mistake").focus({ preventScroll: true });
  }
}
