"""What the optimizers of this package share."""

import inspect
from typing import Any

from torch.optim import Optimizer


class UncompiledOptimizer(Optimizer):
    """A ``torch.optim.Optimizer`` that is made without torch's compiler.

    torch hides :meth:`add_param_group` from ``torch.compile`` behind a wrapper whose first call imports the whole
    compiler, about as long again as importing torch: the method itself needs none of it.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, as every optimizer does."""
        inspect.unwrap(Optimizer.add_param_group)(self, param_group)
