"""The examples for Docker Compose and Kubernetes: their settings load, and nothing runs with more than it needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from doorkey import __version__
from doorkey.errors import SettingsError
from doorkey.gate.policy_text import load_policy
from doorkey.paths import DEPLOY
from doorkey.settings import Settings, load

COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
OBJECTS = [
    thing
    for path in sorted((DEPLOY / "kubernetes").iterdir())
    for thing in yaml.safe_load_all(path.read_text())
    if thing
]
KEY = "a-key-for-tests-0123456789-abcdefghijkl"
IDENTITY = {"User", "Email", "Name", "Groups", "Provider", "Session", "Assertion", "Access-Token"}


def found(kind: str, name: str = "doorkey") -> Any:
    (thing,) = [one for one in OBJECTS if one["kind"] == kind and one["metadata"]["name"] == name]
    return thing


def container() -> dict[str, Any]:
    one: dict[str, Any]
    (one,) = found("Deployment")["spec"]["template"]["spec"]["containers"]
    return one


def loaded(environ: dict[str, str], tmp_path: Path) -> Settings:
    """With files of this machine in place of those of the example."""
    environ = dict(environ)
    for name, value in environ.items():
        if name.endswith("_FILE"):
            file = tmp_path / Path(value).name
            file.write_text(KEY)
            environ[name] = str(file)
    return load(environ)


def test_the_settings_of_the_compose_file_load(tmp_path: Path) -> None:
    settings = loaded(COMPOSE["services"]["doorkey"]["environment"], tmp_path)
    assert settings.session_store.kind == "redis"
    assert settings.session_store.hosts == (("redis", 6379),)


def test_only_the_proxy_can_be_reached_and_only_doorkey_reaches_the_store() -> None:
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert [name for name, service in services.items() if "store" in service["networks"]] == ["doorkey", "redis"]
    assert [name for name, service in services.items() if "gate" in service["networks"]] == ["nginx", "doorkey"]
    assert networks["store"]["internal"] is True
    trusted = services["doorkey"]["environment"]["DOORKEY_TRUSTED_PROXIES"]
    assert networks["gate"]["ipam"]["config"] == [{"subnet": trusted}]


def test_no_program_of_the_compose_file_has_more_than_it_needs() -> None:
    for name, service in COMPOSE["services"].items():
        if name != "nginx":  # it opens port 443
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["user"].partition(":")[0] not in ("", "0", "root"), name


def test_what_the_compose_file_mounts_is_there_or_made_as_it_says() -> None:
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    made = set(re.findall(r"--out (\w+)|mkdir (\w+)|into (\w+)/", text.partition("services:")[0]))
    made_names = {name for names in made for name in names if name}
    for mounted in re.findall(r"(?:- |file: )\./([\w./-]+)", text):
        assert (DEPLOY / "compose" / mounted).exists() or mounted.split("/")[0] in made_names, mounted


def test_every_image_is_pinned_and_ours_is_this_version() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()] + [container()["image"]]
    assert all(re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*", image) for image in images), images
    assert [image.rpartition(":")[2] for image in images if "doorkey" in image] == [__version__] * 2


def environment() -> dict[str, str]:
    given = container()["envFrom"]
    assert given == [{"configMapRef": {"name": "doorkey"}}, {"secretRef": {"name": "doorkey"}}]
    return {**found("ConfigMap")["data"], **found("Secret")["stringData"]}


def test_the_settings_of_the_manifest_load(tmp_path: Path) -> None:
    settings = loaded(environment() | {"DOORKEY_SECRET_KEY": KEY}, tmp_path)
    assert settings.public_url == "https://login.example.com"


def test_the_key_of_the_manifest_is_not_one_that_anybody_can_run_with(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        loaded(environment(), tmp_path)


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_the_policies_are_policies(where: str) -> None:
    text = (DEPLOY / "compose" / "policy.toml").read_text()
    if where == "kubernetes":
        text = found("ConfigMap", "doorkey-policy")["data"]["policy.toml"]
    rule = load_policy(text).rules.find("app.example.com", "/", "GET", is_plain=True)
    assert rule.allow.conditions[0].domains == ("example.com",)


def test_the_policy_is_mounted_where_the_settings_say() -> None:
    mounts = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert str(Path(environment()["DOORKEY_POLICY_FILE"]).parent) in mounts


def test_the_pod_is_not_root_and_writes_nowhere_but_to_its_volumes() -> None:
    pod = found("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"/data", "/tmp"} <= {mount["mountPath"] for mount in container()["volumeMounts"]}


def test_the_service_does_not_put_settings_into_the_pod(tmp_path: Path) -> None:
    """A Service called doorkey would be announced as DOORKEY_PORT and others, which are refused."""
    announced = {"DOORKEY_PORT": "tcp://10.0.0.1:8000", "DOORKEY_SERVICE_HOST": "10.0.0.1"}
    with pytest.raises(SettingsError, match="DOORKEY_PORT"):
        loaded(environment() | {"DOORKEY_SECRET_KEY": KEY} | announced, tmp_path)
    assert found("Deployment")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_probes_ask_for_what_they_mean() -> None:
    assert container()["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container()["livenessProbe"]["httpGet"]["path"] == "/healthz"  # a store that is away is no reason to restart


def test_the_ingress_asks_doorkey_and_takes_identity_from_nobody_else() -> None:
    app = found("Ingress", "app")
    notes = {name.rpartition("/")[2]: value for name, value in app["metadata"]["annotations"].items()}
    assert notes["auth-url"] == "http://doorkey.doorkey.svc.cluster.local:8000/check/nginx"
    assert notes["auth-signin"] == environment()["DOORKEY_PUBLIC_URL"] + "/login"
    assert notes["auth-signin-redirect-param"] == "next"
    headers = set(notes["auth-response-headers"].split(","))
    assert {f"X-Doorkey-{name}" for name in IDENTITY} <= headers
    paths = [path["path"] for path in app["spec"]["rules"][0]["http"]["paths"]]
    assert sorted(paths) == ["/", "/.doorkey/echo"]


def test_only_the_accept_step_of_an_application_is_unguarded() -> None:
    """Doorkey itself may have no gate in front of it."""
    for ingress in [one for one in OBJECTS if one["kind"] == "Ingress" and "annotations" not in one["metadata"]]:
        for rule in ingress["spec"]["rules"]:
            paths = [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]
            allowed = [("/", "Prefix")] if rule["host"] == "login.example.com" else [("/.doorkey/accept", "Exact")]
            assert paths == allowed


def test_what_proxies_ask_is_closed_to_the_public() -> None:
    inside = found("Ingress", "doorkey-inside")
    assert list(inside["metadata"]["annotations"].values()) == ["127.0.0.1/32"]
    paths = [path["path"] for path in inside["spec"]["rules"][0]["http"]["paths"]]
    assert paths == ["/check", "/metrics", "/oauth2/auth"]


def test_services_and_ports_fit_together() -> None:
    service = found("Service")
    assert service["spec"]["selector"] == found("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": "http"}]
    assert container()["ports"] == [{"name": "http", "containerPort": 8000}]
