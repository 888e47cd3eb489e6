"""What `helm test` runs: waits for the exporter behind the Service. Arguments: its /-/ready, and for how many seconds.

Its certificate is not judged: that is Prometheus's concern, which was told whom to trust.
"""

import ssl
import sys
import time
import urllib.request

url, deadline = sys.argv[1], time.monotonic() + float(sys.argv[2])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
# No proxy: the address is one of this cluster.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
while True:
    try:
        with opener.open(url, timeout=5) as answer:
            sys.exit(f"{url}: {answer.status}" if answer.status != 200 else 0)
    except OSError as error:
        if time.monotonic() >= deadline:
            sys.exit(f"{url}: {error}")
    time.sleep(1)
