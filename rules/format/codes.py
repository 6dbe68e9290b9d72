"""What each code of a problem means, and what to do: `gristmill check --explain CODE`."""

from __future__ import annotations

from rules.places import did_you_mean

CODES = {
    "R100": "The file is not YAML that can be read: bad syntax, a tag, too deep a nesting, or the file itself. Fix the place that is named; everything after it is not looked at.",
    "R101": "A key that is unknown, missing, given twice, or that does not go with the others of its rule. A rule has one body: drop_when or url (documents), lines with match or when (lines), or match alone (a line that drops the document).",
    "R102": "A signal, or a list, that does not exist. `gristmill signals` lists the signals; list signals are written listed_words(name), with a name from the pack's `lists`.",
    "R103": "A value of the wrong kind: a comparison is an operator and a number, such as '> 0.9'; a language is an ISO 639 code; a file must be there.",
    "R104": "A pattern that RE2 does not take, or a replacement that does not fit it. RE2 has no look-around and no back-references: anchor the pattern, or take the context along in a group and put it back with \\1.",
    "R105": "Two rules, or two packs, with one name. Names are how removed documents say why they went, so they must be unique.",
    "R106": "An example that the rule does not do what it says to. Either the rule is wrong or the example is; both are worth a second look.",
    "R107": "\\w, \\d, \\s and \\b know ASCII only in RE2: `^\\w+$` does not match 'été'. In rules that see other languages write \\p{L}, \\p{Nd}, [\\s\\p{Z}], limit the rule with languages: [en], or, where ASCII is meant (codes, numbers), say ascii: true. A warning, not a mistake.",
    "R108": "A rule needs an example that it acts on and one that it leaves alone: they are its tests.",
    "R109": "A pack that is not there, that extends itself, or packs that cannot be extended together.",
    "R110": "A change to a rule that does not exist, or that cannot be made: rules are named by id in a job's `set`, by pack/id or id in a pack that extends another.",
    "R120": "On this sample the rule drops more documents than it should: 20 %, or its own expect_drop. Look at what it drops (`gristmill diff`, `gristmill inspect`) before you run it over everything; if it is right, say expect_drop.",
}


def explanation(code: str) -> str:
    """The paragraph about a code. Raises ValueError for one that does not exist."""
    code = code.upper()
    if code in CODES:
        return f"{code}: {CODES[code]}"
    raise ValueError(f"no code {code!r}{did_you_mean(code, CODES)}; codes are {', '.join(CODES)}")
