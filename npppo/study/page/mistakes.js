// The mistakes of the book, one at a time: npppo has computed what turns wrong.

function buildMistakes() {
  const groups = Map.groupBy(DATA.mistakes.keys(), (i) => DATA.mistakes[i].functions.join(" and "));
  for (const [functions, numbers] of groups) {
    const options = numbers.map((i) => {
      const { ids, sentence } = DATA.mistakes[i];
      const short = sentence.length > 90 ? `${sentence.slice(0, 88)}…` : sentence;
      return `<option value="${i}">${ids}  ${escaped(short)}</option>`;
    });
    $("#mistake").insertAdjacentHTML(
      "beforeend",
      `<optgroup label="${functions}">${options.join("")}</optgroup>`,
    );
  }
  $("#mistake").addEventListener("change", breakIt);
}

function breakIt() {
  state.mistake = DATA.mistakes[$("#mistake").value] ?? null;
  if (state.mistake) {
    all(".lit").forEach((one) => one.classList.remove("lit"));
    state.moment = "after";
    $("[name=moment][value=after]").checked = true;
  }
  update();
}

// How far an array of the mistake is from the right one
function deviation({ off, largest }) {
  if (off === null) return "is not finite";
  return `off by up to ${digits(off)}${largest ? `, ${digits((100 * off) / largest)} % of its largest` : ""}`;
}

function showWrong() {
  const { mistake } = state;
  document.body.classList.toggle("broken", Boolean(mistake));
  for (const name of all("[name=moment]")) name.disabled = Boolean(mistake);
  for (const edge of all("[data-edge]")) {
    const name = edge.dataset.edge;
    const off = mistake && (name in mistake.arrays || name in mistake.gradients);
    edge.classList.toggle("off-right", Boolean(off));
    setText($(".off", edge), off ? "✗ wrong" : "");
  }
  for (const node of all("[data-node]")) {
    const { function: name } = GRAPH.find(({ id }) => id === node.dataset.node);
    const guilty = mistake?.functions.some((full) => full.replace("_backward", "") === name);
    node.classList.toggle("guilty", Boolean(guilty));
  }
  if (!mistake) {
    setText($("#broken"), "");
    return;
  }
  const lines = (kind, table) =>
    Object.entries(table)
      .map(([name, wrong]) => `<li><b>${label(name, kind)}</b> ${deviation(wrong)}</li>`)
      .join("");
  const verdicts = mistake.checker
    .map(
      ({ argument, ok, complex, message }) => `<li><b>d${argument}</b>
    ${ok ? `✓ no fault found (${digits(complex)})` : `✗ ${escaped(message)}`}</li>`,
    )
    .join("");
  const silent = mistake.checker.every(({ ok }) => ok)
    ? "<p>The checker is silent: the gradient is right, of a wrong function. Only a comparison with the library tells.</p>"
    : "";
  const wrong =
    lines("v", mistake.arrays) + lines("g", mistake.gradients) ||
    "<li>Nothing, at these numbers.</li>";
  $("#broken").innerHTML =
    `<p class="sentence"><b>${mistake.ids}</b> in ${mistake.functions.join(" and ")}. ${escaped(mistake.sentence)}</p>
    <div class="pair"><div><h3>What turns wrong</h3><ul>${wrong}</ul></div>
    <div><h3>What the checker says of ${mistake.functions[0].replace("_backward", "")}</h3><ul>${verdicts}</ul>${silent}</div></div>
    <p><a href="#graph">See it in the graph</a> <button type="button" id="mend">Mend it</button></p>`;
  $("#mend").addEventListener("click", () => {
    $("#mistake").value = "";
    breakIt();
    $("#mistake").focus();
  });
}
