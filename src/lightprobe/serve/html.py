"""What the page says, as HTML: answers, reasons, tables, the model; every text is escaped."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape as escape_html
from typing import Any

from lightprobe.photo_model import Argument, Explanation, Prediction

Picture = Callable[[Argument], str | None]


def escape(text: str) -> str:
    """Make text HTML; a file name that is no text, which systems allow, gets question marks."""
    return escape_html(text.encode(errors="replace").decode())


def percent(share: float) -> str:
    """Write a share with as many digits as tell."""
    return f"{share:.1%}" if 0.001 <= share < 0.999 else f"{share:.2%}"


def heading(facts: Mapping[str, Any]) -> str:
    """Say what can be asked, and how good the answers are."""
    classes = list(facts["classes"])
    named = classes if len(classes) <= 8 else [*classes[:7], f"one of {len(classes) - 7} more"]
    question = f"{', '.join(named[:-1])} or {named[-1]}"
    return (
        f'<div class="lp-heading"><h1>Is it {escape(question)}?</h1>'
        f"<p>Right on {percent(facts['loo_accuracy'])} of new photos like its {facts['n_train']:,} training "
        "photos. Photos go to this server and nowhere else.</p></div>"
    )


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
    label, probability = escape(prediction.labels[0]), percent(prediction.probabilities[0])
    if known is not None and known != prediction.labels[0]:
        return _said(known, "as it was taught") + (
            f"<p>The model alone, which weighs all its photos, would say {label}, {probability}. More photos "
            "like this one would turn it.</p>"
        )
    if known is not None:
        return _said(known, probability) + (
            "<p>This very photo is among the training photos, so the probability flatters.</p>"
        )
    if not prediction.unknown:
        return _said(prediction.labels[0], probability)
    novelty = 100 * (prediction.novelty or 0.0)
    return _said("unknown", "", " lp-unknown") + (
        f"<p>Less like the training photos than {novelty:.0f} % of them are like each other, so no class "
        f"should be believed. If it had to be one, then {label}, {probability}.</p>"
    )


def _said(word: str, how_sure: str, kind: str = "") -> str:
    return (
        f'<div class="lp-answer{kind}" role="status"><strong>{escape(word)}</strong> '
        f"<span>{how_sure}</span></div>"
    )


def refusal(sentence: str) -> str:
    """Say what went wrong."""
    return f'<div class="lp-refusal" role="alert">{escape(sentence)}</div>'


def notice(sentence: str) -> str:
    """Say what was done."""
    return f'<div class="lp-notice" role="status">{escape(sentence)}</div>'


def reasons(why: Explanation, picture: Picture) -> str:
    """Show the training photos that argued for and against an answer."""
    label = escape(why.label)
    parts = [
        _gallery(f"Training photos that speak for {label}", why.arguments_for, picture),
        _gallery("and against it", why.arguments_against, picture),
    ]
    return (
        f'<section class="lp-reasons" aria-label="Why {label}">{"".join(parts)}'
        '<p class="lp-note">The score of an answer is a sum with one number for each training photo; these '
        "are the largest.</p></section>"
    )


def _gallery(title: str, arguments: Sequence[Argument], picture: Picture) -> str:
    if not arguments:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(_photo(one, picture(one)) for one in arguments)}</ul>"


def _photo(argument: Argument, source: str | None) -> str:
    name = escape(argument.path.rsplit("/", 1)[-1])
    shown = '<span class="lp-gone" aria-hidden="true"></span>'
    if source is not None:
        shown = f'<img src="{escape(source)}" alt="" loading="lazy">'
    return (
        f"<li>{shown}<b>{escape(argument.label)}</b> <span>{argument.value:+.3f}</span>"
        f'<small title="{escape(argument.path)}">{name}</small></li>'
    )


def table(predictions: Sequence[Prediction]) -> str:
    """Show the answers for many photos, and how often each was given."""
    rows = "".join(_row(prediction) for prediction in predictions)
    return (
        f"<p>{escape(summary(predictions))}</p>"
        '<div class="lp-table" role="region" aria-label="Answers" tabindex="0"><table>'
        '<thead><tr><th scope="col">photo</th><th scope="col">answer</th>'
        f'<th scope="col">probability</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def summary(predictions: Iterable[Prediction]) -> str:
    """Count the answers in a sentence."""
    counts = Counter(_counted(prediction) for prediction in predictions)
    parts = [f"{n} {said}" for said, n in counts.most_common()]
    return f"{counts.total()} photos: {', '.join(parts)}."


def _counted(prediction: Prediction) -> str:
    if prediction.error:
        return "unreadable"
    return "unknown" if prediction.unknown else prediction.labels[0]


def _row(prediction: Prediction) -> str:
    name = f'<th scope="row">{escape(prediction.path)}</th>'
    if prediction.error:
        return f'<tr class="lp-bad">{name}<td colspan="2">{escape(prediction.error)}</td></tr>'
    share = prediction.probabilities[0]
    label = escape(prediction.labels[0])
    said = f"unknown <small>({label})</small>" if prediction.unknown else label
    bar = f'<td class="lp-share" style="--share:{share:.3f}">{percent(share)}</td>'
    return f"<tr>{name}<td>{said}</td>{bar}</tr>"


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
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in shown.items())
    return f'<dl class="lp-facts">{rows}</dl>'
