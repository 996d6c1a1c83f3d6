"""The users file of the development provider (devprovider/users_file.py)."""

from pathlib import Path

import pytest

from doorkey.devprovider.definitions import CLIENT_KEYS, USER_KEYS, read_user
from doorkey.devprovider.users import USERS, Client, Lifetimes, User
from doorkey.devprovider.users_file import UsersFile, UsersFileError, read_users_file

EXAMPLE = Path(__file__).parents[1] / "docs" / "dev-users.example.toml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def read(path: Path, text: str) -> UsersFile:
    path.write_text(text, encoding="utf-8")
    return read_users_file(path)


def problems(path: Path, content: str | bytes | None = None) -> list[str]:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsersFileError) as refused:
        read_users_file(path)
    assert str(refused.value) == "; ".join(refused.value.problems)
    return refused.value.problems


class TestBuiltInUsers:
    def test_an_empty_file_leaves_everything_as_it_is(self, path: Path) -> None:
        assert read(path, "") == UsersFile(USERS, (), Lifetimes())

    def test_there_are_an_admin_a_member_one_without_email_and_one_in_many_groups(self) -> None:
        alice, bob, carol, dana = USERS
        assert "admins" in alice.groups
        assert bob.email
        assert "admins" not in bob.groups
        assert carol.email == ""
        assert "email" not in carol.claims()
        assert len(dana.groups) == 40

    @pytest.mark.parametrize("user", USERS, ids=lambda user: user.sub)
    def test_the_built_in_users_could_have_been_read(self, user: User) -> None:
        given = {"name": user.name, "email": user.email, "groups": user.groups, "about": user.about}
        assert read_user(user.sub, given) == user

    def test_users_of_the_file_come_after_the_built_in_ones(self, path: Path) -> None:
        assert read(path, "[users.erin]").users == (*USERS, User("erin", "erin"))

    def test_a_table_of_the_same_name_replaces_one_wholly(self, path: Path) -> None:
        assert read(path, "[users.bob]\nemail = 'bob@x.test'").users == (
            USERS[0],
            User("bob", "bob", "bob@x.test"),
            *USERS[2:],
        )

    @pytest.mark.parametrize(("switch", "builtin"), [("true", USERS), ("false", ())])
    def test_they_can_be_left_out(self, path: Path, switch: str, builtin: tuple[User, ...]) -> None:
        assert read(path, f"builtin_users = {switch}\n[users.erin]").users == (*builtin, User("erin", "erin"))


class TestTheExample:
    def test_it_is_read(self) -> None:
        found = read_users_file(EXAMPLE)
        assert found.users[:4] == USERS
        assert [user.sub for user in found.users[4:]] == ["erin", "frank@example.com"]
        assert all(user.groups and user.more for user in found.users[4:])
        assert found.lifetimes == Lifetimes(access_token=60)

    def test_it_shows_a_confidential_a_public_and_a_private_key_client(self) -> None:
        confidential, public, service = read_users_file(EXAMPLE).clients
        assert confidential.client_secret
        assert confidential.access_token_format == "jwt"
        assert public.is_public
        assert public.require_pkce
        assert service.token_endpoint_auth_method == "private_key_jwt"
        assert service.jwks[0]["kty"] == "EC"

    @pytest.mark.parametrize("key", sorted({*USER_KEYS, *CLIENT_KEYS, "builtin_users", *vars(Lifetimes())}))
    def test_it_shows_every_key(self, key: str) -> None:
        text = EXAMPLE.read_text(encoding="utf-8")
        assert f"{key} = " in text or f".{key}]" in text


class TestOneWholeFile:
    def test_users_clients_and_lifetimes_arrive(self, path: Path) -> None:
        text = """
            lifetimes = {access_token = 5}
            [users."erin@x.test"]
            groups = ["a"]
            claims.address.country = "CH"
            [clients.app]
            client_secret = "s"
            [clients."urn:x:y"]
            token_endpoint_auth_method = "none"
        """
        found = read(path, text)
        assert found.users[4:] == (User("erin@x.test", "erin@x.test", "", ("a",), "", {"address": {"country": "CH"}}),)
        public = Client("urn:x:y", token_endpoint_auth_method="none", require_pkce=True)
        assert found.clients == (Client("app", "s"), public)
        assert found.lifetimes == Lifetimes(access_token=5)

    @pytest.mark.parametrize("start", ["\ufeff", "\r\n"])
    def test_files_as_windows_writes_them_are_read(self, path: Path, start: str) -> None:
        path.write_bytes(f"{start}[users.erin]\r\nname = 'Érin'\r\n".encode())
        assert read_users_file(path).users[-1].name == "Érin"

    def test_the_secret_is_not_shown_when_the_file_is(self, path: Path) -> None:
        assert "s3cret" not in repr(read(path, "[clients.app]\nclient_secret = 's3cret'"))


class TestRefusals:
    def test_all_problems_of_all_sections_are_said_together(self, path: Path) -> None:
        text = """
            builtin_users = "no"
            user = 3
            [users.alice]
            groups = "admins"
            emial = "x"
            [users."e\\nn"]
            [users.erin]
            claims.birthday = 2000-01-01
            [clients.my-app]
            redirect_uris = ["/cb"]
            [clients.good]
            client_secret = "s"
            [lifetimes]
            access_token = "1h"
            id_tokn = 3
        """
        assert [said.partition(": the keys are")[0] for said in problems(path, text)] == [
            "builtin_users must be true or false",
            "'user' is not a key of the users file (did you mean users?)",
            "users.alice: groups must be a list of text",
            "users.alice: 'emial' is not a key of a user (did you mean email?)",
            'users."e\\nn": sub must be 1 to 255 printable ASCII characters',
            "users.erin: claims must be values that JSON has: 'birthday' is a date, "
            "which JSON does not have (write it as text, in quotes)",
            "clients.my-app: redirect_uris number 1 must be an absolute http or https URI without a fragment",
            "clients.my-app: client_secret is missing: it is needed unless "
            "token_endpoint_auth_method is none or private_key_jwt",
            "lifetimes: access_token must be whole seconds from 1 to 315360000 (ten years)",
            "lifetimes: 'id_tokn' is not a key of the lifetimes (did you mean id_token?)",
        ]

    @pytest.mark.parametrize("section", ["users", "clients", "lifetimes"])
    @pytest.mark.parametrize("value", ["3", "[]", "'x'", "[{a = 1}]", "2000-01-01"])
    def test_a_section_is_a_table(self, path: Path, section: str, value: str) -> None:
        assert problems(path, f"{section} = {value}") == [f"{section} must be a table"]

    @pytest.mark.parametrize(("section", "what"), [("users", "a user"), ("clients", "a client")])
    def test_an_entry_is_a_table(self, path: Path, section: str, what: str) -> None:
        assert problems(path, f"{section}.erin = 'x'") == [
            f"{section}.erin: {what} must be a table (in JSON: an object)"
        ]

    def test_a_name_with_a_dot_that_lacks_its_quotes_is_recognized(self, path: Path) -> None:
        found = problems(path, "[users.ann.lee]\nname = 'Ann Lee'\n[users.ann.claims]\nx = 1")
        assert found == [
            "users.ann: 'lee' is not a key of a user: the keys are name, email, groups, about, claims",
            'users.ann: a name with a dot needs quotes: [users."ann.lee"]',
        ]

    def test_a_refused_entry_with_claims_gets_no_advice_about_dots(self, path: Path) -> None:
        assert problems(path, "[users.ann]\nname = 3\nclaims.x = 1") == ["users.ann: name must be text"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("\n[users.erin\n", "Expected ']' at the end of a table declaration (at line 2, column 12)"),
            ("[users.erin]\nname = Erin", "Invalid value (at line 2, column 8)"),
            ("[users.a]\n[users.a]\n", "Cannot declare ('users', 'a') twice (at line 2, column 9)"),
            ("[users.a]\n\ngroups = [", "Invalid value (at the end, line 3)"),
            (
                "x = " + "1" * 5000,
                "Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits",
            ),
        ],
    )
    def test_what_is_not_toml_is_refused_with_its_line(self, path: Path, text: str, said: str) -> None:
        assert problems(path, text) == [f"{path} is not valid TOML: {said}"]

    def test_a_value_nested_without_end_is_refused(self, path: Path) -> None:
        assert problems(path, "x = " + "[" * 50_000) == [f"{path} is not usable: its values are nested too deeply"]

    def test_a_file_that_is_not_there_is_refused(self, path: Path) -> None:
        assert problems(path) == [f"{path} cannot be read: No such file or directory"]

    def test_a_directory_is_refused(self, tmp_path: Path) -> None:
        assert problems(tmp_path) == [f"{tmp_path} cannot be read: Is a directory"]

    @pytest.mark.parametrize("content", [b"\xff\xfe[\x00", "# é".encode("latin-1"), b"# \xed\xa0\x80"])
    def test_what_is_not_utf_8_is_refused(self, path: Path, content: bytes) -> None:
        assert problems(path, content) == [f"{path} is not UTF-8 text"]

    def test_a_file_may_have_one_mebibyte_and_no_more(self, path: Path) -> None:
        assert read(path, "#" * 1024**2).users == USERS
        assert problems(path, "#" * (1024**2 + 1)) == [f"{path} is larger than 1 MiB"]
        assert problems(path, b"\xc3\xa9" * 1024**2) == [f"{path} is larger than 1 MiB"]

    def test_a_device_without_end_is_not_read_to_its_end(self) -> None:
        assert problems(Path("/dev/zero")) == ["/dev/zero is larger than 1 MiB"]

    def test_a_file_that_others_can_read_is_fine_here(self, path: Path) -> None:
        path.write_text("[clients.app]\nclient_secret = 's'", encoding="utf-8")
        path.chmod(0o644)
        assert read_users_file(path).clients == (Client("app", "s"),)
