"""One code for each language, whatever it is called: `eng`, `en`, `eng_Latn`, `en-GB` and `English` are all `en`.

The code is ISO 639-1 (two letters) where the language has one, else ISO 639-3 (three letters), else ISO 639-2 for the
few labels that stand for a group (`nah`). Script and region are dropped: `zh-Hant` is `zh`, `pt-BR` is `pt`.

Macro-languages: the member that people mean by the whole becomes the whole (`cmn` zh, `arb` ar, `nb` no; all of them in
STANDARD_MEMBERS), so that labels of fastText (`no`), GlotLID (`nob_Latn`) and BCP 47 (`nb-NO`) meet. Every other member
keeps its own code: `yue`, `arz`, `ckb` and `nn` are not Chinese, Arabic, Kurdish and Norwegian to a language identifier.
Codes that ISO replaced are followed (`iw` he); Serbo-Croatian, which ISO split but identifiers still name, is `hbs`.

Codes and names are those of the iso639-lang package, indexed once in 0.1 s where one is met that is not among the usual;
after that a look-up in a dictionary. What a language is called in English is CLDR's name of it, from Babel. Its scripts are in
rules/text/scripts.py.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.places import did_you_mean

if TYPE_CHECKING:
    from iso639 import Lang

# ISO 639-3 members that stand for their macro-language: those of Unicode CLDR's languageAlias list, and quy.
STANDARD_MEMBERS = frozenset(
    "als arb ayr azj cmn cwd ekk esk fuc gaz gug ike khk kmr kng knc kpv lvs nob npi ojg ory pbt pbu pes plt quy quz"
    " src swh uzn ydd zsm".split()
)

# Codes that are their own, as most that are met: all of two letters but `nb`, and those of three in lid.176, the usual identifier.
OWN = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es"
    " et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki"
    " kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nd ne ng nl nn no nr"
    " nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg"
    " th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu arz ast azb bar bcl bpy bxr cbk ceb ckb"
    " diq dsb dty frr gom hif hsb ilo jbo krc lez lmo lrc mai mhr min mrj mwl myv mzn nah nap nds new pam pfl pms pnb"
    " rue sah scn sco tyv vec vep vls war wuu xal xmf yue".split()
)

ALIASES = {  # what the package does not know or does not decide
    "bh": "bih",
    "sh": "hbs",
    "eml": "eml",
    "mo": "ro",
    "fil": "tl",  # the national standard of Tagalog
    "bangla": "bn",
    "cantonese": "yue",
    "farsi": "fa",
    "filipino": "tl",
    "greek": "el",
    "haitian creole": "ht",
    "mandarin": "zh",
    "moldavian": "ro",
    "slovene": "sl",
    "uyghur": "ug",
}

TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*")
LABEL_PREFIX = "__label__"


@functools.lru_cache(maxsize=65536)
def normalise(language: str) -> str:
    """The code of a language from an ISO 639 code, a tag (`pt-BR`, `eng_Latn`), a fastText label or an English name.

    ValueError where it is none of these; the message proposes the nearest.
    """
    name = language.strip().casefold().removeprefix(LABEL_PREFIX)
    if name in OWN:
        return name
    tag = TAG.fullmatch(name)
    for candidate in (name, tag.group(1) if tag else name):
        code = ALIASES.get(candidate) or _codes().get(candidate) or _names().get(candidate) or _replacement(candidate)
        if code:
            return code
    known = [*_names(), *_codes()] if len(name) > 3 else _codes()
    raise ValueError(f"unknown language {language!r}{did_you_mean(name, known)}; use an ISO 639 code such as en or eng")


@dataclass(frozen=True)
class LanguageNames:
    """What one language is called."""

    code: str  # ours: what `lang` holds
    iso_639_1: str  # two letters; empty where there are none
    iso_639_3: str  # three letters; of a macro-language its own (zho); empty for a group of languages
    name: str  # in English
    macro: str  # our code of the macro-language it is a member of; empty where it is of none


@functools.cache
def language_names(language: str) -> LanguageNames:
    """All names of a language from any of them. ValueError as of `normalise`."""
    from iso639 import Lang
    from iso639.exceptions import DeprecatedLanguageValue, InvalidLanguageValue

    code = normalise(language)
    try:
        entry = Lang(code)
    except (InvalidLanguageValue, DeprecatedLanguageValue):  # `eml`, which ISO took back and identifiers still name
        return LanguageNames(code, "", code if len(code) == 3 else "", _english(code) or code, "")
    whole = entry.macro()
    macro = _code_of(whole) if whole is not None else ""
    return LanguageNames(code, entry.pt1, entry.pt3, _english(code) or _without_brackets(entry.name), macro if macro != code else "")


def _english(code: str) -> str | None:
    """CLDR's English name of a language, if it has one."""
    from babel import Locale

    return Locale("en").languages.get(code)


def _without_brackets(name: str) -> str:
    return re.sub(r"\s*\(.*?\)", "", name)


def _code_of(language: Lang) -> str:
    """The code of an entry of ISO 639."""
    if language.pt3 in STANDARD_MEMBERS:
        language = language.macro() or language
    return language.pt1 or language.pt3 or language.pt2t or language.pt5


@functools.cache
def _codes() -> dict[str, str]:
    """Every ISO 639 code, of two and three letters, to ours."""
    from iso639 import iter_langs

    return {
        code: _code_of(language)
        for language in iter_langs()
        for code in (language.pt1, language.pt2b, language.pt2t, language.pt3, language.pt5)
        if code
    }


@functools.cache
def _names() -> dict[str, str]:
    """Every English name in lower case, also without what it has in brackets, to our code; two-letter ones win."""
    from iso639 import iter_langs

    names: dict[str, str] = {}
    for language in sorted(iter_langs(), key=lambda language: (not language.pt1, language.pt3)):
        for name in (language.name, *language.other_names()):
            for spelling in (name, _without_brackets(name)):
                names.setdefault(spelling.casefold(), _code_of(language))
    return names


def _replacement(code: str) -> str | None:
    """Our code for one that ISO replaced by another; None where it did not."""
    from iso639 import Lang
    from iso639.exceptions import DeprecatedLanguageValue, InvalidLanguageValue

    try:
        return _code_of(Lang(code))
    except DeprecatedLanguageValue as deprecated:
        return _codes().get(deprecated.change_to)
    except InvalidLanguageValue:
        return None
