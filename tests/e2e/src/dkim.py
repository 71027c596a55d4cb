"""Verifies every DKIM signature of the message on stdin with dkimpy (RFC 6376, RFC 8463).

The only argument is a JSON object: the TXT records by name. One line per signature is written:
algorithm, selector, domain, `pass` or `fail`. No network is used.
"""

import json
import sys

import dkim

records = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()


def txt(name, timeout=5):
    found = records.get(name.decode().rstrip(".") + ".")
    return found.encode() if found else None


headers, _ = dkim.rfc822_parse(message)
signatures = sum(1 for name, _ in headers if name.lower() == b"dkim-signature")
for place in range(signatures):
    signature = dkim.DKIM(message)
    try:
        passed = signature.verify(idx=place, dnsfunc=txt)
    except dkim.DKIMException as refused:
        print(refused, file=sys.stderr)
        passed = False
    fields = signature.signature_fields
    words = [fields[key].decode() for key in (b"a", b"s", b"d")]
    print(*words, "pass" if passed else "fail")
