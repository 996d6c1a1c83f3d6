"""A page taken apart, so that a test can say which elements and attributes came of foreign text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

# fmt: off
ALLOWED_TAGS = frozenset([
    "details", "summary", "select", "optgroup", "option",
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "p", "div", "svg", "rect", "circle",
    "path", "main", "footer", "span", "h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "code", "section", "form",
    "input", "button", "fieldset", "legend", "label", "strong", "table", "caption", "thead", "tbody", "tr", "th",
    "td", "time", "progress",
])
# fmt: on
VOID = frozenset(["meta", "link", "input", "rect", "circle", "path"])


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    source: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    @property
    def text(self) -> str:
        return " ".join(element.text for element in self.elements if element.tag == "body")

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags with the names of their attributes: what markup there is, whatever the words."""
        return [(e.tag, tuple(sorted(e.attributes))) for e in self.elements]

    def problems(self) -> list[str]:
        """What our pages never have: inline script or style, handlers, foreign addresses, odd tags."""
        found = []
        for element in self.elements:
            if element.tag not in ALLOWED_TAGS:
                found.append(f"<{element.tag}>")
            if element.tag == "script" and (element.text.strip() or "src" not in element.attributes):
                found.append("inline script")
            for name, value in element.attributes.items():
                if name.startswith("on") or name in ("style", "srcdoc", "formaction", "nonce"):
                    found.append(f"{name} on <{element.tag}>")
                foreign = urlsplit(value.strip()).scheme or value.startswith(("//", "\\"))
                if name in ("href", "src", "action", "data") and foreign:
                    found.append(f"{name} to {value} on <{element.tag}>")
        return found
