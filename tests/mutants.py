"""Deliberate mistakes, each of which some property must notice.

    MUTANTS[function]["switch"] = the wrong function

Wrong results come from the grader's book of mistakes: a wrong forward function returns `out` alone,
test_mutants.py adds the right cache; a wrong backward function is given the forward's arguments in
place of the opaque cache. MANNERS are mistakes of form, whose numbers are right.
"""

from functools import partial

import numpy as np

import npppo
from npppo.grading.exercises.answers import EXERCISES

# Mistakes on inputs that the strategies do not draw (or not alone), by id or by the line that makes
# them: the battery has them, and test_catalogue.py sees to it that they are noticed there.
BEYOND = {
    "ENT-26": "logits further apart than a float can say",
    "KL-110": "logits further apart than a float can say",
    "ACT-27": "logits further apart than a float can say",
    "CLP-07": "gradients next to 0",
    "CLP-42": "gradients next to 0",
    "CGR-33": "a matrix next to 0",
    "CGR-47": "a matrix next to 0",
    "SMX-52": "an action that is certain",
    "SUR-71": "ratios far from 1",
    "GAE-90": "values that are no numbers",
    "RET-57": "values that are no numbers",
    "LIN-15": "axes of length 1",
    "RLU-05": "inputs of a size that nobody draws",
    "TAN-02": "inputs of a size that nobody draws",
    "MLP-20": "a backward for the default activation",
    "MLP-13": "networks with units exactly at relu's kink",
    "GAU-15": "policies wider or narrower than any drawn",
    "var = std**2 + 1e-16": "policies narrower than any drawn",
    "var = std**2 + 1e-20": "policies narrower than any drawn",
    "result = np.where(std < eps, centred, centred / scale)": "advantages that hardly differ",
    "result = np.where(std < eps, 0, centred / scale)": "advantages that hardly differ",
    "NRM-29": "integer advantages",
    "NRM-37": "advantages far from the others",
    "SUR-26": "log-probabilities below -700",
    "SUR-13": "ratios only just outside the band",
    "SUR-31": "ratios only just outside the band",
    "PGL-17": "integer advantages",
    "SGR-21": "integer advantages",
    "VGR-24": "integer targets",
    "VGR-19": "values inside the band that rounding moves",
    "SGD-10": "integer parameters",
    "p = p + 1e-12": "differences of less than 1e-12",
    "maximum = logits.max(); total = (e + 1e-12).sum(axis=1, keepdims=True)": (
        "differences of less than 1e-12"
    ),
}
# Mistakes that raise for most shapes: a crash proves nothing about a property.
RAISING = {
    *["MLP-29", "MLP-35", "TAN-13", "RLU-12", "MLP-12", "MLP-48", "RLG-16", "SMG-10", "GAG-25"],
    "GAG-27",
    *["GAU-29", "ORT-14", "SGR-85", "ACT-09", "SMX-11", "ENG-12", "CLP-16", "CLP-22", "LRA-11"],
    "db = dy.sum()",
    "W = params[max(i - 1, 0)][0]",
    "dx = dy @ W",
    "maximum = logits.max(axis=1)",
    "own = added_in_place(rewards)",
    "over = terminated | truncated",
    "alive = np.ones((T, E)); alive[terminated] = 0",
    "dead = alone(dead)",
}
EACH = 3  # mistakes of each function; all of them would take minutes


def spaced(items, count):
    """So many of the items, evenly spaced, the first among them."""
    step = max(1, len(items) // count)
    return items[::step][:count]


def telling(mistake):
    """Whether the properties can notice it."""
    line = mistake.switch.split(": ", 1)[1]
    return not {mistake.id, line} & (BEYOND.keys() | RAISING)


MUTANTS = {
    name: {
        m.switch: partial(exercise.variant, frozenset([m.switch]))
        for m in spaced(list(filter(telling, exercise.mistakes)), EACH)
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
