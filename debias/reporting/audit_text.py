"""An audit in the terminal: what was looked at, and what was found."""

from __future__ import annotations

from collections.abc import Iterator

from debias.audit.findings import SEVERITIES
from debias.reporting.audit_schema import AuditedJson, AuditJson, FindingJson, KindJson
from debias.reporting.cells import clean, wrapped

MOST_OF_A_KIND = 3
"""Findings of one kind and severity that are written out; the page has all."""
ALL_FACES = "No image has a label: all are taken as faces."
HEADINGS = {"serious": "Serious", "warning": "Warnings", "note": "Notes"}


def render_audit(audit: AuditJson) -> str:
    """Return an audit as text.

    Args:
        audit: the content of ``audit.json``.
    """
    return "\n".join(_lines(audit)) + "\n"


def headline(audit: AuditJson) -> str:
    """Return what the audit comes to, in a sentence."""
    counts = {
        severity: sum(each["severity"] == severity for each in audit["findings"])
        for severity in SEVERITIES
    }
    checked = sum(each["checked"] for each in audit["kinds"])
    if not audit["findings"]:
        return f"Nothing found of the {checked} kinds of defects that were looked for."
    parts = [
        _counted(counts["serious"], "serious finding"),
        _counted(counts["warning"], "warning"),
        _counted(counts["note"], "note"),
    ]
    return ", ".join(part for part in parts if part) + f" ({checked} kinds of defects looked for)."


def takes_all_as_faces(images: AuditedJson) -> bool:
    """Return whether no image has a label, so that all are taken as faces.

    Args:
        images: what was looked at.
    """
    return images["num_images"] == sum(part["num_unlabelled"] for part in images["splits"])


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}" if count else ""


def _lines(audit: AuditJson) -> Iterator[str]:
    images = audit["images"]
    yield (
        f"{images['num_images']:,} images, {images['num_readable']:,} readable, "
        f"{images['num_faces']:,} faces: {clean(images['chosen'])}"
    )
    if takes_all_as_faces(images):
        yield f"  {ALL_FACES}"
    for one in images["attributes"]:
        unknown = f", unknown of {one['num_unknown']:,}" if one["num_unknown"] else ""
        yield f"  {clean(one['name'])}: {one['num_values']} values{unknown} ({one['provenance']})"
    for name, reason in images["left_out"].items():
        yield from wrapped(f"{name} is not audited: {reason}", first="  ")
    yield ""
    yield from wrapped(headline(audit), first="")
    kinds = {each["kind"]: each for each in audit["kinds"]}
    for severity in SEVERITIES:
        found = [each for each in audit["findings"] if each["severity"] == severity]
        if found:
            yield ""
            yield HEADINGS[severity]
            yield from _of_severity(found, kinds)
    missing = [each for each in audit["kinds"] if not each["checked"]]
    if missing:
        yield ""
        yield "Not looked for"
        for reason in dict.fromkeys(str(each["reason"]) for each in missing):
            titles = [each["title"] for each in missing if each["reason"] == reason]
            yield from wrapped(f"{'; '.join(titles)}: {reason}", first="  ")


def _of_severity(found: list[FindingJson], kinds: dict[str, KindJson]) -> Iterator[str]:
    for name, kind in kinds.items():
        alike = [each for each in found if each["kind"] == name]
        for each in alike[:MOST_OF_A_KIND]:
            yield from wrapped(each["message"], first=f"  {each['number']:>3}  ")
        if len(alike) > MOST_OF_A_KIND:
            more = len(alike) - MOST_OF_A_KIND
            yield f"       and {more} more of this kind ({kind['title'].lower()})"
        if alike:
            yield from wrapped(kind["advice"], first="       -> ")
