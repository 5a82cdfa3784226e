from .actions import PageActions
from .album import Album, originals
from .api import create_app
from .page import add_page
from .server import serve
from .service import Limits, Service

__all__ = [
    "Album",
    "Limits",
    "PageActions",
    "Service",
    "add_page",
    "create_app",
    "originals",
    "serve",
]
