"""The main equations of the functions in the graph: forward, then backward."""

from __future__ import annotations

EQUATIONS: dict[str, tuple[str, ...]] = {
    "linear": (
        "y_{nm} = \\sum_k x_{nk} W_{km} + b_m",
        "dx_{nk} = \\sum_m dy_{nm} W_{km}",
        "dW_{km} = \\sum_n x_{nk} dy_{nm}",
        "db_m = \\sum_n dy_{nm}",
    ),
    "tanh": ("y = \\tanh (x)", "dx = dy · (1 − y^2)"),
    "relu": ("y = \\max (x, 0)", "dx = dy · [x > 0]"),
    "categorical_log_prob": (
        "\\log π(a_i | s_i) = z_{i a_i} − \\log \\sum_b \\exp (z_{ib})",
        "dz_{ib} = d\\log π_i · ([b = a_i] − p_{ib})",
    ),
    "categorical_entropy": (
        "H_i = − \\sum_a p_{ia} \\log p_{ia}",
        "dz_{ia} = − dH_i · p_{ia} (\\log p_{ia} + H_i)",
    ),
    "importance_ratio": (
        "r_i = \\exp (\\log π_i − \\log π_{0i})",
        "d\\log π_i = dr_i · r_i",
    ),
    "clipped_surrogate_loss": (
        "L = − \\frac{1}{N} \\sum_i \\min (r_i Â_i , \\clip (r_i , 1 − ε , 1 + ε) · Â_i)",
        "dr_i = − \\frac{dL}{N} Â_i   [r_i Â_i ≤ c_i Â_i]",
    ),
    "value_loss": (
        "L = \\frac{1}{2N} \\sum_i (v_i − R_i)^2",
        "dv_i = \\frac{dL}{N} (v_i − R_i)",
    ),
    "mean": ("m = \\frac{1}{N} \\sum_i H_i", "dH_i = \\frac{dm}{N}"),
    "ppo_loss": (
        "L = L^{policy} + c_v · L^{value} − c_e · m",
        "dL^{policy} = dL",
        "dL^{value} = c_v · dL",
        "dm = − c_e · dL",
    ),
}
