"""An audit's results to the plain data of ``audit.json``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from debias.audit.findings import KINDS, SEVERITIES, Finding
from debias.audit.group_shares import RepresentationSettings
from debias.audit.images import AuditedImages
from debias.audit.results import AuditResults
from debias.audit.suggested_weights import SuggestedWeights
from debias.reporting.audit_group_document import quality_json, representation_json
from debias.reporting.audit_model_document import model_json
from debias.reporting.audit_schema import (
    AUDIT_SCHEMA_VERSION,
    AuditedAttributeJson,
    AuditedJson,
    AuditInputJson,
    AuditJson,
    CopiesJson,
    FindingJson,
    KindJson,
    SplitJson,
    WeightsJson,
)
from debias.reporting.plain_data import plain

NO_SPLIT = "none"
NUM_IDS = 20
"""So many images of a finding are named, where ids were asked for; ``findings.csv`` has all."""


def audit_json(
    results: AuditResults,
    *,
    facts: Mapping[str, Any],
    chosen: str,
    left_out: Mapping[str, str],
    num_without_attributes: int,
    num_attributes_unmatched: int,
    inputs: Sequence[tuple[str, Path]],
    include_ids: bool,
) -> AuditJson:
    """Return all that an audit found as plain data.

    Args:
        results: what was found.
        facts: what made it; see :func:`debias.rundir.provenance`.
        chosen: which rows of the manifest, in words.
        left_out: columns of attributes that were not audited, and why.
        num_without_attributes: images that have no row among the attributes.
        num_attributes_unmatched: rows of attributes that belong to none of the images.
        inputs: role and path of every file and folder that was read.
        include_ids: name the first images of each finding, and the rarest faces.
    """
    findings = in_order(results.findings)
    ids = results.images.manifest.table["image_id"] if include_ids else None
    weights = results.weights
    return {
        "schema_version": AUDIT_SCHEMA_VERSION,
        "job": "audit",
        "created": facts["created"],
        "versions": facts["versions"],
        "platform": facts["platform"],
        "settings": facts["settings"],
        "inputs": [_input_json(role, path) for role, path in inputs],
        "images": audited_json(
            results.images,
            chosen=chosen,
            num_readable=int(results.measured.readable.sum()),
            num_without_attributes=num_without_attributes,
            num_attributes_unmatched=num_attributes_unmatched,
            left_out=left_out,
        ),
        "kinds": kinds_json(findings, not_checked=results.not_checked),
        "findings": findings_json(findings, image_ids=ids),
        "representation": [
            representation_json(each, settings=RepresentationSettings())
            for each in results.representation
        ],
        "associations": plain(results.associations.pairs),
        "quality": [quality_json(each) for each in results.quality.groups],
        "copies": _copies_json(results),
        "skin_tones": plain(results.skin_tones),
        "model": None if results.model is None else model_json(results.model, image_ids=ids),
        "weights": None if weights is None else _weights_json(weights),
    }


def _input_json(role: str, path: Path) -> AuditInputJson:
    """Return a file's name and digest; the folders above may tell whose machine it was."""
    digest = None
    if path.is_file():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"role": role, "path": path.name or ".", "sha256": digest}


def _copies_json(results: AuditResults) -> CopiesJson:
    copies, leakage = results.duplicates, results.leakage
    pairs = copies.embedding_pairs
    return {
        "num_compared": copies.num_compared,
        "num_plain": copies.num_plain,
        "exact": plain(copies.exact),
        "near": plain(copies.near),
        "across_splits": plain(copies.across_splits),
        "groups_by_splits": dict(copies.groups_by_splits),
        "conflicts": {name: plain(counts) for name, counts in copies.conflicts.items()},
        "num_embedding_pairs": None if pairs is None else len(pairs.first),
        "num_people": leakage.num_people,
        "num_torn_people": leakage.num_torn_people,
        "people_by_splits": leakage.people_by_splits,
    }


def _weights_json(weights: SuggestedWeights) -> WeightsJson:
    return {
        "base": weights.base,
        "num_kept": weights.num_kept,
        "num_excluded": weights.num_excluded,
        "num_listed": weights.num_listed,
        "effective_sample_size": weights.effective_sample_size,
        "largest_over_mean": weights.largest_over_mean,
        "shares": plain(weights.shares),
    }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as they are numbered: by severity, then by kind, then the largest first."""
    kinds = list(KINDS)
    return sorted(
        findings,
        key=lambda each: (
            SEVERITIES.index(each.severity),
            kinds.index(each.kind),
            -each.num_images,
            each.subject,
        ),
    )


def findings_json(
    findings: Sequence[Finding], *, image_ids: pd.Series[str] | None
) -> list[FindingJson]:
    """Return findings, numbered.

    Args:
        findings: in the order of :func:`in_order`.
        image_ids: of all audited images; None names nobody.
    """
    return [
        {
            "number": number,
            "kind": each.kind,
            "severity": each.severity,
            "subject": each.subject,
            "message": each.message,
            "measure": each.measure,
            "value": each.value,
            "limit": each.limit,
            "p_value": each.p_value,
            "num_images": each.num_images,
            "image_ids": None
            if image_ids is None
            else image_ids.iloc[each.images.rows[:NUM_IDS]].tolist(),
        }
        for number, each in enumerate(findings, start=1)
    ]


def kinds_json(findings: Sequence[Finding], *, not_checked: Mapping[str, str]) -> list[KindJson]:
    """Return what was looked for, and how much of it was found.

    Args:
        findings: all.
        not_checked: by kind, why it was not looked for.
    """
    counts = Counter((each.kind, each.severity) for each in findings)
    return [
        {
            "kind": name,
            "title": kind.title,
            "meaning": kind.meaning,
            "advice": kind.advice,
            "checked": name not in not_checked,
            "reason": not_checked.get(name),
            "num_serious": counts[name, "serious"],
            "num_warnings": counts[name, "warning"],
            "num_notes": counts[name, "note"],
        }
        for name, kind in KINDS.items()
    ]


def audited_json(
    images: AuditedImages,
    *,
    chosen: str,
    num_readable: int,
    num_without_attributes: int,
    num_attributes_unmatched: int,
    left_out: Mapping[str, str],
) -> AuditedJson:
    """Return what was looked at.

    Args:
        images: the set.
        chosen: which rows of the manifest, in words.
        num_readable: images that could be decoded.
        num_without_attributes: images that have no row among the attributes.
        num_attributes_unmatched: rows of attributes that belong to none of the images.
        left_out: columns that were not audited, and why.
    """
    table = images.manifest.table
    split = table["split"].fillna(NO_SPLIT)
    label = table["label"]
    names = [name for name in ("train", "val", "test", NO_SPLIT) if (split == name).any()]
    splits: list[SplitJson] = [
        {
            "split": name,
            "num_faces": int((images.faces & (split == name)).sum()),
            "num_non_faces": int(((split == name) & (label == 0).fillna(False)).sum()),
            "num_unlabelled": int(((split == name) & label.isna()).sum()),
        }
        for name in names
    ]
    return {
        "chosen": chosen,
        "num_images": len(images),
        "num_readable": num_readable,
        "num_faces": int(images.faces.sum()),
        "num_pictures": int(table["path"].nunique()),
        "num_persons": int(table["identity_id"].nunique()) if images.knows_persons else None,
        "splits": splits,
        "attributes": [_attribute_json(images, str(name)) for name in images.attributes.columns],
        "num_without_attributes": num_without_attributes,
        "num_attributes_unmatched": num_attributes_unmatched,
        "left_out": dict(left_out),
    }


def _attribute_json(images: AuditedImages, name: str) -> AuditedAttributeJson:
    values = images.attributes.loc[images.faces, name]
    return {
        "name": name,
        "provenance": images.provenance[name],
        "is_group": name in images.groups,
        "num_values": int(values.nunique()),
        "num_known": int(values.notna().sum()),
        "num_unknown": int(values.isna().sum()),
    }
