from pathlib import Path

import numpy as np
import pytest

from lightprobe.features.cache import FeatureCache, FeatureStore, image_digest


def rows(seed: int, n: int = 3) -> tuple[list[bytes], np.ndarray]:
    features = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float16)
    return [image_digest(f"{seed} {i}".encode()) for i in range(n)], features


def test_rows_come_back_from_a_store_that_is_opened_again(tmp_path: Path) -> None:
    digests, features = rows(0)
    FeatureStore(tmp_path).append(digests, features, 0.25)
    store = FeatureStore(tmp_path)
    assert len(store) == 3
    np.testing.assert_array_equal([store.find(d) for d in digests], features)
    assert store.seconds(digests[0]) == 0.25


def test_two_processes_that_write_at_once_keep_both_their_rows(tmp_path: Path) -> None:
    ours, theirs = FeatureStore(tmp_path), FeatureStore(tmp_path)
    ours.append(*rows(1), 0.0)
    theirs.append(*rows(2), 0.0)
    assert all(d in FeatureStore(tmp_path) for d in rows(1)[0] + rows(2)[0])


def test_a_shard_that_was_cut_short_is_left_out_and_the_others_serve(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append(*rows(1), 0.0)
    (damaged,) = tmp_path.glob("*.safetensors")
    store.append(*rows(2), 0.0)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    again = FeatureStore(tmp_path)
    assert rows(1)[0][0] not in again
    assert rows(2)[0][0] in again


def test_a_partial_file_left_by_a_killed_process_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "0.partial").write_bytes(b"half of a shard")
    assert len(FeatureStore(tmp_path)) == 0


@pytest.mark.parametrize("key", ["network", "cut", "precision"])
def test_anything_that_changes_the_features_names_another_store(tmp_path: Path, key: str) -> None:
    provenance = {"network": "a", "cut": "b", "precision": "fp32"}
    cache = FeatureCache(tmp_path)
    assert cache.store(provenance).folder == cache.store(dict(reversed(provenance.items()))).folder
    assert cache.store(provenance).folder != cache.store({**provenance, key: "other"}).folder


def test_arrays_of_equal_bytes_and_unequal_shapes_differ() -> None:
    flat = np.zeros((2, 8, 3), np.uint8)
    assert image_digest(flat) != image_digest(flat.reshape(4, 4, 3))
    assert image_digest(flat) == image_digest(flat.copy())


def test_what_is_forgotten_is_in_no_byte_of_the_cache_and_the_rest_stays(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    stores = [cache.store({"cut": cut}) for cut in "ab"]
    digests, features = rows(1)
    for store in stores:
        store.append(digests, features, 0.5)
        store.append(*rows(2), 0.0)
    stores[0].append(digests[:1], features[:1], 0.5)  # as another process may have done at the same time
    (stores[1].folder / "0.partial").write_bytes(features[0].tobytes())
    (stores[1].folder / "0.safetensors").write_bytes(features[0].tobytes())
    assert cache.forget({digests[0]}) == 3
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert features[0].tobytes() not in everything
    assert digests[0] not in everything
    for store in (cache.store({"cut": "a"}), cache.store({"cut": "b"})):
        assert digests[0] not in store
        np.testing.assert_array_equal([store.find(d) for d in digests[1:]], features[1:])
        assert store.seconds(digests[1]) == 0.5
        assert all(d in store for d in rows(2)[0])
    assert cache.forget({digests[0]}) == 0


def test_a_flipped_bit_in_a_shard_costs_its_rows_and_no_wrong_one_is_ever_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digests, features = rows(1)
    FeatureStore(tmp_path).append(digests, features, 0.25)
    (shard,) = tmp_path.glob("*.safetensors")
    whole, random = shard.read_bytes(), np.random.default_rng(0)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(random.integers(8))
        shard.write_bytes(flipped)
        store = FeatureStore(tmp_path)
        found = [store.find(digest) for digest in digests]
        assert all(row is None for row in found), place
        assert not shard.exists()
    assert len(caplog.records) == len(whole)  # one line each
    shard.write_bytes(whole)
    np.testing.assert_array_equal([FeatureStore(tmp_path).find(d) for d in digests], features)


def test_a_cache_that_is_emptied_meanwhile_has_no_rows_and_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FeatureStore(tmp_path).append(*rows(1), 0.25)
    store = FeatureStore(tmp_path)
    for shard in tmp_path.glob("*.safetensors"):
        shard.unlink()
    assert store.find(rows(1)[0][0]) is None
    assert not caplog.records
