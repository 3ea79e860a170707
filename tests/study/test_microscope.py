"""The gradient microscope: its numbers against the library, and the page in a real browser."""

import html
import os
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from npppo import cli, contract
from npppo.formulas import categorical, layers, losses, surrogates
from npppo.study import breaking, equations, graph, mathml, minibatch, show
from npppo.training.learner import PPO

EXACT = 1e-12
BUILT_IN = minibatch.built_in()
GRAPH = graph.nodes(BUILT_IN)


def call(*arguments):
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


# What the library computes, each function by itself, from the graph's inputs


def network(given, lane):
    names = sorted(name for name in given if name.startswith(f"{lane}.W"))
    return [(given[name], given[name.replace("W", "b")]) for name in names]


def library(given, activation="tanh"):
    """All arrays of the graph and the gradients by them, by npppo's formulas."""
    arrays, gradients = dict(given), {"loss": 1.0}
    caches = {}
    act, act_backward = layers.ACTIVATIONS[activation]
    for lane, out in ("policy", "logits"), ("value", "values"):
        h, params = given["x"], network(given, lane)
        for k, (W, b) in enumerate(params, 1):
            z, caches[lane, "linear", k] = layers.linear(h, W, b)
            if k < len(params):
                h, caches[lane, "act", k] = act(z)
                arrays |= {f"{lane}.z{k}": z, f"{lane}.h{k}": h}
        arrays[out] = z[:, 0] if out == "values" else z
    logits, actions, old = arrays["logits"], given["actions"], given["old_log_prob"]
    log_prob, _ = categorical.categorical_log_prob(logits, actions)
    entropy, _ = categorical.categorical_entropy(logits)
    ratio, _ = surrogates.importance_ratio(log_prob, old)
    policy = surrogates.clipped_surrogate_loss(log_prob, old, given["advantages"], given["clip"])
    value_loss, _ = losses.value_loss(arrays["values"], given["targets"])
    names = "old_log_prob", "advantages", "targets", "clip", "vf_coef", "ent_coef"
    data = [given[name] for name in names]
    loss, cache = losses.ppo_loss(logits, arrays["values"], actions, *data)
    arrays |= {
        "log_prob": log_prob,
        "entropy": entropy,
        "ratio": ratio,
        "policy_loss": policy[0],
        "value_loss": value_loss,
        "mean_entropy": entropy.mean(),
        "loss": loss,
    }
    dlog_prob = surrogates.clipped_surrogate_loss_backward(1.0, policy[1])
    dlogits, dvalues = losses.ppo_loss_backward(1.0, cache)
    gradients |= {
        "policy_loss": 1.0,
        "value_loss": given["vf_coef"],
        "mean_entropy": -given["ent_coef"],
        "log_prob": dlog_prob,
        "ratio": dlog_prob / ratio,
        "entropy": np.full(len(entropy), -given["ent_coef"] / len(entropy)),
        "logits": dlogits,
        "values": dvalues,
    }
    dx = 0
    for lane, dz in ("policy", dlogits), ("value", dvalues[:, None]):
        for k in range(len(network(given, lane)), 0, -1):
            dh, dW, db = layers.linear_backward(dz, caches[lane, "linear", k])
            gradients |= {f"{lane}.W{k}": dW, f"{lane}.b{k}": db}
            if k > 1:
                dz = act_backward(dh, caches[lane, "act", k - 1])
                gradients |= {f"{lane}.h{k - 1}": dh, f"{lane}.z{k - 1}": dz}
        dx = dx + dh
    gradients["x"] = dx
    return arrays, gradients


def largest_difference(yours, right):
    """Of two dictionaries of arrays, each in units of the right array's largest entry. A loss is a
    mean of terms of either sign, of order 1 each, whatever is left of them.
    """
    assert yours.keys() == right.keys()
    worst = 0.0
    for name, array in right.items():
        unit = max(np.abs(array).max(), not np.ndim(array)) or 1.0
        worst = max(worst, np.abs(np.array(yours[name], float) - array).max() / unit)
    return worst


def test_the_graph_without_a_mistake_is_what_the_library_computes():
    for moment in ("before", "after"):
        given = graph.inputs(BUILT_IN, moment)
        for yours, right in zip(graph.evaluate(GRAPH, given), library(given), strict=True):
            assert largest_difference(yours, right) <= EXACT


def test_the_eight_rows_are_of_the_update_that_was_asked_for():
    """A training that nobody watches has the same networks before and after it."""
    config = {**minibatch.BUILT_IN, "n_epochs": 2}
    seen = minibatch.eight_rows(minibatch.watch(dict(config), 3), "")
    met = []

    def callback(model, row):
        met.append(model.agent.parameters.astype(float))
        return model.updates < 3

    model = PPO(**config).learn_until(2**31, callback)
    for parameters, networks in zip(met[1:], (seen.before, seen.after), strict=True):
        flat = [array.ravel() for lane in networks.values() for layer in lane for array in layer]
        assert np.array_equal(np.concatenate(flat), parameters)
    assert len(seen.actions) == 8
    assert model.updates == 3
    assert abs(seen.advantages.mean()) < 1e-12


def test_the_built_in_minibatch_shows_every_case_of_the_clip():
    ratio = library(graph.inputs(BUILT_IN, "after"))[0]["ratio"]
    clip, good = BUILT_IN.clip, BUILT_IN.advantages > 0
    for sign in (good, ~good):
        assert (sign & (ratio > 1 + clip)).any()
        assert (sign & (ratio < 1 - clip)).any()
        assert (sign & (abs(ratio - 1) < clip)).any()


def test_the_mistakes_are_made():
    """Two of them by hand."""
    given = graph.inputs(BUILT_IN, "after")
    right, gradients = library(given)
    menu = {
        made.ids: made for made in (breaking.broken(GRAPH, given, m) for m in breaking.menu(GRAPH))
    }
    assert len(menu) >= 20
    flows = menu["SGR-04"]
    assert np.allclose(flows.gradients["ratio"], -BUILT_IN.advantages / 8)
    assert not flows.arrays
    assert "value.W1" not in flows.gradients
    upside_down = menu["SUR-07"]
    assert np.allclose(upside_down.arrays["ratio"], 1 / right["ratio"])
    lost = menu["LOS-46"].gradients
    assert np.allclose(lost["policy.W1"], 8 * gradients["policy.W1"])
    for made in menu.values():
        assert made.arrays or made.gradients, made.ids
        assert all(result.ok for result in made.checker) == (
            made.ids in ("SUR-04 + SGR-03", "VAL-01 + VGR-02", "LOS-01") and len(made.functions) > 1
        ), made.ids


def test_the_equations_are_well_formed():
    assert {node.function for node in GRAPH} | {"relu", "mean"} == {*equations.EQUATIONS}
    for line in (line for lines in equations.EQUATIONS.values() for line in lines):
        tree = ElementTree.fromstring(mathml.mathml(line))
        assert all(len(element) == 2 for element in tree.iter() if element.tag in ("msub", "mfrac"))
    assert mathml.mathml("x_{ik} = \\frac{1}{N}") == (
        '<math display="block"><mrow><msub><mi>x</mi><mrow><mi>i</mi><mi>k</mi></mrow></msub>'
        "<mo>=</mo><mfrac><mrow><mn>1</mn></mrow><mrow><mi>N</mi></mrow></mfrac></mrow></math>"
    )


# The command's errors: one sentence, exit code 2

QUICK = ["--n-envs=4", "--n-steps=16", "--eval-episodes=0"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert call("train", "CartPole-v1", "--steps=200", "--out", folder / "ppo", *QUICK) == 0
    others = {
        "a2c": ["CartPole-v1", "--algo=a2c"],
        "pendulum": ["Pendulum-v1"],
        "relu": ["CartPole-v1", "--activation=relu", "--net-arch=6", "--ent-coef=0"],
    }
    for name, arguments in others.items():
        assert call("train", *arguments, "--steps=100", "--out", folder / name, *QUICK) == 0
    shutil.copytree(folder / "ppo", folder / "begun")
    (folder / "begun" / "checkpoint.npz").unlink()
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run", "nothing"], "nothing holds no run"),
        (["--run", "begun"], "checkpoint.npz does not exist, expected a checkpoint"),
        (["--run", "a2c"], "a2c is a run of A2C, expected one of PPO"),
        (["--run", "pendulum"], "the policy of Pendulum-v1 is gaussian, expected categorical"),
        (["--run", "ppo", "--update", "9"], "update is 9, expected 1 to 4"),
        (["--update", "1"], "--update is of a run: --run DIR is missing"),
        (["--html", "no/such/page.html"], "there is no folder no/such"),
        (["--html", "ppo"], "ppo is a folder, expected a file"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(runs, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(runs)
    assert call("study", "--html", "page.html", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("page.html").exists()


# The page in a browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "microscope.html"
    assert call("study", "--html", path) == 0
    return path


def test_the_page_stands_alone(page):
    text = page.read_text("utf-8")
    assert page.stat().st_size <= 1_000_000
    assert "{{" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:|\$)|url\(|@import|https?:""", text)


def test_every_function_has_its_place_on_the_page(page):
    """In the graph, or by what `npppo study` prints; in the order in which it lists them."""
    section = page.read_text("utf-8").split('<section id="formulas"')[1].split("</section>")[0]
    found = re.findall(
        r"<details><summary><code>(\w+)</code>( ±)? .*?</summary>\n"
        r'<div id="formula-(\w+)">\n(.*?)</div></details>',
        section,
        re.DOTALL,
    )
    formulas = [name for name, *_ in found]
    backwards = [f"{name}_backward" for name, sign, *_ in found if sign]
    assert sorted(formulas + backwards) == sorted(contract.__all__)
    assert formulas == re.findall(r"^  (\w+) ", show.listing(), re.MULTILINE)
    assert section.count("<details") == len(found)
    for name, _, id, entry in found:
        assert id == name
        assert re.findall('href="#formula-(.*?)"', entry) == show.builds_on(name)
        places = [node.id for node in GRAPH if node.function == name]
        assert re.findall('href="#f/(.*?)"', entry) == places
        printed = [] if places else [show.page(name)]
        assert [*map(html.unescape, re.findall("<pre>(.*?)</pre>", entry, re.DOTALL))] == printed


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        missing = "no chromium with chromedriver on this machine"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,1000"):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def opened(browser, page):
    """The page, freshly opened. At the end no error may stand in the console."""
    browser.get("about:blank")
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def keys(browser, *pressed):
    from selenium.webdriver import ActionChains

    ActionChains(browser, duration=0).send_keys(*pressed).perform()


def shown(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).innerText", selector)


def focused(browser):
    return browser.switch_to.active_element


def focus(browser, selector):
    """What stands there, with the focus, which Tab brings as well, as a test of its own shows."""
    element = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].focus()", element)
    return element


def wait(test):
    """Until `test` is true, for a minute."""
    for _ in range(1200):
        if test():
            return
        time.sleep(0.05)
    raise AssertionError("it never comes true")


def wait_for_checks(browser):
    wait(lambda: browser.execute_script("return microscope.checked"))


def plain(given):
    return {name: np.asarray(array).tolist() for name, array in given.items()}


def test_the_formulas_agree_with_the_library_on_200_edits(opened):
    rng = np.random.default_rng(1)
    changed = []
    for k in range(200):
        given = graph.inputs(BUILT_IN, ("before", "after")[k % 2])
        for _ in range(1 + k % 3):
            name = str(rng.choice(sorted(given)))
            array = np.array(given[name])
            value = rng.integers(2) if name == "actions" else array.flat[0] + rng.normal() * 2
            if name == "clip":
                value = abs(value)
            array.flat[rng.integers(array.size)] = value
            given[name] = array if array.ndim else float(array)
        changed.append(given)
    script = "return arguments[0].map((given) => evaluate(GRAPH, given))"
    found = opened.execute_script(script, [plain(given) for given in changed])
    worst = 0.0
    for given, yours in zip(changed, found, strict=True):
        arrays, gradients = library(given)
        worst = max(worst, largest_difference(yours["arrays"], arrays))
        worst = max(worst, largest_difference(yours["gradients"], gradients))
    print(f"largest difference: {worst:.1e}")
    assert worst <= EXACT


def test_every_sum_that_is_spelt_out_is_its_entry(opened):
    """Of every array, forward and backward; and each link in it leads somewhere."""
    found = opened.execute_script("""
      goTo(5);
      let [worst, entries, links] = [0, 0, new Set()];
      for (const [kind, table] of [["v", state.view.arrays], ["g", state.view.gradients]]) {
        for (const [name, array] of Object.entries(table)) {
          const unit = Math.max(depth(array) ? 0 : 1, ...[array].flat(2).map(Math.abs)) || 1;
          for (const at of positions(array)) {
            const terms = explain(GRAPH, state.view, kind, name, at);
            if (!terms.length) continue;
            const total = sum(terms.map(({ expression }) => expression.v));
            worst = Math.max(worst, Math.abs(total - entry(array, at)) / unit);
            entries += 1;
            for (const { expression } of terms)
              for (const [, link] of expression.html.matchAll(/href="#([^"]*)"/g)) links.add(link);
          }
        }
      }
      const dead = [...links].filter((link) => {
        const [kind, name, ...at] = link.split("/");
        const table = kind === "v" ? state.view.arrays : state.view.gradients;
        return !Number.isFinite(entry(table[name], at.map(Number)));
      });
      return { worst, entries, dead };
    """)
    assert found["worst"] <= EXACT
    assert found["entries"] > 600
    assert found["dead"] == []


def worked(browser):
    """Milliseconds that the page's thread has computed: what the clock shows on an idle machine."""
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(1000 * one["value"] for one in metrics if one["name"] == "TaskDuration")


def time_of_edits(browser, name, at):
    """Of ten: from the number to the layout of the page, without the checks that follow."""
    took = []
    for k in range(10):
        before = worked(browser)
        browser.execute_script(
            "edit(...arguments); document.body.getBoundingClientRect(); checking += 1",
            name,
            at,
            str(k / 8),
        )
        took.append(worked(browser) - before)
    return took


def test_the_page_is_ready_soon_and_an_edit_is_quick(browser, page):
    browser.get("about:blank")
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = worked(browser)
    browser.get(page.as_uri())
    ready = worked(browser) - before
    by_the_clock = browser.execute_script("return microscope.readyAt")
    edits = sorted(time_of_edits(browser, "policy.W1", [0, 0]))
    print(
        f"ready after {ready:.0f} ms ({by_the_clock:.0f} by the clock), an edit {edits[5]:.0f} ms"
    )
    assert ready <= 2000
    assert edits[5] <= 50


def test_the_live_check_passes_and_finds_a_wrong_backward(opened):
    wait_for_checks(opened)
    mark = "[node.dataset.node, $('.check', node).textContent[0]]"
    marks = f"return all('.node').map((node) => {mark})"
    assert dict(opened.execute_script(marks)) == {node.id: "✓" for node in GRAPH}
    opened.execute_script("""
      FUNCTIONS.importance_ratio[1] = (dratio) => [dratio.map((d) => 1.001 * d)];
      goTo(5);
    """)
    wait_for_checks(opened)
    wrong = {id for id, mark in opened.execute_script(marks) if mark != "✓"}
    # what lies below has wrong gradients too, as derivatives of the loss
    assert "ratio" in wrong
    assert not {"entropy", "value_loss", "surrogate", "total", "value.act1"} & wrong


def test_all_is_reached_by_tab(opened):
    from selenium.webdriver.common.keys import Keys

    controls = "button:not(:disabled), a, select, summary, input:not([type=radio])"
    wanted = opened.execute_script(
        f"return all({controls!r}).filter((e) => e.checkVisibility()).length"
    )
    assert wanted > 150
    opened.execute_script("""
      window.met = new Set();
      addEventListener("focusin", ({ target }) => met.add(target));
    """)
    for _ in range(wanted // 20 + 2):
        keys(opened, *(20 * [Keys.TAB]))
    missed = opened.execute_script(f"""
      return all({controls!r}).filter((e) => e.checkVisibility() && !met.has(e))
        .map((e) => e.outerHTML.slice(0, 80));
    """)
    assert missed == []
    assert opened.execute_script("return all('[name=moment]').some((e) => met.has(e))")


def test_every_node_opens_by_keyboard_alone(opened):
    from selenium.webdriver.common.keys import Keys

    for node in GRAPH:
        focus(opened, f"#lanes a[href='#f/{node.id}']")
        keys(opened, Keys.ENTER)
        wait(lambda: focused(opened).get_dom_attribute("id") == "panel")
        text = shown(opened, "#panel")
        assert node.function in text
        assert text.count("def ") >= 2
        names = [*node.given, node.out]
        for name in opened.execute_script("return arguments[0].map((n) => label(n))", names):
            assert name in text
        keys(opened, Keys.TAB, Keys.ENTER)  # to its first link: back to the graph
        wait(lambda: opened.execute_script("return location.hash") == "#graph")


def test_every_formula_opens_by_keyboard_and_shows_its_text(opened):
    from selenium.webdriver.common.keys import Keys

    in_the_graph = {node.function for node in GRAPH}
    for name in [name for name in contract.__all__ if not name.endswith("_backward")]:
        opened.execute_script(f"$('#formula-{name}').parentElement.firstChild.focus()")
        assert not opened.execute_script(f"return $('#formula-{name}').checkVisibility()")
        keys(opened, Keys.ENTER)
        assert opened.execute_script(f"return $('#formula-{name}').checkVisibility()")
        text = shown(opened, f"#formula-{name}")
        assert ("in the graph" if name in in_the_graph else "\nWith numbers\n") in text
    focus(opened, "#formula-ppo_loss a[href='#f/total']")
    keys(opened, Keys.ENTER)
    wait(lambda: focused(opened).get_dom_attribute("id") == "panel")
    assert "ppo_loss" in shown(opened, "#panel h2")


def test_a_link_to_a_formula_opens_its_entry(opened):
    opened.execute_script("location.hash = 'formula-softmax'")
    wait(lambda: opened.execute_script("return $('#formula-softmax').checkVisibility()"))
    assert opened.execute_script("return all('#formulas details[open]').length") == 1


def test_a_cell_is_found_by_arrow_keys_and_opens(opened):
    from selenium.webdriver.common.keys import Keys

    focus(opened, "[data-name='policy.z1'][data-kind=v]")
    keys(opened, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert "z₁[2, 1] = " in shown(opened, "#readout")
    assert "z₁[2, 1] = " in shown(opened, "#status")
    keys(opened, Keys.ENTER)
    wait(lambda: focused(opened).get_dom_attribute("id") == "panel")
    assert "z₁[2, 1] = " in shown(opened, "#panel h2")
    assert opened.execute_script("return document.querySelectorAll('#spelt a').length") >= 9


def test_an_edit_by_keyboard_changes_all_and_no_number_is_refused(opened):
    from selenium.webdriver.common.keys import Keys

    before = opened.execute_script("return state.view.arrays.loss")
    element = focus(opened, "[data-input='v/advantages/2']")
    keys(opened, "1.5")
    given = graph.inputs(BUILT_IN, "before")
    given["advantages"] = given["advantages"].copy()
    given["advantages"][2] = 1.5
    after = opened.execute_script("return state.view.arrays.loss")
    assert abs(after - library(given)[0]["loss"]) <= EXACT
    assert after != before
    keys(opened, "x")
    assert shown(opened, "#notice") == "“1.5x” is no number: Â[2] stays 1.5."
    assert element.get_dom_attribute("aria-invalid") == "true"
    assert opened.execute_script("return state.view.arrays.loss") == after
    keys(opened, Keys.TAB)
    assert element.get_property("value") == "1.5"
    assert shown(opened, "#edited") == "1 number is edited."
    action = focus(opened, "[data-input='v/actions/3']")
    keys(opened, "7")
    assert "is no action, which are 0 to 1" in shown(opened, "#notice")
    assert action.get_dom_attribute("aria-invalid") == "true"
    focus(opened, "#reset")
    keys(opened, Keys.ENTER)
    assert opened.execute_script("return state.view.arrays.loss") == before
    assert shown(opened, "#notice") == ""


def test_numbers_at_the_ends_of_the_range_leave_the_page_alive(opened):
    before = opened.execute_script("return state.view.arrays.loss")
    texts = opened.execute_script("""
      const fields = [["x", [0, 0]], ["policy.W1", [0, 0]], ["policy.b2", [1]],
        ["old_log_prob", [3]], ["advantages", [1]], ["clip", []]];
      return fields.flatMap(([name, at]) => ["1e308", "-1e308", "0"].map((number) => {
        edit(name, at, number);
        drawFigures();
        return $("#lanes").textContent + $("#figures").textContent;
      }));
    """)
    assert len(texts) == 18
    for text in texts:
        assert "NaN" not in text
        assert "Infinity" not in text
    opened.execute_script("document.getElementById('reset').click()")
    assert opened.execute_script("return state.view.arrays.loss") == before


def test_a_weight_can_be_edited_where_it_is_looked_at(opened):
    opened.execute_script("location.hash = 'g/policy.W1/2/3'")
    wait(lambda: "dW₁[2, 3]" in shown(opened, "#panel"))
    field = focus(opened, "[data-input='v/policy.W1/2/3']")
    spelt = shown(opened, "#spelt")
    keys(opened, "-0.25")
    assert focused(opened) == field
    given = graph.inputs(BUILT_IN, "before")
    given["policy.W1"] = given["policy.W1"].copy()
    given["policy.W1"][2, 3] = -0.25
    found = opened.execute_script("return state.view.gradients['policy.W1'][2][3]")
    assert abs(found - library(given)[1]["policy.W1"][2, 3]) <= EXACT
    assert shown(opened, "#spelt") != spelt


def test_the_tour_by_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    said = opened.find_element("css selector", "[data-live=policy_loss]")
    assert re.fullmatch(r"0 but for rounding \(−?\d\.\d\de−1[5-9]\)", said.text)
    titles = []
    while True:
        assert len(opened.find_elements("css selector", "#stops > .here")) == 1
        titles.append(shown(opened, "#stops > .here h3"))
        focus(opened, "#stops > .here summary")
        keys(opened, Keys.ENTER)
        answer = shown(opened, "#stops > .here details p")
        assert len(answer) > 80
        assert "undefined" not in answer
        assert "NaN" not in answer
        assert opened.execute_script("return document.querySelector('.node.lit') !== null")
        if not focus(opened, "#next").is_enabled():
            break
        keys(opened, Keys.ENTER)
    assert len(titles) == len({*titles}) == 12
    opened.execute_script("goTo(3)")
    _, gradients = library(graph.inputs(BUILT_IN, "after"))
    silent = np.flatnonzero(gradients["ratio"] == 0)
    listed = ", ".join(map(str, silent))
    assert f"Rows {listed}." in opened.execute_script(
        "return document.querySelector('[data-live=silenced]').textContent"
    )


def test_every_link_of_the_page_leads_somewhere(opened):
    dead = opened.execute_script("""
      const made = (href) => {
        const [kind, name] = decodeURIComponent(href.slice(1)).split("/");
        if (kind === "f") return GRAPH.some(({ id }) => id === name);
        if (kind === "m") return DATA.mistakes.some(({ ids }) => ids === name);
        const table = { v: state.view.arrays, g: state.view.gradients }[kind];
        return table ? name in table : document.getElementById(kind);
      };
      return all("a").map((a) => a.getAttribute("href")).filter((href) => !made(href));
    """)
    assert dead == []


def test_every_mistake_shows_in_the_graph(opened):
    from selenium.webdriver.common.keys import Keys

    focus(opened, "#mistake")
    keys(opened, Keys.ARROW_DOWN)
    assert shown(opened, "#broken") != ""
    found = opened.execute_script("""
      const menu = $("#mistake");
      return all("option", menu).slice(1).map(({ value }) => {
        menu.value = value;
        menu.dispatchEvent(new Event("change"));
        return {
          framed: all("path.wrong").filter((path) => path.getAttribute("d")).length,
          numbers: all(".edge.off-right").length,
          guilty: all(".node.guilty").length,
          silent: state.mistake.checker.every(({ ok }) => ok),
          said: $("#broken").innerText,
        };
      });
    """)
    assert len(found) >= 20
    for one in found:
        assert one["framed"] + one["numbers"], one["said"]
        assert one["guilty"]
        assert "off by up to" in one["said"]
        assert ("The checker is silent" in one["said"]) == one["silent"]
    focus(opened, "#mend")
    keys(opened, Keys.ENTER)
    assert opened.execute_script("return all('.off-right, .guilty').length") == 0


def test_the_figures_follow(opened):
    from selenium.webdriver.common.keys import Keys

    def drawn():
        return opened.execute_script(
            "return ['surrogate', 'softmax'].map((name) => $(`#${name}-figure`).innerHTML)"
        )

    first = drawn()
    assert first[0].count('class="dot') == 16  # the eight rows in both plots
    focus(opened, "#pick-a")
    keys(opened, Keys.ARROW_LEFT)
    second = drawn()
    assert second[0] != first[0]
    assert second[1] == first[1]
    focus(opened, "#pick-step")
    keys(opened, Keys.ARROW_RIGHT)
    logits = library(graph.inputs(BUILT_IN, "before"))[0]["logits"][:1]
    moved = logits + np.array([0.6, 0])
    kl = categorical.categorical_kl(logits, moved)[0][0]
    said = shown(opened, "#softmax-said")
    assert f"a KL divergence of {kl:.4g}" in said


def unfold(browser):
    browser.execute_script("all('#formulas details').forEach((entry) => { entry.open = true })")


def test_whatever_can_be_used_has_a_name(opened):
    unfold(opened)
    for view in ("f/policy.linear1", "v/x/0/0", "m/SGR-01"):
        opened.execute_script(f"location.hash = '{view}'")
        nameless = opened.execute_script("""
          const name = (e) => e.ariaLabel || e.innerText?.trim() || e.labels?.[0]?.innerText.trim();
          return all("button, a, input, select, summary, [role=img]")
            .filter((e) => e.id !== "icon" && !name(e)).map((e) => e.outerHTML.slice(0, 120));
        """)
        assert nameless == []


@pytest.mark.parametrize("width", [360, 390, 800])
def test_the_page_is_never_wider_than_the_window(opened, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    unfold(opened)
    try:
        for view in ("f/policy.linear1", "g/logits/0/0", "m/SGR-01"):
            opened.execute_script(f"location.hash = '{view}'")
            wide = opened.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_run_with_relu(browser, runs):
    path = runs / "relu.html"
    assert call("study", "--html", path, "--run", runs / "relu") == 0
    browser.get(path.as_uri())
    seen = minibatch.of_run(runs / "relu")
    found = browser.execute_script("goTo(5); return state.view")
    arrays, gradients = library(graph.inputs(seen, "after"), "relu")
    assert largest_difference(found["arrays"], arrays) <= EXACT
    assert largest_difference(found["gradients"], gradients) <= EXACT
    wait_for_checks(browser)
    assert browser.execute_script("return all('.check.bad').length") == 0
    assert browser.execute_script("return stops().length") == 11  # none about tanh
    menu = browser.execute_script("return DATA.mistakes.flatMap(({ functions }) => functions)")
    assert "relu_backward" in menu
    assert "tanh_backward" not in menu
    assert browser.get_log("browser") == []


def test_a_run_with_larger_networks(browser, runs):
    path = runs / "large.html"
    assert call("study", "--html", path, "--run", runs / "ppo", "--update", 2) == 0
    assert path.stat().st_size <= 1_000_000
    browser.get(path.as_uri())
    assert re.search(r"update 2, 8 of a minibatch's \d+ rows$", shown(browser, ".about"))
    seen = minibatch.of_run(runs / "ppo", 2)
    arrays, gradients = library(graph.inputs(seen, "before"))
    found = browser.execute_script("return state.view")
    assert largest_difference(found["arrays"], arrays) <= EXACT
    assert largest_difference(found["gradients"], gradients) <= EXACT
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    edits = sorted(time_of_edits(browser, "policy.W2", [40, 50]))
    print(f"an edit takes {edits[5]:.0f} ms")
    assert edits[5] <= 150  # with the maps of 64 x 64 cells that follow
    browser.execute_script("update()")
    wait_for_checks(browser)
    assert browser.execute_script("return all('.check.bad').length") == 0
    assert browser.get_log("browser") == []
