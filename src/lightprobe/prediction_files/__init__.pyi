from .copies import Copies
from .formats import FORMS, SORTS, CsvForm, Form, JsonLinesForm
from .inputs import photo_blocks
from .resumable import Tally, Written, write_rows, write_sorted, write_table

__all__ = [
    "FORMS",
    "SORTS",
    "Copies",
    "CsvForm",
    "Form",
    "JsonLinesForm",
    "Tally",
    "Written",
    "photo_blocks",
    "write_rows",
    "write_sorted",
    "write_table",
]
