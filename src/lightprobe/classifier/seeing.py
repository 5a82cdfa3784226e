"""How every fitted classifier looks at photos: through one network, or through several side by side."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from lightprobe.backbones import Tap
from lightprobe.classifier.network import Network
from lightprobe.errors import OptionError
from lightprobe.features import (
    Chunk,
    FeatureCache,
    Features,
    Lens,
    Parts,
    extract_views,
    stream_views,
    taps_of,
)
from lightprobe.images import ImageSet


class Seeing:
    """x = f(photo): a network up to a layer, pooled, or several networks side by side.

    A subclass has the parameters below, sets `networks_` (or `network_`) when it is fitted, and says which
    features its head takes.

    Attributes
    ----------
    networks_ : tuple of Network
        Each ending where it is tapped.
    """

    batch_size: int
    workers: int | None
    max_megapixels: float | None
    device: str
    cache: bool
    strict: bool
    verbose: bool

    networks_: tuple[Network, ...]

    @property
    @abstractmethod
    def tap_(self) -> Tap:
        """The features that the head takes: of several networks, the name of all their layers."""

    @property
    def network_(self) -> Network:
        """The network, where there is only one.

        Raises
        ------
        OptionError
            If the model sees through several.
        """
        if len(self.networks_) > 1:
            names = " and ".join(network.backbone.name for network in self.networks_)
            raise OptionError(
                f"This model sees through {names} at once, and this can be done with a single network only: "
                "train a model with one --backbone."
            )
        return self.networks_[0]

    @network_.setter
    def network_(self, network: Network) -> None:
        self.networks_ = (network,)

    @property
    def views(self) -> dict[Tap, Parts]:
        """What is seen: the networks' outputs, by the name of the features that the head takes."""
        ends = enumerate(network.backbone.cut for network in self.networks_)
        return {self.tap_: tuple((place, Tap(cut, self.tap_.pool)) for place, cut in ends)}

    def lenses(self, views: dict[Tap, Parts] | None = None) -> list[Lens]:
        """Compile the networks for what the head takes, or for other views through each of them."""
        wanted = self.views if views is None else views
        return [
            Lens(network.backbone, network.compiled(taps_of(wanted, place), self.device))
            for place, network in enumerate(self.networks_)
        ]

    def look(
        self,
        images: ImageSet,
        *,
        strict: bool | None = None,
        lenses: Sequence[Lens] | None = None,
        views: dict[Tap, Parts] | None = None,
    ) -> Features:
        """Look at every photo for what the head takes, or for other views through lenses made for them."""
        return extract_views(
            images.limited(self.max_megapixels),
            self.lenses() if lenses is None else lenses,
            self.views if views is None else views,
            batch_size=self.batch_size,
            workers=self.workers,
            cache=FeatureCache() if self.cache else None,
            strict=self.strict if strict is None else strict,
            progress=self.verbose,
        )

    def stream(self, images: ImageSet) -> Iterator[Chunk]:
        """Look at photos a few batches at a time, without the cache."""
        return stream_views(
            images.limited(self.max_megapixels),
            self.lenses(),
            self.views,
            batch_size=self.batch_size,
            workers=self.workers,
        )
