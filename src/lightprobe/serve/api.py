"""The service over HTTP: POST /predict, GET /healthz, GET /model; where allowed, POST /teach and POST /save.

The page at /docs is our own: FastAPI's loads its scripts from another machine. Requests that a web page of
another origin sends, which a browser would let it do to this machine, are refused.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Annotated, Any
from urllib.parse import urlsplit

from lightprobe.answers import as_record
from lightprobe.errors import LightprobeError, MissingExtraError
from lightprobe.serve.service import Service

try:
    from fastapi import FastAPI, File, Form, HTTPException, Query, Request, UploadFile
    from fastapi.responses import HTMLResponse, JSONResponse
except ImportError:
    raise MissingExtraError("fastapi", "web", "serving") from None

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>lightprobe</title>
<style>body{{font:16px/1.5 system-ui;max-width:48em;margin:2em auto;padding:0 1em}}
pre{{background:#eee;padding:1em}}</style>
<h1>lightprobe</h1><p>{classes}</p>
{entries}
<p><a href="openapi.json">openapi.json</a></p></html>"""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Guard:
    """Refuses bodies over the limit, before they are stored, and requests of foreign web pages."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        refusal = None
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            refusal = 403, f"Requests from {origin} are not answered: ask from this machine's own pages."
        elif int(headers.get("content-length", 0)) > self._limit:
            refusal = 413, self._too_large()
        if refusal is not None:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._too_large())
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> str:
        return f"A request may have {self._limit} bytes: send fewer or smaller photos."


def create_app(service: Service, *, allow_teaching: bool = False) -> FastAPI:
    """Make the application that an ASGI server runs.

    Parameters
    ----------
    service : Service
    allow_teaching : bool
        Whether POST /teach and POST /save are there.
    """
    app = FastAPI(title="lightprobe", docs_url=None, redoc_url=None)
    app.add_middleware(_Guard, limit=service.limits.body_bytes)

    @app.exception_handler(LightprobeError)
    def refuse(_request: Request, error: LightprobeError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.get("/healthz", summary="Whether the server is up.")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model", summary="What the model is: its classes, how good, on how many photos.")
    def model() -> dict[str, Any]:
        return {**service.facts, "teaching": allow_teaching}

    @app.post(
        "/predict", summary="The classes of photos: one or more `files`, and how many classes of each, `top`."
    )
    def predict(files: list[UploadFile], top: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
        if len(files) > service.limits.files:
            raise HTTPException(
                413, f"A request may have {service.limits.files} photos, and this has {len(files)}."
            )
        answers = service.predict([(file.filename or "", file.file.read()) for file in files], top)
        if all(answer.error for answer in answers):
            raise HTTPException(422, "; ".join(f"{answer.path} {answer.error}" for answer in answers) + ".")
        return {"predictions": [as_record(answer) for answer in answers]}

    if allow_teaching:

        @app.post("/teach", summary="This photo, `file`, is really a `label`: corrected or added, exactly.")
        def teach(file: Annotated[UploadFile, File()], label: Annotated[str, Form()]) -> dict[str, Any]:
            return service.teach(file.filename or "photo", file.file.read(), label)

        @app.post("/save", summary="Write the model, with what it was taught, to its folder.")
        def save() -> dict[str, str]:
            return {"model": str(service.save())}

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_page(app, service))

    return app


def _page(app: FastAPI, service: Service) -> str:
    """List what can be asked, from the application's own description of itself."""
    entries = "".join(
        f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    )
    example = "<pre>curl -F files=@one.jpg -F files=@two.jpg 'http://127.0.0.1:7860/predict?top=2'</pre>"
    return PAGE.format(classes=escape(", ".join(service.facts["classes"])), entries=entries + example)
