"""ImageClassifier: photos in, a classifier out, in one pass and in closed form."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from lightprobe.answers import Explanation
from lightprobe.backbones import Pool, Tap
from lightprobe.card import model_card
from lightprobe.classifier.answering import Answerer
from lightprobe.classifier.asking import Answering, PhotoClassifier
from lightprobe.classifier.explaining import Explainer
from lightprobe.classifier.kept import Kept
from lightprobe.classifier.naming import OneOrSeveral
from lightprobe.classifier.parameters import unfitted_head
from lightprobe.classifier.state import restored, state_of
from lightprobe.classifier.training import compare
from lightprobe.classifier.updatable import Updatable
from lightprobe.errors import ModelFileError
from lightprobe.images import require_every_class
from lightprobe.model_file import read_model, write_model
from lightprobe.optics import ENCODERS


class ImageClassifier(Updatable, PhotoClassifier):
    """Frozen network, encoding, optical or linear kernel, ridge: fitted by looking at every photo once.

    scores(x) = Σ_i c_i k(e(f(x_i)), e(f(x))) + b, where f is the network up to a cut point, e an encoding,
    k a kernel, and c, b solve ridge regression on targets in {−1, +1}. What is left at "auto" is chosen by
    leave-one-out on the training photos, so no photo has to be set aside.

    Parameters
    ----------
    backbone : str or list of str
        A network's name: "starter" or any of torchvision's classification networks. Of several, "a,b",
        each alone is compared with all side by side, which adds their kernels.
    weights : path or list of path, optional
        A file of weights instead of the network's published ones; of several "FILE,FILE", an empty place
        (None) for a network's own.
    cut : str, optional
        The layer to stop at; the last convolutional one without it; "auto" compares the last layers of all
        stages. Of several networks "LAYER,LAYER".
    image_size : int, optional
        Side of the network's input in pixels; the network's own without it.
    pool : {"auto", "avg", "flatten"}
    encode : {"auto", "none", "l2", "sign", "float32"}
    kernel : {"auto", "linear", "optical"}
    components : "auto", "exact" or int
        Random features for the optical kernel; "exact" is its closed form.
    projection : {"structured", "dense"}
        How random features are made.
    alpha : "auto" or float
        Ridge penalty relative to tr(Kc)/n.
    class_weight : "balanced", optional
        Let every class weigh the same, in the fit and in what is chosen by leave-one-out.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        Arithmetic of the network; int8 is calibrated on some of the training photos.
    engine : {"auto", "eager", "openvino"}
        What runs it: torch, or OpenVINO, which is faster on CPUs once a network is converted.
    batch_size : int
        Photos a batch.
    workers : int, optional
        Decoding threads; half the cores without it.
    max_megapixels : float, optional
        Skip pictures that would take more pixels in memory, of a large JPEG at the reduced scale that is
        decoded; 89 without it.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    class_map : str, optional
        Pairs "new=old,new=pattern,..." that merge classes; those that no pair matches are dropped. An
        ImageSet that is given to `fit` or `evaluate` is taken as it is.
    classes : {"top", "leaf"}, optional
        Of folders and zips: the class is the first folder below the split, or the one that the photo lies in.
        Without it, the first, and folders that can be read either way are refused.
    group : str, optional
        A column of the table, or a regular expression that finds the group in each training photo's path:
        photos of one object, burst or place, which leave-one-out then leaves out together.
    max_memory : int, optional
        Bytes that fitting may take; half of what is free without it.
    keep : {"features", "sums", "nothing"}
        What stays in the model of its training photos: encoded features, which every `update` can be made
        from; sums over them, names and digests, to which photos can be added, and from which those can be
        taken that are at hand again; or nothing, not even names. The exact optical kernel needs features.
    cache : bool
        Keep features on disk, so that a second fit on the same photos takes seconds.
    strict : bool
        Stop at the first photo that cannot be decoded, instead of skipping it.
    random_state : int
        Seed of everything random.
    verbose : bool
        Draw progress bars on stderr.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
    loo_accuracy_ : float
        Leave-one-out accuracy: what to expect on new photos like these; with groups, leave-group-out: on
        photos of new groups. Alpha, thresholds and the choices below are held fixed meanwhile.
    n_groups_ : int or None
        Groups of training photos, where there are any.
    loo_scores_ : ndarray, shape (n_samples, n_classes)
        Score of each training photo by the model that never saw it.
    candidates_ : list of Candidate
        What leave-one-out compared, the winner first.
    choice_ : Choice
        The winner.
    cut_gain_ : float or None
        With cut "auto", what the winner has by leave-one-out over the best of the last layers.
    optimism_ : float
        What `loo_accuracy_` owes to the choice among the candidates, by a bootstrap over photos or groups.
    head_ : OpticalRidge
    networks_ : tuple of Network
        The backbones that the winner looks through, up to the chosen layers, and what ran them.
    network_ : Network
        The only one of these.
    seconds_ : dict of str to float
        Seconds a stage; features from the cache count at the cost recorded when they were computed.
    novelty_ : Novelty
        What tells photos of other things than the training photos.
    paths_ : list of str
        Training photos, in the order of `loo_scores_`.
    skipped_ : tuple of Skipped
        Photos that could not be decoded.
    kept_ : Kept or None
        What `update` needs of the training photos.
    sums_ : Summed or None
        The same for a model that keeps sums.
    stale_ : bool
        Whether alpha, calibration, novelty and `loo_accuracy_` are those of the last training, and not of
        the photos that came and went since: sums cannot tell.
    update_ : Update
        What the last update did.

    Examples
    --------
    >>> from lightprobe import ImageClassifier
    >>> clf = ImageClassifier().fit("photos/")  # doctest: +SKIP
    >>> clf.loo_accuracy_, clf.predict(["new.jpg"])  # doctest: +SKIP
    """

    def __init__(
        self,
        backbone: str | Sequence[str] = "starter",
        *,
        weights: OneOrSeveral = None,
        cut: str | None = None,
        image_size: int | None = None,
        pool: Pool | Literal["auto"] = "auto",
        encode: str = "auto",
        kernel: str = "auto",
        components: str | int = "auto",
        projection: str = "structured",
        alpha: str | float = "auto",
        class_weight: str | None = None,
        precision: str = "auto",
        engine: str = "auto",
        batch_size: int = 32,
        workers: int | None = None,
        max_megapixels: float | None = None,
        device: str = "auto",
        class_map: str | None = None,
        classes: str | None = None,
        group: str | None = None,
        max_memory: int | None = None,
        keep: str = "features",
        cache: bool = True,
        strict: bool = False,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.cut = cut
        self.image_size = image_size
        self.pool = pool
        self.encode = encode
        self.kernel = kernel
        self.components = components
        self.projection = projection
        self.alpha = alpha
        self.class_weight = class_weight
        self.precision = precision
        self.engine = engine
        self.batch_size = batch_size
        self.workers = workers
        self.max_megapixels = max_megapixels
        self.device = device
        self.class_map = class_map
        self.classes = classes
        self.group = group
        self.max_memory = max_memory
        self.keep = keep
        self.cache = cache
        self.strict = strict
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, data: Any, y: Sequence[str] | None = None) -> Self:
        """Look at the training photos once, compare the candidates, and solve.

        Parameters
        ----------
        data : path, name, arrays or data set
            A folder of class folders, a folder or zip with `train/` and `test/`, a table, a named data set,
            a torch data set of (image, label); or, with `y`, paths or an array of shape (n, h, w, 3) of
            uint8. Photos of a test split are left alone.
        y : sequence of str, optional
            A label for each photo.

        Raises
        ------
        LightprobeError
            If the data or a parameter cannot be used; one sentence says why.
        """
        kernel, head = unfitted_head(self)
        images = self._open(data, y, group=self.group).training
        require_every_class(images, "training photos")
        compared = compare(self, images, kernel, head)
        images, selection, features = compared.images, compared.selection, compared.features
        self.networks_ = compared.networks
        rows = ENCODERS[selection.choice.encode](compared.rows)
        kept = Kept(images.paths, features.digests, images.labels, images.groups, rows)
        self._adopt(selection, kept, images.classes)
        self.cut_gain_ = compared.cut_gain
        self.seconds_ = {"features": features.seconds, **selection.seconds}
        self.n_cached_ = features.n_cached
        self.skipped_ = features.skipped + images.skipped
        return self

    def decision_function(self, data: Any) -> NDArray[np.float64]:
        """Scores, shape (n, n_classes), or (n,) for two classes: positive for the second.

        `data` and errors as for `predict_proba`.
        """
        return self.head_.decision_function(self._encoded(self._features_of(data)))

    def explain(self, data: Any, k: int = 5) -> list[Explanation]:
        """Name the k training photos that argued most for and against each answer, and the k nearest.

        The score of the predicted class is a sum over the training photos, see Explanation.

        Raises
        ------
        OptionError
            If the model keeps no training features: its kernel is linear or it has random features.
        DataError
            If a photo cannot be decoded.
        """
        encoded = self._encoded(self._features_of(data))
        return self._explainer(k)(encoded, self.head_.class_scores(encoded).argmax(axis=1))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `model.safetensors`, `config.json` and a card, replacing a model that lies there.

        The networks up to their cuts are inside, so the folder is all that predicting needs.

        Raises
        ------
        ModelFileError
            If something other than a model lies there.
        """
        check_is_fitted(self)
        tensors, config = state_of(self)
        path = Path(folder)
        write_model(path, tensors, config, model_card(config))
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing is unpickled.

        Raises
        ------
        ModelFileError
            If there is no model, or it is foreign, damaged, changed or of another format version.
        """
        tensors, config = read_model(Path(folder))
        try:
            return restored(cls, tensors, config)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{folder} is damaged or incomplete ({error}): train the model again."
            ) from error

    @property
    def tap_(self) -> Tap:
        """The features that leave-one-out preferred."""
        return self.choice_.tap

    def _encoded(self, features: NDArray[np.float16]) -> NDArray[Any]:
        return ENCODERS[self.choice_.encode](features)

    def _probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        return self.head_.predict_proba(self._encoded(features))

    def _answering(self, top: int, unknown: float | None, why: int) -> Answering:
        explainer = self._explainer(why) if why else None
        answerer = Answerer(self.head_, self.classes_, self.novelty_, top, unknown, explainer)
        return lambda features: answerer(self._encoded(features))

    def _explainer(self, k: int) -> Explainer:
        return Explainer(self.head_, self.classes_, self.kept_, k)


def load(folder: str | os.PathLike[str]) -> ImageClassifier:
    """Read a saved model; see `ImageClassifier.load`."""
    return ImageClassifier.load(folder)
