from .formats import FORMS, CsvForm, Form, JsonLinesForm
from .inputs import photo_blocks
from .resumable import Tally, Written, write_rows, write_table

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
