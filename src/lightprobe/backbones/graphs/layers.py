"""The layers of a graph at which it can be cut, found and measured without running it.

A graph can be cut wherever all that it computes passes through one tensor: at the dominators of its output
(Prosser 1959). Of several that follow each other with nothing but elementwise operations between them, such
as a convolution's output, its normalisation and its activation, the last is a place to cut.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any, Final

from lightprobe.backbones.taps import Cut, CutInfo
from lightprobe.errors import BackboneError

# Operations that mix positions or channels: what stands before them is worth a name of its own.
_MIXING: Final = frozenset(
    {
        "Convolution",
        "GroupConvolution",
        "ConvolutionBackpropData",
        "MatMul",
        "MaxPool",
        "AvgPool",
        "ReduceMean",
    }
)
_MOST_PREFIX_TOKENS: Final = 16


@dataclass(frozen=True)
class _Operation:
    """One operation of a graph for one photo; `inputs` are places in the list of all."""

    name: str
    kind: str
    shape: tuple[int, ...]
    seen: bool  # whether its numbers depend on the photo
    inputs: tuple[int, ...]
    parameters: int
    multiplications: int
    tensor_names: frozenset[str]


class Layers:
    """A network's operations, read once.

    Parameters
    ----------
    model : openvino.Model
        From images (1, 3, s, s): of one photo, all shapes known.
    """

    def __init__(self, model: Any) -> None:
        self._operations = _read(model)
        self._whole = sum(operation.parameters for operation in self._operations)

    def places(self) -> list[str]:
        """Name the places where the network can be cut, in the order of execution."""
        mixing = (place for place, op in enumerate(self._operations) if op.seen and op.kind in _MIXING)
        first = next(mixing, 0)  # before it there are the pixels, cast or transposed
        dominators = [place for place in self._dominators() if place >= first]
        found: list[str] = []
        latest: str | None = None  # with positions, and nothing mixed since
        for here, there in zip(dominators, [*dominators[1:], len(self._operations)], strict=True):
            operation = self._operations[here]
            # A name of OpenVINO's own making is another one at the next reading.
            made_up = not operation.tensor_names and re.fullmatch(rf"{operation.kind}_\d+", operation.name)
            if _cut_of(operation) is not None and _has_positions(operation) and not made_up:
                latest = operation.name
            followed = [op for op in self._operations[here + 1 : there + 1] if op.seen]
            if latest is not None and (not followed or any(op.kind in _MIXING for op in followed)):
                found.append(latest)
                latest = None
        return found

    def tensor(self, name: str) -> str:
        """Return the name of an operation's tensor; of one whose tensor has none, its own.

        Tensors keep their names wherever a graph ends. Operations do not: OpenVINO calls those that end an
        ONNX graph by their tensors (OpenVINO 2026.4).
        """
        operation = self._operations[self._find(name)]
        return min(operation.tensor_names, default=operation.name)

    def precedes(self, name: str, other: str) -> bool:
        """Whether another layer is computed from this one."""
        return self._find(name) in self._ancestors(self._find(other))

    def measure(self, named: Mapping[str, str]) -> tuple[CutInfo, ...]:
        """Measure layers.

        Parameters
        ----------
        named : mapping of str to str
            From what a layer is called to its operation's name, or its tensor's.

        Raises
        ------
        BackboneError
            There is no such layer, or its output is no feature map and no list of tokens.
        """
        return tuple(self._measured(*pair) for pair in named.items())

    def _find(self, name: str) -> int:
        for number, operation in enumerate(self._operations):
            if name == operation.name or name in operation.tensor_names:
                return number
        near = difflib.get_close_matches(name, self.places(), n=3, cutoff=0.5) or self.places()[-3:]
        raise BackboneError(
            f"The network has no layer {name!r}; near it are {', '.join(near)}, and "
            "`lightprobe backbones FILE` lists them all."
        )

    def _measured(self, called: str, name: str) -> CutInfo:
        number = self._find(name)
        operation = self._operations[number]
        cut = _cut_of(operation)
        if cut is None:
            raise BackboneError(
                f"The output of {name}, of shape {operation.shape}, is neither a feature map nor a list of "
                "tokens: `lightprobe backbones FILE` lists the layers to cut at."
            )
        on_the_way = [self._operations[place] for place in self._ancestors(number)]
        parameters = sum(operation.parameters for operation in on_the_way)
        return CutInfo(
            Cut(called, cut.layout, cut.prefix_tokens),
            operation.shape[1:],
            parameters,
            parameters / max(1, self._whole),
            sum(operation.multiplications for operation in on_the_way),
        )

    def _ancestors(self, number: int) -> set[int]:
        found, waiting = set[int](), [number]
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self._operations[place].inputs
        return found

    def _dominators(self) -> list[int]:
        """List operations after which no other tensor that depends on the photo is still to be used."""
        last_use = {
            place: number
            for number, operation in enumerate(self._operations)
            if operation.seen
            for place in operation.inputs
            if self._operations[place].seen
        }
        end = max((number for number, operation in enumerate(self._operations) if operation.seen), default=0)
        found, open_until = [], 0
        for number, operation in enumerate(self._operations):
            if not operation.seen:
                continue
            if open_until <= number and (number in last_use or number == end):
                found.append(number)
            open_until = max(open_until, last_use.get(number, number))
        return found


def _read(model: Any) -> list[_Operation]:
    order = [op for op in model.get_ordered_ops() if op.get_type_name() != "Result"]
    numbers = {op.get_name(): number for number, op in enumerate(order)}
    read: list[_Operation] = []
    for op in order:
        inputs = tuple(numbers[value.get_node().get_name()] for value in op.input_values())
        kind, has_output = op.get_type_name(), op.get_output_size() > 0
        # Quantised graphs carry what they compute in bytes; other integers are sizes.
        carries = has_output and (
            op.get_output_element_type(0).is_real() or op.get_output_element_type(0).bitwidth == 8
        )
        seen = kind == "Parameter" or (carries and any(read[place].seen for place in inputs))
        shape = (
            tuple(op.get_output_shape(0)) if has_output and op.get_output_partial_shape(0).is_static else ()
        )
        parameters = 0
        if kind == "Constant" and prod(shape) > 1 and carries:
            parameters = prod(shape)
        multiplications = _multiplications(kind, op, shape) if seen else 0
        names = frozenset(op.output(0).get_names()) if has_output else frozenset[str]()
        read.append(
            _Operation(op.get_friendly_name(), kind, shape, seen, inputs, parameters, multiplications, names)
        )
    return read


def _multiplications(kind: str, op: Any, shape: tuple[int, ...]) -> int:
    """Count the multiplications of one operation, of those that take any number worth counting."""
    if kind in ("Convolution", "GroupConvolution"):
        # Weights are (out, in, height, width), with the groups before them.
        return int(prod(shape) * prod(op.get_input_shape(1)[-3:]))
    if kind == "MatMul":
        columns = op.get_input_shape(0)
        return int(prod(shape) * columns[-2 if op.get_attributes().get("transpose_a") else -1])
    return 0


def _has_positions(operation: _Operation) -> bool:
    """Whether an output has more than one position: what stands behind the pooling has one only."""
    sides = operation.shape[1:]
    return len(sides) == 2 or sorted(sides)[1] > 1


def _cut_of(operation: _Operation) -> Cut | None:
    """Tell where channels and positions of an output stand; None where it has no such axes."""
    shape = operation.shape
    if not operation.seen or operation.kind == "Parameter" or len(shape) not in (3, 4):
        return None
    if len(shape) == 4:
        _, first, second, third = shape
        if second == third:
            return Cut(operation.name, "nchw")
        return Cut(operation.name, "nhwc") if first == second else None
    tokens = shape[1]
    prefix = tokens - isqrt(tokens) ** 2
    return (
        Cut(operation.name, "tokens", prefix if prefix <= _MOST_PREFIX_TOKENS else 0) if tokens > 1 else None
    )
