"""All campaigns, one after the other: `make hostile`, `HOSTILE=quick make hostile`; stopped, it goes on."""

import sys
import time
from pathlib import Path

from tests.hostile.campaign import CAMPAIGNS, SEED, run

from lightprobe import __version__

STATE = Path("build", "hostile")


def main() -> int:
    """Run them, and print the table; 1 if anything fell."""
    sys.stdout.write(
        f"lightprobe {__version__}, seed {SEED}; results in {STATE}, to be deleted to begin anew\n"
    )
    rows, fell = [], 0
    for campaign in CAMPAIGNS:
        start = time.monotonic()
        result = run(campaign, STATE / str(campaign.size()), _say)
        fell += len(result.fell)
        held = result.tried - len(result.fell)
        row = f"| {campaign.name} | {result.tried:,} | {held:,} | {len(result.fell)} |"
        rows.append(row)
        _say(f"{row} {time.monotonic() - start:.0f} s")
    _say("\n".join(["", "| attack | tried | held | fell |", "|---|---|---|---|", *rows]))
    return 1 if fell else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
