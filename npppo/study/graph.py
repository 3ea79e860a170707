"""The loss of a minibatch as a graph of the contract's functions, with any mistake of the book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..grading.exercises.mistakes import BOOK
from .minibatch import Minibatch

Arrays = dict[str, Any]  # by name; a scalar is a number


@dataclass(frozen=True)
class Node:
    """`run` is the function as page/formulas.js has it, `function` as the contract has it."""

    id: str
    run: str
    function: str
    given: tuple[str, ...]  # the arrays that it is given
    out: str  # the array that it makes
    lane: str  # "policy", "entropy", "value" or "total"


# What follows on the two networks: lane, id, function, what it is given, what it makes
HEADS = (
    ("policy", "log_prob", "categorical_log_prob", "logits actions", "log_prob"),
    ("policy", "ratio", "importance_ratio", "log_prob old_log_prob", "ratio"),
    ("policy", "surrogate", "clipped_surrogate_loss", "ratio advantages clip", "policy_loss"),
    ("entropy", "entropy", "categorical_entropy", "logits", "entropy"),
    ("entropy", "mean", "mean", "entropy", "mean_entropy"),
    ("value", "value_loss", "value_loss", "values targets", "value_loss"),
    (
        *("total", "total", "ppo_objective"),
        *("policy_loss value_loss mean_entropy vf_coef ent_coef", "loss"),
    ),
)


def nodes(minibatch: Minibatch) -> list[Node]:
    """The graph, each node after those that it needs. The last one makes the loss."""
    graph: list[Node] = []
    for lane, out in ("policy", "logits"), ("value", "values"):
        h = "x"
        depth = len(minibatch.before[lane])
        for k in range(1, depth + 1):
            z = f"{lane}.z{k}" if k < depth else out
            run = "value_layer" if z == "values" else "linear"
            layer = h, f"{lane}.W{k}", f"{lane}.b{k}"
            graph.append(Node(f"{lane}.linear{k}", run, "linear", layer, z, lane))
            if k < depth:
                act, h = minibatch.activation, f"{lane}.h{k}"
                graph.append(Node(f"{lane}.act{k}", act, act, (z,), h, lane))
    for lane, id, run, given, made in HEADS:
        function = "ppo_loss" if run in ("mean", "ppo_objective") else run
        graph.append(Node(id, run, function, tuple(given.split()), made, lane))
    return graph


def inputs(minibatch: Minibatch, moment: str) -> Arrays:
    """The arrays that nothing makes, with the networks of a moment, "before" or "after"."""
    networks = minibatch.before if moment == "before" else minibatch.after
    return {
        "x": minibatch.observations,
        "actions": minibatch.actions,
        "old_log_prob": minibatch.old_log_prob,
        "advantages": minibatch.advantages,
        "targets": minibatch.targets,
        "clip": minibatch.clip,
        "vf_coef": minibatch.vf_coef,
        "ent_coef": minibatch.ent_coef,
        **{
            f"{lane}.{letter}{k}": array
            for lane, layers in networks.items()
            for k, layer in enumerate(layers, 1)
            for letter, array in zip("Wb", layer, strict=True)
        },
    }


def evaluate(
    graph: list[Node], given: Arrays, mistakes: frozenset[str] = frozenset()
) -> tuple[Arrays, Arrays]:
    """All arrays and the gradient by each of them, by the model solutions of the book.

    `mistakes` are switches of the book; without one it is what the library computes.
    """

    def book(name: str, *args: Any) -> Any:
        return BOOK.variant(name)(mistakes, *args)

    def at(name: str) -> Any:
        return arrays[name]

    arrays = dict(given)
    data = [given[name] for name in ("actions", "old_log_prob", "advantages", "targets")]
    coefficients = [given[name] for name in ("clip", "vf_coef", "ent_coef")]
    for node in graph:
        args = [arrays[name] for name in node.given]
        if node.id == "surrogate":  # the contract's begins at log_prob
            args = [at("log_prob"), at("old_log_prob"), *args[1:]]
        if node.id == "mean":
            out = args[0].sum() / len(args[0])  # ()
        elif node.id == "total":
            out = book("ppo_loss", at("logits"), at("values"), *data, *coefficients)
        else:
            out = book(node.function, *args)
        arrays[node.out] = out[:, 0] if node.run == "value_layer" else out

    gradients: Arrays = {"loss": 1.0}

    def send(names: tuple[str, ...], sent: tuple[Any, ...]) -> None:
        for name, gradient in zip(names, sent, strict=True):
            known = gradients.get(name)
            gradients[name] = gradient if known is None else known + gradient

    for node in reversed(graph):
        args = [arrays[name] for name in node.given]
        if node.id == "total":
            vf_coef, ent_coef = args[-2:]
            send(node.given[:3], (1.0, vf_coef, -ent_coef))
            continue
        dout = gradients[node.out]
        if node.id == "mean":
            send(node.given, (np.full(len(args[0]), dout / len(args[0])),))
        elif node.id == "surrogate":
            whole = at("log_prob"), at("old_log_prob"), *args[1:]
            # the book's goes through the ratio as well; what is left without that last step
            dlog_prob = book(f"{node.function}_backward", dout, *whole)  # (N,)
            send(("ratio",), (dlog_prob / at("ratio"),))
        else:
            if node.run == "value_layer":
                dout = dout[:, None]  # (N, 1)
            sent = book(f"{node.function}_backward", dout, *args)
            send(node.given[:3], sent) if node.function == "linear" else send(
                node.given[:1], (sent,)
            )
        if node.id == "log_prob" and any(switch.startswith("ppo_loss") for switch in mistakes):
            # a mistake of the whole loss shows in what leaves it
            whole = 1.0, at("logits"), at("values"), *data, *coefficients
            gradients["logits"], gradients["values"] = book("ppo_loss_backward", *whole)
    return arrays, gradients
