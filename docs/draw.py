"""Draw the figures of mathematics.md: `python docs/draw.py` writes convolution.svg and light.svg beside."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent

# An edge that leans, and the kernel that answers to what is brighter on the right than on the left.
IMAGE = np.array([[0, 0, 1, 2, 2], [0, 0, 1, 2, 2], [0, 1, 2, 2, 2], [0, 1, 2, 2, 1], [1, 2, 2, 1, 1]])
KERNEL = np.array([[-1, 0, 1]] * 3)

CELL = 30
INK, FAINT, LIT, ANSWER = "#222222", "#bbbbbb", "#0072b2", "#d55e00"  # the last two of Okabe and Ito 2008


def convolve(image: NDArray[np.int64], kernel: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slide the kernel over the image: each output is the sum of the products below it."""
    side = len(kernel)
    places = range(len(image) - side + 1)
    return np.array([[(image[i : i + side, j : j + side] * kernel).sum() for j in places] for i in places])


def convolution() -> str:
    """Three of the nine steps, and what ReLU and averaging make of the result."""
    answers = convolve(IMAGE, KERNEL)
    parts = [_text(20, 26, "The kernel", bold=True), *_matrix(20, 40, KERNEL, signed=True)]
    parts += [
        _text(20, 160, "right minus left:"),
        _text(20, 178, "it answers to edges"),
    ]
    for step, (row, column) in enumerate([(0, 0), (0, 1), (2, 2)]):
        x = 180 + 240 * step
        window = IMAGE[row : row + 3, column : column + 3]
        right, left = window[:, 2], window[:, 0]
        parts.append(_text(x, 26, f"Step {3 * row + column + 1}", bold=True))
        parts += _matrix(x, 40, IMAGE, shade=IMAGE)
        parts.append(_box(x + CELL * column, 40 + CELL * row, 3 * CELL, 3 * CELL, stroke=LIT, width=3))
        total = f"({_sum(right)}) − ({_sum(left)}) = {_signed(answers[row, column])}"
        parts.append(_text(x, 214, total, colour=ANSWER))
        done = 3 * row + column + 1
        known = [
            [int(v) if 3 * i + j < done else None for j, v in enumerate(r)] for i, r in enumerate(answers)
        ]
        parts += _matrix(x, 230, known)
        parts.append(_box(x + CELL * column, 230 + CELL * row, CELL, CELL, stroke=ANSWER, width=3))
    positive = np.maximum(answers, 0)
    parts += [
        _text(900, 26, "ReLU: nothing below zero", bold=True),
        *_matrix(900, 40, positive, shade=positive / 2.5),
        _text(900, 160, "flatten keeps the nine apart,"),
        _text(900, 178, "avg gives one number:"),
        _text(900, 214, f"{positive.sum()} / 9 = {positive.mean():.2f}", colour=ANSWER),
    ]
    return _svg(1110, 340, parts, "A 5 by 5 image convolved with a 3 by 3 kernel, step by step")


def light() -> str:
    """From photo to scores: the network, the bits, the medium, the camera, the sum."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=12)
    bits = (features > 0).astype(int)
    medium = rng.normal(size=(12, 64)) + 1j * rng.normal(size=(12, 64))
    speckle = np.abs(bits @ medium) ** 2
    parts = []
    for x, name, what in (
        (20, "photo", "what comes in"),
        (170, "frozen network", "f(x): features"),
        (390, "encoding", "b = 1[f > 0]"),
        (560, "scattering medium", "y = bR, R random"),
        (790, "camera", "|bR|²: speckle"),
        (985, "ridge", "scores = |bR|²W + b₀"),
    ):
        parts += [_text(x, 26, name, bold=True), _text(x, 252, what)]
    parts += [_box(20, 60, 110, 150, fill="#cfe3ee"), '<circle cx="75" cy="125" r="30" fill="#e69f00"/>']
    parts.append(f'<rect x="71" y="150" width="8" height="60" fill="{INK}"/>')
    for i, height in enumerate((150, 110, 76, 48)):  # maps get smaller and more
        for j in range(i + 1):
            x, y = 170 + 34 * i + 5 * j, 135 - height / 2 + 4 * j
            parts.append(_box(x, y, 22, height, fill="#e8e8e8"))
    for i, (value, bit) in enumerate(zip(features, bits, strict=True)):
        y = 60 + 12.5 * i
        parts.append(_box(345, y, 12, 11, fill=_grey(0.5 + value / 5)))
        parts.append(_box(420, y, 12, 11, fill=_grey(float(bit))))
    parts.append(_arrow(363, 135, 413))
    for i in np.flatnonzero(bits).tolist():
        for j in range(0, 64, 9):
            y1, y2 = 65.5 + 12.5 * i, 62 + 2.3 * j
            parts.append(
                f'<line x1="434" y1="{y1:.1f}" x2="785" y2="{y2:.1f}" stroke="{LIT}" stroke-width="0.4"/>'
            )
    parts.append(f'<rect x="585" y="50" width="70" height="170" fill="{FAINT}" fill-opacity="0.55" rx="12"/>')
    for k, value in enumerate(np.minimum(speckle / np.quantile(speckle, 0.97), 1)):
        parts.append(_box(790 + 18 * (k % 8), 63 + 18 * (k // 8), 18, 18, fill=_grey(value), stroke="none"))
    parts.append(_arrow(942, 135, 980))
    for i, (name, share) in enumerate((("daisy", 0.82), ("rose", 0.13), ("tulip", 0.05))):
        y = 100 + 30 * i
        parts += [_box(1035, y, 120 * share, 16, fill=LIT, stroke="none"), _text(985, y + 13, name)]
    return _svg(1170, 270, parts, "The way of the light, from a photo to scores")


def _matrix(
    x: float,
    y: float,
    values: Iterable[Iterable[int | None]],
    *,
    shade: NDArray[np.generic] | None = None,
    signed: bool = False,
) -> list[str]:
    """Cells with numbers; the larger the number in `shade`, 0 to 2, the brighter the cell."""
    parts = []
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            fill = "white" if shade is None else _grey(0.55 + 0.225 * float(shade[i, j]))
            parts.append(_box(x + CELL * j, y + CELL * i, CELL, CELL, fill=fill, stroke=FAINT))
            if value is not None:
                text = _signed(int(value), plus=signed)
                parts.append(_text(x + CELL * (j + 0.5), y + CELL * (i + 0.68), text, anchor="middle"))
    return parts


def _sum(values: NDArray[np.int64]) -> str:
    return " + ".join(str(v) for v in values)


def _signed(value: int, *, plus: bool = False) -> str:
    return f"−{-value}" if value < 0 else f"+{value}" if plus and value else str(value)


def _grey(share: float) -> str:
    level = round(255 * min(max(share, 0.0), 1.0))
    return f"#{level:02x}{level:02x}{level:02x}"


def _box(
    x: float, y: float, w: float, h: float, *, fill: str = "none", stroke: str = INK, width: float = 1
) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}"'
    return f'<rect {place} fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"/>'


def _arrow(x1: float, y: float, x2: float) -> str:
    return f'<path d="M{x1:g} {y:g}H{x2:g}m-8 -5l8 5l-8 5" fill="none" stroke="{INK}" stroke-width="1.5"/>'


def _text(
    x: float, y: float, text: str, *, bold: bool = False, colour: str = INK, anchor: str = "start"
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}"{weight}>{text}</text>'


def _svg(width: int, height: int, parts: Iterable[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    style = 'font-family="sans-serif" font-size="15"'
    ground = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f"{head} {style}>", f"<title>{title}</title>", ground, *parts, "</svg>", ""])


FIGURES = {"convolution.svg": convolution, "light.svg": light}

if __name__ == "__main__":
    for name, draw in FIGURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
