"""What faults of the store, the disk, the clock and the workers cost people who are signed in: real experiments.

    exchange.py         one request, and what is wrong with any answer whatever was asked
    members.py          people with browsers, who remember what was acknowledged to them
    front_door_site.py  the provider, and Doorkey as `python app.py`
    experiment.py       sleepers, a busy crowd, the fault, and everybody asked at the end
    redis_faults.py, topology_faults.py, file_faults.py, record_faults.py, clock_faults.py, worker_faults.py
    all_faults.py       the table of them

`make faults` prints what each of them cost; test_every_fault.py holds them to it.
"""
