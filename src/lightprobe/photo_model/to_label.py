"""Which photos a model asks to be labelled next: those that it is least sure of, none repeating another."""

from dataclasses import replace

import numpy as np

from lightprobe.errors import DataError
from lightprobe.images import ImageSet
from lightprobe.labelling import NextPhotos, PhotoToLabel, check_number, choose_unsure
from lightprobe.photo_model.photo_model import PhotoModel, look
from lightprobe.runtime import Runtime


def next_photos(model: PhotoModel, images: ImageSet, n: int, runtime: Runtime) -> NextPhotos:
    """Choose what to label next; see `PhotoClassifier.next`.

    Raises
    ------
    OptionError
        If n is below 1.
    DataError
        If no photo can be decoded, or the model was trained on all of them.
    """
    check_number(n)
    seen = look(model, images, replace(runtime, strict=False))
    known = {row.tobytes() for row in model.known_digests()}
    # Of photos that are equal to the byte, one is asked for.
    first = {row.tobytes(): place for place, row in reversed(list(enumerate(seen.digests)))}
    fresh = np.array(sorted(place for digest, place in first.items() if digest not in known), dtype=np.intp)
    n_known = sum(row.tobytes() in known for row in seen.digests)
    if not len(fresh):
        raise DataError(
            f"the model was trained on all {n_known} photos: there is nothing left to label; give others."
        )
    features = seen.matrices[model.tap_set][fresh]
    answers = list(model.answerer(2, None, 0)(features))
    margins = np.array([answer.probabilities[0] - answer.probabilities[1] for answer in answers])
    batch = choose_unsure(margins, features, n)
    photos = []
    for row, near, stands_for in zip(batch.rows, batch.nearest, batch.stand_for, strict=True):
        answer = answers[row]
        photos.append(
            PhotoToLabel(
                images.paths[seen.kept[fresh[row]]],
                answer.labels[0],
                answer.probabilities[0],
                answer.labels[1],
                answer.probabilities[1],
                float(margins[row]),
                answer.novelty,
                None if np.isnan(near) else float(near),
                int(stands_for),
            )
        )
    return NextPhotos(
        tuple(photos),
        len(seen.kept) - n_known,
        n_known,
        batch.n_repeated,
        images.skipped + seen.skipped,
    )
