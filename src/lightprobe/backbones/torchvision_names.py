"""torchvision's classification networks, listed without the seconds that importing torch takes."""

import ast
import importlib.util
from pathlib import Path

_DECORATOR = "register_model"


def torchvision_names() -> list[str]:
    """List the networks that the installed torchvision registers, as `torchvision.models.list_models` does.

    They are the functions decorated with `register_model` in the files of `torchvision.models` itself; what
    lies in folders below detects and segments. Nothing without torchvision.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return []
    models = Path(found.submodule_search_locations[0]) / "models"
    return sorted(name for file in models.glob("*.py") for name in _registered(file))


def _registered(file: Path) -> list[str]:
    functions = [node for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if any(map(_registers, function.decorator_list))]


def _registers(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == _DECORATOR
