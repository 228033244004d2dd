from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from debias.data.manifest import WINDOW_COLUMNS, Manifest, manifest_from_table
from debias.data.windows import expand_windows
from debias.errors import ConfigError, DataError

ROOT = Path("/nowhere")
WINDOW = list(WINDOW_COLUMNS)


def listed(labels: list[int | None]) -> Manifest:
    names = [f"i{k}" for k in range(len(labels))]
    table = pd.DataFrame(
        {"image_id": names, "path": names, "label": pd.array(labels, dtype="Int8")}
    )
    return manifest_from_table(table, root=ROOT)


def test_only_whole_non_faces_give_windows() -> None:
    manifest = expand_windows(listed([0, 1, None, 0]), num_windows=3, seed=0)
    ids = ["i0", "i0#w01", "i0#w02", "i1", "i2", "i3", "i3#w01", "i3#w02"]
    assert manifest.table["image_id"].tolist() == ids
    assert manifest.table["path"].tolist() == [name.split("#")[0] for name in ids]
    is_window = np.array(["#" in name for name in ids])
    assert (manifest.table["crop_side"].notna() == is_window).all()
    again = expand_windows(manifest.subset(is_window), num_windows=3, seed=0)
    assert len(again) == 4
    checked = manifest_from_table(manifest.table, root=ROOT)
    pd.testing.assert_frame_equal(checked.table, manifest.table)


def test_one_window_changes_nothing() -> None:
    manifest = listed([0, 1])
    assert expand_windows(manifest, num_windows=1, seed=0) is manifest


def test_a_window_depends_on_seed_id_and_number_alone() -> None:
    def windows(manifest: Manifest, num: int, seed: int = 0) -> pd.DataFrame:
        table = expand_windows(manifest, num_windows=num, seed=seed).table
        return table.set_index("image_id")[WINDOW]

    manifest = listed([0] * 6)
    full = windows(manifest, 4)
    fewer = windows(manifest, 3)
    pd.testing.assert_frame_equal(full.loc[fewer.index], fewer)
    some = windows(manifest.subset(np.array([False, True, False, False, True, False])), 4)
    pd.testing.assert_frame_equal(full.loc[some.index], some)
    assert not np.allclose(full.dropna(), windows(manifest, 4, seed=1).dropna())
    assert len(full.dropna().drop_duplicates()) == 18


def test_windows_are_uniform() -> None:
    table = expand_windows(listed([0] * 300), num_windows=8, seed=0, min_side=0.4).table
    for name, low in (("crop_side", 0.4), ("crop_x", 0.0), ("crop_y", 0.0)):
        values = table[name].dropna()
        assert values.between(low, 1).all()
        assert stats.kstest(values, stats.uniform(low, 1 - low).cdf).pvalue > 0.01


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        expand_windows(listed([0]), num_windows=0, seed=0)
    for side in (0.0, 1.1):
        with pytest.raises(ConfigError):
            expand_windows(listed([0]), num_windows=2, seed=0, min_side=side)


def test_an_id_that_a_window_wants_is_refused() -> None:
    manifest = listed([0, 0])
    table = manifest.table.assign(image_id=["a", "a#w01"])
    with pytest.raises(DataError, match="'a#w01'"):
        expand_windows(Manifest(root=ROOT, table=table), num_windows=2, seed=0)
