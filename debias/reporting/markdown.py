"""Text from data in Markdown and in YAML: shown as it is, and never taken for markup."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Yaml: TypeAlias = "bool | int | float | str | Sequence[Yaml] | Mapping[str, Yaml] | None"

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INTERVAL = r"\[[\d.,\s%+\N{MINUS SIGN}]+\](?![(\[:])"
_MARKUP = re.compile(
    # Limits in brackets are no link, for want of a letter and of what a link goes on with.
    rf"(?P<kept>{_INTERVAL})"
    r"|[\\`*\[\]<>&|#~$@{}]"
    # Within a word an underscore emphasises nothing.
    r"|(?<![^\W_])_|_(?![^\W_])"
    # What would become a link of its own.
    r"|(?<=:)/(?=/)|(?<=www)\."
    # At the start of a line: a list, a rule, or a heading by underlining.
    r"|\A[-+=](?!\d)|(?:(?<=\A\d)|(?<=\A\d\d)|(?<=\A\d\d\d))[.)](?=\s|\Z)",
    re.IGNORECASE,
)


class Markdown(str):
    """Text that is markup already, to be left as it is."""

    __slots__ = ()


def escape_markdown(text: object) -> str:
    """Return text for one line of Markdown: of a paragraph, a list or a table.

    What could be markup is written as a character reference, which no part of Markdown takes for
    markup. Line breaks become spaces, and what turns the direction of writing is replaced.

    Args:
        text: anything; :class:`Markdown` stays as it is.
    """
    if isinstance(text, Markdown):
        return text
    plain = "".join(_shown(letter) for letter in str(text)).lstrip()
    return _MARKUP.sub(_reference, plain)


def yaml_text(value: Yaml) -> str:
    """Return plain data as YAML in block style, in lines that each end.

    All text is in double quotes and in ASCII, so that nothing in it is taken for another type or
    for markup. Any reader of YAML 1.1 or 1.2 gives the same data back.

    Args:
        value: a mapping or a sequence; its keys are words of letters and ``_-``.
    """
    return "".join(f"{line}\n" for line in _yaml_lines(value))


def _shown(letter: str) -> str:
    if letter in _BIDIRECTIONAL or unicodedata.category(letter) == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter


def _reference(found: re.Match[str]) -> str:
    return found["kept"] or f"&#{ord(found[0])};"


def _yaml_lines(value: Yaml) -> list[str]:
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            if _is_nested(item):
                lines += [f"{key}:", *(f"  {line}" for line in _yaml_lines(item))]
            else:
                lines.append(f"{key}: {_yaml_scalar(item)}")
        return lines
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        lines = []
        for item in value:
            first, *others = _yaml_lines(item)
            lines += [f"- {first}", *(f"  {line}" for line in others)]
        return lines
    return [_yaml_scalar(value)]


def _is_nested(value: Yaml) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _yaml_scalar(value: Yaml) -> str:
    if isinstance(value, str):
        return f'"{"".join(_yaml_letter(letter) for letter in value)}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        mantissa, exponent, power = f"{value!r}".partition("e")
        # YAML 1.1 takes 1e-05 for text, and 1.0e-05 for a number.
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"
    if isinstance(value, int):
        return str(value)
    return "{}" if isinstance(value, Mapping) else "[]"


def _yaml_letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if " " <= letter <= "~":
        return letter
    code = ord(letter)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
