// What the page knows: the recorded minibatch, what was edited in it, or a mistake that is made; and
// the view, which is all that follows from these.

const DATA = JSON.parse(document.getElementById("data").textContent);
const GRAPH = DATA.graph;
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const SHARED = ["actions", "old_log_prob", "advantages", "targets"];
const SCALARS = ["clip", "vf_coef", "ent_coef"];
const MOST_IN_A_TABLE = 600;

const state = { moment: "before", edits: new Map(), mistake: null, view: null };

const recorded = (moment) => ({ ...DATA.inputs, ...DATA.moments[moment] });
const isInput = (name) => name in DATA.inputs || name in DATA.moments.after;

function currentInputs() {
  const inputs = recorded(state.moment);
  for (const [name, edits] of state.edits) {
    for (const { at, number } of edits.values()) inputs[name] = replaced(inputs[name], at, number);
  }
  return inputs;
}

// With a mistake the recorded minibatch, and in it what turned wrong
function brokenView() {
  const right = evaluate(GRAPH, recorded("after"));
  const { arrays, gradients } = state.mistake;
  const over = (known, wrong) => {
    const shown = Object.entries(wrong).filter(([, { array }]) => array !== null);
    return { ...known, ...Object.fromEntries(shown.map(([name, { array }]) => [name, array])) };
  };
  const view = {
    ...right,
    arrays: over(right.arrays, arrays),
    gradients: over(right.gradients, gradients),
  };
  return { ...view, right };
}

function compute() {
  state.view = state.mistake ? brokenView() : evaluate(GRAPH, currentInputs());
}

// An array ("v"), or the gradient by it ("g")
const held = (kind, name) => state.view[kind === "v" ? "arrays" : "gradients"][name];

// The new number of an input's entry, or why there is none
function edit(name, at, text) {
  const number = text.trim() === "" ? NaN : Number(text.replace("−", "-").replace(",", "."));
  const actions = state.view.arrays.logits[0].length;
  const old = entry(state.view.arrays[name], at);
  const stays = `${indexed(name, at)} stays ${digits(old)}.`;
  if (!Number.isFinite(number)) return `“${text}” is no number: ${stays}`;
  if (name === "actions" && !range(actions).includes(number)) {
    return `“${text}” is no action, which are 0 to ${actions - 1}: ${stays}`;
  }
  if (name === "clip" && number < 0) return `“${text}” is below 0: ${stays}`;
  if (!state.edits.has(name)) state.edits.set(name, new Map());
  state.edits.get(name).set(at.join("/"), { at, number });
  update();
  return "";
}
