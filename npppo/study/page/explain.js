// One entry of one array: the sum that makes it, spelt out with its numbers.
//
// An expression is { v, html }: its value, and its text, in which every number that stands in an
// array is a link to that entry. The value is computed from the very terms that are shown, and
// npppo's tests compare it with the entry.

const NAMES = {
  x: "x",
  log_prob: "log π",
  old_log_prob: "log π₀",
  advantages: "Â",
  ratio: "r",
  entropy: "H",
  actions: "a",
  targets: "R",
  policy_loss: "policy loss",
  mean_entropy: "mean entropy",
  value_loss: "value loss",
  loss: "loss",
  clip: "ε",
  vf_coef: "cᵥ",
  ent_coef: "cₑ",
};

// "policy.W1" as W₁, of the value network as W₁ᵛ
function label(name, kind = "v") {
  const [lane, part] = name.includes(".") ? name.split(".") : ["", name];
  const low = (digits) => digits.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
  const text = lane ? low(part) + (lane === "value" ? "ᵛ" : "") : (NAMES[part] ?? part);
  return kind === "g" ? `d${text.includes(" ") ? ` ${text}` : text}` : text;
}

const indexed = (name, at, kind) => label(name, kind) + (at.length ? `[${at.join(", ")}]` : "");

function digits(number) {
  if (number === null || !Number.isFinite(number)) return "no finite number";
  const size = Math.abs(number);
  const text =
    size && (size < 1e-3 || size >= 1e5) ? number.toExponential(2) : number.toPrecision(4);
  return text
    .replace(/(\.\d*?)0+(?=e|$)/, "$1")
    .replace(/\.(?=e|$)/, "")
    .replaceAll("-", "−");
}

const key = (kind, name, at) => [kind, name, ...at].join("/");

// An entry of an array ("v") or of the gradient by it ("g"), as a link
function linked(kind, name, at, v) {
  const title = indexed(name, at, kind);
  return { v, html: `<a href="#${key(kind, name, at)}" title="${title}">${digits(v)}</a>` };
}

const plain = (v, title = "") => ({ v, html: `<span title="${title}">${digits(v)}</span>` });

// A number that one entry decides, as a link to that entry
const by = (source, v, title) => ({
  v,
  html: source.html
    .replace(/title="[^"]*"/, `title="${title}"`)
    .replace(/>[^<]*</, `>${digits(v)}<`),
});
const bracket = ({ v, html }) => ({ v, html: `(${html})` });
const beginsWithMinus = ({ html }) => html.replace(/<[^>]*>/g, "").startsWith("−");
const signed = (term) => (beginsWithMinus(term) ? bracket(term) : term);
const product = (...factors) => ({
  v: factors.reduce((total, factor) => total * factor.v, 1),
  html: factors.map((factor, i) => (i ? signed(factor) : factor).html).join(" · "),
});
const total = (terms) => ({
  v: sum(terms.map((term) => term.v)),
  html: terms
    .map((term, i) => {
      const less = i > 0 && beginsWithMinus(term); // "− 2" for "+ −2"
      const sign = less ? "− " : i ? "+ " : "";
      return `<span class="term">${sign}${less ? term.html.replace("−", "") : term.html}</span>`;
    })
    .join(" "),
});
const minus = (a, b) => ({ v: a.v - b.v, html: `${a.html} − ${signed(b).html}` });
const negative = (a) => ({ v: -a.v, html: `− ${signed(a).html}` });
const square = (a) => ({ v: a.v * a.v, html: `${bracket(a).html}²` });
const applied = (name, f, a) => ({ v: f(a.v), html: `${name}(${a.html})` });
const smaller = (a, b) => ({
  v: Math.min(a.v, b.v),
  html: `min(${[a, b].map(({ v, html }) => (v <= Math.min(a.v, b.v) ? `<b>${html}</b>` : html)).join(", ")})`,
});

// How each function makes an entry of its output, and what it sends to an entry of an input. `V` and
// `G` link to an entry of an array and of the gradient by it; `names` are what the node is given.
const SPELT = {
  linear: {
    forward: ({ V, names: [x, W, b], size }, [n, m]) =>
      total([...range(size(W)).map((k) => product(V(x, n, k), V(W, k, m))), V(b, m)]),
    backward({ V, G, names: [x, W, b], out, size }, name, [i, j]) {
      if (name === x) return total(range(size(b)).map((m) => product(G(out, i, m), V(W, j, m))));
      if (name === W) return total(range(size(x)).map((n) => product(V(x, n, i), G(out, n, j))));
      return total(range(size(x)).map((n) => G(out, n, i)));
    },
  },
  tanh: {
    forward: ({ V, names: [x] }, at) => applied("tanh", Math.tanh, V(x, ...at)),
    backward: ({ V, G, out }, name, at) =>
      product(G(out, ...at), bracket(minus(plain(1), square(V(out, ...at))))),
  },
  relu: {
    forward: ({ V, names: [x] }, at) => smaller0(V(x, ...at)),
    backward: ({ V, G, names: [x], out }, name, at) =>
      product(G(out, ...at), by(V(x, ...at), V(x, ...at).v > 0 ? 1 : 0, "the slope there")),
  },
  categorical_log_prob: {
    forward: ({ V, names: [z, actions], size }, [n]) =>
      minus(V(z, n, V(actions, n).v), logSum(V, z, n, size)),
    backward({ V, G, names: [z, actions], out }, name, [n, b]) {
      const action = V(actions, n);
      const taken = by(action, b === action.v ? 1 : 0, "1 for the action taken, else 0");
      return product(G(out, n), bracket(minus(taken, probability(V, z, n, b))));
    },
  },
  categorical_entropy: {
    forward: ({ V, names: [z], size }, [n]) =>
      negative(
        bracket(
          total(
            range(size(z, 1)).map((a) => {
              const p = probability(V, z, n, a);
              return product(p, applied("log", Math.log, p));
            }),
          ),
        ),
      ),
    backward({ V, G, names: [z], out }, name, [n, a]) {
      const p = probability(V, z, n, a);
      const inner = total([applied("log", Math.log, p), V(out, n)]);
      return negative(product(G(out, n), p, bracket(inner)));
    },
  },
  importance_ratio: {
    forward: ({ V, names: [now, old] }, [n]) =>
      applied("exp", Math.exp, minus(V(now, n), V(old, n))),
    backward: ({ V, G, out }, name, [n]) => product(G(out, n), V(out, n)),
  },
  clipped_surrogate_loss: {
    forward: ({ V, names: [r, advantages, clip], size }) =>
      overN(
        negative(
          bracket(
            total(
              range(size(r)).map((n) => {
                const [ratio, advantage, { v: e }] = [V(r, n), V(advantages, n), V(clip)];
                const bound = Math.min(Math.max(ratio.v, 1 - e), 1 + e);
                const limited = by(ratio, bound, "r limited to 1 ± ε");
                return smaller(product(ratio, advantage), product(limited, advantage));
              }),
            ),
          ),
        ),
        size(r),
      ),
    backward({ V, G, names: [r, advantages, clip], out, size }, name, [n]) {
      const { flows } = branches(V(r, n).v, V(advantages, n).v, V(clip).v);
      const slope = flows ? V(advantages, n) : plain(0, "the clipped branch is constant in r");
      return overN(negative(product(G(out), slope)), size(r));
    },
  },
  value_loss: {
    forward: ({ V, names: [v, R], size }) =>
      overN(
        product(
          plain(0.5),
          bracket(total(range(size(v)).map((n) => square(minus(V(v, n), V(R, n)))))),
        ),
        size(v),
      ),
    backward: ({ V, G, names: [v, R], out, size }, name, [n]) =>
      overN(product(G(out), bracket(minus(V(v, n), V(R, n)))), size(v)),
  },
  mean: {
    forward: ({ V, names: [H], size }) =>
      overN(bracket(total(range(size(H)).map((n) => V(H, n)))), size(H)),
    backward: ({ G, names: [H], out, size }) => overN(G(out), size(H)),
  },
  ppo_objective: {
    forward: ({ V, names: [policy, value, entropy, vf_coef, ent_coef] }) =>
      minus(total([V(policy), product(V(vf_coef), V(value))]), product(V(ent_coef), V(entropy))),
    backward({ V, G, names: [policy, value, , vf_coef, ent_coef], out }, name) {
      if (name === policy) return G(out);
      if (name === value) return product(G(out), V(vf_coef));
      return negative(product(G(out), V(ent_coef)));
    },
  },
};

const range = (n) => Array.from({ length: n }, (_, i) => i);
const overN = (a, N) => ({ v: a.v / N, html: `${a.html} / ${N}` });
const smaller0 = (a) => ({ v: Math.max(a.v, 0), html: `max(${a.html}, 0)` });
const exponentials = (V, z, n, A) =>
  total(range(A).map((a) => applied("exp", Math.exp, V(z, n, a))));

function logSum(V, z, n, size) {
  const inner = exponentials(V, z, n, size(z, 1));
  return applied("log", Math.log, inner);
}

function probability(V, z, n, a) {
  const A = V(z, n).length;
  const p = softmax([range(A).map((b) => V(z, n, b).v)])[0][a];
  return by(V(z, n, a), p, `π(${a}|s) of row ${n}, the softmax of its logits`);
}

// What a node's spelling is given
function context(view, node) {
  const read =
    (kind, table) =>
    (name, ...at) => {
      // the values of the last layer are a column: (N,) for (N, 1)
      const own = Array.isArray(entry(table[name], at.slice(0, 1)))
        ? at
        : at.slice(0, depth(table[name]));
      const found = entry(table[name], own);
      return Array.isArray(found) ? found : linked(kind, name, own, found);
    };
  const size = (name, axis = 0) => (axis ? view.arrays[name][0].length : view.arrays[name].length);
  const [V, G] = [read("v", view.arrays), read("g", view.gradients)];
  return { V, G, names: node.in, out: node.out, size };
}

const spelt = (node) => SPELT[node.run === "value_layer" ? "linear" : node.run];

// The terms that make an entry: one expression for a value, one for each node that sends to a
// gradient. None where nothing makes it.
function explain(graph, view, kind, name, at) {
  if (kind === "v") {
    const node = graph.find(({ out }) => out === name);
    if (!node) return [];
    const full = node.run === "value_layer" ? [...at, 0] : at;
    return [{ node, expression: spelt(node).forward(context(view, node), full) }];
  }
  return graph
    .filter(({ id }) => view.sent[id][name] !== undefined)
    .map((node) => ({ node, expression: spelt(node).backward(context(view, node), name, at) }));
}
