// The formulas of npppo's ppo_loss and of the networks below it, as the page computes them.
//
// The same names as in npppo/formulas, and the same convention: a forward returns [out, cache], its
// backward takes (dout, cache) and returns the gradients in the order of the arguments. An array is
// a list of its rows: (N, D) is N lists of D numbers, (N,) a list of N, () a number. npppo's tests
// compare all of this with the library.

"use strict";

// Σ term(i) for i from 0 to n - 1
function sigma(n, term) {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}

const sum = (numbers) => sigma(numbers.length, (i) => numbers[i]);
const scaled = (numbers, factor) => numbers.map((number) => number * factor);
// f(entry, row, column) of each entry of an array, and f(entry, entry of b, ...) of two alike
const each = (a, f, ...at) =>
  Array.isArray(a) ? a.map((part, i) => each(part, f, ...at, i)) : f(a, ...at);
const both = (a, b, f) => (Array.isArray(a) ? a.map((part, i) => both(part, b[i], f)) : f(a, b));

// Of layers.py

function linear(x, W, b) {
  const y = x.map((row) => b.map((bias, m) => sigma(W.length, (k) => row[k] * W[k][m]) + bias));
  return [y, [x, W]]; // (N, M)
}

function linear_backward(dy, [x, W]) {
  // forward: y = x W + b
  const [N, M] = [x.length, W[0].length];
  const dx = dy.map((row) => W.map((weights) => sigma(M, (m) => row[m] * weights[m]))); // (N, D)
  const dW = W.map((weights, k) => weights.map((_, m) => sigma(N, (n) => x[n][k] * dy[n][m])));
  const db = W[0].map((_, m) => sigma(N, (n) => dy[n][m])); // (M,)
  return [dx, dW, db];
}

// The value network's last layer has one output, and its column is the values: (N, 1) -> (N,)
function value_layer(x, W, b) {
  const [y, cache] = linear(x, W, b);
  return [y.map((row) => row[0]), cache];
}

const value_layer_backward = (dvalues, cache) =>
  linear_backward(
    dvalues.map((one) => [one]),
    cache,
  );

function tanh(x) {
  const y = each(x, Math.tanh);
  return [y, [y]];
}

// forward: y = tanh(x), with the slope 1 - y²
const tanh_backward = (dy, [y]) => [both(dy, y, (d, value) => d * (1 - value * value))];

const relu = (x) => [each(x, (value) => (value <= 0 ? 0 : value)), [x]];

// forward: y = x where x > 0, else 0
const relu_backward = (dy, [x]) => [both(dy, x, (d, value) => (value <= 0 ? 0 : d))];

// Of categorical.py

// log p_a = z_a - log Σ exp(z_b) of each row, z being the logits minus their largest
function log_softmax(logits) {
  return logits.map((row) => {
    const largest = Math.max(...row);
    const shifted = row.map((z) => z - largest);
    const total = Math.log(sum(shifted.map(Math.exp)));
    return shifted.map((z) => z - total);
  });
}

const softmax = (logits) => each(log_softmax(logits), Math.exp);

function categorical_log_prob(logits, actions) {
  const log_p = log_softmax(logits); // (N, A)
  return [log_p.map((row, n) => row[actions[n]]), [each(log_p, Math.exp), actions]]; // (N,)
}

function categorical_log_prob_backward(dlog_prob, [p, actions]) {
  // forward: log_prob = log_p[row, action]
  const taken = (n, a) => (a === actions[n] ? 1 : 0);
  return [each(p, (p_a, n, a) => dlog_prob[n] * (taken(n, a) - p_a))]; // (N, A)
}

function categorical_entropy(logits) {
  const log_p = log_softmax(logits); // (N, A)
  const entropy = log_p.map((row) => -sum(row.map((value) => Math.exp(value) * value))); // (N,)
  return [entropy, [log_p, entropy]];
}

function categorical_entropy_backward(dentropy, [log_p, entropy]) {
  // forward: H = -Σ p log p
  return [each(log_p, (value, n) => -dentropy[n] * Math.exp(value) * (value + entropy[n]))];
}

// KL(old ‖ new) = Σ p_old (log p_old - log p) of each row
function categorical_kl(old_logits, logits) {
  const [old_log_p, log_p] = [log_softmax(old_logits), log_softmax(logits)];
  return old_log_p.map((row, n) => sum(row.map((old, a) => Math.exp(old) * (old - log_p[n][a]))));
}

// Of surrogates.py

function importance_ratio(log_prob, old_log_prob) {
  const ratio = both(log_prob, old_log_prob, (new_, old) => Math.exp(new_ - old)); // (N,)
  return [ratio, [ratio]];
}

// forward: ratio = exp(log_prob - old_log_prob)
const importance_ratio_backward = (dratio, [ratio]) => [both(dratio, ratio, (d, r) => d * r)];

// One row of the clipped surrogate: r Â, c Â, and whether the gradient flows, as r Â is the smaller
function branches(ratio, advantage, clip) {
  const unclipped = ratio * advantage;
  const clipped = Math.min(Math.max(ratio, 1 - clip), 1 + clip) * advantage;
  return { unclipped, clipped, flows: unclipped <= clipped };
}

// The library's function of this name begins at log_prob and so takes the ratio's step as well
function clipped_surrogate_loss(ratio, advantages, clip) {
  const rows = ratio.map((r, n) => branches(r, advantages[n], clip));
  const smaller = rows.map((row) => (row.flows ? row.unclipped : row.clipped));
  return [-sum(smaller) / rows.length, [rows, advantages]]; // ()
}

function clipped_surrogate_loss_backward(dloss, [rows, advantages]) {
  // forward: loss = -1/N Σ min(r Â, clip(r) Â), and ∂(r Â)/∂r = Â
  return [rows.map((row, n) => (row.flows ? advantages[n] : 0) * (-dloss / rows.length))]; // (N,)
}

// Of losses.py

function value_loss(values, targets) {
  const error = both(values, targets, (value, target) => value - target); // (N,)
  return [(0.5 * sum(error.map((e) => e * e))) / error.length, [error]]; // ()
}

// forward: loss = 1/(2N) Σ error²
const value_loss_backward = (dloss, [error]) => [scaled(error, dloss / error.length)]; // (N,)

const mean = (entropy) => [sum(entropy) / entropy.length, [entropy.length]]; // ()

// forward: mean = 1/N Σ entropy
const mean_backward = (dmean, [N]) => [Array(N).fill(dmean / N)]; // (N,)

function ppo_objective(policy_loss, value_term, mean_entropy, vf_coef, ent_coef) {
  return [policy_loss + vf_coef * value_term - ent_coef * mean_entropy, [vf_coef, ent_coef]];
}

// forward: loss = policy_loss + vf_coef · value_loss - ent_coef · mean entropy
const ppo_objective_backward = (dloss, [vf_coef, ent_coef]) => [
  dloss,
  dloss * vf_coef,
  -dloss * ent_coef,
];

// The graph

// Each forward with its backward, which gives gradients by as many of the first arguments as it says
const FUNCTIONS = {
  linear: [linear, linear_backward],
  value_layer: [value_layer, value_layer_backward],
  tanh: [tanh, tanh_backward],
  relu: [relu, relu_backward],
  categorical_log_prob: [categorical_log_prob, categorical_log_prob_backward],
  categorical_entropy: [categorical_entropy, categorical_entropy_backward],
  importance_ratio: [importance_ratio, importance_ratio_backward],
  clipped_surrogate_loss: [clipped_surrogate_loss, clipped_surrogate_loss_backward],
  value_loss: [value_loss, value_loss_backward],
  mean: [mean, mean_backward],
  ppo_objective: [ppo_objective, ppo_objective_backward],
};

// `graph` is a list of nodes { id, run, in, out }, each after those that it needs: the function
// `run` makes the array called `out` of those called `in`. The last one makes the loss.
function forward(graph, inputs, caches = {}) {
  const arrays = { ...inputs };
  for (const node of graph) {
    const [run] = FUNCTIONS[node.run];
    [arrays[node.out], caches[node.id]] = run(...node.in.map((name) => arrays[name]));
  }
  return arrays;
}

// Forward through the graph and back again: all arrays, the gradient by each of them, and what each
// node sends down to each of its inputs. Where several send to one array, its gradient is the sum.
function evaluate(graph, inputs) {
  const caches = {};
  const arrays = forward(graph, inputs, caches);
  const gradients = { loss: 1 };
  const sent = {};
  for (const node of graph.toReversed()) {
    const [, backward] = FUNCTIONS[node.run];
    sent[node.id] = {};
    backward(gradients[node.out], caches[node.id]).forEach((gradient, position) => {
      const name = node.in[position];
      sent[node.id][name] = gradient;
      const known = gradients[name];
      gradients[name] = known === undefined ? gradient : both(known, gradient, (a, b) => a + b);
    });
  }
  return { arrays, gradients, sent };
}

// The checker

const STEP = Math.cbrt(Number.EPSILON); // as in npppo/check.py
const BAR = 1e-7;
const ENTRIES = 64; // of a larger array so many are checked, evenly spread

const entry = (a, at) => at.reduce((part, i) => part[i], a);
const positions = (a) => each(a, (_, ...at) => [at]).flat(depth(a));
const depth = (a) => (Array.isArray(a) ? 1 + depth(a[0]) : 0);

// A copy of an array with another number at a position
function replaced(a, [i, ...rest], number) {
  if (i === undefined) return number;
  return a.map((part, k) => (k === i ? replaced(part, rest, number) : part));
}

// The nodes behind one of the graph's, which its output reaches
function behind(graph, index) {
  const reached = new Set([graph[index].out]);
  return graph.slice(index + 1).filter((node) => {
    const reaches = node.in.some((name) => reached.has(name));
    if (reaches) reached.add(node.out);
    return reaches;
  });
}

// ∂loss/∂entry of what a node is given under a name, through this node alone, by a central
// difference: the rest of the graph is computed twice
function numeric(node, rest, arrays, name, at) {
  const [run] = FUNCTIONS[node.run];
  const value = entry(arrays[name], at);
  const step = STEP * Math.max(1, Math.abs(value));
  const loss = (number) => {
    const given = node.in.map((n) => (n === name ? replaced(arrays[n], at, number) : arrays[n]));
    return forward(rest, { ...arrays, [node.out]: run(...given)[0] }).loss;
  };
  return (loss(value + step) - loss(value - step)) / (2 * step);
}

// How far what a node sends down is from numeric derivatives, for each of its inputs: the error
// max|yours - numeric| / max|numeric|, and whether it is no more than the difference's own
function errors(graph, { arrays, sent }, index) {
  const [node, rest] = [graph[index], behind(graph, index)];
  // the terms of the losses are of order 1, or of that of the loss
  const rounding = (10 * Number.EPSILON * Math.max(1, Math.abs(arrays.loss))) / STEP;
  const found = {};
  for (const [name, gradient] of Object.entries(sent[node.id])) {
    const all = positions(gradient);
    const stride = Math.ceil(all.length / ENTRIES);
    let [off, largest] = [0, 0];
    for (const at of all.filter((_, i) => i % stride === 0)) {
      const number = numeric(node, rest, arrays, name, at);
      off = Math.max(off, Math.abs(entry(gradient, at) - number));
      largest = Math.max(largest, Math.abs(number));
    }
    found[name] = { error: largest > 0 ? off / largest : off, ok: off <= BAR * largest + rounding };
  }
  return found;
}
