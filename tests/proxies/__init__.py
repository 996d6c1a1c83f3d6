"""Real proxies in front of a real app, with the files that operators copy from deploy/.

- running.py: starts and stops a proxy; certificates; ports put into a deploy file
- raw_server.py, echo_app.py, stub_check.py: an app that tells what reached it, and what stands in for Doorkey
- raw_client.py: sends exactly the bytes that a test wants sent
- <name>_proxy.py: how one proxy is started from its files in deploy/
- every.py: all of them
"""
