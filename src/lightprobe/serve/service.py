"""A model in memory that many threads ask at once: their photos go through the network together.

A thread of its own runs the network over whatever is waiting, so that a request alone is answered at once and
many share batches. What it answers with is one value, replaced as a whole when the model has been taught:
nobody waits for that, and no answer mixes two models.
"""

import os
import queue
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from lightprobe.classifier import Changes, Fitted, update
from lightprobe.errors import DataError, ImageError
from lightprobe.features import as_float16, image_digest
from lightprobe.head import check_rate
from lightprobe.images import BYTES_A_PIXEL, ImageSet, decode
from lightprobe.photo_model import Prediction, network_facts, write_model
from lightprobe.runtime import Runtime
from lightprobe.serve.current_model import Answered, Answering

BATCH = 32


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, so that none can take the server down.

    Attributes
    ----------
    files : int
        Photos.
    file_bytes : int
        Of one photo.
    pixels : int
        Of one photo, once it is decoded; told by its header. A JPEG is decoded at the scale that is enough.
    all_bytes : int
        Of a whole request, its photos together.
    uploads : int
        Bytes of all that visitors have uploaded to the page.
    answers_a_minute : int
        Photos of one client on another machine; `files` of them at once.
    """

    files: int = 200
    file_bytes: int = 100 * 2**20
    pixels: int = 50_000_000
    all_bytes: int = 2**30
    uploads: int = 4 * 2**30
    answers_a_minute: int = 600

    @property
    def body_bytes(self) -> int:
        """Of a whole request: its photos, and as much as their names and seams can take."""
        return min(self.all_bytes, self.files * self.file_bytes) + self.files * 2**12

    @property
    def photo_body_bytes(self) -> int:
        """Of a request with one photo."""
        return self.file_bytes + 2**16

    @property
    def decodes(self) -> int:
        """Photos that are decoded at a time: no more than a quarter of the memory that is free holds."""
        each = self.pixels * BYTES_A_PIXEL
        held: int = psutil.virtual_memory().available // 4 // each
        return max(1, min(os.cpu_count() or 1, held))


@dataclass(frozen=True)
class _Asked:
    pixels: tuple[NDArray[np.uint8], ...]  # for each network
    answer: Future[Answered]


class Service:
    """Answers and teaching for many threads.

    Parameters
    ----------
    model : Fitted
    folder : Path
        Where `save` puts it.
    parameters : mapping
        The estimator's parameters, which are saved with it.
    runtime : Runtime
        What looks at photos that are taught.
    limits : Limits
    digest : str, optional
        Of the folder when the model was read from it, see `model_digest`: another one is not replaced.
    """

    def __init__(
        self,
        model: Fitted,
        folder: Path,
        parameters: Mapping[str, Any],
        runtime: Runtime,
        limits: Limits | None = None,
        digest: str | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._digest = digest
        self._decoding = threading.BoundedSemaphore(self.limits.decodes)
        self._folder, self._parameters, self._runtime = folder, dict(parameters), runtime
        self._runners = model.runners(runtime.device)
        self._answering = Answering(model)
        self._teaching = threading.Lock()
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lightprobe-network", daemon=True)
        self._thread.start()

    def predict(
        self,
        photos: Iterable[tuple[str, bytes]],
        top: int = 1,
        *,
        unknown: float | None = None,
        why: int = 0,
        coverage: float | None = None,
    ) -> list[Prediction]:
        """Answer photos, given by name and bytes, one in memory at a time; what is no photo gets its error.

        Parameters
        ----------
        top, unknown, why, coverage
            As for `ImageClassifier.iter_predictions`; at most `MOST_REASONS` training photos are named.

        Raises
        ------
        OptionError
            If `unknown` is not between 0 and 1, or `why` is asked of a model that keeps no training photos.
        """
        if unknown is not None:
            check_rate(unknown)
        if coverage is not None:
            self._answering.model.require_sets(coverage)
        asked = [(name, self._ask(content)) for name, content in photos]
        return [
            Prediction(name, error=one)
            if isinstance(one, str)
            else one.answer.result().prediction(name, top, unknown, why, coverage)
            for name, one in asked
        ]

    def teach(self, name: str, content: bytes, label: str) -> dict[str, Any]:
        """Correct a photo that the model knows, or add one that it does not; its class may be new.

        Returns
        -------
        facts : dict
            As `facts`, of the model that has learnt.

        Raises
        ------
        DataError
            If the photo cannot be decoded or the class has no name.
        """
        if not label.strip():
            raise DataError("The class has no name: give one in `label`.")
        try:
            self._prepare(content)
        except ImageError as error:
            raise DataError(f"{name} {error.reason}: send another photo.") from None
        with self._teaching:
            if self.known_class(content) is None:
                self._learn(Changes(ImageSet.from_names([name], [label.strip()], _InMemory(content))))
            else:
                # By its file, as a model that keeps sums has to see it again.
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, "photo")
                    file.write_bytes(content)
                    self._learn(Changes(relabel={str(file): label.strip()}))
            return self.facts

    def save(self) -> Path:
        """Write the model where it came from; what was taught outlives the service.

        Raises
        ------
        ModelFileError
            If another process has saved a model there since.
        """
        with self._teaching:
            parts = self._answering.model.to_tensors(self._parameters)
            self._digest = write_model(self._folder, *parts, self._digest)
            return self._folder

    def known_class(self, content: bytes) -> str | None:
        """Return the class of a photo that is among the training photos to the byte."""
        return self._answering.labels.get(image_digest(content))

    @property
    def explains(self) -> bool:
        """Whether `why` can be asked for."""
        return self._answering.explains

    @property
    def digests(self) -> dict[str, bytes]:
        """Digests of the training photos' bytes by their names; empty where the model keeps none."""
        return self._answering.digests

    @property
    def facts(self) -> dict[str, Any]:
        """What the model is: JSON values."""
        return _facts(self._answering.model)

    def close(self) -> None:
        """Stop the network's thread, after what is waiting has been answered."""
        self._waiting.put(None)
        self._thread.join()

    def _learn(self, changes: Changes) -> None:
        """Put a changed model in the place of this one, which goes on answering meanwhile."""
        model, _ = update(self._answering.model, changes, self._runtime)
        self._answering = self._answering.after(model)

    def _ask(self, content: bytes) -> _Asked | str:
        try:
            asked = _Asked(self._prepare(content), Future())
        except ImageError as error:
            return error.reason
        self._waiting.put(asked)
        return asked

    def _prepare(self, content: bytes) -> tuple[NDArray[np.uint8], ...]:
        if len(content) > self.limits.file_bytes:
            raise ImageError(f"has {len(content)} bytes, and {self.limits.file_bytes} are allowed")
        with self._decoding:
            return tuple(
                how.prepare(decode(content, max_pixels=self.limits.pixels, at_least=how.resize))
                for how in (compiled.backbone.preprocessing for compiled in self._runners)
            )

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            try:
                answers = self._answering(self._seen([asked.pixels for asked in batch]))
            except Exception as error:  # whatever it is belongs to those who asked, not to this thread
                for asked in batch:
                    asked.answer.set_exception(error)
            else:
                for asked, answer in zip(batch, answers, strict=True):
                    asked.answer.set_result(answer)

    def _seen(self, photos: Sequence[tuple[NDArray[np.uint8], ...]]) -> NDArray[np.float16]:
        """Run each network over its pixels of all photos."""
        outputs = [
            {tap: as_float16(values) for tap, values in compiled.runner(np.stack(pixels)).items()}
            for compiled, pixels in zip(self._runners, zip(*photos, strict=True), strict=True)
        ]
        return self._answering.model.tap_set.join(outputs)


class _InMemory:
    """One photo's bytes as a source."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _index: int) -> bytes:
        """Return them."""
        return self._content


def _facts(model: Fitted) -> dict[str, Any]:
    facts = network_facts(model.networks)
    return {
        "classes": list(model.classes),
        "n_train": model.n_train,
        "loo_accuracy": model.head.loo_accuracy,
        **{name: facts[name] for name in ("backbone", "image_size", "precision", "engine")},
        **model.choice.to_config(),
    }
