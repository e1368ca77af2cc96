"""The table of methods: name, what is optimised by which optimizer, defaults, one line of help.

It drives the command line, the tests and docs/methods.md. Free of torch, so that ``--help`` does not wait for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Method:
    """One row: an optimizer class and the defaults under which it solves the problem."""

    optimizer: str  # the name of a class in tvdenoise.solvers.optimizers (dual) or torch.optim (primal)
    help: str  # one line
    # Whether it moves the dual variable, the picture, or both.
    formulation: Literal["dual", "primal", "primal-dual"] = "primal"
    lr: float | None = None  # the rate; None for those on the dual, whose step size follows from the problem
    max_steps: int = 500  # the step limit, over which ``annealed`` stretches
    # Lower the rate to 0 along a cosine, so that the kinks of total variation do not keep the method from settling.
    annealed: bool = True
    smoothing: float = 0.0  # the Huber width in which kinks are rounded, in units of the intensity range
    options: Mapping[str, Any] = field(default_factory=dict)  # further arguments of the class


AUTO = "auto"  # stands for the fastest that a model allows

METHODS: Mapping[str, Method] = {
    "alternating": Method(
        "AlternatingDescent",
        "accelerated alternating descent on the dual: the fastest for anisotropic TV without coupling",
        "dual",
        max_steps=10_000,
        annealed=False,
    ),
    "fista": Method(
        "FISTA",
        "accelerated projected gradient on the dual: the fastest for all other models",
        "dual",
        max_steps=10_000,
        annealed=False,
    ),
    "pdhg": Method(
        "PDHG",
        "primal-dual hybrid gradient on both: the default for other noise models than gaussian",
        "primal-dual",
        max_steps=10_000,
        annealed=False,
    ),
    "adadelta": Method("Adadelta", "rates from the ratio of past steps to past gradients", lr=3.0),
    "adafactor": Method("Adafactor", "Adam with second moments kept by row and column", lr=0.02),
    "adagrad": Method("Adagrad", "rates from the sum of squared gradients", lr=0.1),
    "adam": Method("Adam", "the usual recipe: moments of the gradient", lr=0.02),
    "adamax": Method("Adamax", "Adam with the largest past gradient for a scale", lr=0.04),
    "adamw": Method(
        "AdamW",
        "Adam; its decay of weights would darken the picture, and is off",
        lr=0.02,
        options={"weight_decay": 0.0},
    ),
    "asgd": Method("ASGD", "averaged gradient descent", lr=0.05, options={"lambd": 0.0}),
    "lbfgs": Method(
        "LBFGS",
        "quasi-Newton with line search, 20 inner steps a step",
        lr=1.0,
        max_steps=25,
        annealed=False,
        smoothing=1e-3,
        options={"line_search_fn": "strong_wolfe"},
    ),
    "nadam": Method("NAdam", "Adam with Nesterov's momentum", lr=0.02),
    "radam": Method("RAdam", "Adam with a warm-up worked out from the variance", lr=0.04),
    "rmsprop": Method("RMSprop", "rates from a running mean of squared gradients", lr=0.005),
    "rprop": Method("Rprop", "rates from the signs of successive gradients", lr=0.01, annealed=False, smoothing=1e-3),
    "sgd": Method(
        "SGD", "gradient descent with Nesterov's momentum", lr=0.02, options={"momentum": 0.9, "nesterov": True}
    ),
}

# Optimizers of ``torch.optim`` that cannot do it, and why.
NOT_OFFERED: Mapping[str, str] = {
    "muon": "takes one matrix, which a colour picture is not, and multiplies it by itself 15 times a step",
    "sparseadam": "takes sparse gradients only, and a picture's gradient is dense",
}
