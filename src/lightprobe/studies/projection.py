"""What random features cost and bring: how many, of which kind, and what the 8-bit camera takes away."""

from lightprobe.optics import Camera
from lightprobe.studies.context import Row, StudyContext
from lightprobe.studies.study import Configuration, Options, Study

# Random features, as multiples of the features m that go in.
MULTIPLES = (0.25, 0.5, 1, 2, 4, 16)
SEEDS = 2
PROJECTIONS = ("structured", "dense")
PATIENCE = 10.0  # seconds that a dense projection may take, at the rate below
DENSE_RATE = 2e10  # entries of R made and multiplied with a row's feature, a second
LARGEST = 100_000  # random features


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """List the exact limit, then each kind and number, with the camera and without, a few seeds each."""
    backbone = bench.backbone()
    (tap,) = bench.choice(backbone).taps.taps
    m, n = backbone.feature_sizes([tap])[tap], len(bench.images)
    numbers = [k for k in (round(m * multiple) for multiple in MULTIPLES) if 16 <= k <= LARGEST]
    seeds = range(min(options.draws, SEEDS))
    random = [
        {"components": k, "projection": kind, "camera": camera, "seed": seed}
        for k in numbers
        for kind in PROJECTIONS
        for camera in (False, True)
        for seed in seeds
        if kind == "structured" or n * m * k / DENSE_RATE < PATIENCE
    ]
    return [{"components": "exact"}, *random]


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Fit through the optical kernel, or what stands for it."""
    backbone = bench.backbone()
    choice = bench.choice(backbone, kernel="optical")
    look = bench.look(backbone, choice.taps.taps)
    width = look.train.matrices[choice.taps.taps[0]].shape[1]
    if configuration["components"] == "exact":
        row = bench.run(look, choice, components="exact")
        return {**row, "n_features": width, "solve_bytes": 8 * row["n_train"] ** 2}
    k, dense = configuration["components"], configuration["projection"] == "dense"
    row = bench.run(
        look,
        choice,
        components=k,
        projection=configuration["projection"],
        camera=Camera() if configuration["camera"] else None,
        random_state=configuration["seed"],
    )
    n = row["n_train"]
    return {
        **row,
        "seed": configuration["seed"],
        "projection": configuration["projection"],
        "camera": configuration["camera"],
        "n_features": width,
        # The smaller of the two systems, and the random features themselves.
        "solve_bytes": 8 * min(n, k) ** 2 + (1 if configuration["camera"] else 4) * n * k,
        "matrix_bytes": 8 * k * width if dense else 0,
    }


STUDY = Study(
    "accuracy, time and memory against the number of random features",
    configurations,
    measure,
    uses=("draws",),
    varies=("components", "projection", "kernel"),
)
