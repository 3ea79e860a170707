"""Deliberate mistakes, each of which some property must notice.

    MUTANTS[function]["switch"] = the wrong function

Wrong results come from the grader's catalogue: a wrong forward function returns `out` alone,
test_mutants.py adds the right cache; a wrong backward function is given the forward's arguments in
place of the opaque cache. MANNERS are mistakes of form, whose numbers are right.
"""

from functools import partial

import numpy as np

import npppo
from npppo.grading.exercises import EXERCISES

# Mistakes on inputs that the strategies do not draw (or not alone): the battery has them, and
# test_catalogue.py sees to it that they are noticed there.
BEYOND = {
    "ENT-26": "logits further apart than a float can say",
    "KL-110": "logits further apart than a float can say",
    "ACT-27": "logits further apart than a float can say",
    **{f"CLP-07{way}": "gradients next to 0" for way in "fgh"},
    **{f"CLP-42>{eps}": "gradients next to 0" for eps in ("1e-06", "1e-08", "1e-10", "1e-12")},
    "CLP-42>1e-16": "gradients next to 0",
    **{f"CGR-33{way}": "a matrix next to 0" for way in "defg"},
    **{f"CGR-47+{eps}": "a matrix next to 0" for eps in ("1e-06", "1e-08", "1e-10", "1e-12")},
    **{f"SMX-52+1e-{n}": "an action that is certain" for n in ("07", "08", "09", "10", "12")},
    **{f"SUR-91<{bound}": "ratios far from 1" for bound in ("exp 5", "exp 10", "exp 20", 10, 100)},
    "LIN-15": "axes of length 1",
    "RLU-05": "inputs of a size that nobody draws",
    "TAN-02": "inputs of a size that nobody draws",
    "MLP-20": "a backward for the default activation",
    "MLP-13": "networks with units exactly at relu's kink",
    "MLP-13b": "networks with units exactly at relu's kink",
    "GAU-14+1e-16": "policies narrower than any drawn",
    "GAU-14+1e-20": "policies narrower than any drawn",
    "GAU-15": "policies wider or narrower than any drawn",
    "GAU-15b": "policies wider or narrower than any drawn",
    "GAU-15c": "policies wider or narrower than any drawn",
    "GAU-15d": "policies wider or narrower than any drawn",
    "small spread not scaled": "advantages that hardly differ",
    "small spread gives 0": "advantages that hardly differ",
    "whole numbers": "integer advantages",
    "deviations in whole numbers": "integer advantages",
    "clipped to 3": "advantages far from the others",
    "clipped to 5": "advantages far from the others",
    "clipped to 10": "advantages far from the others",
    "SUR-26": "log-probabilities below -700",
    "SUR-13": "ratios only just outside the band",
    "SUR-31": "ratios only just outside the band",
    "PGL-17": "integer advantages",
    "SGR-21": "integer advantages",
    "VGR-24": "integer targets",
    "VGR-19": "values inside the band that rounding moves",
    "SGD-10": "integer parameters",
    "SMX-40+1e-12": "differences of less than 1e-12",
    "SMX-02b": "differences of less than 1e-12",
}
# Mistakes that raise for most shapes: a crash proves nothing about a property.
RAISING = {
    *[
        "LIN-22b",
        "MLP-29",
        "MLP-35",
        "TAN-13",
        "RLU-12",
        "MLP-12b",
        "MLP-12c",
        "MLP-50b",
        "MLP-48",
        "MLP-05b",
        "RLG-16",
        "SMX-03b",
        "SMG-10",
        "GAG-25",
        "GAU-29",
        "ORT-14",
        "SGR-85",
        "ACT-09",
        "ACT-03",
        "ENG-12",
        "CLP-16",
        "CLP-22",
        "LRA-11",
    ],
    "added in place to integers",
    "| of numbers",
    "flags as indices",
    "if of an array",
}
EACH = 3  # mistakes of each function; all of them would take minutes


def spaced(items, count):
    """So many of the items, evenly spaced, the first among them."""
    step = max(1, len(items) // count)
    return items[::step][:count]


MUTANTS = {
    name: {
        m.switch: partial(exercise.variant, frozenset([m.switch]))
        for m in spaced(
            [m for m in exercise.mistakes if m.switch not in BEYOND.keys() | RAISING], EACH
        )
    }
    for name, exercise in EXERCISES.items()
}
# Wrong in what the contract promises; drawn whatever else is.
OWN = {
    "gae": {
        "GAE-90 zero times nan": lambda r, v, nv, term, trunc, *rest: npppo.gae(
            r, v, nv * np.logical_not(term), np.zeros_like(term), np.logical_or(term, trunc), *rest
        )
    },
    "clip_grad_norm": {
        "CLP-17 squares leave the range": lambda grads, max_norm: (
            [g * min(1.0, max_norm / n) if (n := norm_of(grads)) > 0 else g for g in grads],
            norm_of(grads),
        )
    },
}
for name, wrongs in OWN.items():
    MUTANTS[name] |= wrongs


def norm_of(grads):
    return np.sqrt(sum((g * g).sum() for g in grads))


def out(name, *args):
    """The right result, without the cache."""
    return getattr(npppo, name)(*args)[0]


def grad(name, dout, *args):
    """The right gradient."""
    _, cache = getattr(npppo, name)(*args)
    return getattr(npppo, f"{name}_backward")(dout, cache)


def column(x):
    return x[:, np.newaxis]


# Mistakes of form, by the property that must notice


def gae_in_place(r, v, nv, term, trunc, gamma, lam):
    right = npppo.gae(r, v, nv, term, trunc, gamma, lam)
    r[...] = right
    return right


def relu_backward_in_place(dy, x):
    dy[x <= 0] = 0
    return dy.copy()


def tanh_backward_in_place(dy, x):
    dx = grad("tanh", dy, x)
    x[...] = dx
    return dx


def adam_in_place(param, g, m, v, *rest):
    new_param, m[...], v[...] = npppo.adam_step(param, g, m, v, *rest)
    return new_param, m.copy(), v.copy()


def clip_grad_norm_that_hands_back(grads, max_norm):
    clipped, norm = npppo.clip_grad_norm(grads, max_norm)
    return (grads if norm <= max_norm else clipped), norm


MANNERS = {
    "test_a_cache_outlives_other_calls": {
        "tanh_backward": {"MLP-10 overwrites its cache": tanh_backward_in_place},
    },
    "test_results_have_the_documented_shapes": {
        "categorical_entropy": {
            "GAU-13 keeps the axis": lambda z: column(out("categorical_entropy", z)),
        },
        "importance_ratio_backward": {"SUR-19 N x N": lambda g, new, old: g * column(g)},
    },
    "test_wrong_shapes_are_named": {
        "value_loss": {"VAL-02 (N, 1) less (N,)": lambda v, t: 0.5 * np.mean((v - t) ** 2)},
        "policy_gradient_loss": {"SUR-19 (N, 1) by (N,)": lambda new, A: -(new * A).mean()},
    },
    "test_wrong_shapes_of_cotangents_are_named": {
        "tanh_backward": {"MLP-21 broadcasts": lambda dy, x: dy * (1 - np.tanh(x) ** 2)},
    },
    "test_float32_stays_float32_and_right": {
        "gae": {"TYP-01 always float64": lambda *args: npppo.gae(*args).astype(np.float64)},
        "sgd_step": {"TYP-02 promoted by a NumPy scalar": lambda param, g, lr: param - lr * g},
    },
    "test_mixed_precisions_give_the_wider_one": {
        "sgd_step": {
            "TYP-03 follows its first argument": lambda param, g, lr: npppo.sgd_step(
                param, g, lr
            ).astype(param.dtype)
        },
    },
    "test_memory_layout_does_not_matter": {
        "tanh": {
            "MEM-02 reads in the order of memory": lambda x: np.tanh(x.ravel("K").reshape(x.shape))
        },
    },
    "test_arguments_are_neither_changed_nor_returned": {
        "gae": {"GAE-35 overwrites the rewards": gae_in_place},
        "relu_backward": {"MLP-10 overwrites dy": relu_backward_in_place},
        "adam_step": {"ADM-20 overwrites the moments": adam_in_place},
        "clip_grad_norm": {"MEM-01 hands back what it was given": clip_grad_norm_that_hands_back},
    },
}
