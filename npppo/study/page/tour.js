// The tour: one question at a time; the numbers in its text are those of the page.

const norm = (gradients, lane) =>
  Math.sqrt(
    sum(
      Object.keys(DATA.moments.after)
        .filter((name) => name.startsWith(lane))
        .flatMap((name) => [gradients[name]].flat(2))
        .map((g) => g * g),
    ),
  );

const rowsWhere = (view, test) =>
  view.arrays.ratio
    .map((r, n) => ({ n, r, own: view.arrays.advantages[n], e: view.arrays.clip }))
    .filter((row) => test(row, branches(row.r, row.own, row.e).flows))
    .map(({ n }) => n);

const listed = (rows) => (rows.length === 1 ? `Row ${rows[0]}` : `Rows ${rows.join(", ")}`);

const LIVE = {
  policy_loss({ arrays }) {
    const loss = arrays.policy_loss;
    const rounding = loss !== 0 && Math.abs(loss) < 1e-12; // of numbers of order 1
    return rounding ? `0 but for rounding (${digits(loss)})` : digits(loss);
  },
  ent_coef: ({ arrays }) => digits(arrays.ent_coef),
  N: ({ arrays }) => arrays.x.length,
  action: ({ arrays }) => arrays.actions[0],
  policyNorm: ({ gradients }) => digits(norm(gradients, "policy")),
  valueNorm: ({ gradients }) => digits(norm(gradients, "value")),
  threshold: ({ arrays }) => digits(Math.exp(-arrays.entropy[0])),
  probabilities: ({ arrays }) => softmax(arrays.logits)[0].map(digits).join(", "),
  silenced(view) {
    const rows = rowsWhere(view, (_, flows) => !flows);
    return rows.length ? `${listed(rows)}.` : "None, as it is now.";
  },
  outside(view) {
    const rows = rowsWhere(view, ({ r, e }, flows) => flows && Math.abs(r - 1) > e);
    return rows.length
      ? `${listed(rows)}: outside 1 ± ε too.`
      : "No such row as it is now; move an old log-probability to make one.";
  },
  saturated({ arrays }) {
    const mean = (k) => sum(arrays["value.h1"].map((row) => Math.abs(row[k]))) / arrays.x.length;
    const units = range(arrays["value.h1"][0].length).filter((k) => mean(k) > 0.9);
    return units.length
      ? `Here the mean |h₁ᵛ| is above 0.9 in column ${units.join(", ")}.`
      : "Here no unit has a mean |h₁ᵛ| above 0.9.";
  },
};

const stops = () => all("#stops > li");
let stop = 0;

function refreshTour() {
  for (const place of all("[data-live]")) setText(place, LIVE[place.dataset.live](state.view));
}

function goTo(number) {
  const list = stops();
  stop = clamp(number, list.length);
  list.forEach((one, i) => one.classList.toggle("here", i === stop));
  $("#stop").textContent = `${stop + 1} of ${list.length}`;
  $("#previous").disabled = stop === 0;
  $("#next").disabled = stop === list.length - 1;
  const { moment, look } = list[stop].dataset;
  all(".lit").forEach((one) => one.classList.remove("lit"));
  look.split(" ").forEach((id) => $(`[data-node="${id}"]`)?.classList.add("lit"));
  state.mistake = null;
  $("#mistake").value = "";
  setMoment(moment);
}

function setMoment(moment) {
  state.moment = moment;
  $(`[name=moment][value=${moment}]`).checked = true;
  update();
}
