"""The folder tree says what the package is: imports run one way, gradients and torch have their places."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "lightprobe"

# Each room may import the rooms of the rows above its own, and nothing beside or below it.
LAYERS = (
    ("errors", "bars", "cpus", "json_text", "learned", "paths", "runtime", "_version"),
    ("atomic", "threads"),
    ("checked_tensors", "csv_text", "devices", "figures", "html_text", "locks", "versions"),
    ("images", "backbones", "optics", "ridge"),
    ("features", "head"),
    ("labelling", "selection"),
    ("photo_model",),
    ("classifier",),
    ("backprop",),
    ("saved",),
    ("models",),
    ("look",),
    ("prediction_files", "check", "export", "runs"),
    ("studies", "cluster"),
    ("report", "serve"),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
GRADIENTS = ("backward(", "torch.optim", "lightning")
# Torch is an extra: these alone may import it, or what is built on it.
TORCH = ("torch", "torchvision", "timm", "lightning", "onnxscript")
MAY_IMPORT_TORCH = (
    "backbones/engines/eager.py",
    "backbones/torch_networks/",
    "backprop/",
    "devices.py",
    "images/named.py",
)
HEAVY = ("torch", "torchvision", "sklearn", "scipy", "numba", "openvino", "matplotlib", "lightning")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    parts = ("lightprobe", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or not p.stem.startswith("__")]
BY_NAME = {module_name(path): path for path in MODULES}


@cache
def imports(path: Path) -> frozenset[tuple[str, str]]:
    """Every import of ours in a file, those for type checkers too, as (module, name taken from it)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively; name the room in full"
            module = node.module or ""
            if module == "lightprobe" or module.startswith("lightprobe."):
                found |= {(module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names if alias.name.startswith("lightprobe.")}
    return frozenset(found)


def rooms_imported(path: Path) -> set[str]:
    rooms = {module.split(".")[1] for module, _ in imports(path) if "." in module}
    return rooms | {name for module, name in imports(path) if module == "lightprobe" and name in LEVEL}


@cache
def exports(package: str) -> dict[str, str]:
    """Where each name that a room offers is defined, by its stub."""
    stub = BY_NAME[package].with_suffix(".pyi")
    homes: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            homes |= {alias.name: f"{package}.{node.module}" for alias in node.names}
    return homes


def files_imported(path: Path) -> set[str]:
    """The modules that a file's imports come from, through the rooms' lists of names."""
    homes = set()
    for module, name in imports(path):
        if f"{module}.{name}" in BY_NAME:
            homes.add(f"{module}.{name}")
        elif module in BY_NAME and BY_NAME[module].with_suffix(".pyi").exists():
            homes.add(exports(module)[name])
        elif module in BY_NAME:
            homes.add(module)
    return homes - {module_name(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} stands in no layer: add it to LAYERS and to the README's tree"
    for other in rooms_imported(path) - {room}:
        assert LEVEL[other] < LEVEL[room], f"{room} imports {other}, which stands beside or above it"


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter({module_name(path): files_imported(path) for path in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nobody_reaches_past_what_a_room_offers(path: Path) -> None:
    for module, name in imports(path):
        parts = module.split(".")
        if len(parts) > 1 and parts[1] != room_of(path):
            assert len(parts) == 2, f"{path.name} takes {name} from {module}: let {parts[1]} offer it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_gradients_live_only_in_backprop(path: Path) -> None:
    if room_of(path) != "backprop":
        text = path.read_text(encoding="utf-8")
        assert not [word for word in GRADIENTS if word in text]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_is_imported_where_torch_is_the_point(path: Path) -> None:
    if not path.relative_to(PACKAGE).as_posix().startswith(MAY_IMPORT_TORCH):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & {*TORCH}


def test_importing_a_room_loads_nothing_heavy() -> None:
    rooms = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    program = f"""
import importlib, sys
for room in {rooms}:
    importlib.import_module("lightprobe." + room)
    print(room, *(name for name in {HEAVY} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == rooms
