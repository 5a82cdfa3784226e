"""Predicting at length: any number of photos in, one row each out, in flat memory, resumable."""

from lightprobe.bulk.photos import photo_blocks
from lightprobe.bulk.rows import FORMS, CsvForm, Form, JsonLinesForm
from lightprobe.bulk.table import Tally, Written, write_rows, write_table

__all__ = [
    "FORMS",
    "CsvForm",
    "Form",
    "JsonLinesForm",
    "Tally",
    "Written",
    "photo_blocks",
    "write_rows",
    "write_table",
]
