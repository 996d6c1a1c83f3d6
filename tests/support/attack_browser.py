"""Where a browser would go: enough of the WHATWG URL parser to judge a Location header."""

import re
from urllib.parse import urlsplit

SPECIAL = {"http", "https", "ws", "wss", "ftp"}
WIDE = str.maketrans(
    {"／": "/", "＼": "\\", "．": ".", "。": ".", "｡": ".", "＃": "#", "？": "?", "：": ":", "＠": "@"}
)


def origin_a_browser_goes_to(location: str, base: str) -> str:
    """The origin, or `scheme:` for a URL without one (javascript:, data:)."""
    text = location.strip("".join(map(chr, range(0x21))))
    text = re.sub(r"[\t\n\r]", "", text)
    own_scheme = urlsplit(base).scheme
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if match and match[1].lower() not in SPECIAL:
        return match[1].lower() + ":"
    if match:
        scheme, rest = match[1].lower(), text[match.end() :].replace("\\", "/")
        if scheme == own_scheme and not rest.startswith("//"):
            return base  # "https:evil.test" is a relative path when the base has that scheme
    else:
        scheme, rest = own_scheme, _slashes(text)
        if not rest.startswith("//"):
            return base
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0]
    host = authority.rpartition("@")[2].translate(WIDE)
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].lower()
    return f"{scheme}://{host}"


def _slashes(text: str) -> str:
    """Backslashes are slashes up to the query; a path that normalises to `//` is NOT a host there."""
    path, mark, rest = text.partition("?")
    return path.replace("\\", "/") + mark + rest
