from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from running import Python
from testbed.drawing import Mask, Sketch, plain_factors
from testbed.scene_making import (
    Layer,
    bar,
    ground,
    head,
    hides,
    pixels_of,
    rendered,
    scenes_of,
)

from debias.errors import ConfigError, DataError
from debias.testbed import renderer
from debias.testbed.attire import paint_figure
from debias.testbed.camera import develop
from debias.testbed.canvas import Frame
from debias.testbed.head import place_on_head
from debias.testbed.person import Grain, paint_person
from debias.testbed.population import Population, draw_faces, draw_non_faces
from debias.testbed.renderer import read_factors, render_files
from debias.testbed.scene_heads import own_surface, paint_head
from debias.testbed.scene_layers import HEAD_KINDS
from debias.testbed.scene_renderer import CHUNK, RenderedScene, render_scenes
from debias.testbed.scenes import Scenes, SceneSet, draw_scenes

SIZE = (96, 80)
SMALL = SceneSet(name="small", summary="a few", pictures=(19, 1, 1), sides=(64, 128))


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes(SMALL, seed=3)


@pytest.fixture(scope="module")
def drawn(scenes: Scenes) -> list[RenderedScene]:
    return list(render_scenes(scenes, num_workers=2))


def same(first: RenderedScene, second: RenderedScene) -> bool:
    return (
        first.file == second.file
        and np.array_equal(first.boxes, second.boxes)
        and np.array_equal(first.visible, second.visible)
    )


def test_pictures_are_as_large_as_asked_and_have_a_box_a_face(
    scenes: Scenes, drawn: list[RenderedScene]
) -> None:
    assert len(drawn) == len(scenes.pictures) > 2 * CHUNK
    counts = scenes.faces()["image_id"].value_counts()
    for row, scene in zip(scenes.pictures.to_dict("records"), drawn, strict=True):
        assert develop(scene.file).shape == (row["height"], row["width"], 3)
        assert scene.boxes.shape == (counts.get(row["image_id"], 0), 4)
        assert scene.visible.shape == scene.boxes.shape[:1]
        x, y, width, height = scene.boxes.T
        assert (np.minimum(x, y) >= 0).all()
        assert (np.minimum(width, height) >= 1).all()
        assert (x + width <= row["width"]).all()
        assert (y + height <= row["height"]).all()
        assert ((scene.visible >= 0) & (scene.visible <= 1)).all()


def test_a_scene_depends_on_its_layers_alone(scenes: Scenes, drawn: list[RenderedScene]) -> None:
    order = np.random.default_rng(0).permutation(len(drawn))
    ids = scenes.pictures["image_id"].iloc[order].tolist()
    again = render_scenes(scenes.only(ids), num_workers=1)
    assert all(same(drawn[k], scene) for k, scene in zip(order, again, strict=True))
    few = [int(order[0]), 2]
    some = scenes.only([scenes.pictures["image_id"].iloc[k] for k in few])
    assert all(same(drawn[k], scene) for k, scene in zip(few, render_scenes(some), strict=True))


def test_another_process_draws_the_same(drawn: list[RenderedScene], python: Python) -> None:
    code = (
        "import hashlib\n"
        "from debias.testbed.scenes import SceneSet, draw_scenes\n"
        "from debias.testbed.scene_renderer import render_scenes\n"
        "some = SceneSet(name='', summary='', pictures=(9, 1, 1), sides=(64, 128))\n"
        "found = hashlib.sha256()\n"
        "for scene in list(render_scenes(draw_scenes(some, seed=3)))[:9]:\n"
        "    found.update(scene.file + scene.boxes.tobytes() + scene.visible.tobytes())\n"
        "print(found.hexdigest())"
    )
    here = hashlib.sha256()
    for scene in drawn[:9]:
        here.update(scene.file + scene.boxes.tobytes() + scene.visible.tobytes())
    elsewhere = python(code)
    assert elsewhere.stdout.strip() == here.hexdigest(), elsewhere.stderr


def test_a_head_whose_frame_is_the_picture_is_the_picture_of_a_face() -> None:
    faces = draw_faces(Population(), range(10), seed=4)
    others = draw_non_faces(range(10), seed=4, kinds=HEAD_KINDS)
    frame = (0.0, 0.0, 128.0)
    stacks = []
    for table in (faces, others):
        for k in range(len(table)):
            behind = Layer(
                kind="ground", frame=frame, factors=table.iloc[[k]], half_width=2.0, half_height=2.0
            )
            stacks.append([behind, replace(behind, kind=table.get("kind", ["face"] * 10)[k])])
    wanted = render_files(pd.concat([faces, others], ignore_index=True), size=128)
    for scene, file in zip(rendered((128, 128), *stacks), wanted, strict=True):
        assert scene.file == file


def outline(factors: pd.DataFrame, layer: Layer, rows: NDArray[np.int64]) -> Mask:
    """Return which pixels have their middle within the outline of a head, (row, row)."""
    f = factors.astype(np.float64).iloc[0]
    left, top, size = layer.frame
    x = ((rows + 0.5 - left) * 2 / size - 1 - f["shift_x"]) / f["scale"]
    y = ((rows + 0.5 - top) * 2 / size - 1 - f["shift_y"]) / f["scale"]
    turn = np.radians(f["roll"])
    across = x[None] * np.cos(turn) + y[:, None] * np.sin(turn)
    down = y[:, None] * np.cos(turn) - x[None] * np.sin(turn)
    low = np.clip(down, 0, 1)
    half = f["face_width"] * (
        1 + low * (1 - low) * f["jaw_squareness"] - low**2 * f["jaw_taper"]
    ) * np.sqrt(np.clip(1 - down**2, 0, None))  # fmt: skip
    inside: Mask = np.abs(across) < half
    return inside


heads = {
    "face_width": st.floats(0.62, 0.92),
    "jaw_squareness": st.floats(0, 0.6),
    "jaw_taper": st.floats(0, 0.35),
    "yaw": st.floats(-60, 60),
    "roll": st.floats(-180, 180),
    "scale": st.floats(0.2, 3),
    "shift_x": st.floats(-1, 1),
    "shift_y": st.floats(-1, 1),
}


@given(
    values=st.fixed_dictionaries(heads),
    place=st.tuples(st.floats(-20, 60), st.floats(-20, 60)),
    height=st.floats(4, 60),
)
@settings(max_examples=60, deadline=None)
def test_the_unclipped_box_is_that_of_the_outline(
    values: dict[str, float], place: tuple[float, float], height: float
) -> None:
    layer = head(*place, height, **values)
    frame = Frame(*layer.frame)
    record = read_factors(layer.factors, np.array([frame.size])).records[0]
    owners = np.zeros((40, 50), dtype=np.int64)
    found = own_surface(owners, 7, record, frame)
    rows = np.arange(-100, 140)
    mask = outline(layer.factors, layer, rows)
    count = mask.sum()
    # A middle that lies on the outline but for the rounding of factors may count either way.
    assert abs(found.num_pixels - count) <= 1
    down, across = (rows[np.flatnonzero(mask.any(axis=axis))] for axis in (1, 0))
    wanted = (across[0], down[0], across[-1] + 1, down[-1] + 1)
    if found.num_pixels == count:
        assert found[:4] == wanted
    inside = mask[100:140, 100:150]
    assert np.count_nonzero((owners == 7) != inside) <= abs(found.num_pixels - count)


@pytest.mark.parametrize("roll", [0, 90])
def test_a_box_ends_where_the_head_ends(roll: int, sharp: Sketch) -> None:
    """The background shows through just beyond; ears stick out on the sides."""
    layer = head(47.3, 41.6, 44.4, roll=roll, jaw_taper=0.2)
    hidden = hides(SIZE, layer)
    (scene,) = rendered(SIZE, [ground(SIZE), layer])
    x, y, width, height = scene.boxes[0]
    across, down = (np.flatnonzero(hidden.any(axis=axis)) for axis in (0, 1))
    if roll == 0:
        assert (y, y + height - 1) == (down[0], down[-1])
        assert across[0] < x < x + width - 1 < across[-1]
        assert width == pytest.approx(44.4 * 0.76, abs=1)
    else:
        assert (x, x + width - 1) == (across[0], across[-1])
        assert down[0] < y < y + height - 1 < down[-1]
    assert scene.visible.tolist() == [1.0]


def test_what_a_face_wears_changes_neither_its_box_nor_what_is_seen_of_it() -> None:
    plain = head(48, 40, 40)
    worn: list[dict[str, float]] = [
        {"hair": 1, "hair_volume": 0.3, "hair_length": 2},
        {"hat": 1, "brim": 1},
    ]
    worn += [{"glasses": 1, "lens_dark": 1}, {"body": 1}, {"beard": 1, "moustache": 1}]
    stacks = [[ground(SIZE), replace(plain, factors=plain.factors.assign(**one))] for one in worn]
    (first, *others) = rendered(SIZE, [ground(SIZE), plain], *stacks)
    for scene in others:
        np.testing.assert_array_equal(scene.boxes, first.boxes)
        assert scene.visible.tolist() == [1.0]


def test_half_of_a_face_behind_a_bar_is_seen() -> None:
    face = head(48, 40, 40)
    front = [bar(0, 0, 48, 80), bar(0, 40, 96, 40), bar(28, 20, 40, 40), bar(0, 0, 20, 80)]
    scenes = rendered(SIZE, *([ground(SIZE), face, one] for one in front))
    seen = [float(scene.visible[0]) for scene in scenes]
    assert seen == [0.5, pytest.approx(0.5, abs=0.01), 0.0, 1.0]
    assert len({tuple(scene.boxes[0]) for scene in scenes}) == 1


@pytest.mark.parametrize(("x", "y"), [(0, 40), (96, 40), (48, 0), (48, 80)])
def test_half_of_a_face_at_the_edge_is_seen(x: int, y: int) -> None:
    (whole,), (cut,) = (
        rendered(SIZE, [ground(SIZE), head(*place, 40, jaw_taper=0)])
        for place in ((48, 40), (x, y))
    )
    assert float(cut.visible[0]) == pytest.approx(0.5, abs=0.01)
    moved = whole.boxes[0] + [x - 48, y - 40, 0, 0]
    low, high = np.maximum(moved[:2], 0), np.minimum(moved[:2] + moved[2:], SIZE)
    np.testing.assert_array_equal(cut.boxes[0], [*low, *(high - low)])


def seen_behind(face: Layer, front: Layer) -> tuple[float, float, float]:
    """Return the share of a face that is seen, no relative error, and that of three pixels.

    Pixels half of which are covered may count either way: bytes do not tell.
    """
    surface = outline(face.factors, face, np.arange(96))[:80]
    return 1 - (hides(SIZE, front) & surface).sum() / surface.sum(), 0.0, 3 / surface.sum()


@pytest.mark.parametrize("kind", ["face", "blank"])
def test_what_is_seen_of_a_face_behind_another_person(kind: str, sharp: Sketch) -> None:
    """What the nearer one covers, with hair, hat and body, is not seen; the rest is."""
    far = head(40, 30, 40)
    person: dict[str, object] = {
        "hair": 1,
        "hair_length": 1,
        "hair_volume": 0.2,
        "body": 1,
        "hat": 1,
        "brim": 1,
    }
    for x, y in ((60, 50), (45, 32), (72, 24), (40, 23)):
        near = replace(head(x, y, 44, **person), kind=kind)
        (scene,) = rendered(SIZE, [ground(SIZE), far, near])
        assert scene.visible[0] == pytest.approx(*seen_behind(far, near))
        assert len(scene.visible) == (2 if kind == "face" else 1)
        assert (scene.visible[1:] == 1).all()


def test_a_hand_hides_what_it_covers(sharp: Sketch) -> None:
    face = head(48, 34, 50)
    factors = plain_factors(1, tone=9)
    hand = Layer(kind="hand", frame=(20.0, 20.0, 44.0), factors=factors, turn=20.0)
    (scene,) = rendered(SIZE, [ground(SIZE), face, hand])
    assert scene.visible[0] == pytest.approx(*seen_behind(face, hand))
    assert 0.2 < scene.visible[0] < 0.8
    before, after = pixels_of(SIZE, [ground(SIZE), face], [ground(SIZE), face, hand])
    assert (before != after).any(axis=-1)[hides(SIZE, hand)].mean() > 0.99


def test_objects_in_front_hide_too(sharp: Sketch) -> None:
    face = head(48, 40, 60)
    factors = plain_factors(1, clutter=5, head=0, noise_seed=11)
    things = Layer(kind="objects", frame=(8.0, 0.0, 80.0), factors=factors)
    (scene,) = rendered(SIZE, [ground(SIZE), face, things])
    assert 0.05 < scene.visible[0] < 0.95
    assert scene.visible[0] == pytest.approx(*seen_behind(face, things))


def test_without_a_head_only_its_surroundings_change(sharp: Sketch) -> None:
    scenes = draw_scenes(replace(SMALL, pictures=(40, 1, 1)), seed=5)
    scenes.layers.loc[scenes.layers["kind"] == "face", "body"] = 0.0
    chosen = scenes.faces().groupby("image_id", sort=False).first().index[:12].tolist()
    some = scenes.only(chosen)
    last = some.faces().groupby("image_id", sort=False)["face_id"].last()
    kept = ~some.layers["face_id"].isin(last)
    without = Scenes(pictures=some.pictures, layers=some.layers[kept].reset_index(drop=True))
    both = zip(render_scenes(some), render_scenes(without), strict=True)
    for number, (whole, less) in enumerate(both):
        differs = (develop(whole.file) != develop(less.file)).any(axis=-1)
        rows, columns = np.nonzero(differs)
        face = some.faces().set_index("face_id").loc[last.iloc[number]]
        height = face["scale"] * face["frame_size"]
        x = face["frame_x"] + (1 + face["shift_x"]) * face["frame_size"] / 2
        y = face["frame_y"] + (1 + face["shift_y"]) * face["frame_size"] / 2
        # Hair hangs at most 0.6 heights below the chin, a brim reaches 0.85 to the side.
        assert len(rows) or whole.visible[-1] == 0
        assert (np.hypot(rows + 0.5 - y, columns + 0.5 - x) < 1.25 * height + 1).all()
        np.testing.assert_array_equal(whole.boxes[:-1], less.boxes)
        assert (whole.visible[:-1] <= less.visible).all()


EXTREMES: list[dict[str, object]] = [
    {"hat": 1, "brim": 1, "face_width": 0.92, "yaw": 60, "roll": 30},
    {"tufts": 1, "face_width": 0.92, "roll": -30, "snout": 1},
    {"hair": 1, "hair_length": 2.2, "hair_volume": 0.35, "roll": 20},
    {"presentation": -1, "body": 1, "roll": 30},
    {"presentation": -1, "body": 1, "hair": 1, "hair_length": 0.5, "roll": 90},
    {"body": 1, "roll": 180},
]


@pytest.mark.parametrize("changes", EXTREMES)
@pytest.mark.parametrize("height", [5, 22])
def test_nothing_of_a_person_is_left_out(changes: dict[str, object], height: float) -> None:
    """All that is painted is what painting every pixel of the picture gives."""
    random = np.random.default_rng(0)
    layer = head(50.2, 40.7, height, noise_seed=int(random.integers(2**40)), **changes)
    frame = Frame(*layer.frame)
    record = read_factors(layer.factors, np.array([frame.size])).records[0]
    owners = np.zeros((110, 100), dtype=np.int64)
    atlas = np.full((128, 128, 6), 0.5, dtype=np.float32)
    canvas = np.zeros((*owners.shape, 3))
    paint_head(canvas, owners, record, atlas, (3, 5), frame)
    wanted = np.zeros_like(canvas)
    for row, column in np.ndindex(owners.shape):
        x = (column + 0.5 - frame.left) * 2 / frame.size - 1
        y = (row + 0.5 - frame.top) * 2 / frame.size - 1
        light = paint_figure((0.0, 0.0, 0.0), record, place_on_head(record, x, y), 0.5)
        wanted[row, column] = paint_person(light, record, x, y, Grain(0.5, 0.5, 0.5))
    np.testing.assert_allclose(canvas, wanted, atol=1e-9)


def test_edges_of_heads_are_smooth(sharp: Sketch) -> None:
    """Across the outline a bright face fades into a dark ground within two pixels."""
    layer = head(48, 40, 60, tone=1, ambient=1, eyes=0, brows=0, nose=0, mouth=0, shine=0)
    (seen,) = pixels_of(SIZE, [ground(SIZE, light=0.0), layer])
    (scene,) = rendered(SIZE, [ground(SIZE, light=0.0), layer])
    x, y, width, _ = scene.boxes[0]
    column = seen[y - 3 : y + 4, x + width // 2].astype(int).mean(axis=-1)
    assert column[0] == 0
    assert column[-1] > 150
    assert ((column > 0) & (column < column[-1] - 8)).sum() in (1, 2)
    assert (np.diff(column) >= -2).all()


def test_a_scene_may_have_no_face_and_no_head() -> None:
    blank = replace(head(48, 40, 40, eyes=0, nose=0, mouth=0, brows=0), kind="blank")
    for stack in ([ground(SIZE)], [ground(SIZE), blank, bar(0, 0, 10, 10)]):
        (scene,) = rendered(SIZE, stack)
        assert develop(scene.file).shape == (80, 96, 3)
        assert scene.boxes.shape == (0, 4)
        assert scene.visible.shape == (0,)
    nothing = scenes_of(SIZE, [ground(SIZE)]).only([])
    assert list(render_scenes(nothing)) == []


def test_panels_show_their_own_ground_within_their_edges(sharp: Sketch) -> None:
    bright = bar(20, 10, 40, 30)
    light = bright.factors.assign(scene_light=1.0, scene_saturation=0.0, scene_gradient=0.0)
    panel = replace(bright, kind="panel", factors=light)
    (seen,) = pixels_of(SIZE, [ground(SIZE, light=0.0), panel])
    wanted = np.zeros(seen.shape, dtype=np.uint8)
    wanted[10:40, 20:60] = 255
    np.testing.assert_array_equal(seen, wanted)
    (turned,) = pixels_of(SIZE, [ground(SIZE, light=0.0), replace(panel, turn=90.0)])
    assert (turned[5:45, 25:55] > 250).all()
    assert turned[:, :20].max() == 0


def broken(scenes: Scenes) -> Iterator[tuple[Scenes, str]]:
    layers, pictures = scenes.layers, scenes.pictures
    yield replace(scenes, layers=layers.assign(kind="wall")), "no kind of layer is 'wall'"
    yield replace(scenes, layers=layers.assign(yaw=99.0)), "yaw is 99"
    yield replace(scenes, layers=layers.drop(columns="tone")), "lack 'tone'"
    yield replace(scenes, layers=layers.assign(turn=np.nan)), "the turn of a layer is no number"
    yield replace(scenes, layers=layers.assign(frame_size=2.0)), r"layer 0 \(ground\) is 2 pixels"
    order = "not those of the pictures in their order"
    yield replace(scenes, layers=layers[::-1]), order
    yield replace(scenes, layers=layers[layers["image_id"] != "picture-1"]), order
    yield replace(scenes, pictures=pictures.iloc[:1]), order
    yield replace(scenes, pictures=pd.concat([pictures, pictures])), order


def test_what_cannot_be_drawn_is_refused_at_once() -> None:
    scenes = scenes_of(SIZE, [ground(SIZE), head(48, 40, 40)], [ground(SIZE)])
    for wrong, what in broken(scenes):
        with pytest.raises(DataError, match=what):
            render_scenes(wrong)
    for num_workers in (0, -2):
        with pytest.raises(ConfigError, match=f"num_workers is {num_workers}. At least one"):
            render_scenes(scenes, num_workers=num_workers)


def test_a_face_outside_of_its_picture_is_refused() -> None:
    with pytest.raises(DataError, match="a face lies outside of its picture"):
        rendered(SIZE, [ground(SIZE), head(150, 40, 40)])


def test_the_camera_is_that_of_the_first_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: list[dict[str, float]] = []

    def note(pixels: np.ndarray, **options: float) -> bytes:
        settings.append(options)
        return b""

    monkeypatch.setattr(renderer, "take_picture", note)
    first = ground(SIZE)
    first = replace(first, factors=first.factors.assign(blur=1.5, noise=4.0, jpeg=70.4))
    rendered(SIZE, [first, head(48, 40, 40)])
    (options,) = settings
    assert options["blur"] == pytest.approx(0.015 * 96)
    assert (options["noise"], options["quality"]) == (4, 70)
