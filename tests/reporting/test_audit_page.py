from __future__ import annotations

import base64
import copy
import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reporting.sample_audits import (
    AUDITS,
    HOSTILE,
    audit_of,
    bare_audit,
    full_audit,
    hostile_audit,
    results,
    shown_audit,
    some_images,
)

from debias.audit.findings import SEVERITIES, Concerned, Finding, Severity
from debias.reporting.audit_document import in_order
from debias.reporting.audit_model_schema import ModelJson
from debias.reporting.audit_page import held_words, render_audit_page, share_bars
from debias.reporting.audit_schema import AuditJson
from debias.reporting.audit_tables import FINDING_COLUMNS, findings_tables
from debias.reporting.audit_text import headline, render_audit
from debias.reporting.picture_uris import small_uri
from debias.reporting.plain_data import plain


def found(kind: str, severity: Severity, num_images: int, **others: Any) -> Finding:
    """Return a finding."""
    words = {"subject": "s", "message": "m", "measure": "u", "value": 1.0, "limit": 1.0}
    return Finding(kind=kind, severity=severity, num_images=num_images, **{**words, **others})


def test_numbers_on_the_page_are_those_of_the_data() -> None:
    audit = full_audit()
    page = render_audit_page(audit)
    for finding in audit["findings"][:10]:
        assert f"{finding['number']}. " in page
    dark = next(
        g for g in audit["representation"][0]["groupings"][0]["groups"] if g["name"] == "dark"
    )
    assert f">{dark['num_images']}<" in page
    assert page.count("<h2") == page.count('<li><a href="#')


def test_the_tones_that_training_lacks_come_first() -> None:
    audit = full_audit()
    first = audit["findings"][0]
    assert first["kind"] == "under-represented"
    assert [f["number"] for f in audit["findings"]] == list(range(1, len(audit["findings"]) + 1))
    order = [SEVERITIES.index(each["severity"]) for each in audit["findings"]]
    assert order == sorted(order)
    assert first["message"] in render_audit(audit).replace("\n       ", " ")
    counted = sum(
        kind["num_serious"] + kind["num_warnings"] + kind["num_notes"] for kind in audit["kinds"]
    )
    assert counted == len(audit["findings"])


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_is_json_and_a_page_without_network(name: str) -> None:
    audit = AUDITS[name]()
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit
    page = render_audit_page(audit)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "None" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    assert "nan" not in re.findall(r"\bnan\b", page)


def test_names_from_data_are_text() -> None:
    page = render_audit_page(hostile_audit())
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_what_was_not_looked_for_is_said_with_its_reason() -> None:
    audit = bare_audit()
    text = render_audit(audit)
    assert "Not looked for" in text
    assert "--attributes" in text
    assert "--model RUN" in text
    assert "The latent space" not in render_audit_page(audit)


def test_nothing_found_is_said_so() -> None:
    audit = copy.deepcopy(full_audit())
    audit["findings"] = []
    assert headline(audit).startswith("Nothing found of the")
    assert "Nothing passes its limit" in render_audit_page(audit)


def test_ids_are_named_only_if_asked() -> None:
    of_some = results(some_images(), with_model=False)
    assert {each["image_ids"] is None for each in audit_of(of_some)["findings"]} == {True}
    named = [each["image_ids"] for each in audit_of(of_some, include_ids=True)["findings"]]
    assert any(ids and ids[0].startswith("i") for ids in named)
    assert all(ids is not None and len(ids) <= 20 for ids in named)


def test_bars_are_as_long_as_shares() -> None:
    grouping = full_audit()["representation"][0]["groupings"][0]
    light, dark = (next(b for b in share_bars(grouping) if b.name == n) for n in ("light", "dark"))
    shares = {g["name"]: g["share"] for g in grouping["groups"]}
    assert shares["light"] is not None
    assert shares["dark"] is not None
    ratio = (shares["light"]["value"] or 0) / (shares["dark"]["value"] or 1)
    assert light.width / dark.width == pytest.approx(ratio, rel=1e-2)
    assert dark.low < dark.width < dark.high
    assert light.reference == dark.reference


def test_a_table_of_findings_has_a_row_an_image() -> None:
    images = some_images()
    concerned = Concerned.of(
        np.array([3, 7]), values=np.array([0.5, np.nan]), others=np.array([9, -1])
    )
    some = found("near-duplicate", "note", 2, images=concerned, value=2.0)
    whole = found("association", "note", 400, value=None)
    table = pd.concat(findings_tables([some, whole], manifest=images.manifest), ignore_index=True)
    assert list(table.columns) == list(FINDING_COLUMNS)
    assert table["finding"].tolist() == [1, 1, 2]
    assert table["image_id"].tolist() == ["i3", "i7", None]
    assert table["other_image_id"].fillna("").tolist() == ["i9", "", ""]
    assert table["value"].tolist()[:2] == [0.5, 2.0]
    (nothing,) = findings_tables([], manifest=images.manifest)
    assert list(nothing.columns) == list(FINDING_COLUMNS)


def model_of(audit: AuditJson) -> ModelJson:
    """Return what the model says in an audit that has one."""
    assert audit["model"] is not None
    return audit["model"]


def test_no_face_is_shown_unless_it_may_be() -> None:
    hidden, shown = model_of(full_audit()), model_of(shown_audit())
    faces = [*hidden["rarest"], *hidden["most_common"]]
    assert len(faces) == 48
    assert {(face["picture"], face["image_id"]) for face in faces} == {(None, None)}
    page = render_audit_page(full_audit())
    assert "image/jpeg" not in page
    assert "<code>--include-images</code>" in page
    assert all(face["picture"] for face in [*shown["rarest"], *shown["most_common"]])
    page = render_audit_page(shown_audit())
    assert page.count("data:image/jpeg") == 48
    assert "--include-images" not in page
    assert "a program drew them" in page
    assert shown["rarest"][0]["image_id"] is not None
    assert f"<bdi>{shown['rarest'][0]['image_id']}</bdi>" in page


def test_a_face_is_small_and_beside_what_is_decoded_of_it() -> None:
    uri = model_of(shown_audit())["rarest"][0]["picture"] or ""
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        assert picture.size == (2 * 96, 96)
    small = small_uri(np.zeros((2, 40, 32, 3), dtype=np.uint8))
    with Image.open(io.BytesIO(base64.b64decode(small.partition(",")[2]))) as picture:
        assert picture.size == (64, 40)


def test_the_rarest_come_with_their_weights_and_reasons() -> None:
    audit = full_audit()
    model, page = model_of(audit), render_audit_page(audit)
    weights = [face["weight"] for face in model["rarest"]]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == pytest.approx(model["largest_over_mean"])
    assert weights[-1] > 1 > model["most_common"][-1]["weight"]
    assert f">{weights[0]:.2f}<" in page
    drawn = {latent["latent"] for latent in model["latents"] if latent["strip"]}
    linked = {int(number) for number in re.findall(r'href="#latent-(\d+)"', page)}
    assert linked == drawn
    assert all(f'id="latent-{latent}"' in page for latent in linked)
    (region,) = model["regions"]
    assert f"{region['num_images']} faces; {region['weight']:.1f} times" in page


def test_a_region_of_few_people_has_no_picture() -> None:
    page = render_audit_page(shown_audit())
    assert "the mean of so few people would show one of them" in page
    assert "the mean of so few people" not in render_audit_page(full_audit())


def test_one_run_says_that_it_is_one() -> None:
    page = render_audit_page(full_audit())
    assert "One run; another training may place an attribute in another latent." in page
    assert "What holds in all" not in page
    assert model_of(full_audit())["spread"] == []


def test_what_holds_in_all_runs_is_said() -> None:
    audit = shown_audit()
    page, model = render_audit_page(audit), model_of(audit)
    assert "What holds in all 2 runs" in page
    assert "One run;" not in page
    gender = next(each for each in model["spread"] if each["attribute"] == "gender")
    assert [run["latent"] for run in gender["runs"]] == [1, 4]
    low, high = (f"{100 * (gender[end] or 0):.1f}" for end in ("lowest", "highest"))
    lines = held_words(model)
    assert f"All latents together tell gender: balanced accuracy {low} to {high}\xa0%." in lines
    assert "A single latent tells gender, another one in another run." in lines
    assert all(line in page for line in lines)
    told_once = copy.deepcopy(model)
    for each in told_once["spread"]:
        each["num_told"] = each["num_carried"] = 1
    assert held_words(told_once) == []
    assert "<strong>Nothing:</strong>" in render_audit_page({**audit, "model": told_once})


def test_findings_are_ordered_by_severity_then_size() -> None:
    made = [found("junk", "note", 9), found("junk", "serious", 1), found("junk", "serious", 5)]
    assert [each.num_images for each in in_order(made)] == [5, 1, 9]


def test_plain_data_is_what_json_can_hold() -> None:
    concerned = Concerned.of(np.array([1]))
    told = plain({"a": np.float64("nan"), "b": (np.int64(3), concerned), "c": np.arange(2)})
    assert told == {"a": None, "b": [3, {"values": [None], "others": [-1]}], "c": [0, 1]}
