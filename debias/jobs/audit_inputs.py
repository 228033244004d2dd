"""What an audit reads: the images as they are listed, and what is known of the people shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from debias.audit.images import AuditedImages
from debias.audit.representation import named_groupings
from debias.data.attributes import NOTHING_STATED, attribute_columns, read_attributes
from debias.data.manifest import MANIFEST_COLUMNS, NAMING_COLUMNS, WINDOW_COLUMNS, Manifest
from debias.data.tables import TEXT, as_text, read_table
from debias.errors import DataError, UsageError
from debias.metrics.counts import MAX_GROUPS, group_rows

MOST_VALUES = 50
"""Of an attribute that nobody named: one of more values is rather a number or a name."""
LEAST_VALUES = 3
"""So many values a column may have in a set of whatever size; else a third of its images."""
NO_ATTRIBUTES = {*MANIFEST_COLUMNS, *WINDOW_COLUMNS, *NAMING_COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditInput:
    """What was read.

    Attributes:
        images: the image set with its attributes.
        num_without_attributes: images that have no row among the attributes.
        num_attributes_unmatched: rows of attributes that belong to none of the images.
        left_out: columns that were not taken for attributes, with the reason.
    """

    images: AuditedImages
    num_without_attributes: int
    num_attributes_unmatched: int
    left_out: Mapping[str, str]


def read_audit_input(
    manifest: Manifest,
    *,
    attributes: Path | None,
    groups: Sequence[str] = (),
    provenance: Mapping[str, str] = NOTHING_STATED,
) -> AuditInput:
    """Return the images with their attributes, joined on ``image_id``.

    Every column of the file is an attribute but those of a manifest and those with one value for
    nearly each image; columns that ``groups`` names always are.

    Args:
        manifest: the images.
        attributes: a table by ``image_id``; None where nothing is known of anybody.
        groups: the attributes whose intersections are looked at too; ``new=column`` renames.
        provenance: where the labels of each attribute come from, by its name.

    Raises:
        UsageError: groups are named without a file; or provenance is unknown.
        DataError: the file is not what it must be, no image has a row in it, or there would be
            more groups than anybody can read.
    """
    if attributes is None:
        if groups or provenance:
            raise UsageError(
                "no file says who is in which group",
                where="--groups",
                hint="Name it with --attributes",
            )
        none = pd.DataFrame(index=pd.RangeIndex(len(manifest)))
        images = AuditedImages(manifest=manifest, attributes=none, provenance={}, groups=())
        return AuditInput(
            images=images,
            num_without_attributes=len(manifest),
            num_attributes_unmatched=0,
            left_out={},
        )
    named = attribute_columns(groups) if groups else {}
    others, left_out = _other_columns(attributes, known=set(named.values()))
    known = read_attributes(
        attributes,
        columns=[*(f"{new}={old}" for new, old in named.items()), *others],
        provenance=provenance,
    )
    ids = pd.Index(manifest.table["image_id"])
    rows = known.table.index.get_indexer(ids)
    if not (rows >= 0).any():
        raise DataError(
            f"none of the {len(ids):,} images has a row here",
            where=attributes,
            hint=f"Ids look like {known.table.index[0]!r} here and like {ids[0]!r} in the manifest",
        )
    images = AuditedImages(
        manifest=manifest,
        attributes=known.table.reindex(ids).reset_index(drop=True).astype(TEXT),
        provenance=known.provenance,
        groups=tuple(named),
    )
    _refuse_many_groups(images, where=attributes)
    return AuditInput(
        images=images,
        num_without_attributes=int((rows < 0).sum()),
        num_attributes_unmatched=len(known.table) - len({*rows.tolist()} - {-1}),
        left_out=left_out,
    )


def _refuse_many_groups(images: AuditedImages, *, where: Path) -> None:
    """Refuse attributes, and crossings of the groups, of more values than anybody can read."""
    for columns in named_groupings(images):
        distinct = images.attributes.loc[images.faces, list(columns)].drop_duplicates()
        try:
            group_rows(sensitive_features=distinct, columns=columns)
        except DataError:
            values = " and ".join(f"{name} {distinct[name].nunique():,}" for name in columns)
            crossed = " together" if len(columns) > 1 else ""
            raise DataError(
                f"{values} values{crossed} make more than {MAX_GROUPS} groups",
                where=where,
                hint="Name fewer attributes with --groups, or write them in fewer bands",
            ) from None


def _other_columns(path: Path, *, known: set[str]) -> tuple[list[str], dict[str, str]]:
    """Return the columns that are attributes though nobody named them, and why others are not."""
    table = read_table(path)
    found, left_out = [], {}
    for name in (str(name) for name in table.columns):
        if name in NO_ATTRIBUTES or name in known:
            continue
        num_values = as_text(table[name]).nunique()
        num_known = int(table[name].notna().sum())
        if num_values > MOST_VALUES or num_values > max(LEAST_VALUES, num_known / 3):
            left_out[name] = (
                f"has {num_values:,} values for {num_known:,} images, as a number or a name has; "
                f"to audit it, write it in a few bands, at most {MOST_VALUES}, or name it with "
                "--groups"
            )
        elif num_values < 2:
            left_out[name] = "has one value only" if num_values else "is empty"
        else:
            found.append(name)
    return found, left_out
