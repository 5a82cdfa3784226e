"""The folder tree says what the package is: imports run one way, and gradients live in one room."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "lightprobe"

# Each room may import the rooms of the rows above its own, and nothing beside or below it.
LAYERS = (
    ("errors", "paths", "runtime", "_version"),
    ("images", "backbones", "optics", "ridge"),
    ("features", "head"),
    ("selection",),
    ("photo_model",),
    ("classifier",),
    ("backprop",),
    ("models",),
    ("look",),
    ("bulk", "check", "evidence", "export", "scale", "update"),
    ("report", "serve"),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
GRADIENTS = ("backward(", "torch.optim", "lightning")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively; name the room in full"
            module = node.module or ""
            if module == "lightprobe":
                rooms |= {alias.name for alias in node.names if alias.name in LEVEL}
            elif module.startswith("lightprobe."):
                rooms.add(module.split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("lightprobe.")}
    return rooms


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or not p.stem.startswith("__")]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} stands in no layer: add it to LAYERS and to the README's tree"
    for other in imported_rooms(path) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{room} imports {other}, which stands beside or above it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_gradients_live_only_in_backprop(path: Path) -> None:
    if room_of(path) != "backprop":
        text = path.read_text(encoding="utf-8")
        assert not [word for word in GRADIENTS if word in text]
