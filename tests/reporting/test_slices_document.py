from __future__ import annotations

import json
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest

from debias.audit.slices import Slices, find_slices
from debias.reporting.schema import SliceAttributeJson, SliceJson, SlicesJson
from debias.reporting.slices_document import slices_json

NUM_IMAGES = 600


@pytest.fixture(scope="module")
def found() -> Slices:
    """One region that stands apart, where errors are common and everybody wears a hat."""
    rng = np.random.default_rng(0)
    inside = np.arange(NUM_IMAGES) < 100
    embedding = rng.normal(size=(NUM_IMAGES, 4)) + 12.0 * inside[:, None]
    return find_slices(
        embedding=embedding,
        errors=rng.random(NUM_IMAGES) < np.where(inside, 0.6, 0.05),
        generator=np.random.default_rng(1),
        sensitive_features=pd.DataFrame({"hat": np.where(inside, "yes", "no")}),
    )


def test_slices_become_plain_data_of_the_schema(found: Slices) -> None:
    data = slices_json(found, embedding="latents.npz", target_fpr=0.01, threshold=0.7)
    assert data.keys() == get_type_hints(SlicesJson).keys()
    assert (data["embedding"], data["target_fpr"], data["threshold"]) == ("latents.npz", 0.01, 0.7)
    assert (data["num_dimensions"], data["num_images"]) == (4, NUM_IMAGES)
    assert data["num_candidates"] == found.num_candidates > 0
    assert [each["name"] for each in data["slices"]] == [
        f"slice {k + 1}" for k in range(len(found.slices))
    ]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_a_slice_says_what_was_found(found: Slices) -> None:
    first, source = (
        slices_json(found, embedding="e", target_fpr=None, threshold=None)["slices"][0],
        found.slices[0],
    )
    assert first.keys() == get_type_hints(SliceJson).keys()
    assert first["num_images"] == len(source.inside)
    assert first["error_rate"]["value"] == source.error_rate.value
    assert first["error_rate_elsewhere"]["value"] == source.error_rate_elsewhere.value
    assert (first["low"], first["high"]) == (source.low, source.high)
    assert first["adjusted_p_value"] == source.adjusted_p_value
    (hat,) = first["attributes"]
    assert hat.keys() == get_type_hints(SliceAttributeJson).keys()
    assert (hat["name"], hat["value"]) == ("hat", "yes")
    assert hat["share"] > 0.9 > 0.1 > hat["share_elsewhere"]


def test_images_are_named_only_if_they_may_be(found: Slices) -> None:
    unnamed = slices_json(found, embedding="e", target_fpr=None, threshold=None)
    assert all(each["image_ids"] == [] for each in unnamed["slices"])
    names = [f"i{k}" for k in range(NUM_IMAGES)]
    named = slices_json(found, embedding="e", target_fpr=None, threshold=None, image_ids=names)
    for each, source in zip(named["slices"], found.slices, strict=True):
        assert each["image_ids"] == [f"i{k}" for k in source.midst]


def test_nothing_found_is_an_empty_list() -> None:
    nothing = find_slices(
        embedding=np.random.default_rng(0).normal(size=(100, 2)),
        errors=np.zeros(100),
        generator=np.random.default_rng(0),
    )
    data = slices_json(nothing, embedding="e", target_fpr=0.01, threshold=0.5)
    assert (data["slices"], data["num_candidates"]) == ([], 0)
