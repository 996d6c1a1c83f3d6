"""What Doorkey costs beside what people use instead: `make bench`, or `python -m benchmarks.run --help`.

    run              all sections one after another, then the document
    gate_section     one check, and a file behind a check: nginx, uvicorn, Doorkey, Apache with mod_auth_openidc
    growth_section   one check against sessions, rules and workers
    latency_section  checks at fixed times while people sign in and tokens are renewed
    login_section    a whole sign-in over http and TLS
    process_section  memory after very many sessions; start with a provider that does not answer
    dev_provider     a token of the development provider; alone, its memory too

    depot            what all sections share: how much to do, and the seeded sessions
    servers          processes pinned to a core, and what they used
    doorkeys         Doorkey as users start it, its settings and rules
    peers            nginx, Apache, Redis, the development provider and a bare uvicorn
    seeding          session records by the hundred thousand, straight into both stores
    targets          one address that is hit, its requests, and the proof that it works
    load             wrk
    steady_load      a client that asks at fixed times, late or not
    sign_in_client   a browser without a screen: signs in, again and again
    measuring        rounds, medians, ratios, percentiles
    report           docs/performance.md and the raw numbers; plots: its two pictures

Nothing here is part of the package, and nothing in the package knows of it.
"""
