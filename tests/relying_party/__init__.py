"""Doorkey as a relying party that knows its provider by issuer alone, held against every failure of the provider.

front_door.py   a Doorkey at a development provider, and a browser that goes the whole way of a sign-in
answers.py      the table: what each failure makes Doorkey answer, and what it asks of the provider
test_*.py       the table, kept

Covers doorkey/web/login.py, doorkey/oauth/ and doorkey/web/logout.py with all that lies between.
"""
