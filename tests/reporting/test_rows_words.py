from __future__ import annotations

from reporting.sample_reports import changed, empty_report, full_report, overall_report

from debias.reporting.rows_words import faces_words, join_words, negatives_words
from debias.reporting.schema import ReportJson


def with_rows(**parts: object) -> ReportJson:
    """Return a sample whose rows are of another number."""
    report = full_report()
    return changed(report, rows={**report["rows"], **parts})


def test_faces_are_of_persons_as_far_as_that_is_known() -> None:
    assert faces_words(full_report()) == "3,932 of 1,966 persons"
    part = with_rows(num_faces_identified=40, num_persons=1)
    assert faces_words(part) == "3,932, of which 40 have an identity_id (1 person)"
    nobody = with_rows(num_faces_identified=0, num_persons=None)
    assert faces_words(nobody) == "3,932; it is not known which show the same person"
    assert faces_words(empty_report()) == "0"


def test_pictures_are_named_where_negatives_share_some() -> None:
    assert negatives_words(full_report()) == "20,000 from 2,000 pictures"
    assert negatives_words(with_rows(num_pictures=20_000)) == "20,000"
    assert negatives_words(with_rows(num_pictures=1)) == "20,000 from 1 picture"
    assert negatives_words(with_rows(num_negatives=0, num_pictures=0)) == "0"


def test_the_join_is_told_where_there_was_one() -> None:
    report = full_report()
    assert join_words(report) == (
        "3,927 faces found in the file of attributes; 5 not found there, so that their groups are "
        "unknown; 3 rows of attributes of images that were not judged"
    )
    assert join_words(overall_report()) is None
    assert report["join"] is not None
    whole = {**report["join"], "num_faces_unmatched": 0, "num_attributes_unmatched": 0}
    assert join_words(changed(report, join=whole)) == "3,927 faces found in the file of attributes"
    alone = changed(
        report, inputs=[item for item in report["inputs"] if "attr" not in item["role"]]
    )
    assert join_words(alone) == "given with the predictions, row by row"
