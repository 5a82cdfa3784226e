"""`lightprobe backbones`: the networks that can be named, which are at hand, and where each can be cut."""

import argparse

from lightprobe.cli.options import add, refuse

HELP = "list networks and which are at hand, or the layers at which one can be cut"
USAGE = "[NAME]"
EXAMPLE = "lightprobe backbones densenet169"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="a network, or an .onnx or .xml file; without it, all are listed",
    )
    for name in ("image_size", "mean", "std"):
        add(parser, name)


def run(args: argparse.Namespace) -> int:
    """List."""
    from dataclasses import asdict

    from lightprobe.backbones import describe_backbone, list_backbones, published_networks
    from lightprobe.cli import output

    if args.name is None:
        refuse(
            args, ["image_size", "mean", "std"], "is for the layers of one network: name it, or leave it out."
        )
        networks = published_networks()
        if args.json:
            rows = [
                {**asdict(one), "state": one.state, "extra": one.missing_extra, "command": one.command}
                for one in networks
            ]
            output.as_json({"backbones": list_backbones(), "networks": rows})
        else:
            output.networks(networks)
        return 0
    info = describe_backbone(args.name, args.image_size, args.mean, args.std)
    if args.json:
        sizes = [{"name": cut.name, "avg": cut.pooled, "flatten": cut.flattened} for cut in info.cuts]
        output.as_json(
            {**asdict(info), "cuts": [asdict(c) | s for c, s in zip(info.cuts, sizes, strict=True)]}
        )
    else:
        output.backbone(info)
    return 0
