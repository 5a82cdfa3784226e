"""What is said after a training: classes, what to expect, where it is weakest, what to do next."""

import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]

WIDTH = 80
NAMED = 12  # classes

_BY = {
    "leave-one-out": "each of {n:,} photos was asked of a model that had not seen it",
    "leave-group-out": "each of {n:,} photos was asked of a model that had not seen its group",
    "test photos": "{n:,} test photos, which training never saw",
    "validation photos": "{n:,} validation photos, which chose the epoch",
}


def summary(row: Row) -> Iterator[str]:
    """Say what was learned, what to expect of it on new photos, and where it is weakest."""
    names, n = row["classes"], row["n_classes"]
    more = f" and {n - NAMED} more" if n > NAMED else ""
    yield from _wrapped(f"{n} classes: {', '.join(names[:NAMED])}{more}")
    skipped = f"; {row['n_skipped']} files left out, see skipped.csv" if row["n_skipped"] else ""
    tested = f", {row['n_test']:,} for test" if row["n_test"] else ""
    yield f"{row['n_train']:,} photos to learn from{tested}{skipped}"
    yield ""
    yield from expected(row)
    yield from _weakest(row)


def expected(row: Row) -> Iterator[str]:
    """Say what to expect, and what to think of it where two figures contradict each other."""
    told = row["expected"]
    low, high = told["ci95"]
    new = "of new groups" if told["by"] == "leave-group-out" else "like these"
    yield from _wrapped(
        f"To expect on new photos {new}: {told['accuracy']:.1%} right ({low:.1%} to {high:.1%}; "
        f"{_BY[told['by']].format(n=told['n'])})."
    )
    if told["parted"] and row["loo_accuracy"] is not None:
        worse = told["accuracy"] < row["loo_accuracy"]
        why = (
            "copies, or photos in series, of which one tells the other?"
            if worse
            else "are test photos easier, or copies of training photos?"
        )
        yield from _wrapped(
            f"Leave-one-out on the training photos says {row['loo_accuracy']:.1%}, outside what test photos "
            f"allow: {why}"
        )
    elif row["test_accuracy"] is not None and told["by"] != "test photos":
        low, high = row["test_accuracy_ci95"]
        yield f"On {row['n_test']:,} test photos: {row['test_accuracy']:.1%} right ({low:.1%} to {high:.1%})."
    if (guess := row.get("group_guess")) is not None:
        option = f"--group {shlex.quote(guess['pattern'])}"
        if told["parted"]:
            what = "closes the gap" if guess["closes"] else "comes nearest, and does not close the gap"
            yield from _wrapped(
                f"Leaving out whole series, by their names, says {guess['accuracy']:.1%}, which {what}:"
            )
        else:
            yield from _wrapped(
                f"The photos seem to come in series: leaving out whole ones, by their names, says "
                f"{guess['accuracy']:.1%}. If new photos will be of other things, this is what to expect:"
            )
        yield f"  {option}"


def next_steps(row: Row, report: str) -> Iterator[str]:
    """Say what to do next."""
    run = row["model"].removesuffix("/model")
    yield "Next:"
    yield f"  lightprobe predict {shlex.quote(run)} new.jpg"
    yield f"  open {report}   (photos that it gets wrong)"
    if row.get("quality") == "fast":
        yield "  --quality balanced   (two networks see more, in three times the time)"


def _weakest(row: Row) -> Iterator[str]:
    weak = row["weakest"]
    if weak is None:
        yield "Nothing is confused."
        return
    classes = ", ".join(f"{one['class']} ({one['found']:.0%} found)" for one in weak["classes"])
    pair = weak["confusion"]
    times = "once" if pair["n"] == 1 else f"{pair['n']} times"
    yield from _wrapped(
        f"Weakest: {classes}. Most often, {pair['class']} is called {pair['called']} ({times})."
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
