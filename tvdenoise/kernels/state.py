"""What the kernels of an ascent work on."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from tvdenoise.options.kinds import Group

Fields = tuple[Tensor, Tensor]  # the newest, and the one before it


class State(NamedTuple):
    """What an ascent works on, in place."""

    f: Tensor
    p: Tensor  # the newest field
    previous: Tensor  # the one before it
    average: Tensor | None  # takes in the pictures on the way
    groups: Sequence[Group]
