"""The gate once more, slow and plain, and the means to hold the fast one against it.

    slow_view.py        the check as a Flask view: the documented order, step by step
    slow_reading.py     what was asked for, and what the visitor came with
    slow_rules.py       the rule that decides, and whom it lets in
    slow_answers.py     status, headers and body
    three_ways.py       one gate asked in three ways, with people, tokens, a clock and a policy that change
    random_days.py      an example of hypothesis: requests, and changes between them
    random_requests.py  what a proxy says, and what is odd about it
    random_policies.py  policies, people and tokens
    choices.py          many choices from a few random bytes
    sameness.py         two answers compared, byte for byte

`python -m tests.gate.reference --requests 1000000` compares as many; test_equivalence.py some thousands.
Nothing here calls what is fast: policies are read, paths taken apart, records opened and seals broken by the parts that
have tests of their own, the rest is written anew from docs/gate.md and docs/policy.md.
"""
