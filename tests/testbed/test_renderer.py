from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from running import Python
from testbed.drawing import Bytes

from debias.errors import ConfigError, DataError
from debias.testbed import renderer
from debias.testbed.camera import develop, sensor_noise
from debias.testbed.colour import encoding_table, skin_table
from debias.testbed.factors import SEED, neutral_factors
from debias.testbed.renderer import CHUNK, render, render_files
from debias.testbed.scene import texture_atlas


def test_a_picture_depends_on_its_factors_alone(mixed: pd.DataFrame, pictures: Bytes) -> None:
    assert pictures.shape == (len(mixed), 64, 64, 3)
    assert pictures.dtype == np.uint8
    assert len(mixed) > 2 * CHUNK
    order = np.random.default_rng(0).permutation(len(mixed))
    np.testing.assert_array_equal(render(mixed.iloc[order], num_workers=1), pictures[order])
    few = [190, 3, 3]
    np.testing.assert_array_equal(render(mixed.iloc[few], num_workers=3), pictures[few])


def test_files_hold_the_same_pictures(mixed: pd.DataFrame, pictures: Bytes) -> None:
    files = list(render_files(mixed.iloc[60:70], num_workers=2))
    np.testing.assert_array_equal([develop(file) for file in files], pictures[60:70])
    assert list(render_files(mixed.iloc[60:70])) == files


def test_another_process_draws_the_same(
    mixed: pd.DataFrame, python: Python, tmp_path: Path
) -> None:
    table = tmp_path / "factors.parquet"
    mixed.iloc[::12].to_parquet(table)
    code = (
        "import hashlib, sys, pandas\n"
        "from debias.testbed.renderer import render\n"
        "factors = pandas.read_parquet(sys.argv[1])\n"
        "print(hashlib.sha256(render(factors, size=32).tobytes()).hexdigest())"
    )
    elsewhere = python(code, table)
    here = hashlib.sha256(render(mixed.iloc[::12], size=32).tobytes()).hexdigest()
    assert elsewhere.stdout.strip() == here, elsewhere.stderr


def test_the_noise_seed_decides_textures_and_noise(mixed: pd.DataFrame, pictures: Bytes) -> None:
    some = mixed.iloc[:6].assign(**{SEED: mixed[SEED].iloc[:6] + 1})
    differs = (render(some) != pictures[:6]).any(axis=-1).mean(axis=(1, 2))
    assert (differs > 0.2).all()


def test_any_whole_number_below_2_to_63_is_a_noise_seed() -> None:
    seeds = [0, 1, 2**32, 2**53 + 1, 2**53 + 2, 2**63 - 1]
    found = render(neutral_factors(len(seeds), noise_seed=seeds, noise=10))
    assert len({picture.tobytes() for picture in found}) == len(seeds)


@pytest.mark.parametrize("size", [33, 128])
def test_sizes_show_the_same_scene(size: int, mixed: pd.DataFrame) -> None:
    chosen = mixed.iloc[[0, 2, 100]].assign(noise=0.0, scene_contrast=0.0, jpeg=95.0)
    found = render(chosen, size=size)
    assert found.shape == (3, size, size, 3)
    for first, second in zip(render(chosen), found, strict=True):
        small = [np.asarray(Image.fromarray(seen).resize((16, 16))) for seen in (first, second)]
        assert np.abs(small[0].astype(int) - small[1]).mean() < 8


def test_the_least_and_the_greatest_size_are_allowed() -> None:
    assert render(neutral_factors(2), size=16).shape == (2, 16, 16, 3)
    assert render(neutral_factors(0), size=512).shape == (0, 512, 512, 3)


@pytest.mark.parametrize("size", [0, 15, 513, 64.5, 64.0, math.nan])
def test_other_sizes_are_refused(size: float) -> None:
    for draw in (render, render_files):
        with pytest.raises(ConfigError, match=f"size is {size}.*whole number of pixels, 16 to 512"):
            draw(neutral_factors(1), size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("num_workers", [0, -2])
def test_no_thread_cannot_draw(num_workers: int) -> None:
    for draw in (render, render_files):
        with pytest.raises(ConfigError, match=f"num_workers is {num_workers}. At least one"):
            draw(neutral_factors(1), num_workers=num_workers)


def test_what_threads_share_is_built_once_and_before_them() -> None:
    shared = [texture_atlas, encoding_table, skin_table, sensor_noise]
    for table in shared:
        table.cache_clear()
    assert list(render_files(neutral_factors(0), size=16)) == []
    assert [table.cache_info().currsize for table in shared] == [0, 0, 0, 0]
    files = render_files(neutral_factors(3 * CHUNK, noise=2), size=16, num_workers=3)
    assert [table.cache_info().currsize for table in shared] == [1, 1, 1, 1]
    assert len(list(files)) == 3 * CHUNK
    assert [table.cache_info().misses for table in shared] == [1, 1, 1, 1]


def test_wrong_factors_are_refused_before_anything_is_drawn() -> None:
    factors = neutral_factors(200)
    factors.loc[199, "yaw"] = 99
    for draw in (render, render_files):
        with pytest.raises(DataError, match=r"yaw is 99 in image 199.*-60 to 60"):
            draw(factors)
        with pytest.raises(DataError, match="lack 'tone'"):
            draw(factors.drop(columns="tone"))


def test_the_camera_is_set_by_the_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: list[dict[str, float]] = []

    def note(pixels: Bytes, **options: float) -> bytes:
        settings.append(options)
        return b""

    monkeypatch.setattr(renderer, "take_picture", note)
    factors = neutral_factors(1, blur=1.5, noise=4, jpeg=70.4)
    for size in (32, 200):  # the lens blurs the same share of any picture
        assert list(render_files(factors, size=size, num_workers=1)) == [b""]
        set_to = settings.pop()
        assert set_to["blur"] == pytest.approx(0.015 * size)
        assert (set_to["noise"], set_to["quality"]) == (4, 70)


def test_no_factors_give_no_pictures() -> None:
    empty = neutral_factors(1).iloc[:0]
    assert render(empty, size=32).shape == (0, 32, 32, 3)
    assert list(render_files(empty)) == []


def test_channels_are_red_green_blue() -> None:
    (pixels,) = render(neutral_factors(1, tone=7, hair=0, blur=0))
    cheek = pixels[36:40, 24:27].reshape(-1, 3).mean(axis=0)
    assert cheek[0] > cheek[1] + 20 > cheek[2] + 30
