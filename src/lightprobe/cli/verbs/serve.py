"""`lightprobe serve`: a page for a model, and its REST API, on this machine."""

import argparse

from lightprobe.cli.options import add, add_model, positive_int, runtime

HELP = "a page to try and teach the model, and its REST API"
USAGE = "MODEL"
EXAMPLE = "lightprobe serve run-1 --allow-teaching"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to listen on; this machine only without it"
    )
    parser.add_argument(
        "--port", type=positive_int, default=7860, metavar="N", help="port to listen on (7860)"
    )
    parser.add_argument(
        "--token",
        metavar="T",
        help="what visitors have to know, at least 8 characters; made up where --host is not this machine",
    )
    parser.add_argument(
        "--photos",
        metavar="DATA",
        help="the training photos, shown as reasons; without it, looked for where training found them",
    )
    add(parser, "max_megapixels")
    parser.add_argument(
        "--allow-teaching",
        action="store_true",
        help="let visitors correct and add photos, and save the model",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from lightprobe.cli import output
    from lightprobe.models import load_optical
    from lightprobe.serve import Album, Limits, PageActions, Service, add_page, create_app, originals, serve

    model = load_optical(args.model, "serving")
    limits = Limits() if args.max_megapixels is None else Limits(pixels=round(args.max_megapixels * 1e6))
    service = Service(
        model.fitted,
        args.model,
        model.saved_parameters(),
        runtime(args, model.runtime),
        limits,
        model.read_digest,
    )
    actions = PageActions(service, Album(originals(args.model, args.photos)))
    report = args.model.absolute().parent / "report.html"
    app = create_app(service, allow_teaching=args.allow_teaching, report=report)
    add_page(app, actions, service.limits, allow_teaching=args.allow_teaching, report=report)
    serve(app, args.host, args.port, ready=output.serving, token=args.token)
    return 0
