"""How a network is trained by gradients, as data: a recipe, the named ones, and recipes from files."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from lightprobe.errors import MissingExtraError, OptionError

# What of a pretrained network learns beside the head: everything, nothing, or the last so many stages.
Unfreeze = Literal["all", "head"] | int

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["constant", "step", "cosine", "one-cycle"]
Weighting = Literal["none", "balanced"]


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; lengths are in epochs.

    Parameters
    ----------
    network : str
        What a recipe from scratch is for; not read by other methods.
    epochs : int
        At most so many; with `sizes`, their sum.
    batch_size : int
    optimizer : {"sgd", "adamw"}
        SGD has Nesterov's momentum.
    lr : float or "auto"
        Learning rate of the head; `auto` tries a few, briefly, and takes the best on validation photos.
    momentum, weight_decay : float
        No decay on biases and norms.
    schedule : {"constant", "step", "cosine", "one-cycle"}
        `step` multiplies by `gamma` each `step_size` epochs; `cosine` falls to zero; `one-cycle` rises from
        1/25 for a quarter of the time before it does (Smith and Topin 2017, arXiv 1708.07120).
    warmup : float
        Epochs in which the rate rises linearly from zero.
    lr_decay : float
        Each stage of the network learns this many times as fast as the one behind it, the last stage as the
        head: differential rates. 1 is the same everywhere.
    freeze_epochs : int
        First epochs in which only the head learns.
    label_smoothing : float
        Share of the target that is spread over all classes.
    clip : float or None
        Largest norm of the gradient.
    class_weights : {"none", "balanced"}
        `balanced` weighs class c by n/(k n_c).
    scale : (float, float)
        Share of a photo's area that a random crop keeps; (1, 1) keeps the photo as validation sees it.
    ratio : (float, float)
        Width over height of the crop, log-uniform.
    center : float
        Share of the crop's side that is kept, in its middle.
    flip : bool
        Mirror half of the photos.
    trivial_augment : bool
        One random operation of random strength a photo (Müller and Hutter 2021, arXiv 2103.10158).
    sizes : ((int, int), ...)
        Progressive sizes: pairs of pixels and epochs, for networks that take any size.
    patience : int or None
        Stop after so many epochs that were no better on validation photos.

    Raises
    ------
    OptionError
        A value that is not allowed.
    """

    network: str = ""
    epochs: int = 30
    batch_size: int = 64
    optimizer: Optimizer = "sgd"
    lr: float | Literal["auto"] = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-5
    schedule: Schedule = "one-cycle"
    step_size: int = 7
    gamma: float = 0.1
    warmup: float = 0.0
    lr_decay: float = 1.0
    freeze_epochs: int = 0
    label_smoothing: float = 0.0
    clip: float | None = None
    class_weights: Weighting = "none"
    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    center: float = 1.0
    flip: bool = True
    trivial_augment: bool = False
    sizes: tuple[tuple[int, int], ...] = ()
    patience: int | None = None

    def __post_init__(self) -> None:
        """Make lists tuples, as files have no tuples, and refuse what cannot be trained with."""
        for name in ("scale", "ratio"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "sizes", tuple((int(side), int(epochs)) for side, epochs in self.sizes))
        if self.sizes:
            object.__setattr__(self, "epochs", sum(epochs for _, epochs in self.sizes))
        for name, kind in (("optimizer", Optimizer), ("schedule", Schedule), ("class_weights", Weighting)):
            if getattr(self, name) not in get_args(kind):
                raise OptionError(
                    f"{name} is {getattr(self, name)!r}; allowed are {', '.join(get_args(kind))}."
                )
        for name, good, allowed in (
            ("epochs", self.epochs >= 1, "a number from 1 up"),
            ("batch_size", self.batch_size >= 1, "a number from 1 up"),
            ("lr", self.lr == "auto" or self.lr > 0, "auto or a number above zero"),
            ("step_size", self.step_size >= 1, "a number from 1 up"),
            ("lr_decay", 0 < self.lr_decay <= 1, "a number above 0, up to 1"),
            ("freeze_epochs", self.freeze_epochs >= 0, "a number from 0 up"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "a number from 0 up, below 1"),
            ("clip", self.clip is None or self.clip > 0, "a number above zero"),
            ("patience", self.patience is None or self.patience >= 1, "a number from 1 up"),
            ("center", 0 < self.center <= 1, "a number above 0, up to 1"),
            ("scale", 0 < self.scale[0] <= self.scale[-1] <= 1, "two shares above 0, the smaller first"),
            ("ratio", 0 < self.ratio[0] <= self.ratio[-1], "two ratios above 0, the smaller first"),
        ):
            if not good:
                raise OptionError(f"{name} is {getattr(self, name)!r}; allowed is {allowed}.")

    def size_at(self, epoch: int, default: int) -> int:
        """Pixels of the network's input in an epoch, counted from 0."""
        for side, epochs in self.sizes:
            if epoch < epochs:
                return side
            epoch -= epochs
        return self.sizes[-1][0] if self.sizes else default

    def with_settings(self, settings: Mapping[str, object]) -> Self:
        """Return the recipe with some lines changed; OptionError for a line that recipes do not have."""
        known = {field.name for field in fields(self)}
        if unknown := sorted(set(settings) - known):
            raise OptionError(
                f"A recipe has no {', '.join(unknown)}; it may have {', '.join(sorted(known))}."
            )
        if self.sizes and "epochs" in settings and "sizes" not in settings:
            raise OptionError("The recipe's length is that of its sizes: change sizes, not epochs.")
        try:
            return replace(self, **settings)  # type: ignore[arg-type]  # __post_init__ checks the values
        except (TypeError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
            raise OptionError(f"A recipe cannot be made of {given}: {error}.") from error

    def to_config(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# What a method does without thought.
DEFAULT_RECIPES: Final[Mapping[str, Recipe]] = {
    "linear-probe": Recipe(
        epochs=100, batch_size=256, lr="auto", weight_decay=1e-4, schedule="cosine", patience=30
    ),
    "fine-tune": Recipe(
        epochs=8,
        batch_size=32,
        lr=0.02,
        lr_decay=0.5,
        freeze_epochs=1,
        label_smoothing=0.1,
        clip=1.0,
        patience=4,
    ),
    "scratch": Recipe(
        epochs=40, batch_size=64, lr=0.05, weight_decay=5e-4, label_smoothing=0.1, clip=5.0, patience=15
    ),
}
NAMED_RECIPES: Final[Mapping[str, Recipe]] = {
    # The settings that courses on PyTorch train ResNet-18 with.
    "tutorial": Recipe(
        epochs=10,
        batch_size=4,
        lr=0.001,
        weight_decay=0.0,
        schedule="step",
        step_size=7,
        gamma=0.1,
        scale=(0.5, 1.0),
        center=224 / 256,
    ),
}


def find_recipe(method: str, recipe: Recipe | str | Path | None) -> Recipe:
    """Return a method's own recipe (None), a named one, one from a YAML file, or the recipe given.

    A file holds only what it changes in the method's own recipe.

    Raises
    ------
    OptionError
        There is none of that name, or the file cannot be used.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is None:
        return DEFAULT_RECIPES[method]
    if str(recipe) in NAMED_RECIPES:
        return NAMED_RECIPES[str(recipe)]
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        raise OptionError(
            f"There is no recipe {str(recipe)!r}; there are {', '.join(NAMED_RECIPES)}, and files (.yaml)."
        )
    return DEFAULT_RECIPES[method].with_settings(_read(path))


def read_setting(text: str) -> tuple[str, object]:
    """Read `name=value`, the value as YAML has it: `sizes=[[64, 8], [96, 2]]`, `clip=1.0`, `flip=false`."""
    name, equals, value = text.partition("=")
    yaml = _import_yaml()
    try:
        if not equals:
            raise ValueError("there is no =")
        return name.strip().replace("-", "_"), yaml.safe_load(value)
    except (ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"{text!r} is no setting of a recipe ({reason}): give name=value.") from None


def _import_yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("pyyaml", "backprop", "A recipe's setting or file") from error
    return yaml


def _read(path: Path) -> dict[str, object]:
    yaml = _import_yaml()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OptionError(f"{path} cannot be read as YAML ({reason}): give lines of `name: value`.") from None
    if not isinstance(content, dict):
        raise OptionError(f"{path} holds no settings: give a file of `name: value`, as `epochs: 10`.")
    return content
