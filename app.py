"""Doorkey for any server: `asgi` for uvicorn, `app` (its Flask part) for any WSGI server.

`python app.py` and `flask run` serve it too.
"""

if __name__ == "__main__":
    from doorkey.cli import main

    main(["serve"], prog_name="doorkey")

if __name__ != "__mp_main__":  # a worker process looks in here on its way, and makes an app of its own
    from doorkey.cli.settings_errors import fail
    from doorkey.errors import SettingsError
    from doorkey.factory import create_asgi

    try:
        asgi = create_asgi()
    except SettingsError as error:
        fail(error)
    app = asgi.flask
