"""Images that may show one person are not counted as several."""

from __future__ import annotations

import numpy as np
from audit.made_images import made_images

from debias.audit.copy_groups import CopyGroups
from debias.audit.possible_persons import possible_persons


def copies(kept: list[int]) -> CopyGroups:
    """Groups in which each image is kept, or another one in its stead."""
    number = len(kept)
    return CopyGroups(
        representative=np.array(kept, dtype=np.intp),
        how=np.full(number, "", dtype="<U8"),
        likeness=np.full(number, np.nan),
        num_bits=np.full(number, -1, dtype=np.int64),
        has_twin=np.zeros(number, dtype=np.bool_),
        plain=np.zeros(number, dtype=np.bool_),
    )


def found(
    kept: list[int],
    *,
    identity_id: list[str | None] | None = None,
    path: list[str] | None = None,
) -> list[int]:
    images = made_images({}, num_images=len(kept), identity_id=identity_id, path=path)
    return [int(person) for person in possible_persons(images, copies(kept))]


def test_copies_of_one_picture_are_one_person() -> None:
    assert found([0, 1, 2]) == [0, 1, 2]
    assert found([0] * 40 + [40, 41]) == [0] * 40 + [1, 2]


def test_windows_of_a_file_are_one_unless_all_their_persons_are_known() -> None:
    windows = ["a", "a", "b"]
    assert found([0, 1, 2], path=windows) == [0, 0, 1]
    assert found([0, 1, 2], path=windows, identity_id=["x", "y", "z"]) == [0, 1, 2]
    assert found([0, 1, 2], path=windows, identity_id=["x", None, "z"]) == [0, 0, 1]
    assert found([0, 1, 2], path=windows, identity_id=["x", "y", None]) == [0, 1, 2]


def test_what_is_known_of_a_copy_is_known_of_what_is_kept() -> None:
    # The last is an image of x, and its copy, which is kept, has no name.
    assert found([0, 1, 1], identity_id=["x", None, "x"]) == [0, 0, 0]
    # Persons are one in all their images, and so are two names that share a picture.
    assert found([0, 1, 2], identity_id=["x", "y", "x"]) == [0, 1, 0]
    assert found([0, 1, 1], identity_id=["x", "y", "x"]) == [0, 0, 0]
