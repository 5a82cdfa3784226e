"""The half of ImageClassifier that makes it a living model: to become, and to be changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sklearn.utils.validation import check_is_fitted

from lightprobe.classifier.kept import Kept
from lightprobe.classifier.summed import Summed
from lightprobe.classifier.updating import update
from lightprobe.classifier.updating_sums import update_sums
from lightprobe.head import Novelty
from lightprobe.selection import Selection

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier


class Updatable:
    """What fitting leaves behind, and `update`."""

    keep: str

    def _adopt(self, selection: Selection, kept: Kept, classes: Sequence[str]) -> None:
        """Become the model that a selection on these photos found; for `fit` and `update`."""
        self.candidates_, self.optimism_ = selection.candidates, selection.optimism
        self.choice_ = selection.choice
        self.head_ = selection.head
        self.classes_ = np.array(classes)
        self.loo_scores_ = self.head_.loo_scores_
        self.loo_accuracy_ = self.head_.loo_accuracy_
        self.novelty_ = Novelty.of(self.head_, kept.groups)
        self.n_train_ = len(kept)
        self.n_groups_ = None if kept.groups is None else len(np.unique(kept.groups))
        self.paths_ = list(kept.names)
        # The head's copy of the rows, where it has one, so that memory holds them once.
        rows = getattr(self.head_, "X_fit_", kept.rows)
        self.kept_ = replace(kept, rows=rows) if self.keep == "features" else None
        self.sums_ = Summed.of(self.head_, kept) if self.keep == "sums" else None
        self.stale_ = False

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
        check_is_fitted(self)
        model = cast("ImageClassifier", self)
        if self.sums_ is None:
            self.update_ = update(model, add, remove, relabel or {}, reselect)
        else:
            self.update_ = update_sums(model, self.sums_, add, remove, relabel or {}, reselect)
        return self
