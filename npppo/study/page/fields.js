// Fields for the numbers that can be changed, and the table of the minibatch.

function listenToFields(within) {
  within.addEventListener("input", ({ target }) => {
    if (!target.dataset.input) return;
    const [, name, ...at] = target.dataset.input.split("/");
    const began = performance.now();
    const wrong = edit(name, at.map(Number), target.value);
    target.setAttribute("aria-invalid", Boolean(wrong));
    say(wrong);
    if (wrong) return;
    document.body.getBoundingClientRect(); // the layout is part of what an edit takes
    microscope.editTook = performance.now() - began;
  });
  within.addEventListener("focusin", ({ target }) => {
    if (!target.dataset.input) return;
    target.value = inputNumber(target);
    target.select();
  });
  within.addEventListener("focusout", ({ target }) => {
    if (!target.dataset.input) return;
    target.setAttribute("aria-invalid", false);
    refreshFields();
  });
}

// What a field stands for; it shows all digits only while it is edited
function inputNumber(input) {
  const [, name, ...at] = input.dataset.input.split("/");
  return entry(state.view.arrays[name], at.map(Number));
}

const short = (number) => String(Number(number.toPrecision(5)));

function say(words) {
  $("#status").textContent = words;
  $("#notice").textContent = words;
}

function refreshFields() {
  for (const input of all("[data-input]")) {
    const [, name, ...at] = input.dataset.input.split("/");
    const number = inputNumber(input);
    if (input !== document.activeElement && input.value !== short(number))
      input.value = short(number);
    input.disabled = Boolean(state.mistake);
    const edited = state.edits.get(name)?.has(at.join("/")) && !state.mistake;
    input.classList.toggle("edited", Boolean(edited));
  }
}

function buildBatch() {
  const { x, actions } = state.view.arrays;
  const heads = ["row", ...x[0].map((_, k) => `x[${k}]`), ...SHARED.map((name) => label(name))];
  $("#rows").innerHTML =
    `<table><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr>
    ${actions
      .map(
        (_, n) => `<tr><th scope="row">${n}</th>
      ${x[n].map((_, k) => `<td>${field("x", [n, k])}</td>`).join("")}
      ${SHARED.map((name) => `<td>${field(name, [n])}</td>`).join("")}</tr>`,
      )
      .join("")}</table>`;
  const words = { clip: "clip ε", vf_coef: "value's weight cᵥ", ent_coef: "entropy's weight cₑ" };
  $("#scalars").innerHTML =
    SCALARS.map((name) => `<label>${words[name]} ${field(name, [])}</label>`).join(" ") +
    '<p>Weights and biases: open a <a href="#f/policy.linear1">linear</a> function.</p>';
}
