"""A model that answers over HTTP, on this machine, and can be taught while it does."""

from lightprobe.serve.api import create_app
from lightprobe.serve.limits import Limits
from lightprobe.serve.service import Service

__all__ = ["Limits", "Service", "create_app"]
