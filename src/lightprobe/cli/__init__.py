"""The command line: one file a verb, each parses, calls and prints."""

import argparse
import importlib
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from lightprobe._version import __version__
from lightprobe.cli.output import legible
from lightprobe.errors import LightprobeError
from lightprobe.paths import cache_folder

VERBS = (
    "demo", "train", "compare", "study", "check", "evaluate", "predict", "look", "update", "export", "serve",
    "extract", "report", "runs", "backbones", "datasets",
)  # fmt: skip

DESCRIPTION = """\
Train an image classifier in one pass over your photos. No backprop.

  lightprobe demo                           the main job on data inside the package
  lightprobe train photos/ --out run        photos/ has a folder a class
  lightprobe evaluate run/model photos/     accuracy on its test split
  lightprobe predict run/model new.jpg
  lightprobe update run/model --add more/   exact, without training again
"""

EPILOG = """\
What a network saw in a photo is cached (LIGHTPROBE_CACHE moves the cache; to empty it, delete the folder):
  {cache}
Exit status: 0 success, 1 findings of check, 2 wrong usage or bad input, 130 stopped by Ctrl-C.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows what is allowed).\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    args.command = shlex.join(["lightprobe", *(sys.argv[1:] if argv is None else argv)])
    _log_to_stderr(args.verbose)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("Stopped. What was computed is in the cache: the same command goes on from there.")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): no error, and nothing left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LightprobeError, OSError, MemoryError) as error:
        if args.debug:
            traceback.print_exc()
        _say(f"lightprobe {args.verb}: {error or 'out of memory'}")
        return 2
    except Exception as error:  # never 1, which says that `check` found something
        if args.debug:
            traceback.print_exc()
        _say(
            f"lightprobe {args.verb}: a fault of lightprobe itself ({type(error).__name__}: {error}). Please "
            "report it with what --debug shows."
        )
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lightprobe",
        usage="lightprobe VERB ...        lightprobe VERB --help",
        description=DESCRIPTION,
        epilog=EPILOG.format(cache=cache_folder()),
        formatter_class=_formatter,
    )
    parser.add_argument("--version", action="version", version=f"lightprobe {__version__}")
    verbs = parser.add_subparsers(
        title="verbs", dest="verb", metavar="VERB", required=True, parser_class=_Parser
    )
    for verb in VERBS:
        module = importlib.import_module(f"lightprobe.cli.{verb}")
        sub = verbs.add_parser(
            verb,
            help=module.HELP,
            usage=f"lightprobe {verb} {module.USAGE} [options]".replace("  ", " "),
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.\nExample: {module.EXAMPLE}",
            formatter_class=_formatter,
            add_help=False,
        )
        module.add_arguments(sub)
        _add_common(sub)
        sub.set_defaults(run=module.run)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=110)


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("every verb")
    # Here, as a group of its own would push the longest help off the screen.
    group.add_argument("-h", "--help", action="help", help="show this help message and exit")
    group.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random")
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, only warnings")
    group.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Legible("%(message)s"))
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    package = logging.getLogger("lightprobe")
    package.handlers = [handler]
    package.setLevel(handler.level)
    package.propagate = False


class _Legible(logging.Formatter):
    """Messages with the control characters of names escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return legible(super().format(record))


def _say(sentence: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(legible(sentence).encode(encoding, "backslashreplace").decode(encoding) + "\n")
