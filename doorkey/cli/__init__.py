"""The command line: one file per command, imported when it is called."""

import importlib

import click

from doorkey import __version__

COMMANDS = {
    "serve": ("serve", "Run the login page (with the development provider when nothing is configured)."),
    "check": ("check", "Try everything that a sign-in needs at the providers, and say what is wrong."),
    "sessions": ("session_commands", "List the sessions in the store, and end them."),
    "keys": ("key_commands", "Make a new server key."),
    "explain": ("explain_command", "Say which rule of the policy decides about a request, and why."),
    "policy": ("policy_commands", "Check the policy file."),
    "gate-token": ("gate_token_commands", "Make, list and revoke tokens of API clients."),
    "proxy-config": ("proxy_config", "Print the configuration of a reverse proxy."),
    "import-oauth2-proxy": ("import_oauth2_proxy", "Turn a configuration of oauth2-proxy into Doorkey's."),
    "dev-provider": ("dev_provider", "Run the development provider alone, for any OAuth client."),
}


class LazyGroup(click.Group):
    """Knows the commands by name, so that one command does not pay for the imports of another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"doorkey.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="doorkey")
def main() -> None:
    """Doorkey: a login front door and token workbench for OAuth 2.0."""
