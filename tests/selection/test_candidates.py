from lightprobe.backbones import Tap
from lightprobe.features import TapSet
from lightprobe.selection import Candidate, Choice


def test_a_choice_and_a_candidate_survive_json() -> None:
    candidate = Candidate(Choice(TapSet.of(Tap("layer", "avg")), "l2", "optical"), 0.5, 0.4, 0.1, 12)
    assert Candidate.from_config(candidate.to_config()) == candidate
