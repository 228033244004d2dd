"""Which images may show one person, for what may be shown of a mean of several."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from debias.audit.copy_groups import CopyGroups
from debias.audit.images import AuditedImages

Codes = NDArray[np.intp]


def possible_persons(images: AuditedImages, copies: CopyGroups) -> Codes:
    """Return integers that differ where images surely show different persons, as far as known.

    Images are of one person if that person is known, or if they are copies; where somebody in a
    file is unknown, all its windows are of one. So these are never more persons than there are,
    but for unknown ones in several files. Shape (image,), from 0.

    Args:
        images: the set, with its copies.
        copies: of all these images.
    """
    table, num_images = images.manifest.table, len(images)
    persons, _ = pd.factorize(table["identity_id"])  # -1 = unknown
    files = images.pictures
    known, in_vague_file = persons >= 0, np.isin(files, files[persons < 0])
    rows = np.arange(num_images)
    first = np.concatenate([rows[known], rows[in_vague_file], rows])
    second = np.concatenate(
        [
            num_images + persons[known],
            2 * num_images + files[in_vague_file],
            copies.representative,
        ]
    )
    links = coo_array((np.ones(first.size), (first, second)), shape=(3 * num_images,) * 2)
    _, found = connected_components(links, directed=False)
    _, codes = np.unique(found[:num_images], return_inverse=True)
    return codes.astype(np.intp)
