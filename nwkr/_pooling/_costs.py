"""Costs of pooling by processor, for the choice of an algorithm.

They are seconds of one thread, measured with NumPy 2.4 and OpenBLAS on a server processor, as it
is and with AVX-512 switched off. Only their ratios matter. Nothing is timed when an algorithm is
chosen, so the same machine always makes the same choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from nwkr._pooling._exponential import exponential_for
from nwkr._pooling._pairs import Pairs
from nwkr.kernels import Kernel

__all__ = ["Costs", "costs_of"]


@dataclass(frozen=True)
class Costs:
    """Seconds of the main operations of pooling.

    Attributes
    ----------
    gaussian, exponential, power, other : float
        Time of a pair: for a kernel whose log-weights are linear in the squared distance, for
        other log-weights, for a power of ``1 - u2``, and for any other kernel.
    first, square : float
        Time of a pair with several bandwidths of a Gaussian: for the first, and for each other
        one, by a square.
    number : float
        Time of a weight between a row and a column of a lattice.
    """

    gaussian: float
    exponential: float
    power: float
    other: float
    first: float
    square: float
    number: float

    def for_pair(self, kernel: Kernel, n_together: int = 1) -> float:
        """Seconds of a pair, for one of several bandwidths that share the distances."""
        if kernel.log_slope is not None:
            if n_together == 1:
                return self.gaussian
            return self.square + (self.first - self.square) / n_together
        if kernel.log_profile is not None:
            return self.exponential
        return self.other if kernel.power is None else self.power


# By the exponential in use.
_COSTS = {
    "numpy, AVX-512": Costs(1.4e-9, 5.0e-9, 1.4e-9, 4.5e-9, 1.5e-9, 0.5e-9, 0.8e-9),
    "compiled": Costs(1.3e-9, 5.3e-9, 1.6e-9, 5.0e-9, 2.1e-9, 0.6e-9, 5e-9),
    "numpy": Costs(5.6e-9, 9.0e-9, 1.6e-9, 5.0e-9, 5.6e-9, 0.6e-9, 5e-9),
}


def costs_of(pairs: Pairs) -> Costs:
    """The constants for a call, on this processor."""
    return _COSTS[exponential_for(pairs.dtype, pairs.call_size, pairs.sizes).name]
