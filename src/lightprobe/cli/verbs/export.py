"""`lightprobe export`: a model as one file that other programs run."""

import argparse
from pathlib import Path

from lightprobe.cli.options import add_model

HELP = "write a model as one ONNX or OpenVINO file, from pixels to probabilities"
USAGE = "MODEL --format onnx|openvino --out FILE"
EXAMPLE = "lightprobe export run-1 --format onnx --out pets.onnx --photos photos/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument(
        "--format", required=True, choices=("onnx", "openvino"), metavar="F", help="onnx or openvino"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", type=Path, help="FILE.onnx, or FILE.xml for openvino"
    )
    parser.add_argument(
        "--photos", metavar="DIR", help="compare file and model on these photos (else on made-up pictures)"
    )


def run(args: argparse.Namespace) -> int:
    """Export, measure and print."""
    from lightprobe.cli import output
    from lightprobe.export import export
    from lightprobe.saved import read

    info = export(read(args.model).model, args.format, args.out, args.photos)
    if args.json:
        output.as_json(info)
    else:
        output.export(info)
    return 0
