"""From features to scores as torch modules that can be exported: the same arithmetic as the head's own.

    linear            W e(f) + b
    random features   W φ(e(f)) + b, φ(x) = |xR|²/√k
    exact, optical    Σ_i c_i (|x_i|²|x|² + (x_i·x)²) + b, the training features x_i inside the graph
    softmax           W f + b, of models that were trained by gradients

Inner products are float32 with everything behind them in float64, as in `optics`, so that what is exported
answers as its original does.
"""

import numpy as np
import torch
from torch import Tensor, nn

from lightprobe.backprop import TrainedModel
from lightprobe.errors import OptionError
from lightprobe.export.encode import Encode, as_cached
from lightprobe.head import Exact, FittedHead, Linear, RandomFeatures
from lightprobe.optics import (
    Layout,
    OpticalFeatures,
    complex_gaussian,
    diagonal_bits,
    hadamard_matrix,
    walsh_hadamard,
)

# What a file of one piece, as ONNX is, can hold: 2 GiB, less the network.
MAX_BYTES = 3 * 2**29


class ExactOptical(nn.Module):
    """Scores by the exact optical kernel; bits and half floats are stored as such.

    Where float64 is computed in single precision, as OpenVINO does on CPUs, a sum over thousands of photos
    would lose digits. The coefficients sum to zero, so the kernel's mean can be taken off before, and rows in
    random order let the classes' shares cancel on the way.
    """

    def __init__(self, decision: Exact) -> None:
        super().__init__()
        mixed = np.random.default_rng(0).permutation(len(decision.rows))
        rows = torch.from_numpy(decision.rows[mixed])
        _require_size(rows.nbytes, f"The training features of this model ({len(rows)} × {rows.shape[1]})")
        self.rows = nn.Buffer(rows)
        self.lengths = nn.Buffer(rows.double().square().sum(1))
        self.coef = nn.Buffer(torch.from_numpy(decision.dual_coef[mixed]))

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch, without the intercept."""
        products = (x @ self.rows.float().T).double()
        kernel = x.double().square().sum(1, keepdim=True) * self.lengths + products * products
        return (kernel - kernel.mean(1, keepdim=True)) @ self.coef


class LinearMap(nn.Module):
    """Scores by a linear map, in float64."""

    def __init__(self, decision: Linear | RandomFeatures) -> None:
        super().__init__()
        self.coef = nn.Buffer(torch.from_numpy(decision.coef.T.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch, without the intercept."""
        return x.double() @ self.coef


class Structured(nn.Module):
    """φ(x) by Hadamard matrices and signs; see `lightprobe.optics.structured`."""

    def __init__(self, features: OpticalFeatures) -> None:
        super().__init__()
        self.k = int(features.n_components)
        self.layout = layout = Layout.of(features.n_features_in_)
        self.length = layout.n_blocks * layout.size
        self.stacks = -(-self.k // (layout.n_mixed * layout.size))
        n_diagonals = 2 + 2 * self.stacks
        bits = torch.from_numpy(diagonal_bits(self.length, n_diagonals, features.seed_).copy())
        signs = [(bits[d // 8] >> d % 8) & 1 for d in range(n_diagonals)]
        self.signs = nn.Buffer(torch.stack(signs).float() * 2 - 1)
        across = torch.from_numpy(hadamard_matrix(layout.n_mixed)[:, : layout.n_blocks].copy())
        self.across = nn.Buffer(across)
        segment = torch.arange(layout.segments)
        source = (torch.arange(layout.n_blocks)[:, None] - segment) % layout.n_blocks
        self.source = nn.Buffer((source * layout.segments + segment).flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Project a batch (n, m) to (n, k)."""
        size, n_blocks, n_mixed, segments = self.layout
        x = nn.functional.pad(x, (0, self.length - x.shape[1])) * self.signs[0]
        w = walsh_hadamard(x.reshape(-1, n_blocks, size))
        parts = w.reshape(-1, n_blocks * segments, size // segments)
        moved = parts[:, self.source].reshape(-1, n_blocks, size)
        z = walsh_hadamard(moved * self.signs[1].reshape(n_blocks, size))
        stacks = []
        for stack in range(self.stacks):
            real, imag = (
                walsh_hadamard(self.across @ (z * self.signs[2 + 2 * stack + plane].reshape(n_blocks, size)))
                for plane in range(2)
            )
            stacks.append((real.square() + imag.square()).reshape(-1, n_mixed * size))
        scale = self.k**-0.5 / (2.0 * size**2)
        features: Tensor = torch.cat(stacks, 1)[:, : self.k] * scale
        return features


class Dense(nn.Module):
    """φ(x) by a random matrix, which has to be in the graph; see `lightprobe.optics.dense`."""

    def __init__(self, features: OpticalFeatures) -> None:
        super().__init__()
        k, m = int(features.n_components), features.n_features_in_
        _require_size(8 * k * m, f"The random matrix of this model ({m} × {k})")
        self.k = k
        self.matrix = nn.Buffer(torch.from_numpy(complex_gaussian(m, 0, k, features.seed_)))

    def forward(self, x: Tensor) -> Tensor:
        """Project a batch (n, m) to (n, k)."""
        real, imag = x @ self.matrix[0].T, x @ self.matrix[1].T
        features: Tensor = (real.square() + imag.square()) * self.k**-0.5
        return features


class RidgeHead(nn.Module):
    """Features to calibrated probabilities (n, c), float32."""

    def __init__(self, encoding: str, head: FittedHead) -> None:
        super().__init__()
        decision = head.decision
        parts: list[nn.Module] = [Encode(encoding)]
        match decision:
            case Exact():
                parts.append(ExactOptical(decision))
            case RandomFeatures(projection=random):
                project = Structured if random.projection == "structured" else Dense
                parts += [project(random), LinearMap(decision)]
            case Linear():
                parts.append(LinearMap(decision))
        self.scores = nn.Sequential(*parts)
        self.intercept = nn.Buffer(torch.from_numpy(decision.intercept))
        self.scale = head.calibration.scale

    def forward(self, features: Tensor) -> Tensor:
        """Answer a batch."""
        scores = self.scores(features) + self.intercept
        if scores.shape[1] == 1:
            scores = torch.cat([-scores, scores], 1)
        return torch.softmax(self.scale * scores, 1).float()


class SoftmaxHead(nn.Module):
    """Features to probabilities (n, c), float32, by the head of a model that was trained by gradients."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.from_numpy(model.weight))
        self.bias = nn.Buffer(torch.from_numpy(model.bias))

    def forward(self, features: Tensor) -> Tensor:
        """Answer a batch."""
        scores = as_cached(features) @ self.weight.T + self.bias
        return torch.softmax(scores.double(), 1).float()


def _require_size(size: int, what: str) -> None:
    if size > MAX_BYTES:
        raise OptionError(
            f"{what} would take {size / 1e9:.1f} GB of the {MAX_BYTES / 1e9:.1f} GB that one file can hold: "
            "export a model with a linear kernel or structured components (--kernel linear, --components N)."
        )
