"""What the page says: answers, reasons, tables and the model as data, which a template turns into HTML."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from lightprobe.html_text import percent, render_part
from lightprobe.photo_model import Argument, Explanation, Prediction

Picture = Callable[[Argument], str | None]

_part = partial(render_part, "answers")


def heading(facts: Mapping[str, Any]) -> str:
    """Say what can be asked, and how good the answers are."""
    classes = list(facts["classes"])
    named = classes if len(classes) <= 8 else [*classes[:7], f"one of {len(classes) - 7} more"]
    return _part("heading", f"{', '.join(named[:-1])} or {named[-1]}", facts)


def answer(prediction: Prediction, known: str | None = None) -> str:
    """Say the answer for one photo in a line, or that there is none.

    Parameters
    ----------
    prediction : Prediction
    known : str, optional
        Its class, if it is a training photo to the byte: what a person said goes before what a model says.
    """
    if prediction.error:
        return refusal(f"{prediction.path}: {prediction.error}.")
    return _part("answer", prediction, known)


def refusal(sentence: str) -> str:
    """Say what went wrong."""
    return _part("refusal", sentence)


def notice(sentence: str) -> str:
    """Say what was done."""
    return _part("notice", sentence)


def reasons(why: Explanation, picture: Picture) -> str:
    """Show the training photos that argued for and against an answer."""
    lists = {
        f"Training photos that speak for {why.label}": why.arguments_for,
        "and against it": why.arguments_against,
    }
    shown = [(title, [(one, picture(one)) for one in arguments]) for title, arguments in lists.items()]
    return _part("reasons", why.label, shown)


def table(predictions: Sequence[Prediction]) -> str:
    """Show the answers for many photos, and how often each was given."""
    return _part("table", summary(predictions), predictions)


def summary(predictions: Iterable[Prediction]) -> str:
    """Count the answers in a sentence."""
    counts = Counter(
        "unreadable" if one.error else "unknown" if one.unknown else one.labels[0] for one in predictions
    )
    parts = [f"{n} {said}" for said, n in counts.most_common()]
    return f"{counts.total()} photos: {', '.join(parts)}."


def model(facts: Mapping[str, Any]) -> str:
    """Show what the model is."""
    shown = {
        "right on new photos (leave-one-out)": percent(facts["loo_accuracy"]),
        "training photos": f"{facts['n_train']:,}",
        "classes": ", ".join(facts["classes"]),
        "network": f"{facts['backbone']}, {facts['image_size']} pixels, up to {facts['cut']}",
        "arithmetic": f"{facts['precision']} ({facts['engine']})",
        "method": f"{facts['pool']} pooling, {facts['encode']} encoding, {facts['kernel']} kernel",
    }
    return _part("model", shown)
