"""What is publicly known about a provider, so that nobody has to type it.

A preset gives defaults for `DOORKEY_PROVIDER_<ID>_*`; an explicit setting wins.
Data only: adding a provider here must never need code elsewhere.
"""

from collections.abc import Mapping

WATSONWORK_SCOPES = (
    "message_create message_read transcript_read membership_list file_download file_upload "
    "space_change space_read space_list space_create profile_read profile_update "
    "settings_read settings_update"
)

PRESETS: Mapping[str, Mapping[str, str]] = {
    "watsonwork": {
        "label": "Watson Work",
        "authorization_endpoint": "https://api.watsonwork.ibm.com/oauth/authorize",
        "token_endpoint": "https://api.watsonwork.ibm.com/oauth/token",
        "client_auth": "client_secret_basic",
        "scope": WATSONWORK_SCOPES,
    },
}
