"""The command line: one file a verb, each parses, calls and prints."""

import argparse
import difflib
import importlib
import logging
import os
import shlex
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lightprobe._version import __version__
from lightprobe.cli.output import legible, note
from lightprobe.errors import AmbiguousDataError, LightprobeError, as_flags
from lightprobe.paths import cache_folder
from lightprobe.threads import passive_threads

VERBS = (
    "demo", "train", "compare", "study", "check", "evaluate", "predict", "look", "update", "next", "export",
    "serve", "extract", "sums", "merge", "report", "runs", "backbones", "datasets",
)  # fmt: skip

DESCRIPTION = """\
Train an image classifier in one pass over your photos. No backprop.

  lightprobe demo                         the main job on photos of its own
  lightprobe train photos/                photos/ has a folder a class
  lightprobe predict run-1 new.jpg
  lightprobe evaluate run-1 photos/       accuracy on its test split
  lightprobe update run-1 --add more/     exact, without training again
"""

EPILOG = """\
What a network saw in a photo is cached (LIGHTPROBE_CACHE moves the cache; to empty it, delete the folder):
  {cache}
Exit status: 0 success, 1 findings of check, 2 wrong usage or bad input, 130 stopped by Ctrl-C.
"""
WIDTH = 80  # of help, where there is no terminal


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows what is allowed).\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; what stands before and after the options is wrapped line by line."""

    def __init__(self, prog: str) -> None:
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        super().__init__(prog, max_help_position=min(26, width // 3), width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        # Commands and paths stay whole, to be copied.
        wrapped = [[line] if line.startswith("  ") else textwrap.wrap(line, width) or [""] for line in lines]
        return "".join(f"{indent}{line}\n" for part in wrapped for line in part)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; without one the process's own.

    The process's own command line decides how its threads wait, before any library reads it.
    """
    if argv is None:
        passive_threads()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    if words[:1] in ([], ["help"]):
        words = [*words[1:2], "--help"]
    _require_verb(parser, words[0])
    args, unknown = parser.parse_known_args(words)
    if unknown:
        _refuse_unknown(args.parser, unknown)
    args.words = words
    args.command = shlex.join(["lightprobe", *words])
    _log_to_stderr(args.verbose, args.quiet)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        note("Stopped. What was computed is in the cache: the same command goes on from there.")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): no error, and nothing left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LightprobeError, OSError, MemoryError) as error:
        if args.debug:
            traceback.print_exc()
        if isinstance(error, AmbiguousDataError):
            _show_choices(args, error)
            return 2
        note(f"lightprobe {args.verb}: {as_flags(str(error)) or 'out of memory'}")
        return 2
    except Exception as error:  # never 1, which says that `check` found something
        if args.debug:
            traceback.print_exc()
        note(
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
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"lightprobe {__version__}")
    verbs = parser.add_subparsers(
        title="verbs", dest="verb", metavar="VERB", required=True, parser_class=_Parser, prog="lightprobe"
    )
    for verb in VERBS:
        module = importlib.import_module(f"lightprobe.cli.verbs.{verb}")
        sub = verbs.add_parser(
            verb,
            help=module.HELP,
            usage=f"lightprobe {verb} {module.USAGE} [options]".replace("  ", " "),
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.\n  {module.EXAMPLE}",
            formatter_class=_Help,
            add_help=False,
        )
        module.add_arguments(sub)
        _add_common(sub)
        sub.set_defaults(run=module.run, parser=sub)
    return parser


def _show_choices(args: argparse.Namespace, error: AmbiguousDataError) -> None:
    """Print what was seen, and the commands that say which is meant."""
    note(f"lightprobe {args.verb}: {as_flags(error.reason)}. Say which is meant:")
    for value, told in error.choices.items():
        note(f"  {shlex.join(['lightprobe', *args.words, f'--{error.parameter}', value])}")
        note(f"      {told}")


def _require_verb(parser: argparse.ArgumentParser, word: str) -> None:
    """Refuse a first word that is neither a verb nor an option, and say which verb may be meant."""
    if word.startswith("-") or word in VERBS:
        return
    close = difflib.get_close_matches(word.lower(), VERBS, n=1)
    if close:
        hint = f"did you mean {close[0]}?"
    elif Path(word).exists():
        hint = f"to train on it, lightprobe train {shlex.quote(word)}."
    else:
        hint = f"the verbs are {', '.join(VERBS)}."
    parser.exit(2, legible(f"lightprobe: {word!r} is no verb; {hint}") + " lightprobe help shows more.\n")


def _refuse_unknown(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """Refuse what the verb does not know, and say which of its options may be meant."""
    flag = next((word for word in unknown if word.startswith("-")), None)
    if flag is None:
        parser.error(f"there is no place for {', '.join(map(repr, unknown))}")
    name = flag.partition("=")[0]
    close = difflib.get_close_matches(name, parser._option_string_actions, n=1)
    parser.error(f"{name} is no option of this verb{f'; did you mean {close[0]}?' if close else ''}")


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


def _log_to_stderr(verbose: bool, quiet: bool) -> None:
    """Show warnings, what data was read as unless `quiet`, and everything if `verbose`."""
    levels = {
        "lightprobe": logging.INFO if verbose else logging.WARNING,
        "lightprobe.data": logging.WARNING if quiet else logging.INFO,
        "lightprobe.quality": logging.WARNING if quiet else logging.INFO,
    }
    for name, level in levels.items():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Legible("%(message)s"))
        handler.setLevel(level)
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


class _Legible(logging.Formatter):
    """Messages with options for parameters, and the control characters of names escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return legible(as_flags(super().format(record)))
