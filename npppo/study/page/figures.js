// The two live figures: the clipped surrogate against the ratio, the softmax against one logit.

const WIDTH = 440;
const LEFT = 56;

// A plot as a piece of an SVG: `top` and `height` on the page; it draws what `add` is given in the
// units of its axes
function plot(x, y, top, height) {
  const [[x0, x1], [y0, y1]] = [x, y];
  const at = (a) => LEFT + ((a - x0) / (x1 - x0)) * (WIDTH - LEFT - 8);
  const up = (b) => top + height - ((b - y0) / (y1 - y0)) * height;
  const parts = [];
  const add = (html) => parts.push(html);
  const text = (a, b, words, anchor) =>
    add(`<text x="${at(a)}" y="${up(b)}" text-anchor="${anchor}">${words}</text>`);
  return {
    parts,
    band: (a, b) =>
      add(
        `<rect class="band" x="${at(a)}" y="${top}" width="${at(b) - at(a)}" height="${height}"/>`,
      ),
    line: (points, style) =>
      add(
        `<polyline class="${style}" points="${points.map(([a, b]) => `${at(a)},${up(b)}`).join(" ")}"/>`,
      ),
    dot(a, b, { negative, hollow, title }) {
      const [cx, cy] = [at(a), up(b)];
      const shape = negative
        ? `M${cx} ${cy - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z`
        : `M${cx - 4} ${cy - 4}h8v8h-8z`;
      add(
        `<path class="dot ${negative ? "neg" : "pos"}${hollow ? " hollow" : ""}" d="${shape}"><title>${title}</title></path>`,
      );
    },
    axes(xs, ys, title) {
      add(`<line class="axis" x1="${at(x0)}" x2="${at(x1)}" y1="${up(y0)}" y2="${up(y0)}"/>`);
      if (y0 < 0 && y1 > 0) {
        add(`<line class="zero" x1="${at(x0)}" x2="${at(x1)}" y1="${up(0)}" y2="${up(0)}"/>`);
      }
      for (const a of xs) {
        add(`<text x="${at(a)}" y="${up(y0) + 14}" text-anchor="middle">${digits(a)}</text>`);
      }
      for (const b of ys) {
        add(`<text x="${at(x0) - 6}" y="${up(b) + 4}" text-anchor="end">${digits(b)}</text>`);
      }
      add(`<text class="title" x="${at(x0)}" y="${top - 7}">${title}</text>`);
    },
    text,
  };
}

const points = (from, to, f, n = 120) =>
  range(n + 1)
    .map((i) => from + (i / n) * (to - from))
    .map((x) => [x, f(x)]);

const rounded = (low, high) => [Math.floor(low * 2) / 2, Math.ceil(high * 2) / 2];

// min(r Â, clip(r) Â) and its slope for a chosen Â and ε; each row as a dot with its own Â
function surrogateFigure({ arrays }, advantage, clip) {
  const every = arrays.ratio.map((r, n) => ({ n, r, own: arrays.advantages[n] }));
  const rows = every.filter(({ r, own }) => r <= 4 && Math.abs(own) <= 10); // the rest is outside
  const J = (r, own) => {
    const { unclipped, clipped, flows } = branches(r, own, clip);
    return flows ? unclipped : clipped;
  };
  const last = Math.max(2, ...rows.map(({ r }) => r * 1.05));
  const values = [0, J(0, advantage), J(last, advantage), ...rows.map(({ r, own }) => J(r, own))];
  const above = plot([0, last], rounded(Math.min(...values), Math.max(...values)), 24, 170);
  const slopes = [0, advantage, ...rows.map(({ own }) => own)];
  const below = plot([0, last], rounded(Math.min(...slopes), Math.max(...slopes)), 250, 110);
  const edge = advantage > 0 ? 1 + clip : 1 - clip;
  const flows = (r) => branches(r, advantage, clip).flows;
  for (const one of [above, below]) one.band(1 - clip, Math.min(1 + clip, last));
  const [low, high] = rounded(Math.min(...values), Math.max(...values));
  above.axes(
    [0, 1 - clip, 1, 1 + clip, 2],
    [low, 0, high],
    "min(r Â, clip(r) Â), which the loss rewards",
  );
  above.line(
    points(0, last, (r) => r * advantage).filter(([, b]) => b >= low && b <= high),
    "faint",
  );
  above.line(
    [
      [0, J(0, advantage)],
      [edge, J(edge, advantage)],
      [last, J(last, advantage)],
    ],
    "curve",
  );
  const [bottom, top] = rounded(Math.min(...slopes), Math.max(...slopes));
  below.axes([0, 1, 2], [bottom, 0, top], "its slope: Â where the gradient flows, else 0");
  for (const [a, b] of [
    [0, edge],
    [edge, last],
  ]) {
    const slope = flows((a + b) / 2) ? advantage : 0;
    below.line(
      [
        [a, slope],
        [b, slope],
      ],
      "curve",
    );
  }
  for (const { n, r, own } of rows) {
    const { flows: passes } = branches(r, own, clip);
    const title = `row ${n}: r ${digits(r)}, Â ${digits(own)}, ${passes ? "flows" : "silenced"}`;
    const look = { negative: own < 0, hollow: !passes, title };
    above.dot(r, J(r, own), look);
    below.dot(r, passes ? own : 0, look);
  }
  const title = `Clipped surrogate for Â ${digits(advantage)} and ε ${digits(clip)}`;
  const outside = every.length - rows.length;
  const note = outside ? `<p>Outside of the figure: ${outside} of the rows.</p>` : "";
  return svg(390, [above, below], title) + note;
}

// π(a|s), its score and the KL divergence of a step, against the logit of action a in a row
function softmaxFigure({ arrays }, row, action, step) {
  const others = arrays.logits[row];
  if (!others.every((z) => Math.abs(z) < 1e6))
    return { picture: "", said: "A logit is too large." };
  const now = others[action];
  const moved = (z) => others.map((other, a) => (a === action ? z : other));
  const p = (z) => softmax([moved(z)])[0][action];
  const kl = (z) => categorical_kl([moved(z)], [moved(z + step)])[0];
  const middle = Math.log(sum(others.filter((_, a) => a !== action).map(Math.exp)));
  const [from, to] = [Math.min(middle - 6, now - 1), Math.max(middle + 6, now + step + 1)];
  const ticks = range(5)
    .map((i) => Math.round(from) + i * Math.round((to - from) / 4))
    .filter((z) => z >= from && z <= to);
  const above = plot([from, to], [0, 1], 24, 170);
  above.band(now, now + step);
  above.axes(ticks, [0, 0.5, 1], "π(a|s), and its score ∂ log π/∂z = 1 − π (dashed)");
  above.line(points(from, to, p), "curve");
  above.line(
    points(from, to, (z) => 1 - p(z)),
    "curve second",
  );
  above.dot(now, p(now), { title: `now: π = ${digits(p(now))}` });
  above.dot(now + step, p(now + step), {
    hollow: true,
    title: `after the step: ${digits(p(now + step))}`,
  });
  const most = Math.max(...points(from, to, kl).map(([, b]) => b), kl(now)) || 1;
  const below = plot([from, to], [0, most * 1.1], 250, 110);
  below.band(now, now + step);
  below.axes(ticks, [0, most], `KL(old ‖ new) of a step of ${digits(step)} in this logit`);
  below.line(points(from, to, kl), "curve");
  below.dot(now, kl(now), { title: `here: ${digits(kl(now))}` });
  const said =
    `A step of ${digits(step)} in this logit takes π from ${digits(p(now))} to ` +
    `${digits(p(now + step))}: a KL divergence of ${digits(kl(now))}. Where π is ` +
    `½ the same step is one of ${digits(kl(middle - step / 2))}. Equal steps in the logits are no ` +
    "equal steps of the policy.";
  return { picture: svg(390, [above, below], said), said };
}

const svg = (height, plots, title) =>
  `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">` +
  `${plots.flatMap(({ parts }) => parts).join("")}</svg>`;

function buildFigures() {
  const { actions, logits } = state.view.arrays;
  const options = (n) =>
    range(n)
      .map((i) => `<option value="${i}">${i}</option>`)
      .join("");
  $("#pick-row").innerHTML = options(actions.length);
  $("#pick-action").innerHTML = options(logits[0].length);
  $("#pick-clip").value = state.view.arrays.clip;
  for (const control of all("#figures input, #figures select"))
    control.addEventListener("input", drawFigures);
}

function drawFigures() {
  const value = (id) => Number($(`#${id}`).value);
  const [advantage, clip, step] = [value("pick-a"), value("pick-clip"), value("pick-step")];
  $("#surrogate-figure").innerHTML = surrogateFigure(state.view, advantage, clip);
  const { picture, said } = softmaxFigure(
    state.view,
    value("pick-row"),
    value("pick-action"),
    step,
  );
  $("#softmax-figure").innerHTML = picture;
  $("#softmax-said").textContent = said;
  $("#shown-a").textContent = digits(advantage);
  $("#shown-clip").textContent = digits(clip);
  $("#shown-step").textContent = digits(step);
}
