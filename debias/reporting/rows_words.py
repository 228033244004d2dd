"""Which rows were judged, in words, as a page, a terminal and a model card say it."""

from __future__ import annotations

from debias.reporting.report_words import number_of_rows
from debias.reporting.schema import AttributeJson, ReportJson


def faces_words(report: ReportJson) -> str:
    """Return how many faces there are, and of how many persons as far as that is known."""
    rows = report["rows"]
    faces = number_of_rows(rows["num_faces"])
    if not rows["num_faces"]:
        return faces
    if rows["num_persons"] is None:
        return f"{faces}; it is not known which show the same person"
    persons = _counted(rows["num_persons"], "person")
    if rows["num_faces_identified"] == rows["num_faces"]:
        return f"{faces} of {persons}"
    identified = number_of_rows(rows["num_faces_identified"])
    return f"{faces}, of which {identified} have an identity_id ({persons})"


def negatives_words(report: ReportJson) -> str:
    """Return how many negatives there are, and from how many pictures where some share one."""
    rows = report["rows"]
    negatives = number_of_rows(rows["num_negatives"])
    if rows["num_pictures"] == rows["num_negatives"]:
        return negatives
    return f"{negatives} from {_counted(rows['num_pictures'], 'picture')}"


def join_words(report: ReportJson) -> str | None:
    """Return how faces and rows of attributes met; None where no attribute was named."""
    join = report["join"]
    if join is None:
        return None
    if not any(item["role"] == "attributes" for item in report["inputs"]):
        return "given with the predictions, row by row"
    matched = f"{_counted(join['num_faces_matched'], 'face')} found in the file of attributes"
    if join["num_faces_unmatched"]:
        unmatched = number_of_rows(join["num_faces_unmatched"])
        matched += f"; {unmatched} not found there, so that their groups are unknown"
    if join["num_attributes_unmatched"]:
        rows = _counted(join["num_attributes_unmatched"], "row")
        matched += f"; {rows} of attributes of images that were not judged"
    return matched


def labels_words(report: ReportJson, attribute: AttributeJson) -> str:
    """Return where labels come from, and the column that stands for them where it is renamed.

    ``proxy: column race`` for ``skin_tone=race``.
    """
    source = attribute["provenance"]
    source = "of unknown origin" if source == "unknown" else source
    column = _columns(report).get(attribute["name"], attribute["name"])
    return source if column == attribute["name"] else f"{source}: column {column}"


def _columns(report: ReportJson) -> dict[str, str]:
    """Return the columns of the attributes that are called otherwise in the report."""
    settings = report["settings"]
    named = [text.partition("=") for key in ("groups", "within") for text in settings.get(key, [])]
    return {new.strip(): old.strip() for new, equals, old in named if equals}


def _counted(number: int, word: str) -> str:
    return f"{number_of_rows(number)} {word if number == 1 else word + 's'}"
