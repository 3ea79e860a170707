// The page: what is refreshed when a number changes, and the beginning. It comes last.

function update() {
  compute();
  refresh();
}

function refresh() {
  const [large, small] = [all(".map.large"), all(".map:not(.large)")];
  small.forEach(drawMap);
  requestAnimationFrame(() => {
    large.forEach(drawMap);
    drawFigures();
  });
  for (const place of all("[data-key]")) {
    const [kind, name, ...at] = place.dataset.key.split("/");
    setText(place, digits(entry(held(kind, name), at.map(Number))));
  }
  refreshFields();
  const edits = sum([...state.edits.values()].map(({ size }) => size));
  $("#edited").textContent = state.mistake
    ? `The mistake ${state.mistake.ids} is made, at the recorded numbers.`
    : edits
      ? `${edits} number${edits > 1 ? "s are" : " is"} edited.`
      : "Nothing is edited.";
  $("#reset").hidden = !edits;
  spell();
  refreshTour();
  showWrong();
  checkAll();
}

// The checks follow an edit, one function at a time, so that it never waits for them
let checking = 0;
function checkAll() {
  const mine = ++checking;
  const results = {};
  const next = (index) => {
    if (mine !== checking || index === GRAPH.length) return;
    const node = GRAPH[index];
    const began = performance.now();
    results[node.id] = state.mistake ? null : errors(GRAPH, state.view, index);
    microscope.checkTook = Math.max(index ? microscope.checkTook : 0, performance.now() - began);
    showCheck(node, results[node.id]);
    microscope.checked = index + 1 === GRAPH.length;
    setTimeout(next, 0, index + 1);
  };
  microscope.checked = false;
  setTimeout(next, 0, 0);
}

function showCheck(node, found) {
  const worst = found && Math.max(...Object.values(found).map(({ error }) => error));
  const ok = found && Object.values(found).every((one) => one.ok);
  const mark = $(`[data-node="${node.id}"] .check`);
  mark.textContent = found ? `${ok ? "✓" : "✗"} ${digits(worst)}` : "";
  mark.classList.toggle("bad", Boolean(found) && !ok);
  mark.setAttribute(
    "aria-label",
    found ? `error ${digits(worst)}, ${ok ? "right" : "not right, or at a kink"}` : "",
  );
  for (const place of all(`[data-checks="${node.id}"]`)) {
    place.innerHTML =
      found &&
      Object.entries(found)
        .map(
          ([name, { error, ok: fine }]) =>
            `<b>${label(name, "g")}</b> ${digits(error)}${fine ? "" : " ✗ (wrong, or at a kink)"}`,
        )
        .join(", ") + ".";
  }
}

// For npppo's tests: what the page computes, and how long it took
const microscope = { state, editTook: 0, checkTook: 0, checked: false, readyAt: 0 };

compute();
buildLanes();
buildBatch();
buildFigures();
buildMistakes();
document.body.insertAdjacentHTML("beforeend", "<p id='notice' aria-hidden='true'></p>");
listenToMaps(document.body);
listenToFields(document.body);
for (const radio of all("[name=moment]"))
  radio.addEventListener("change", () => setMoment(radio.value));
$("#reset").addEventListener("click", () => {
  state.edits.clear();
  say("");
  update();
  $("#graph").focus();
});
// Stops of the tour that say what is not so here
if (Math.abs(evaluate(GRAPH, recorded("before")).arrays.policy_loss) > 1e-9)
  $("#stops > li").remove();
if (!GRAPH.some(({ run }) => run === "tanh")) $("[data-look='value.act1']").remove();
$("#previous").addEventListener("click", () => goTo(stop - 1));
$("#next").addEventListener("click", () => goTo(stop + 1));
addEventListener("hashchange", route);
goTo(0);
route();
microscope.readyAt = performance.now();
