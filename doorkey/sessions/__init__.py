"""What a signed-in browser has, without Flask.

record.py        Record: who, which token, when it ends
summary.py       Summary: what others than its owner may know of a session
ids.py           from the cookie's secret to the store's id, one way only
key_file.py      the server key that development makes for itself
seal.py          Keyring: what is stored or sent to a browser is sealed by it
store.py         SessionStore, the interface; StoredRecord, what a store sees
sqlite_store.py  the store for one machine
generations.py   by which whoever keeps a record sees that it may have changed
redis_store.py   the store for several; redis_scripts.py is what runs inside Redis
redis_servers.py from an address to the servers behind it: one, Sentinel, Cluster
redis_setup.py   how these are set up, and what is wrong with that
redis_tracking.py a process is told at once which records changed; redis_link.py is one connection for that
forks.py         what a fork of this process does first of all
lifecycle.py     Sessions: start, open, replace, touch, end
roster.py        Roster: sessions found without their cookie, and ended
refresh.py       Refresher: one renewal of a token at a time, whoever asks
lease.py         Lease: who may do something that only one may do
"""
