"""``python -m debias``."""

from __future__ import annotations

import sys

from debias.cli import main

if __name__ == "__main__":
    sys.exit(main())
