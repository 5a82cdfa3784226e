"""The page: ask about a photo, teach it, answer many, look at the model. Gradio draws it.

Gradio would call home, load a font and keep uploads for good; here it does none of that: its analytics are
off, fonts are the system's, uploads lie in a folder that goes with the server and are deleted after an hour.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from lightprobe.errors import LightprobeError, MissingExtraError
from lightprobe.images import IMAGE_SUFFIXES
from lightprobe.serve import html
from lightprobe.serve.actions import TOP, PageActions
from lightprobe.serve.service import Limits
from lightprobe.serve.uploads import UploadGuard, uploads_folder

HOUR: Final = 3600
VISITORS: Final = 32  # of whom none waits for another one's answer to begin
REPORT: Final = '<iframe class="lp-report" src="report" title="Report of the training"></iframe>'
NO_REPORT: Final = "There is no report beside the model: lightprobe report RUN writes one."


def add_page(
    app: FastAPI, actions: PageActions, limits: Limits, *, allow_teaching: bool, report: Path
) -> None:
    """Put the page at / of an application whose other addresses stay as they are.

    Parameters
    ----------
    app : FastAPI
    actions : PageActions
    limits : Limits
        What one upload may have.
    allow_teaching : bool
        Whether there is anything to teach and save with.
    report : Path
        The run's report, if there is one.
    """
    uploads = uploads_folder(app)
    app.add_middleware(UploadGuard, folder=uploads, most_bytes=limits.uploads)
    with _environment(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(uploads)):
        try:
            import gradio as gr
        except ImportError:
            raise MissingExtraError("gradio", "web", "the page") from None

        async def mount() -> None:
            blocks = _blocks(gr, actions, uploads, allow_teaching=allow_teaching, report=report)
            gr.mount_gradio_app(
                app,
                blocks,
                path="/",
                footer_links=[],
                run_history=False,
                show_error=True,
                max_file_size=limits.body_bytes,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                theme=_theme(gr),
                css=(files("lightprobe.serve") / "page.css").read_text(encoding="utf-8"),
            )

        # In a loop that runs: for each of its locks Gradio would open one otherwise, and close none.
        asyncio.run(mount())


def _blocks(gr: Any, actions: PageActions, uploads: Path, *, allow_teaching: bool, report: Path) -> Any:
    with gr.Blocks(title="lightprobe", analytics_enabled=False, delete_cache=(HOUR, HOUR)) as blocks:
        heading = gr.HTML(html.heading(actions.facts), **_PLAIN)
        with gr.Tab("One photo"):
            _one_photo(gr, actions, heading, allow_teaching=allow_teaching)
        with gr.Tab("Many photos"):
            _many_photos(gr, actions, uploads)
        with gr.Tab("Model") as tab:
            facts = gr.HTML(html.model(actions.facts), **_PLAIN)
            gr.HTML(REPORT if report.is_file() else html.notice(NO_REPORT), **_PLAIN)
        # Others may have taught since the page was made, and since this visitor came.
        blocks.load(lambda: html.heading(actions.facts), outputs=heading, **_QUIET)
        tab.select(lambda: html.model(actions.facts), outputs=facts, **_QUIET)
    for component in blocks.blocks.values():  # a client may name a file where a text is expected, too
        if hasattr(component, "async_move_resource_to_block_cache"):
            _take_only_uploads(component)
    blocks.queue(default_concurrency_limit=VISITORS)
    return blocks


_PLAIN: Final[dict[str, Any]] = {"apply_default_css": False, "padding": False}
_QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}


def _one_photo(gr: Any, actions: PageActions, heading: Any, *, allow_teaching: bool) -> None:
    with gr.Row(equal_height=False):
        photo = gr.Image(
            label="Photo",
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            buttons=["fullscreen"],
            height=360,
            placeholder="Drop a photo here, or click to choose one",
            alt_text="The photo that is asked about",
            elem_id="photo",
        )
        _take_as_it_is(photo)
        with gr.Column(elem_id="answers"):
            answer = gr.HTML(elem_id="answer", **_PLAIN)
            shares = gr.Label(
                num_top_classes=TOP,
                show_label=False,
                show_heading=False,
                container=False,
                visible=False,
                elem_id="shares",
            )
            with gr.Group(visible=False, elem_id="teaching") as teaching:
                label = gr.Dropdown(
                    actions.facts["classes"],
                    value=None,
                    label="This is really a …",
                    info="Choose a class, or write a new one.",
                    allow_custom_value=True,
                    elem_id="label",
                )
                with gr.Row():
                    teach = gr.Button("Teach", variant="primary", elem_id="teach")
                    save = gr.Button("Save", elem_id="save")
            taught = gr.HTML(elem_id="taught", **_PLAIN)
    reasons = gr.HTML(elem_id="reasons", **_PLAIN)

    def show(path: str | None) -> tuple[Any, ...]:
        if path is None:
            return "", gr.update(value=None, visible=False), "", gr.update(visible=False), gr.update()
        shown = actions.ask(Path(path))
        bars = gr.update(value=shown.shares or None, visible=bool(shown.shares))
        group = gr.update(visible=allow_teaching and bool(shown.shares))
        return (
            shown.answer,
            bars,
            shown.reasons,
            group,
            gr.update(choices=actions.facts["classes"], value=None),
        )

    def learn(path: str | None, name: str | None) -> tuple[Any, ...]:
        try:
            said = html.notice(actions.teach(Path(path or ""), name or ""))
        except LightprobeError as error:
            return html.refusal(str(error)), gr.update(), *[gr.update()] * 5
        return said, html.heading(actions.facts), *show(path)

    shown = [answer, shares, reasons, teaching, label]
    photo.input(lambda path: ("", *show(path)), photo, [taught, *shown], **_QUIET)
    if allow_teaching:
        # One at a time: those who wait for their turn hold no thread that answers need.
        alone: dict[str, Any] = {**_QUIET, "concurrency_limit": 1, "concurrency_id": "teaching"}
        teach.click(learn, [photo, label], [taught, heading, *shown], **alone)
        save.click(_or_refusal(actions.save), outputs=taught, **alone)


def _many_photos(gr: Any, actions: PageActions, uploads: Path) -> None:
    given = gr.File(
        label="Photos, or zips of photos",
        file_count="multiple",
        file_types=[*sorted(IMAGE_SUFFIXES), ".zip"],
        elem_id="files",
    )
    table = gr.HTML(elem_id="table", **_PLAIN)
    download = gr.DownloadButton("Download as CSV", visible=False, elem_id="csv")

    def answer(paths: list[str] | None) -> tuple[Any, ...]:
        if not paths:
            return "", gr.update(visible=False)
        file = Path(tempfile.mkdtemp(dir=uploads), "answers.csv")
        try:
            said = actions.ask_many([Path(path) for path in paths], file)
        except LightprobeError as error:
            return html.refusal(str(error)), gr.update(visible=False)
        return said, gr.update(value=str(file), visible=True)

    given.change(answer, given, [table, download], show_progress="minimal", api_visibility="private")


def _or_refusal(do: Callable[[], str]) -> Callable[[], str]:
    def done() -> str:
        try:
            return html.notice(do())
        except LightprobeError as error:
            return html.refusal(str(error))

    return done


def _take_as_it_is(photo: Any) -> None:
    """Let a photo arrive as the file that was uploaded, to the byte.

    Gradio would open it with Pillow, which neither knows every format that is known here nor holds to its
    limits.
    """
    photo.preprocess = lambda payload: None if payload is None else payload.path


def _take_only_uploads(component: Any) -> None:
    """Let no address be fetched, nor its host be looked up, where a client names one instead of an upload.

    Gradio would do so for the inputs of every component, whatever they are meant to be.
    """
    to_cache = component.async_move_resource_to_block_cache

    async def only_uploads(path: str | Path | None) -> str | None:
        if path is not None and "://" in str(path):
            raise ValueError("An address is no photo: upload the file.")
        moved: str | None = await to_cache(path)
        return moved

    component.async_move_resource_to_block_cache = only_uploads


def _theme(gr: Any) -> Any:
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
    return gr.themes.Base(
        primary_hue="sky",
        neutral_hue="slate",
        font=system,
        font_mono=["ui-monospace", "Consolas", "monospace"],
        radius_size="lg",
    )


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
