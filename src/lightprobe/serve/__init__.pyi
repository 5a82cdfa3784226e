from .actions import Desk
from .album import Album, originals
from .api import create_app
from .limits import Limits
from .page import add_page
from .server import serve
from .service import Service

__all__ = [
    "Album",
    "Desk",
    "Limits",
    "Service",
    "add_page",
    "create_app",
    "originals",
    "serve",
]
