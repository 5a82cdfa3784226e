"""ImageClassifier: photos in, a classifier out, in one pass and in closed form."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import OneOrSeveral, Parts, Pool
from lightprobe.classifier.changes import Changes
from lightprobe.classifier.fitted import Fitted
from lightprobe.classifier.fitting import fit
from lightprobe.classifier.levels import LEVELS, Gained
from lightprobe.classifier.settings import Settings, plain
from lightprobe.classifier.training_record import TrainingRows, TrainingSums
from lightprobe.classifier.updating import update
from lightprobe.head import Novelty, OpticalRidge
from lightprobe.images import open_unlabelled
from lightprobe.learned import Learned
from lightprobe.photo_model import (
    Explanation,
    PhotoClassifier,
    features_of,
    open_labelled,
)
from lightprobe.selection import Candidate, Choice


@dataclass(eq=False, repr=False)
class ImageClassifier(PhotoClassifier[Fitted]):
    """Frozen network, encoding, optical or linear kernel, ridge: fitted by looking at every photo once.

    scores(x) = Σ_i c_i k(e(f(x_i)), e(f(x))) + b, where f is the network up to a cut point, e an encoding,
    k a kernel, and c, b solve ridge regression on targets in {−1, +1}. What is left at "auto" is chosen by
    leave-one-out on the training photos, so no photo has to be set aside.

    Parameters
    ----------
    backbone : str or list of str, optional
        A network, in place of those that `quality` stands for: "efficientnet_lite0" or "efficientnet_lite2",
        inside the package; a file, ONNX or OpenVINO's; with the extra `torch`, any of torchvision's
        classification networks. Of several, "a,b", each alone is compared with all side by side, which adds
        their kernels.
    quality : {"fast", "balanced", "best"}
        What looks where no network is named: the default network; the two inside the package side by side;
        or the two or three that leave-one-out prefers of these and of what else is at hand, each in three
        ways. A dearer level is taken only where leave-one-out sees a gain.
    weights : path or list of path, optional
        A file of weights instead of the network's published ones; of several "FILE,FILE", an empty place
        (None) for a network's own.
    cut : str, optional
        The layer to stop at; the last convolutional one without it; "auto" compares the last layers of all
        stages. Of several networks "LAYER,LAYER".
    looks : str or list of str, optional
        How photos are looked at: "crop" (the centre), "squash" (the whole photo, out of proportion) or
        "mirror" (the centre, mirrored); the network's own way without it, which is "squash" for those inside
        the package. Of several, "squash,crop", the first alone is compared with all side by side.
    image_size : int, optional
        Side of the network's input in pixels; the network's own without it.
    mean, std : sequence of 3 floats, optional
        Of a network's file that does not say them: mean and deviation that its images have, for pixels
        between 0 and 1.
    pool : {"auto", "avg", "flatten"}
        Positions in the photo averaged, which is what "auto" stands for, or kept apart.
    encode : {"auto", "none", "l2", "split", "offset", "sign", "float32"}
        Features as they are; scaled to length one; that, and positive and negative parts side by side, or a
        constant beside them, for features of both signs; a bit each; some bits of each.
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
        What runs it: OpenVINO, or torch, which other devices than the CPU need.
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
    classes : {"top", "leaf", "path"}, optional
        Of folders and zips: the class is the first folder below the split, the one that the photo lies in, or
        all of them (`Fruit/Apple`). Without it the first, and folders that can be read otherwise are refused.
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
    gained_ : Gained or None
        What `quality` was worth, where it named the networks.
    cut_gain_ : float or None
        With cut "auto", what the winner has by leave-one-out over the best of the last layers.
    optimism_ : float
        What `loo_accuracy_` owes to the choice among the candidates, by a bootstrap over photos or groups.
    fitted : Fitted
        The model itself, one value that nothing changes; the attributes here read from it.
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
    kept_ : TrainingRows or None
        What `update` needs of the training photos.
    sums_ : TrainingSums or None
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

    method: ClassVar[str] = "optical"

    backbone: str | Sequence[str] | None = None
    _: KW_ONLY
    quality: str = LEVELS[0]
    weights: OneOrSeveral = None
    cut: str | None = None
    looks: str | Sequence[str] | None = None
    image_size: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    pool: Pool | Literal["auto"] = "auto"
    encode: str = "auto"
    kernel: str = "auto"
    components: str | int = "auto"
    projection: str = "structured"
    alpha: str | float = "auto"
    class_weight: str | None = None
    precision: str = "auto"
    engine: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    max_megapixels: float | None = None
    device: str = "auto"
    class_map: str | None = None
    classes: str | None = None
    group: str | None = None
    max_memory: int | None = None
    keep: str = "features"
    cache: bool = True
    strict: bool = False
    random_state: int = 0
    verbose: bool = False

    # Without annotations, as these are no parameters.
    choice_ = Learned[Choice]("choice")
    loo_accuracy_ = Learned[float]("head.loo_accuracy")
    loo_scores_ = Learned[NDArray[np.float64]]("head.loo_scores")
    optimism_ = Learned[float]("optimism")
    cut_gain_ = Learned[float | None]("cut_gain")
    gained_ = Learned[Gained | None]("gained")
    n_groups_ = Learned[int | None]("n_groups")
    n_cached_ = Learned[int]("n_cached")
    novelty_ = Learned[Novelty]("novelty")
    stale_ = Learned[bool]("stale")
    _compared = Learned[tuple[Candidate, ...]]("candidates")
    _names = Learned[tuple[str, ...]]("paths")
    _record = Learned[TrainingRows | TrainingSums | None]("record")

    def fit(self, data: Any, y: Any = None) -> Self:
        """Look at the training photos once, compare the candidates, and solve.

        Parameters
        ----------
        data : path, name, arrays or data set
            A folder of class folders, a folder or zip with `train/` and `test/`, a table, a DataFrame, a
            named data set, a torch data set of (image, label), a data set of Hugging Face's; or, with `y`,
            photos as `predict` takes them. Photos of a test split are left alone.
        y : sequence of str or int, optional
            A label for each photo; `classes_` and `predict` return labels of the same type.

        Raises
        ------
        LightprobeError
            If the data or a parameter cannot be used; one sentence says why.
        """
        settings, runtime = self.settings, self.runtime
        settings.check(runtime)
        images = open_labelled(data, y, class_map=self.class_map, classes=self.classes, group=self.group)
        self._photos = images
        self._fitted = replace(fit(settings, images, runtime), label_kind=images.label_kind)
        return self

    def update(
        self,
        add: Any = None,
        *,
        remove: Sequence[str | Path] = (),
        relabel: Mapping[str, str] | None = None,
        reselect: bool = False,
    ) -> Self:
        """Change the training set, and be what `fit` on the changed set, with the same choices, would be.

        Nothing is approximated, and only photos that are new are looked at. Alpha, calibration and
        leave-one-out figures are brought up to date. If this raises, the model is as it was.

        A model that keeps sums (keep="sums") goes by the same alpha, relative to tr(Kc)/n, and `stale_` says
        that its figures are those of the last training; photos to be removed or relabelled are named by
        their files, as they have to be seen again.

        Parameters
        ----------
        add : as for `fit`, optional
            Photos to add, of known and of new classes. Those that are there already, to the byte and under
            the same class, are not added twice.
        remove : sequence of str or path
            Photos to forget, by name or path: their features leave this model and the feature cache. A
            class without photos is gone.
        relabel : mapping of str to str, optional
            From photos, by name or path, to their right class, which may be new.
        reselect : bool
            Choose pooling, encoding and kernel again, too; needs the features in the cache.

        Raises
        ------
        OptionError
            If this model cannot be changed so: it keeps nothing, or its int8 network knows a photo, or it
            keeps sums and is to choose again.
        DataError
            If a photo is unknown, or is added under a second class, or fewer than two classes are left, or
            one that has to be seen again is not at hand.
        """
        changes = Changes(add, remove, relabel or {}, reselect)
        fitted = replace(self.fitted, settings=self.settings)
        self._fitted, self.update_ = update(fitted, changes, self.runtime)
        return self

    def decision_function(self, data: Any) -> NDArray[np.float64]:
        """Scores, shape (n, n_classes), or (n,) for two classes: positive for the second.

        `data` and errors as for `predict_proba`.
        """
        model = self.fitted
        scores = model.scores(features_of(model, data, self.runtime))
        return scores[:, 1] if len(model.classes) == 2 else scores

    def explain(self, data: Any, k: int = 5) -> list[Explanation]:
        """Name the k training photos that argued most for and against each answer, and the k nearest.

        The score of the predicted class is a sum over the training photos, see Explanation.

        Raises
        ------
        OptionError
            If the model keeps no features of its training photos.
        DataError
            If a photo cannot be decoded.
        """
        model = self.fitted
        answer = model.answerer(1, None, k)
        answers = answer(features_of(model, open_unlabelled(data), self.runtime))
        return [prediction.why for prediction in answers if prediction.why is not None]

    @property
    def settings(self) -> Settings:
        """What the parameters say is fitted."""
        return Settings.of(self.get_params(deep=False))

    @property
    def head_(self) -> OpticalRidge:
        """The head as an estimator over encoded features; its classes are indices."""
        model = self.fitted
        options = replace(model.settings.head_options(self.runtime), kernel=model.choice.kernel)
        return OpticalRidge.from_fitted(model.head, options)

    @property
    def candidates_(self) -> list[Candidate]:
        """What leave-one-out compared, the winner first."""
        return list(self._compared)

    @property
    def paths_(self) -> list[str]:
        """Training photos, in the order of `loo_scores_`."""
        return list(self._names)

    @property
    def kept_(self) -> TrainingRows | None:
        """What `update` needs of the training photos, in a model that keeps features."""
        return self._record if isinstance(self._record, TrainingRows) else None

    @property
    def sums_(self) -> TrainingSums | None:
        """The same for a model that keeps sums."""
        return self._record if isinstance(self._record, TrainingSums) else None

    @staticmethod
    def _restored(tensors: Parts, config: dict[str, Any]) -> Fitted:
        return Fitted.from_tensors(tensors, config)

    def saved_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""
        own: dict[str, Any] = self.get_params(deep=False)
        return own | {name: plain(own[name]) for name in ("backbone", "weights", "cut", "looks")}


def load(folder: str | os.PathLike[str]) -> ImageClassifier:
    """Read a saved model; see `ImageClassifier.load`."""
    return ImageClassifier.load(folder)
