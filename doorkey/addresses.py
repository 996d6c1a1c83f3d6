"""Addresses of those who connect: read from any notation, and looked for in networks."""

import ipaddress
import re
from collections.abc import Sequence

from doorkey.setting_values import Network

_WITH_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::[0-9]+)?")


def parse_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, without a port, and IPv4 seen through an IPv6 socket as what it is; None when it is none."""
    match = _WITH_PORT.fullmatch(address)
    try:
        parsed = ipaddress.ip_address((match[1] or match[2]) if match else address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_in(address: str, networks: Sequence[Network]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)
