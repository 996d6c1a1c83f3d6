"""Who may open what, as a policy for the gate: `move_policy(move, folder)` fills `move.policy`.

oauth2-proxy asks twice: is the address good (domain or list), and is the person in a group. Both must hold. What
cannot be said here locks the gate: a rule that fits nobody, with the reason beside it. Called by
import_oauth2_proxy.py last, when the table has spoken of all that nothing else dealt with.
"""

import json
import re
from pathlib import Path

from doorkey.cli.oauth2_proxy_move import Move
from doorkey.cli.oauth2_proxy_routes import PlainPath, plain_paths, split_method
from doorkey.events import clean_text
from doorkey.setting_urls import host_patterns

LARGEST_LIST = 1024 * 1024
GROUPS = ("allowed_groups", "keycloak_groups", "gitlab_groups")

Table = dict[str, list[str]]
Opening = tuple[str, PlainPath]
"""A method, empty for all, and a path."""


def move_people(move: Move, folder: Path) -> list[Table] | None:
    """The tables of `allow`; empty for whoever is signed in, None for nobody. Files may be in `folder` too."""
    by_address = _by_address(move, folder)
    groups = _groups(move)
    if by_address is None:
        return None
    if not groups:
        return by_address
    return [{**table, "groups": groups} for table in by_address or [{}]]


def _by_address(move: Move, folder: Path) -> list[Table] | None:
    if "*" in move.items("email_domains"):
        for option in ("email_domains", "authenticated_emails_file"):
            move.done(option, "whoever is signed in, because of the *; with or without an address, verified or not")
        return []
    tables = []
    if domains := _domains(move):
        tables.append({"domains": domains})
    if emails := _emails(move, folder):
        tables.append({"emails": emails})
    if tables:
        return tables
    move.locks.append("neither email_domains nor authenticated_emails_file says whose address is good")
    return None


def _domains(move: Move) -> list[str]:
    found: list[str] = []
    odd = []
    for written in move.items("email_domains"):
        domain = written.strip().lower().removeprefix("@")
        domain = "*" + domain if domain.startswith(".") else domain
        try:
            found += host_patterns(domain)
        except ValueError:
            odd.append(written)
    move.done("email_domains", "domains in the policy")
    if odd:
        move.leave("email_domains", f"no domains: {', '.join(odd)}; such people are not let in", loudly=True)
    return found


def _emails(move: Move, folder: Path) -> list[str]:
    name = move.text("authenticated_emails_file")
    if not name:
        return []
    lines = _lines(Path(name)) or _lines(folder / name)
    words = [line.split(",")[0].strip().strip('"').lower() for line in lines if not line.lstrip().startswith("#")]
    found = list(dict.fromkeys(word for word in words if word.count("@") == 1 and word.strip("@") and " " not in word))
    found = [word for word in found if word[0] != "@" and word[-1] != "@"]
    if found:
        move.done("authenticated_emails_file", f"emails in the policy, {len(found)} of them; they are not read again")
    else:
        move.leave(
            "authenticated_emails_file", f"no address could be read from {name}; nobody of it is let in", loudly=True
        )
    return found


def _lines(path: Path) -> list[str]:
    """None of what cannot be read."""
    try:
        content = path.read_bytes()
        return [] if len(content) > LARGEST_LIST else content.decode().splitlines()
    except (OSError, ValueError):
        return []


def _groups(move: Move) -> list[str]:
    groups = [group for option in GROUPS for group in move.items(option) if group]
    roles = [role for role in move.items("allowed_roles") if role]
    if move.text("provider") == "keycloak-oidc":  # there a role may be written as a group
        roles += [group.removeprefix("role:") for group in groups if re.match("role:.", group)]
        groups = [group for group in groups if not re.match("role:.", group)]
    for option in GROUPS:
        move.done(option, "groups in the policy")
    if roles and groups:
        option = "allowed_roles" if "allowed_roles" in move.given else "allowed_groups"
        move.leave(option, "groups or roles, not both: people with a role alone are not let in", loudly=True)
    elif roles:
        move.put_provider("allowed_roles", "CLAIM_GROUPS", "realm_access.roles")
        move.done("allowed_roles", "groups in the policy, with CLAIM_GROUPS=realm_access.roles")
        move.tasks.append("Have Keycloak put realm_access.roles into the ID token. Roles of a client do not count.")
    if groups and move.items("gitlab_projects"):
        move.leave(
            "gitlab_projects", "projects are not asked for: people of a project alone are not let in", loudly=True
        )
    if (groups or roles) and move.items("github_users"):
        move.leave("github_users", "logins are not asked for: these people need the group too", loudly=True)
    return groups or roles


def move_openings(move: Move) -> list[Opening]:
    """What is open to everybody."""
    found: list[Opening] = []
    for option in ("skip_auth_routes", "skip_auth_regex"):
        kept, odd = 0, []
        for route in move.items(option):
            method, expression = ("", route) if option == "skip_auth_regex" else split_method(route) or ("", "")
            paths = plain_paths(expression)
            found += [(method, path) for path in paths]
            kept += bool(paths)
            odd += [] if paths else [route]
        _tell_routes(move, option, kept, odd, "behind the gate now, write a rule by hand")
    return list(dict.fromkeys(found))


def _tell_routes(move: Move, option: str, kept: int, odd: list[str], why: str) -> None:
    if kept:
        move.done(option, f"{kept} of {kept + len(odd)} in the policy, as whole segments of a path")
    if odd:
        move.leave(option, f"{' and '.join(odd)}: no plain path; {why}", loudly=True)


def move_api_paths(move: Move) -> list[str]:
    paths, kept, odd = [], 0, []
    for expression in move.items("api_routes"):
        found = plain_paths(expression)
        paths += [path.glob for path in found]
        kept += bool(found)
        odd += [] if found else [expression]
    _tell_routes(move, "api_routes", kept, odd, "browsers are told apart by their headers")
    return list(dict.fromkeys(paths))


def write_policy(move: Move, people: list[Table] | None, openings: list[Opening], api_paths: list[str]) -> None:
    """`move.policy`; the rules that decide by a longer path come first."""
    default = _allow(people, bool(move.locks))
    headers = 'headers = ["access-token"]\n' if move.is_on("pass_access_token") else ""
    rules = [HEAD]
    if move.is_on("skip_auth_preflight"):
        rules.append(_rule("preflight requests", "", "OPTIONS", '"anyone"'))
    for number, (method, path) in enumerate(sorted(openings, key=lambda one: one[1].is_exact), start=1):
        if path.is_exact:
            rules.append(_rule(f"below opening {number}", path.glob + "/*/**", method, default, headers))
        rules.append(_rule(f"opening {number}", path.glob, method, '"anyone"'))
    never = 'login = "never"\n'
    rules += [_rule(f"API {number}", path, "", default, headers + never) for number, path in enumerate(api_paths, 1)]
    if move.is_on("force_json_errors"):
        headers += never
    reasons = LOCKED_HEAD * bool(move.locks) + "".join(f"# {clean_text(lock, limit=500)}\n" for lock in move.locks)
    rules.append(reasons + _rule("everything else", "", "", default, headers))
    move.policy = "\n".join(rules)


HEAD = "# Made from a configuration of oauth2-proxy. The first rule that fits decides.\n"
LOCKED_HEAD = "# NOBODY GETS IN until `allow` says who may. oauth2-proxy knew, and this could not be carried over:\n"


def _rule(name: str, path: str, method: str, allow: str, more: str = "") -> str:
    return (
        f"[[rule]]\nname = {_quoted(name)}\n"
        + (f"path = {_quoted(path)}\n" if path not in ("", "/") else "")
        + (f"methods = [{_quoted(method)}]\n" if method else "")
        + f"allow = {allow}\n{more}"
    )


def _allow(people: list[Table] | None, is_locked: bool) -> str:
    if people is None or is_locked:
        return '"nobody"'
    if not people:
        return '"signed-in"'
    tables = [_table(table) for table in people]
    return tables[0] if len(tables) == 1 else f"[{', '.join(tables)}]"


def _table(table: Table) -> str:
    return "{ " + ", ".join(f"{key} = [{', '.join(map(_quoted, values))}]" for key, values in table.items()) + " }"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
