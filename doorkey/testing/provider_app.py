"""A provider made anew for each test, quickly: keys and compiled pages are those of the process.

Keys are never a test's own: the nth is always the same one (signing_keys.py). Called by oauth_provider.py.
"""

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from doorkey.devprovider.app import create_provider_app
from doorkey.devprovider.end_session import Deliver
from doorkey.devprovider.realm import DevProvider, Realm
from doorkey.devprovider.signing_keys import KeyPool
from doorkey.devprovider.wire import Wsgi


class CompiledPages(BytecodeCache):
    """Kept in memory."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


KEYS = KeyPool()
PAGES = CompiledPages()


def provider_app(config: DevProvider, deliver: Deliver) -> tuple[Realm, Wsgi]:
    """What it knows, and the WSGI app that serves it."""
    realm = Realm(config, pool=KEYS)
    app = create_provider_app(config, realm=realm, deliver=deliver)
    app.jinja_env.bytecode_cache = PAGES
    return realm, app.wsgi_app
