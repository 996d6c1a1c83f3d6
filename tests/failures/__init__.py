"""Every failure of the development provider, seen by a client that shares no code with it.

raw_http.py, raw_jose.py   HTTP and JOSE by hand
relying_party.py           a whole sign-in, and what was observed in it, as plain values
observing.py               what two observations differ in
expected.py                failure by failure: what has to differ, written from the specifications
provider.py                the provider as a process, and the other parties that it talks to
test_*.py                  the expectations, kept; failures of the connection; the names
"""
