"""What every app would make again, although it is always the same: made once for a whole test run.

An app is made for most tests, and these were most of its cost: reading the certificate authorities, compiling
templates and what builds URLs, and the development provider's RSA keys. Used by tests/conftest.py for every test in
this process; servers that are processes of their own do without.
"""

import functools
import itertools
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import certifi
import pytest
from flask import Flask
from werkzeug.routing import Rule

from doorkey.devprovider import realm
from doorkey.devprovider.signing_keys import KeyPool
from doorkey.testing.provider_app import CompiledPages

POOLS = 8
"""Enough that issuers that meet in a test have keys of their own."""


@contextmanager
def made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", _with_one_of_the_usual(ssl.create_default_context))
        patch.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": CompiledPages()})
        patch.setattr(Rule, "_compile_builder", _with_known_builders(Rule._compile_builder))
        patch.setattr(realm, "KeyPool", functools.partial(next, itertools.cycle([KeyPool() for _ in range(POOLS)])))
        yield


def _with_one_of_the_usual(make: Any) -> Any:
    """The context of certifi's authorities is shared; whoever brings others gets their own."""
    usual = functools.cache(functools.partial(make, cafile=certifi.where()))

    @functools.wraps(make)
    def context(*args: Any, **options: Any) -> ssl.SSLContext:
        made = usual() if not args and options == {"cafile": certifi.where()} else make(*args, **options)
        assert isinstance(made, ssl.SSLContext)
        return made

    return context


def _with_known_builders(compile_builder: Any) -> Any:
    """A builder is a function of the text of a rule alone, unless there are defaults."""
    known: dict[Any, Any] = {}

    @functools.wraps(compile_builder)
    def builder(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        name = (rule.rule, tuple(rule._trace), append_unknown)
        if name not in known:
            known[name] = compile_builder(rule, append_unknown)
        return known[name]

    return builder
