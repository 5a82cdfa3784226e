"""What the studies' rows say, a section each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lightprobe.report.page import Page, Section
from lightprobe.report.studies import backbones, layers, precision, projection, sensitivity, size
from lightprobe.report.studies.rows import Row, given, grouped
from lightprobe.report.words import count

_SECTIONS: Mapping[str, Callable[[Sequence[Row]], Section]] = {
    "layers": layers.section,
    "precision": precision.section,
    "size": size.section,
    "projection": projection.section,
    "backbones": backbones.section,
    "sensitivity": sensitivity.section,
}


def study_sections(rows: Sequence[Row]) -> list[Section]:
    """Say what every study in some rows says; the same photos and settings make one section."""
    sections = []
    for same in grouped(rows, lambda row: (row["study"], row["identity"])).values():
        usable = [row for row in same if not row.get("dropped")]
        if not usable:
            continue
        section = _SECTIONS[same[0]["study"]](same)
        networks = {row["backbone"] for row in usable}
        name = f" · {same[0]['backbone']}" if len(networks) == 1 else ""
        command = dict.fromkeys(row["command"] for row in same if row["command"])
        sections.append(replace(section, title=section.title + name, code=list(command)))
    return sections


def study_page(rows: Sequence[Row]) -> Page:
    """Make a page of nothing but studies."""
    first = next((row for row in rows if not row.get("dropped")), rows[0])
    sections = study_sections(rows)
    names = ", ".join(dict.fromkeys(row["study"] for row in rows))
    photos = ""
    if "n_train" in first:
        most = max(given(row) for row in rows if not row.get("dropped"))
        photos = f"{count(most, 'training photo')}, {count(first['n_classes'], 'class', 'classes')}"
        photos += f", {count(first['n_test'], 'test photo')}." if first["n_test"] else ", no test photos."
    title = f"What studies of {names} say" if len(sections) > 1 else f"What a study of {names} says"
    return Page(title, photos, (), sections)
