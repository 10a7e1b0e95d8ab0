"""Reads C++ just well enough for house rules: blanks comments and literals, finds functions by counting braces.

Not a parser. It must never crash on valid code, and where it is unsure it finds no function rather than a wrong one.
"""
import re

_TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<delim>[^()\\\s]{0,16})\(.*?\)(?P=delim)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.S)


def blank(text, keep_strings=False):
    """`text` with comments (and literals) replaced by spaces; line numbers and columns stay."""
    def hide(match):
        token = match.group(0)
        if keep_strings and token[0] in "\"R'":
            return token
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(hide, text)


_CONTAINER = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_INIT_LIST = re.compile(r"\)[\w\s()]*:(?!:)")
_LABEL = re.compile(r"^[ \t]*(?:case\b[^;{}?]*|default\s*):[ \t]*$", re.M)
_NAME = re.compile(r"([~\w:]+|operator\s*\S+?)\s*\(")


def _kind(head):
    """What a brace opens that follows `head`: 'container', 'function', 'member' (an initialiser) or 'other'."""
    before_paren = head.split("(", 1)[0]
    if "(" not in head or (_CONTAINER.search(before_paren) and ")" not in head):
        return "container" if _CONTAINER.search(head) else "other"
    if before_paren.rstrip().endswith("="):
        return "other"
    if re.search(r"=\s*$", head) or re.search(r"\)\s*=", head):
        return "other"
    if _INIT_LIST.search(head) and re.search(r"[\w>]\s*$", head) and not re.search(
            r"\)\s*(const|noexcept|override|final|mutable)\s*$", head):
        return "member"
    return "function"


def functions(text):
    """(name, first line, lines) of every function body in `text`. Lines that are only a case label do not count: a
    table written as a switch has one per row."""
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), blank(text),
                  flags=re.M)
    found, head_start, position, depth_of_containers = [], 0, 0, 0
    while position < len(code):
        char = code[position]
        if char == ";" or char == "}":
            head_start = position + 1
        elif char == "{":
            head = code[head_start:position]
            kind = _kind(head)
            if kind == "container":
                depth_of_containers += 1
                head_start = position + 1
            else:
                end = _matching(code, position)
                if kind == "function":
                    first = head_start + len(head) - len(head.lstrip())
                    name = _NAME.search(re.sub(r"^\s*(template\s*<[^{}]*?>\s*(requires\s[^\n]*)?|\[\[\w+\]\])", "",
                                               head))
                    found.append((name.group(1) if name else "?", code.count("\n", 0, first) + 1,
                                  code.count("\n", first, end) + 1 - len(_LABEL.findall(code[first:end]))))
                if kind != "member":
                    head_start = end + 1
                position = end
        position += 1
    return found


def _matching(code, start):
    depth = 0
    for position in range(start, len(code)):
        if code[position] == "{":
            depth += 1
        elif code[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    return len(code) - 1
