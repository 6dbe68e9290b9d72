"""What comments in code and text in HTML are, in plain Python: tokens by regular expressions, and Python's own parser."""

from __future__ import annotations

import ast
import io
import re
import tokenize

ESCAPE = r"\\(?:[\s\S]|\Z)"
QUOTED = rf""""(?:{ESCAPE}|[^"\\\n])*"?|'(?:{ESCAPE}|[^'\\\n])*'?"""
C = re.compile(rf"//(?P<line>[^\n]*)|/\*(?P<block>[\s\S]*?)(?:\*/|\Z)|{QUOTED}|`(?:{ESCAPE}|[^`\\])*`?|\\[\s\S]?|[\s\S]")
PYTHON = re.compile(
    r"(?P<comment>#[^\n]*)"
    rf"""|(?P<prefix>[rbfuRBFU]{{0,2}})(?P<quote>\"\"\"|''')(?P<long>(?:{ESCAPE}|(?!(?P=quote))[^\\])*)(?:(?P=quote)|\Z)"""
    rf"""|(?P<prefix1>[rbfuRBFU]{{0,2}})(?P<quote1>["'])(?P<short>(?:{ESCAPE}|(?!(?P=quote1))[^\\\n])*)(?P=quote1)?"""
    r"|(?P<name>[A-Za-z0-9_\x80-\U0010ffff]+)|\\\n|(?P<other>[\s\S])"
)


def c_comment_chars(text: str) -> int:
    return sum(len(m["line"] or "") + len(m["block"] or "") for m in C.finditer(text))


def hash_comment_chars(text: str) -> int:
    found, fresh, i = 0, True, 0
    while i < len(text):
        if text[i] == "#" and fresh:
            end = (text + "\n").index("\n", i)
            found, i = found + end - i - 1, end
        elif text[i] in "\"'":
            fresh, i = False, re.compile(QUOTED).match(text, i).end()
        else:
            fresh = text[i] in " \t\n\v\f\r;"
            i += 2 if text[i] == "\\" else 1
    return found


def python_comment_chars(text: str) -> int:
    """Tokens one by one, with what the statement that they belong to began with."""
    found = depth = 0
    fresh, may, opens = True, True, False
    for m in PYTHON.finditer(text):
        content = m["long"] if m["quote"] else m["short"] if m["quote1"] else None
        if m["comment"]:
            found += len(m["comment"])
        elif content is not None:
            prefix = (m["prefix"] or m["prefix1"] or "").lower()
            alone = re.match(r"[ \t\f]*(?:\Z|[\n\r;#])", text[m.end() :])
            if fresh and may and depth == 0 and alone and not set(prefix) & {"b", "f"}:
                found += len(content)
            fresh = False
        elif m["name"]:
            if fresh and m["name"] != "async":
                opens, fresh, may = m["name"] in ("def", "class"), False, False
        elif m["other"] == ";" or m["other"] == "\n":
            if depth == 0 and not (fresh and m["other"] == "\n"):
                fresh, may, opens = True, False, False
        elif m["other"] == ":" and depth == 0 and opens:
            fresh, may, opens = True, True, False
        elif m["other"]:
            depth = max(0, depth + (m["other"] in "([{") - (m["other"] in ")]}"))
            fresh = fresh and (m["other"] <= " " or m["other"] == "\\")
    return found


def parsed_comment_chars(source: str) -> int:
    """The same of source that Python parses: comments as tokenize finds them, docstrings as ast does, as they are written."""
    comments = sum(len(t.string) for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            literal = ast.get_source_segment(source, node.body[0].value)
            literal = literal.lstrip("rRuU")
            size = 3 if literal[:3] in ('"""', "'''") else 1
            found += len(literal) - 2 * size
    return comments + found


def markup_text(text: str) -> tuple[int, int]:
    """Characters of comments, and of text."""
    comments = plain = i = 0
    while i < len(text):
        if text.startswith("<!--", i):
            stop = text.find("-->", i + 4)
            stop = len(text) if stop < 0 else stop
            comments += stop - (i + 4)
            i = stop + 3
        elif re.match(r"<[A-Za-z/!?]", text[i : i + 2]):
            name = re.match(r"(script|style)(?![A-Za-z0-9])", text[i + 1 :], re.I | re.A)
            i = tag_end(text, i + 1)
            if name:
                closing = re.compile(rf"</{name[1]}(?![A-Za-z0-9])", re.I | re.A).search(text, i)
                i = closing.start() if closing else len(text)
        else:
            plain += 1
            i += 1
    return comments, plain


def tag_end(text: str, i: int) -> int:
    """Past the next > that is not in quotes after =."""
    visible = ""
    while i < len(text):
        c = text[i]
        i += 1
        if c == ">":
            return i
        if c in "\"'" and visible == "=":
            closing = text.find(c, i)
            i = len(text) if closing < 0 else closing + 1
        if c > " ":
            visible = c
    return len(text)


def fraction(part: float, text: str) -> float:
    return part / len(text) if text else float("nan")


def signals(text: str) -> dict[str, float]:
    comments, plain = markup_text(text)
    lines = text.split("\n")
    return {
        "nemo_mean_line_chars": (len(text) + 1 - len(lines)) / len(lines) if text else float("nan"),
        "nemo_python_comment_char_frac": fraction(python_comment_chars(text), text),
        "nemo_c_comment_char_frac": fraction(c_comment_chars(text), text),
        "nemo_hash_comment_char_frac": fraction(hash_comment_chars(text), text),
        "nemo_markup_comment_char_frac": fraction(comments, text),
        "nemo_html_text_char_frac": fraction(plain if plain >= 100 else 0, text),
    }
