"""A model on a page and over HTTP, on this machine; it can be taught while it answers."""

from lightprobe.serve.album import Album, originals
from lightprobe.serve.api import create_app
from lightprobe.serve.desk import Desk
from lightprobe.serve.limits import Limits
from lightprobe.serve.page import add_page
from lightprobe.serve.service import Service

__all__ = ["Album", "Desk", "Limits", "Service", "add_page", "create_app", "originals"]
