"""What computes on the CPU works where torch cannot be imported."""

import subprocess
import sys

PROGRAM = """
import sys


class WithoutTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, WithoutTorch())

import numpy as np

from lightprobe.head import FittedHead, OpticalRidge, Scorer, Novelty
from lightprobe.optics import Camera, OpticalFeatures, linear_kernel
from lightprobe.ridge import RidgeStatistics, solve_sums

rng = np.random.default_rng(0)
labels = np.arange(60) % 3
photos = rng.standard_normal((3, 200))[labels] + 0.5 * rng.standard_normal((60, 200))
bits = (photos > 0).astype(np.uint8)
for X in (photos.astype(np.float32), bits):
    for options in (
        {"kernel": "linear"},
        {"components": "exact"},
        {"components": 40},
        {"components": 300},
        {"components": 300, "projection": "dense"},
        {"components": 300, "camera": Camera()},
    ):
        head = OpticalRidge(random_state=0, **options).fit(X, labels)
        assert (head.predict(X) == labels).mean() > 0.9, options
        Scorer(head.fitted_, Novelty.of(head.fitted_, labels, np.arange(len(X)), X), X)(X[:2])
targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
solve_sums(RidgeStatistics.of(bits, targets), 0.1)
linear_kernel(255 * bits)
"""


def test_heads_are_fitted_and_predict_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
