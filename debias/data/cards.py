"""What is to be known of data sets, as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from debias.data.catalog import AttributeSource, Definition

NOTHING: Mapping[str, str] = MappingProxyType({})
WIDTH = 88
LABEL = 13


def render_list(lines: Mapping[str, str]) -> str:
    """Return a line for each data set.

    Args:
        lines: what to say of each, by its name.
    """
    longest = max(map(len, lines))
    return "".join(f"{name:<{longest}}  {line}\n" for name, line in lines.items())


def render_card(made: Definition, *, drawn: Mapping[str, str] = NOTHING) -> str:
    """Return all that is known of a data set, in paragraphs.

    Args:
        made: the set.
        drawn: of a drawn set, what is to be said of the one named, by labels.
    """
    lines = [f"{made.name}: {made.title}", ""]
    for label, text in (
        *drawn.items(),
        ("role", made.role),
        ("homepage", made.homepage),
        ("cite", made.citation),
        ("size", made.size),
        ("source", made.source),
        ("licence", made.licence),
        ("terms", made.terms),
        ("to get it", made.access),
        ("consent", made.consent),
        ("labels", made.labels),
    ):
        lines += _paragraph(label, text)
    for attribute in made.attributes:
        lines += _paragraph(attribute.name, _attribute(attribute))
    lines += _points("biases", made.biases)
    lines += _points("layout", made.layout.expects)
    if made.layout.leave_out:
        unwanted = ", ".join(made.layout.leave_out)
        lines += _paragraph("left out here", f"{unwanted}: each {made.layout.leave_out_why}")
    lines += _points("in reading", made.layout.notes)
    return "\n".join(lines) + "\n"


def render_summary(facts: Mapping[str, Any]) -> str:
    """Return what a prepared folder holds, from what its ``data.json`` says.

    Args:
        facts: as :func:`debias.data.prepared_folder.write_prepared` returns them.
    """
    counts = facts["counts"]
    kinds = [f"{counts[name]:,} {name}" for name in ("faces", "non-faces") if counts[name]]
    splits = [f"{name} {counts[name]:,}" for name in ("train", "val", "test") if name in counts]
    people = [f"{counts['people']:,} people"] if counts["people"] else []
    lines = [f"{facts['name']}: {counts['images']:,} images"]
    lines += _paragraph("of these", ", ".join([*kinds, *people]) or "none has a label")
    lines += _paragraph("splits", ", ".join(splits) or "none published")
    said = [f"{name} ({word})" for name, word in facts["attributes"].items()]
    lines += _paragraph("attributes", ", ".join(said) or "none")
    for kept, label in ((False, "left out"), (True, "unknown")):
        some = [item for item in facts["failures"] if item["kept"] == kept]
        lines += _points(label, [f"{item['count']:,}: {item['reason']}" for item in some])
    lines += _points("note", facts.get("notes", ()))
    return "\n".join(lines) + "\n"


def _attribute(attribute: AttributeSource) -> str:
    values = f" ({', '.join(attribute.values)})" if attribute.values else ""
    return f"{attribute.provenance}{values}. {attribute.how}"


def _paragraph(label: str, text: str, mark: str = "") -> Iterator[str]:
    indent = " " * (LABEL + 2 + len(mark))
    yield from textwrap.wrap(
        f"{text}",
        width=WIDTH,
        initial_indent=f"{label:<{LABEL}}  {mark}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _points(label: str, texts: Sequence[str]) -> Iterator[str]:
    for place, text in enumerate(texts):
        yield from _paragraph(label if place == 0 else "", text, mark="- ")
