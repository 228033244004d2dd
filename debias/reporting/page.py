"""What every HTML page shares: one file, no network, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from debias.reporting.cells import limits, points, share
from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import DifferenceJson


class CompiledTemplates(BytecodeCache):
    """Keeps what templates compile to, so that the second page of a process need not do it again.

    Jinja checks that a template's text is still the same.
    """

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with the code of its template, if that is known."""
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a bucket."""
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = CompiledTemplates()


def environment() -> Environment:
    """Return where templates are found, with the filters that all pages use.

    All text is escaped unless a template itself wrote it; a name that is missing is an error.
    """
    found = Environment(
        loader=PackageLoader("debias.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    found.filters.update(
        points=points,
        limits=limits,
        share=lambda part: unbroken(share(part)),
        interval=interval,
        unbroken=unbroken,
    )
    return found


def part_of_page(templates: Environment, names: Sequence[str]) -> Markup:
    """Return style sheets or scripts of this package, one after the other, as they stand.

    Args:
        templates: see :func:`environment`.
        names: of files among the templates; never text from data.
    """
    assert templates.loader is not None
    sources = (templates.loader.get_source(templates, name)[0] for name in names)
    return Markup("\n".join(sources))


def content_policy(*, style: str, script: str = "") -> str:
    """Return a content security policy for a page of one style sheet and at most one script.

    Both are let in by their SHA-256 alone; pictures only where they are in the page itself.

    Args:
        style: the whole text between ``<style>`` and ``</style>``.
        script: the whole text between ``<script>`` and ``</script>``; none where empty.
    """
    allowed = ["default-src 'none'", f"style-src {_digest(style)}", "img-src data:"]
    if script:
        allowed.append(f"script-src {_digest(script)}")
    return "; ".join([*allowed, "base-uri 'none'", "form-action 'none'"])


def unbroken(text: str) -> str:
    """Return text whose numbers stay on a line with their percent signs."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def interval(found: RateJson | DifferenceJson, sign: bool = False, digits: int = 1) -> str:
    """Return limits in percent or points, in brackets."""
    return limits(found["low"], found["high"], digits=digits, sign=sign)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
