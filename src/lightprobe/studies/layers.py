"""Accuracy and time against size, as layers are taken off: figures 5 and 6 of LightOn's second text."""

from lightprobe.backbones import Backbone, Tap
from lightprobe.errors import OptionError
from lightprobe.ridge import DegenerateKernelError
from lightprobe.selection import AUTO_KERNELS, stage_cuts
from lightprobe.studies.arms import arms, learn
from lightprobe.studies.context import Row, StudyContext
from lightprobe.studies.study import Configuration, Options, Study

BYTES = {"fp32": 4, "fp16": 2, "int8": 1}  # of a parameter


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """Take every layer up to the settings' cut, the deepest first, through each kernel.

    Methods by gradients train anew at each cut: they take the last layers of the stages.
    """
    if "scratch" in bench.learners:
        raise OptionError(
            "Layers are taken off a pretrained network, which training from scratch has none of: "
            "--methods may name linear-probe and fine-tune here."
        )
    cuts = [cut.name for cut in bench.backbone().cuts]
    kernels = AUTO_KERNELS if bench.settings.asked_kernel == "auto" else (bench.kernel,)
    closed = [
        {"cut": cut, "kernel": kernel, "within": options.within}
        for cut in reversed(cuts)
        for kernel in kernels
    ]
    stages = stage_cuts(bench.backbone()) if bench.learners else []
    return closed + [{"cut": cut, **arm} for arm in arms(bench) for cut in reversed(stages)]


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Fit on one layer's output; one look serves all layers, and each cut network is timed by itself."""
    whole = bench.backbone()
    if "method" in configuration:
        return _learned(bench, configuration)
    look = bench.look(whole, [Tap(cut.name, bench.pool) for cut in whole.cuts])
    choice = bench.choice(whole, cut=configuration["cut"], kernel=configuration["kernel"])
    kept = _parameters(whole, choice.taps.cut)
    size = {"parameters": kept, "within": configuration["within"]}
    try:
        row = bench.run(look, choice)
    except DegenerateKernelError as error:
        return {**bench.facts(look, choice), "dropped": str(error), **size}
    deepest = bench.forward_seconds(look, Tap(whole.cut, bench.pool))
    # What decoding takes is the same whatever comes after it.
    decoding = max(look.seconds_a_photo - deepest, 0.0)
    seconds = row["seconds"]
    seconds["features"] = row["n_train"] * (decoding + bench.forward_seconds(look, choice.taps.taps[0]))
    seconds["total"] = sum(value for stage, value in seconds.items() if stage != "total")
    bytes_of = {name: n * kept + row["head_bytes"] for name, n in BYTES.items()}
    return {**row, **size, "weight_bytes": 4 * kept, "model_bytes": bytes_of["fp32"], "bytes": bytes_of}


def _parameters(backbone: Backbone, cut: str) -> int:
    """Count what a network keeps that ends at a layer."""
    (info,) = backbone.measured([backbone.find_cut(cut)])
    return info.parameters


def _learned(bench: StudyContext, configuration: Configuration) -> Row:
    cut = configuration["cut"]
    row = learn(bench, configuration["method"], bench.images.training, cut=cut)
    kept = _parameters(bench.backbone(cut=cut), cut)
    bytes_of = {name: n * kept + row["head_bytes"] for name, n in BYTES.items()}
    sizes = {"weight_bytes": 4 * kept, "model_bytes": bytes_of["fp32"], "bytes": bytes_of}
    return {**row, "parameters": kept, **sizes}


STUDY = Study(
    "accuracy and time against size, as layers are taken off",
    configurations,
    measure,
    uses=("within", "methods"),
)
