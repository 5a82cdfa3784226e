"""What ImageClassifier's parameters allow, and the head that they describe."""

from typing import TYPE_CHECKING

from sklearn.base import clone

from lightprobe.classifier.kept import KEEP
from lightprobe.errors import OptionError
from lightprobe.head import OpticalRidge
from lightprobe.optics import ENCODERS
from lightprobe.selection import AUTO_KERNELS, AUTO_POOLS

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier

ALLOWED = {
    "pool": ("auto", *AUTO_POOLS),
    "encode": ("auto", *ENCODERS),
    "kernel": ("auto", *AUTO_KERNELS),
    "keep": KEEP,
}


def unfitted_head(model: "ImageClassifier") -> tuple[str, OpticalRidge]:
    """Return the kernel, or "auto", and the head that a model's parameters ask for.

    Raises
    ------
    OptionError
        If one of them is not allowed.
    """
    for name, allowed in ALLOWED.items():
        value = getattr(model, name)
        if value not in allowed:
            raise OptionError(f"{name} is {value!r}; allowed are {', '.join(allowed)}.")
    # A number of random features asks for the kernel that has them.
    kernel = "optical" if model.kernel == "auto" and not isinstance(model.components, str) else model.kernel
    head = OpticalRidge(
        components=model.components,
        projection=model.projection,
        alpha=model.alpha,
        class_weight=model.class_weight,
        max_memory=model.max_memory,
        device=model.device,
        random_state=model.random_state,
    )
    if model.keep != "features" and kernel != "linear" and isinstance(model.components, str):
        raise OptionError(
            f"keep is {model.keep!r}, but the exact optical kernel keeps features of its training photos: "
            "take kernel='linear' or a number of components (--kernel linear, --components N)."
        )
    if model.keep == "sums" and model.class_weight is not None:
        raise OptionError(
            "keep is 'sums', but balanced classes weigh every photo anew whenever one comes or goes: leave "
            "class_weight (--class-weight) out, or keep features."
        )
    for name in AUTO_KERNELS if kernel == "auto" else (kernel,):
        clone(head).set_params(kernel=name).check_options()
    return kernel, head
