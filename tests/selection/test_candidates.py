from lightprobe.backbones import Tap
from lightprobe.features import TapSet
from lightprobe.selection import Candidate, Choice, choices


def test_a_choice_and_a_candidate_survive_json() -> None:
    candidate = Candidate(Choice(TapSet.of(Tap("layer", "avg")), "l2", "optical"), 0.5, 0.4, 0.1, 12)
    assert Candidate.from_config(candidate.to_config()) == candidate


def test_where_features_have_signs_auto_compares_encodings_that_keep_them() -> None:
    plain, signed = TapSet.of(Tap("a")), TapSet.of(Tap("b"))
    listed = choices([plain, signed], "auto", "auto", {signed})
    assert {c.encode for c in listed if c.taps == plain} == {"l2", "sign"}
    kept = [(c.encode, c.kernel) for c in listed if c.taps == signed and c.encode not in ("l2", "sign")]
    assert kept == [("split", "optical"), ("offset", "optical")]
    assert all(c.encode == "l2" for c in choices([signed], "l2", "auto", {signed}))
    assert all(c.kernel == "linear" for c in choices([signed], "auto", "linear", {signed}))
