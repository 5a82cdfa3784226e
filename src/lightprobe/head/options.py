"""What a head may be told before it is fitted."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lightprobe.devices import double_device
from lightprobe.errors import OptionError
from lightprobe.optics import KERNELS, Camera

COMPONENTS: Final = ("auto", "exact")
MEMORY_SHARE: Final = 0.6  # of the memory available, where max_memory is not given


@dataclass(frozen=True)
class HeadOptions:
    """How features become scores; fields are the parameters of `OpticalRidge`."""

    kernel: str = "optical"
    components: str | int = "auto"
    projection: str = "structured"
    camera: Camera | None = None
    alpha: str | float = "auto"
    class_weight: str | dict[Any, float] | None = None
    max_memory: int | None = None
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None

    def check(self) -> None:
        """Refuse values that are not allowed, with an OptionError."""
        if self.kernel not in KERNELS:
            raise OptionError(f"kernel is {self.kernel!r}; it must be one of {', '.join(KERNELS)}.")
        number = not isinstance(self.components, str)
        if self.components < 1 if not isinstance(self.components, str) else self.components not in COMPONENTS:
            raise OptionError(
                f"components is {self.components!r}; it must be 'auto', 'exact' or a whole number above zero."
            )
        if number and self.kernel == "linear":
            raise OptionError(
                "components are random features of the optical kernel; the linear one has none."
            )
        if self.alpha != "auto" and not (isinstance(self.alpha, int | float) and 0 <= self.alpha < np.inf):
            raise OptionError(f"alpha is {self.alpha!r}; it must be 'auto' or a number of zero or more.")
        if not (self.class_weight in (None, "balanced") or isinstance(self.class_weight, dict)):
            raise OptionError(
                f"class_weight is {self.class_weight!r}; give None, 'balanced' or a dict of class: weight."
            )

    @property
    def solve_device(self) -> str:
        """Where to solve: a device that has double precision."""
        return double_device(self.device)

    def memory_budget(self) -> int:
        """Bytes that fitting may take."""
        if self.max_memory is not None:
            return self.max_memory
        import psutil

        return int(MEMORY_SHARE * psutil.virtual_memory().available)
