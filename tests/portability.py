"""The tests on machines that this one can stand in for: older processors, other threads, other work beside.

    python -m tests.portability [--arms plain openblas ...] [PYTEST'S ARGUMENTS ...]

Each arm sets the variables by which a library is kept from using all of the processor, and runs the tests,
all of them or those that are named. First every arm says what each library reports that it will use; an arm
in which no report differs from this machine's own stands in for nothing and fails. `make check-portable` runs
all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

Report = dict[str, Any]

# What a fresh process finds each library to be; a library that is not installed reports nothing.
REPORT: Final = """
import json, importlib.util
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
import numpy.linalg, scipy.linalg
from lightprobe.backbones import has_int8, import_openvino, resolve_precision
from lightprobe.threads import cpu_threads
from numba.core.registry import cpu_target

target = cpu_target.target_context.codegen().magic_tuple()
found = {
    "numpy": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "openblas": sorted({str(i.get("architecture")) for i in threadpool_info() if i["user_api"] == "blas"}),
    "openblas threads": sorted({i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}),
    "numba": [target[1], len([f for f in target[2].split(",") if f.startswith("+")])],
    "openvino": import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    "lightprobe": [resolve_precision("auto", "cpu"), "int8" if has_int8("cpu") else "no int8", cpu_threads()],
}
if importlib.util.find_spec("torch"):
    import torch

    found["torch"] = [torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    found["torch's oneDNN"] = ["bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "no bf16"]
print(json.dumps(found))
"""
BUSY: Final = "while True: pass"


def arms(folder: Path) -> dict[str, dict[str, str]]:
    """Return the variables of each arm; NumPy's names of features are its own and change with its version."""
    numpys = import_module("numpy._core._multiarray_umath")
    dispatched = [name for name in numpys.__cpu_dispatch__ if numpys.__cpu_features__[name]]
    return {
        "plain": {},
        "onednn": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        "aten": {"ATEN_CPU_CAPABILITY": "default"},
        "openblas": {"OPENBLAS_CORETYPE": "Haswell"},
        "numpy": {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatched)},
        "numba": {
            "NUMBA_CPU_NAME": "haswell",
            "NUMBA_CPU_FEATURES": "",
            "NUMBA_CACHE_DIR": str(folder / "numba"),
        },
        "one-thread": {"OMP_NUM_THREADS": "1"},
        "two-threads": {"OMP_NUM_THREADS": "2"},
        "busy": {},
    }


def report(variables: dict[str, str]) -> Report:
    """Ask a fresh process with these variables what its libraries are."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    found: Report = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def busy_cores(wanted: bool) -> Iterator[int]:
    """Keep every core busy; how many processes do."""
    processes = [
        subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range((os.cpu_count() or 1) if wanted else 0)
    ]
    try:
        yield len(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(name: str, variables: dict[str, str], plain: Report, arguments: list[str]) -> str:
    """Say what an arm is and run the tests in it; return why it failed, nothing if it passed."""
    found = report(variables)
    changed = {library: value for library, value in found.items() if value != plain[library]}
    with busy_cores(name == "busy") as n_busy:
        said = [f"{library} {value} instead of {plain[library]}" for library, value in changed.items()]
        said += [f"{n_busy} processes that keep a core busy each"] if n_busy else []
        _say(f"== {name}: {'; '.join(said) or 'as this machine is'}")
        if name == "plain":
            _say("\n".join(f"   {library} {value}" for library, value in found.items()))
        elif not said:
            if name == "two-threads" and found["lightprobe"] == plain["lightprobe"]:
                _say("   two threads are what this machine has: that is the plain arm")
                return ""
            return "no library reports anything else"
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        done = subprocess.run(command, env={**os.environ, **variables}, check=False)
    return "" if done.returncode == 0 else "tests failed"


def main() -> int:
    """Run the arms; return 1 if any failed."""
    with tempfile.TemporaryDirectory() as folder:
        every = arms(Path(folder))
        parser = argparse.ArgumentParser(
            description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--arms", nargs="+", choices=every, default=list(every))
        args, arguments = parser.parse_known_args()
        plain = report({})
        failed = {name: why for name in args.arms if (why := run(name, every[name], plain, arguments))}
    for name in args.arms:
        _say(f"{name:12} {failed.get(name, 'passed')}")
    return int(bool(failed))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
