"""`doorkey import-oauth2-proxy FILE`: moves a configuration of oauth2-proxy over to Doorkey.

Writes `config.env` and `policy.toml`, and says what was carried over, what was not and why, and what is left to do.
No value that may be secret is ever printed. Exit codes: 0 done, 1 refused to overwrite or to write, 2 unreadable.

Read by oauth2_proxy_reading.py, moved by oauth2_proxy_provider.py, oauth2_proxy_front.py and oauth2_proxy_policy.py.
"""

import io
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
from dotenv.parser import parse_stream

from doorkey.cli import oauth2_proxy_policy as policies
from doorkey.cli.oauth2_proxy_front import move_front
from doorkey.cli.oauth2_proxy_move import Move
from doorkey.cli.oauth2_proxy_provider import move_provider
from doorkey.cli.oauth2_proxy_reading import LARGEST, Given, Unreadable, read_environment, read_given
from doorkey.errors import SettingsError
from doorkey.events import clean_text
from doorkey.gate.policy_text import PolicyError, load_policy
from doorkey.paths import make_private_folder
from doorkey.settings import load

LONGEST = 1000
NAMES = ("config.env", "policy.toml")


@click.command("import-oauth2-proxy")
@click.argument("file", required=False)
@click.option("--env", "from_environment", is_flag=True, help="Read OAUTH2_PROXY_* of the current environment.")
@click.option("--out", "folder", default=".", type=click.Path(path_type=Path), help="Where to write; here by default.")
@click.option("--force", is_flag=True, help="Overwrite config.env and policy.toml.")
def command(file: str | None, from_environment: bool, folder: Path, force: bool) -> None:
    """Turn a configuration of oauth2-proxy (FILE, or - for stdin) into config.env and policy.toml."""
    if from_environment == (file is not None):
        raise click.UsageError("name a file, or - for stdin, or use --env")
    given = _read(file)
    taken = [name for name in NAMES if os.path.lexists(folder / name)]
    if taken and not force:
        _stop(1, f"{' and '.join(taken)} in {folder} would be overwritten; use --force, or --out for another folder")
    move = convert(given, Path(file).parent if file and file != "-" else Path())
    try:
        _write(folder, move)
    except OSError as error:
        _stop(1, f"cannot write to {folder}: {error.strerror}")
    click.echo("\n".join(report(move, folder)))


def _stop(code: int, why: str) -> NoReturn:
    click.echo(f"doorkey: {clean_text(why, limit=LONGEST)}", err=True)
    raise SystemExit(code)


def _read(file: str | None) -> Given:
    try:
        if file is None:
            given = read_environment(os.environ)
        else:
            content = sys.stdin.buffer.read(LARGEST + 1) if file == "-" else Path(file).read_bytes()
            if len(content) > LARGEST:
                raise Unreadable("it is too long")
            given = read_given(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        why = error.strerror if isinstance(error, OSError) else error
        _stop(
            2,
            f"cannot read {file or 'the environment'}: {'not UTF-8' if isinstance(error, UnicodeDecodeError) else why}",
        )
    if not given:
        _stop(2, f"{file or 'the environment'} has no option of oauth2-proxy")
    return given


def convert(given: Given, folder: Path) -> Move:
    """Everything that can be known without writing; paths in `given` are relative to here, or else to `folder`."""
    move = Move(given)
    move_provider(move)
    move_front(move)
    people = policies.move_people(move, folder)
    openings = policies.move_openings(move)
    api_paths = policies.move_api_paths(move)
    for option in ("pass_access_token", "skip_auth_preflight", "force_json_errors"):
        if move.is_on(option):
            move.done(option, "in the policy")
    move.say_the_rest()
    policies.write_policy(move, people, openings, api_paths)
    return move


def _write(folder: Path, move: Move) -> None:
    make_private_folder(folder)
    move.settings["DOORKEY_POLICY_FILE"] = str(folder.resolve() / "policy.toml")
    move.settings["DOORKEY_SECRET_KEY"] = secrets.token_urlsafe(32)
    _replace(folder / "policy.toml", move.policy)
    _replace(folder / "config.env", "".join(_lines(move.settings)))
    move.tasks[:0] = [f"Doorkey would not start yet: {problem}." for problem in _problems(folder, move)]


def _replace(path: Path, content: str) -> None:
    """All of it or nothing, and for this user only from the first byte on."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _lines(settings: dict[str, str]) -> Iterator[str]:
    yield "# Made from a configuration of oauth2-proxy. The key is new: people sign in once more.\n"
    for name, value in settings.items():
        yield f"{name}={_written(value)}\n"


def _written(value: str) -> str:
    """As the reader of config.env reads it back; the line after it must survive too."""
    escaped = value.replace("\\", "\\\\")
    forms = (value, "'" + escaped.replace("'", "\\'") + "'", '"' + escaped.replace('"', '\\"') + '"')
    for form in forms:
        found = list(parse_stream(io.StringIO(f"A={form}\nB='\"x\"'\n")))
        if [(one.key, one.value) for one in found] == [("A", value), ("B", '"x"')]:
            return form
    raise OSError(0, "a value cannot be written into config.env")


def _problems(folder: Path, move: Move) -> Iterator[str]:
    """What Doorkey itself would say."""
    try:
        load_policy(move.policy, providers=frozenset([move.provider_id]))
    except PolicyError as error:
        yield from error.problems
    try:
        load({"DOORKEY_CONFIG": str(folder / "config.env")})
    except SettingsError as error:
        yield from error.problems


def report(move: Move, folder: Path) -> Iterator[str]:
    """What is said of it all, line by line."""
    yield f"Wrote {folder / 'config.env'} (with secrets) and {folder / 'policy.toml'}."
    if move.locks:
        yield ""
        yield "NOBODY GETS IN YET, except where everybody could before. oauth2-proxy kept people out in a way"
        yield "that could not be carried over; say in the last rule of policy.toml who may:"
        yield from (f"  ! {_clean(lock)}" for lock in move.locks)
    yield from _section("Carried over", move.carried, "  ")
    yield from _section("NOT carried over: look at these", move.loud, "! ")
    yield from _section("Not carried over", move.left, "  ")
    yield ""
    yield "To do"
    yield from (f"  {number}. {_clean(task)}" for number, task in enumerate([*move.tasks, *_always(move)], start=1))


def _section(title: str, found: dict[str, str], mark: str) -> Iterator[str]:
    if found:
        yield ""
        yield title
        yield from (f"  {mark}{_clean(name)}: {_clean(found[name])}" for name in sorted(found))


def _clean(text: str) -> str:
    """A terminal obeys what is not text."""
    return clean_text(text, limit=LONGEST)


def _always(move: Move) -> Iterator[str]:
    url = move.settings.get("DOORKEY_PUBLIC_URL", "https://login.example.com")
    path = "/oauth2/callback" if "DOORKEY_OAUTH2_PROXY_PATHS" in move.settings else f"/callback/{move.provider_id}"
    yield f"Register the redirect URI {url}{path} at the provider, beside the old one."
    yield f"Doorkey wants a host for itself: if {url} is the application's, choose another (DOORKEY_PUBLIC_URL)."
    yield "Configure the proxy: `doorkey proxy-config nginx --app URL --doorkey URL`, or another proxy's name."
    yield "Try it: `doorkey check`. Everybody signs in once more, because the cookies are new."
