"""`lightprobe backbones`: the networks that can be named, and where each can be cut."""

import argparse

from lightprobe.cli.options import positive_int

HELP = "list networks, or one network's cut points"
EXAMPLE = "lightprobe backbones densenet169"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a network; without it, all are listed")
    parser.add_argument(
        "--image-size", type=positive_int, metavar="N", help="side of the network's input in pixels"
    )


def run(args: argparse.Namespace) -> int:
    """List."""
    from lightprobe.backbones import BACKBONES, describe
    from lightprobe.cli import output

    if args.name is None:
        if args.json:
            output.as_json({"backbones": list(BACKBONES)})
        else:
            output.names(BACKBONES)
        return 0
    description = describe(args.name, image_size=args.image_size)
    if args.json:
        output.as_json(description)
    else:
        output.backbone(description)
    return 0
