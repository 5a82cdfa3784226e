"""`lightprobe look`: inside a model, at one photo; or at photos of a data set."""

import argparse
from pathlib import Path

from lightprobe.cli.options import DATA_HELP, add, given, refuse, root, runtime
from lightprobe.errors import OptionError

HELP = "what a model sees in a photo and where its evidence lies; or a page of photos by class"
USAGE = "MODEL IMAGE --out PNG | DATA --out PNG"
EXAMPLE = "lightprobe look run-1 new.jpg --out inside.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", metavar="MODEL|DATA", help=f"folder that train wrote, or {DATA_HELP}")
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="the photo to show to the model")
    parser.add_argument("--out", required=True, metavar="PNG", type=Path, help="the picture")
    add(parser, "classes", "path_column", "label_column", "max_megapixels", "root")


def run(args: argparse.Namespace) -> int:
    """Draw, and say what is seen."""
    from lightprobe.cli import output
    from lightprobe.images import announce, open_images
    from lightprobe.look import draw_data, draw_model
    from lightprobe.photo_model import is_model, model_folder
    from lightprobe.saved import read

    if is_model(model_folder(Path(args.what))):
        if args.image is None:
            raise OptionError("A model needs a photo to look at: lightprobe look MODEL IMAGE --out PNG.")
        refuse(
            args,
            ["classes", "path_column", "label_column", "root"],
            "is for photos of a data set, and this is a model: leave it out.",
        )
        seen = draw_model(read(args.what).model, args.image, args.out, runtime(args))
    else:
        if args.image is not None:
            raise OptionError(f"{args.what} is no model: name the folder that train wrote, RUN/model.")
        images = open_images(
            args.what, root=root(args), **given(args, "classes", "path_column", "label_column")
        )
        images = images.limited(args.max_megapixels)
        announce(images, args.what)
        draw_data(images, args.out, random_state=args.seed)
        seen = {"images": len(images), "classes": list(images.classes)}
    if args.json:
        output.as_json({**seen, "picture": str(args.out)})
    else:
        output.looked(seen, args.out)
    return 0
