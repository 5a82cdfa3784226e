"""What is said about a network before it is used."""

from dataclasses import dataclass

from lightprobe.backbones.taps import CutInfo


@dataclass(frozen=True)
class BackboneInfo:
    """Facts about a network, for `lightprobe backbones NAME`.

    Parameters
    ----------
    name : str
    image_size : int
        Pixels.
    cuts : list of CutInfo
        In the order of execution; the last is the default.
    weights : str
        The published weights' name, or a file's.
    url : str or None
        Where they are published, an address or a name on the Hugging Face hub; None for files.
    megabytes : float
        Their file's size; of timm's networks, what float32 takes.
    accuracy : float or None
        ImageNet top-1 of the published network, percent.
    licence : str or None
        Where one is stated for the weights.
    """

    name: str
    image_size: int
    cuts: list[CutInfo]
    weights: str
    url: str | None
    megabytes: float
    accuracy: float | None
    licence: str | None
