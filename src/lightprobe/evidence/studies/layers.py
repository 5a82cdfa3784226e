"""Accuracy and time against size, as layers are taken off: figures 5 and 6 of LightOn's second text."""

from lightprobe.backbones import Tap
from lightprobe.evidence.studies.study import Configuration, Options, Study
from lightprobe.evidence.studies.workbench import Row, Workbench
from lightprobe.ridge import DegenerateKernelError
from lightprobe.selection import AUTO_KERNELS

BYTES = {"fp32": 4, "fp16": 2, "int8": 1}  # of a parameter


def configurations(bench: Workbench, options: Options) -> list[Configuration]:
    """Take every layer up to the settings' cut, the deepest first, through each kernel."""
    cuts = [cut.name for cut in bench.backbone().cuts]
    kernels = AUTO_KERNELS if bench.settings.kernel == "auto" else (bench.kernel,)
    return [
        {"cut": cut, "kernel": kernel, "within": options.within}
        for cut in reversed(cuts)
        for kernel in kernels
    ]


def measure(bench: Workbench, configuration: Configuration) -> Row:
    """Fit on one layer's output; one look serves all layers, and each cut network is timed by itself."""
    whole = bench.backbone()
    look = bench.look(whole, [Tap(cut.name, bench.pool) for cut in whole.cuts])
    choice = bench.choice(whole, cut=configuration["cut"], kernel=configuration["kernel"])
    kept = sum(tensor.numel() for tensor in whole.at(choice.tap.cut).state.values())
    size = {"parameters": kept, "within": configuration["within"]}
    try:
        row = bench.run(look, choice)
    except DegenerateKernelError as error:
        return {**bench.facts(look, choice), "dropped": str(error), **size}
    deepest = bench.forward_seconds(look, Tap(whole.cut, bench.pool))
    # What decoding takes is the same whatever comes after it.
    decoding = max(look.seconds_a_photo - deepest, 0.0)
    seconds = row["seconds"]
    seconds["features"] = row["n_train"] * (decoding + bench.forward_seconds(look, choice.tap))
    seconds["total"] = sum(value for stage, value in seconds.items() if stage != "total")
    bytes_of = {name: n * kept + row["head_bytes"] for name, n in BYTES.items()}
    return {**row, **size, "weight_bytes": 4 * kept, "model_bytes": bytes_of["fp32"], "bytes": bytes_of}


STUDY = Study("accuracy and time against size, as layers are taken off", configurations, measure)
