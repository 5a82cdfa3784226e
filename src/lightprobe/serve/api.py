"""The service over HTTP: POST /predict, GET /healthz, GET /model; where allowed, POST /teach and POST /save.

The page at /docs is our own: FastAPI's loads its scripts from another machine. Requests that a web page of
another origin sends, which a browser would let it do to this machine, are refused.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from lightprobe.errors import LightprobeError, MissingExtraError
from lightprobe.html_text import render
from lightprobe.json_text import to_json
from lightprobe.photo_model import as_record
from lightprobe.serve.current_model import MOST_REASONS
from lightprobe.serve.service import Service

try:
    from fastapi import FastAPI, File, Form, HTTPException, Query, Request, UploadFile
    from fastapi.responses import FileResponse, HTMLResponse, Response
except ImportError:
    raise MissingExtraError("fastapi", "web", "serving") from None

from lightprobe.serve.access import RateGate, Rates, is_loopback, too_many
from lightprobe.serve.guard import BodyLimits, Guard
from lightprobe.serve.uploads import ROUTE


def create_app(service: Service, *, allow_teaching: bool = False, report: Path | None = None) -> FastAPI:
    """Make the application that an ASGI server runs.

    Parameters
    ----------
    service : Service
    allow_teaching : bool
        Whether POST /teach and POST /save are there.
    report : Path, optional
        A run's report, served at /report if it is there.
    """
    app = FastAPI(title="lightprobe", docs_url=None, redoc_url=None)
    limits = service.limits
    files = {"/predict": limits.body_bytes, "/teach": limits.photo_body_bytes, ROUTE: limits.body_bytes}
    rates = Rates(limits.answers_a_minute, limits.files)
    app.add_middleware(Guard, limits=BodyLimits(files))
    app.add_middleware(RateGate, rates=rates)

    @app.exception_handler(LightprobeError)
    def refuse(_request: Request, error: LightprobeError) -> Response:
        return _json({"detail": str(error)}, 422)

    @app.get("/healthz", summary="Whether the server is up.")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model", summary="What the model is: its classes, how good, on how many photos.")
    def model() -> Response:
        return _json({**service.facts, "teaching": allow_teaching})

    @app.post(
        "/predict",
        summary="The classes of photos: one or more `files`; how many classes of each, `top`; at which rate "
        "of error on known ones others are called `unknown`, such as 0.05; how many training photos "
        "for and against to name, `why`; and in which share of photos a set of labels is to hold the right "
        "one, `coverage`, such as 0.9.",
    )
    def predict(
        request: Request,
        files: list[UploadFile],
        top: Annotated[int, Query(ge=1)] = 1,
        unknown: Annotated[float | None, Query(gt=0, lt=1)] = None,
        why: Annotated[int, Query(ge=0, le=MOST_REASONS)] = 0,
        coverage: Annotated[float | None, Query(gt=0, lt=1)] = None,
    ) -> Response:
        if len(files) > service.limits.files:
            raise HTTPException(
                413, f"A request may have {service.limits.files} photos, and this has {len(files)}."
            )
        client = request.client.host if request.client else ""
        if not is_loopback(client) and (seconds := rates.take(client, len(files) - 1)):
            return too_many(seconds)
        photos = ((file.filename or "", file.file.read()) for file in files)
        answers = service.predict(photos, top, unknown=unknown, why=why, coverage=coverage)
        if all(answer.error for answer in answers):
            raise HTTPException(422, "; ".join(f"{answer.path} {answer.error}" for answer in answers) + ".")
        return _json({"predictions": [as_record(answer) for answer in answers]})

    if allow_teaching:
        # One at a time, in a thread that is no other request's: those that wait hold none that answers need.
        teacher = ThreadPoolExecutor(1, "lightprobe-teacher")

        @app.post("/teach", summary="This photo, `file`, is really a `label`: corrected or added, exactly.")
        async def teach(file: Annotated[UploadFile, File()], label: Annotated[str, Form()]) -> Response:
            content = await file.read()
            learn = partial(service.teach, file.filename or "photo", content, label)
            return _json(await asyncio.get_running_loop().run_in_executor(teacher, learn))

        @app.post("/save", summary="Write the model, with what it was taught, to its folder.")
        async def save() -> Response:
            return _json({"model": await asyncio.get_running_loop().run_in_executor(teacher, service.save)})

    if report is not None and report.is_file():

        @app.get("/report", summary="The report of the training, for people.")
        def read_report() -> FileResponse:
            return FileResponse(report, media_type="text/html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_page(app, service))

    return app


def _json(value: Mapping[str, Any], status: int = 200) -> Response:
    """Answer with JSON that any name and number can stand in."""
    return Response(to_json(value), status, media_type="application/json")


def _page(app: FastAPI, service: Service) -> str:
    """List what can be asked, from the application's own description of itself."""
    entries = [
        {"method": method.upper(), "path": path, "summary": operation["summary"]}
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return render("api", classes=service.facts["classes"], entries=entries)
