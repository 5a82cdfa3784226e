import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Tap, create_backbone, create_runner
from lightprobe.errors import BackboneError, DataError
from lightprobe.features import BackboneRunner, FeatureCache, Features, extract, stream
from lightprobe.images import ImageSet, open_images
from lightprobe.images.decoding import decode
from lightprobe.runtime import Runtime

CACHED = Runtime(batch_size=5, workers=2)
UNCACHED = replace(CACHED, cache=False)


@pytest.fixture(scope="module")
def compiled(toy_networks: Path) -> BackboneRunner:
    backbone = create_backbone(str(toy_networks / "efficientnet_lite0.onnx"), cut="block2")
    taps = [Tap(backbone.cut, "avg"), Tap(backbone.cut, "flatten")]
    return BackboneRunner(backbone, create_runner(backbone, taps, precision="fp32", device="cpu"))


def look(images: ImageSet, compiled: BackboneRunner, runtime: Runtime = UNCACHED) -> Features[Tap]:
    return extract(images, compiled, runtime)


def test_features_are_those_of_the_network_run_on_one_photo_at_a_time(
    toy_folder: Path, compiled: BackboneRunner
) -> None:
    images = open_images(toy_folder).training
    features = look(images, compiled)
    for index in range(0, len(images), 7):
        pixels = decode(images.read(index))
        alone = compiled.runner(compiled.backbone.preprocessing.prepare(pixels)[None])
        for tap, matrix in features.matrices.items():
            np.testing.assert_allclose(matrix[index], alone[tap][0], rtol=2e-3, atol=1e-3)


def test_a_second_look_comes_from_the_cache_and_is_equal_to_the_bit(
    toy_folder: Path, compiled: BackboneRunner
) -> None:
    images = open_images(toy_folder).training
    first, second = (look(images, compiled, CACHED) for _ in range(2))
    assert (first.n_cached, second.n_cached) == (0, len(images))
    assert second.seconds == pytest.approx(first.seconds)
    for tap in compiled.runner.taps:
        np.testing.assert_array_equal(first.matrices[tap], second.matrices[tap])


def test_a_changed_photo_under_an_old_name_is_seen_anew(toy_folder: Path, compiled: BackboneRunner) -> None:
    images = open_images(toy_folder).training
    before = look(images, compiled, CACHED)
    changed = toy_folder / images.paths[0]
    changed.write_bytes((toy_folder / images.paths[20]).read_bytes())
    after = look(images, compiled, CACHED)
    tap = compiled.runner.taps[0]
    np.testing.assert_array_equal(after.matrices[tap][0], before.matrices[tap][20])
    assert not np.array_equal(after.matrices[tap][0], before.matrices[tap][0])


def test_what_a_caller_who_stops_early_has_seen_is_kept_and_the_rest_is_the_same(
    toy_folder: Path, compiled: BackboneRunner
) -> None:
    images, cache = open_images(toy_folder).training, FeatureCache()
    whole = look(images, compiled)
    stores = {tap: cache.store({"tap": tap.pool}) for tap in compiled.runner.taps}
    chunks = stream(images, compiled, UNCACHED, stores=stores)
    seen = [next(chunks) for _ in range(3)]
    chunks.close()
    assert all(len(store) == 15 for store in stores.values())
    rest = list(stream(images, compiled, UNCACHED, stores=stores))
    assert sum(len(chunk.indices) for chunk in rest if chunk.cached) == 15
    for chunk in seen + rest:
        for tap, rows in chunk.features.items():
            np.testing.assert_array_equal(rows, whole.matrices[tap][chunk.indices])


def test_a_killed_run_loses_a_few_batches_at_most_and_the_next_one_goes_on(
    toy_folder: Path, compiled: BackboneRunner, own_cache: Path
) -> None:
    script = textwrap.dedent("""
        import sys, time
        from lightprobe.backbones import Tap, create_backbone, create_runner
        from lightprobe.features import BackboneRunner, extract
        from lightprobe.images import open_images
        from lightprobe.runtime import Runtime

        class Stuck:
            engine, calls = "toy", 0
            def __init__(self, runner):
                self.runner, self.taps = runner, runner.taps
                self.fingerprint = runner.fingerprint
            def __call__(self, batch):
                self.calls += 1
                if self.calls == 13:
                    print("late", flush=True)
                    time.sleep(60)
                return self.runner(batch)

        backbone = create_backbone(sys.argv[2], cut="block2")
        taps = [Tap(backbone.cut, pool) for pool in ("avg", "flatten")]
        runner = Stuck(create_runner(backbone, taps, precision="fp32", device="cpu"))
        images = open_images(sys.argv[1]).training
        extract(images, BackboneRunner(backbone, runner), Runtime(batch_size=2, workers=1))
    """)
    environment = {**os.environ, "LIGHTPROBE_CACHE": str(own_cache)}
    command = [sys.executable, "-c", script, str(toy_folder), compiled.backbone.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "late\n"
        process.kill()
    images = open_images(toy_folder).training
    resumed = look(images, compiled, replace(CACHED, batch_size=2))
    assert resumed.n_cached == 24
    whole = look(images, compiled, replace(UNCACHED, batch_size=2))
    for tap in compiled.runner.taps:
        np.testing.assert_array_equal(resumed.matrices[tap], whole.matrices[tap])


def test_photos_that_cannot_be_decoded_are_skipped_with_their_reason_and_rows_stay_in_order(
    toy_folder: Path, compiled: BackboneRunner
) -> None:
    whole = look(open_images(toy_folder).training, compiled)
    images = open_images(toy_folder).training
    for index, content in ((3, b""), (17, b"not an image"), (35, b"\xff\xd8\xff")):
        (toy_folder / images.paths[index]).write_bytes(content)
    features = look(images, compiled)
    assert [s.path for s in features.skipped] == [images.paths[i] for i in (3, 17, 35)]
    assert all(s.reason for s in features.skipped)
    np.testing.assert_array_equal(features.kept, np.delete(np.arange(36), (3, 17, 35)))
    for tap, matrix in features.matrices.items():
        np.testing.assert_array_equal(matrix, whole.matrices[tap][features.kept])


def test_strict_stops_at_the_first_bad_photo_and_names_it(toy_folder: Path, compiled: BackboneRunner) -> None:
    images = open_images(toy_folder).training
    (toy_folder / images.paths[5]).write_bytes(b"not an image")
    with pytest.raises(DataError, match=rf"{images.paths[5]}.*`strict`"):
        extract(images, compiled, Runtime(batch_size=4, workers=1, cache=False, strict=True))


def test_when_no_photo_can_be_decoded_the_error_names_one(toy_folder: Path, compiled: BackboneRunner) -> None:
    images = open_images(toy_folder).training
    for path in images.paths:
        (toy_folder / path).write_bytes(b"")
    with pytest.raises(DataError, match="None of the 36 images"):
        look(images, compiled)


def test_a_cache_that_cannot_be_written_costs_a_warning_and_nothing_else(
    toy_folder: Path, compiled: BackboneRunner, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.write_text("a file where the cache's folder should be")
    features = look(open_images(toy_folder).training, compiled, CACHED)
    assert len(features.kept) == 36
    assert len([r for r in caplog.records if "cache cannot be written" in r.getMessage()]) == 1


class Says:
    """A runner that gives every photo the same features."""

    engine, precision, device, weight_bytes, fingerprint = "toy", "fp32", "cpu", 0, "toy"

    def __init__(self, tap: Tap, features: Sequence[float]) -> None:
        self.taps: tuple[Tap, ...] = (tap,)
        self.state: Mapping[str, NDArray[Any]] = {}
        self._features = np.array(features, np.float32)

    def __call__(self, batch: NDArray[np.uint8]) -> dict[Tap, NDArray[np.float32]]:
        return {self.taps[0]: np.tile(self._features, (len(batch), 1))}


def test_activations_beyond_float16_stay_the_largest(toy_folder: Path, compiled: BackboneRunner) -> None:
    loud = Says(compiled.runner.taps[0], [1e9, -1e9, 1])
    features = look(open_images(toy_folder).training, BackboneRunner(compiled.backbone, loud))
    np.testing.assert_array_equal(
        features.matrices[compiled.runner.taps[0]][0], np.array([65504, -65504, 1], np.float16)
    )


def test_a_damaged_shard_of_the_cache_is_computed_again_and_gives_the_same_model(
    toy_folder: Path, compiled: BackboneRunner, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = open_images(toy_folder).training
    first = look(images, compiled, CACHED)
    shards = sorted(own_cache.rglob("features/*/*.safetensors"))
    for place, shard in enumerate(shards):
        content = bytearray(shard.read_bytes())
        content[len(content) - 1 - 10 * place] ^= 4  # in the features
        shard.write_bytes(content)
    second = look(images, compiled, CACHED)
    assert second.n_cached == 0
    assert len([one for one in caplog.records if "is damaged" in one.message]) == len(shards)
    for tap in compiled.runner.taps:
        np.testing.assert_array_equal(first.matrices[tap], second.matrices[tap])
    assert look(images, compiled, CACHED).n_cached == len(images)


def test_a_network_that_answers_with_no_numbers_stops_the_run_with_a_sentence(
    toy_folder: Path, compiled: BackboneRunner
) -> None:
    broken = Says(compiled.runner.taps[0], [np.nan] * 3)
    with pytest.raises(BackboneError, match=r"no number \(NaN\): its weights are damaged"):
        look(open_images(toy_folder).training, BackboneRunner(compiled.backbone, broken))


@pytest.mark.slow
def test_memory_stays_flat_as_photos_are_added(toy_folder: Path, compiled: BackboneRunner) -> None:
    script = textwrap.dedent("""
        import resource, sys
        from lightprobe.backbones import Tap, create_backbone, create_runner
        from lightprobe.features import BackboneRunner, extract
        from lightprobe.images import open_images
        from lightprobe.runtime import Runtime
        images = open_images(sys.argv[1]).training
        images = images.select(list(range(36)) * int(sys.argv[2]))
        backbone = create_backbone(sys.argv[3], cut="block2", image_size=64)
        runner = create_runner(backbone, [Tap(backbone.cut)], precision="fp32", device="cpu")
        extract(images, BackboneRunner(backbone, runner), Runtime(workers=2, cache=False))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """)
    peaks = [
        int(
            subprocess.check_output(
                [sys.executable, "-c", script, str(toy_folder), str(times), compiled.backbone.name]
            )
        )
        for times in (20, 200)
    ]
    assert peaks[1] - peaks[0] < 40_000, f"{peaks} kB for 720 and 7,200 photos"
