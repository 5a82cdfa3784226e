"""How much accuracy moves when one setting moves: batch size, alpha, seed of R, threshold, image size.

LightOn's second text: no sensitivity to the batch size, and three hyperparameters in all.
"""

import numpy as np

from lightprobe.backbones import Tap
from lightprobe.optics import sign_bits
from lightprobe.ridge import DegenerateKernelError
from lightprobe.studies.context import Look, Row, StudyContext
from lightprobe.studies.study import Configuration, Options, Study

BATCH_SIZES = (4, 16, 64)
ALPHAS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Shares of the features, over photos and features together, that a threshold leaves at zero.
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
IMAGE_SIZES = (0.5, 0.75, 1.0)  # of the network's own
SEEDS, RANDOM_FEATURES = 5, 4096


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """Move one setting at a time; the first configuration moves none."""
    own = bench.backbone().preprocessing.crop
    seeds = range(max(options.draws, 2))
    moved: list[Configuration] = [{"setting": "none", "value": 0}]
    moved += [{"setting": "alpha", "value": alpha} for alpha in ALPHAS]
    moved += [{"setting": "seed of R", "value": seed, "components": RANDOM_FEATURES} for seed in seeds]
    moved += [{"setting": "threshold", "value": quantile} for quantile in QUANTILES]
    moved += [{"setting": "batch size", "value": size} for size in BATCH_SIZES]
    # A network takes sizes that its strides divide; 32 is what the deepest of them need.
    sizes = sorted({max(32, round(share * own / 32) * 32) for share in IMAGE_SIZES})
    return moved + [{"setting": "image size", "value": size} for size in sizes]


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Fit with one setting moved."""
    setting, value = configuration["setting"], configuration["value"]
    backbone = bench.backbone(**({"image_size": value} if setting == "image size" else {}))
    choice = bench.choice(backbone)
    if setting == "batch size":
        # From the photos anew: the cache does not tell batch sizes apart.
        look = bench.look(backbone, choice.taps.taps, batch_size=value, cache=False)
    else:
        look = bench.look(backbone, choice.taps.taps)
    if setting == "threshold":
        return _with_threshold(bench, look, choice.taps.taps[0], value)
    head = {
        "alpha": {"alpha": value},
        "seed of R": {"components": RANDOM_FEATURES, "random_state": value},
    }.get(setting, {})
    return bench.run(
        look, bench.choice(backbone, kernel="optical") if "components" in head else choice, **head
    )


def _with_threshold(bench: StudyContext, look: Look, tap: Tap, quantile: float) -> Row:
    """Encode b = 1[x > t], t a quantile of the training features, and fit the optical kernel."""
    features = look.train.matrices[tap]
    threshold = float(np.quantile(features, quantile))
    choice = bench.choice(look.network.backbone, cut=tap.cut, encode="sign", kernel="optical")
    try:
        head = bench.fit(sign_bits(features, threshold), look, kernel="optical")
    except DegenerateKernelError as error:
        return {**bench.facts(look, choice), "threshold": threshold, "dropped": str(error)}
    right = None
    if look.test is not None:
        scores = head.scores(sign_bits(look.test.matrices[tap], threshold))
        right = np.asarray(scores.argmax(axis=1) == look.test_labels)
    return bench.row(look, choice, head, right, threshold=threshold)


STUDY = Study("how much accuracy moves when one setting moves", configurations, measure, uses=("draws",))
