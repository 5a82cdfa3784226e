"""The campaigns at a size for every day; `make hostile` runs them whole."""

from pathlib import Path

import pytest
from tests.hostile.campaign import CAMPAIGNS, Campaign, run

pytest.importorskip("gradio", reason="the extra web is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.module)
def test_what_is_promised_holds(campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE", "quick")
    result = run(campaign, tmp_path, lambda line: None)
    assert result.tried == campaign.n_quick
    assert not result.fell


def test_a_campaign_goes_on_where_it_was_stopped_and_a_case_that_dies_has_fallen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTILE", "quick")
    campaign = Campaign("made up", "nothing", "falling", 12, 6)
    assert campaign.numbers() == [0, 2, 4, 6, 8, 10]
    (tmp_path / "falling.jsonl").write_text('[0, ""]\n[2, "fell before"]\n[4, "ha', encoding="utf-8")
    result = run(campaign, tmp_path, lambda line: None)
    assert (result.tried, len(result.fell)) == (6, 3)
    assert result.fell[0] == "case 2: fell before"
    assert "case 6: the process ended with -9" in result.fell
    assert "ValueError: made up" in result.fell[2]
