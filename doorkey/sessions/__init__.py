"""What a signed-in browser has, without Flask.

record.py        Record: who, which token, when it ends
ids.py           from the cookie's secret to the store's id, one way only
key_file.py      the server key that development makes for itself
seal.py          Keyring: what is stored or sent to a browser is sealed by it
store.py         SessionStore, the interface; StoredRecord, what a store sees
sqlite_store.py  the store for one machine
lifecycle.py     Sessions: start, open, touch, end
"""
