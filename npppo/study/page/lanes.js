// The graph: its functions and arrays in lanes, from left to right.

// What a function does, in a line: forward, backward
const SHORT = {
  linear: ["x W + b", "dy Wᵀ"],
  value_layer: ["x W + b", "dy Wᵀ"],
  tanh: ["tanh z", "dh (1 − h²)"],
  relu: ["max(z, 0)", "dh [z > 0]"],
  categorical_log_prob: ["z[a] − log Σ eᶻ", "d ([b = a] − p)"],
  importance_ratio: ["exp(log π − log π₀)", "dr · r"],
  clipped_surrogate_loss: ["−mean min(r Â, c Â)", "−Â / N or 0"],
  categorical_entropy: ["−Σ p log p", "−dH p (log p + H)"],
  mean: ["Σ H / N", "dm / N"],
  value_loss: ["½ mean (v − R)²", "(v − R) / N"],
  ppo_objective: ["policy + cᵥ value − cₑ entropy", "1, cᵥ, −cₑ"],
};
const TITLES = {
  linear: "linear",
  value_layer: "linear",
  categorical_log_prob: "log-prob",
  importance_ratio: "ratio",
  clipped_surrogate_loss: "clipped surrogate",
  categorical_entropy: "entropy",
  value_loss: "value loss",
  ppo_objective: "the whole loss",
};
const LANES = { policy: "Policy", value: "Value function", entropy: "Entropy", total: "Loss" };
const title = (node) => TITLES[node.run] ?? node.run;

// A number by itself, any other array as a map
const picture = (kind, name) =>
  depth(state.view.arrays[name])
    ? mapOf(kind, name)
    : `<span class="scalar">${link(kind, name, [])}</span>`;

const edgeOf = (
  name,
) => `<div class="edge" data-edge="${name}"><span class="name">${label(name)}</span>
  <div class="forward">${picture("v", name)}</div><div class="back">${picture("g", name)}</div>
  <span class="off"></span></div>`;

// A function with what it is given beside the array that comes along the lane
function nodeOf(node) {
  const own = node.in.slice(1).filter((name) => isInput(name));
  const given = (kind) =>
    own
      .filter((name) => kind === "v" || state.view.gradients[name] !== undefined)
      .map((name) => `<span class="given"><i>${label(name, kind)}</i>${picture(kind, name)}</span>`)
      .join("");
  const [forward, backward] = SHORT[node.run];
  return `<div class="node" data-node="${node.id}">
    <a class="name" href="#f/${node.id}">${title(node)}</a>
    <span class="short to">→ ${forward}</span><div class="forward">${given("v")}</div>
    <span class="short fro">← ${backward}</span><div class="back">${given("g")}</div>
    <span class="check" title="how far its gradient is from a numeric derivative"></span></div>`;
}

function buildLanes() {
  $("#lanes").innerHTML = Object.entries(LANES)
    .map(([lane, name]) => {
      const nodes = GRAPH.filter((node) => node.lane === lane);
      const first = lane === "total" ? nodes[0].in.slice(0, 3) : [nodes[0].in[0]];
      const parts = first.map(edgeOf);
      for (const node of nodes) parts.push(nodeOf(node), edgeOf(node.out));
      return `<section class="lane ${lane}" aria-label="${name}"><h3>${name}</h3>
      <div class="scroll"><div class="flow">${parts.join("")}</div></div></section>`;
    })
    .join("");
}
