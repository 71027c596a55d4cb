"""Reads a mailbox with Python's own IMAP client and prints it as JSON: an outside witness."""

import hashlib
import imaplib
import json
import re
import sys

imaplib._MAXLINE = 100_000_000
host, port, user, password = sys.argv[1:5]
client = imaplib.IMAP4(host, int(port))
client.login(user, password)
_, lines = client.list()
_, subscribed = client.lsub()


def name_of(line):
    match = re.match(rb'\(([^)]*)\) (?:"(.)"|NIL) (.*)$', line)
    attributes, separator, name = match.groups()
    if name.startswith(b'"'):
        name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return attributes, (separator or b"").decode(), name.decode()


folders = {}
for line in lines:
    if isinstance(line, tuple):
        # A name sent as a literal.
        attributes, separator, _ = name_of(line[0].split(b"{")[0] + b"x")
        name = line[1].decode()
    elif line:
        attributes, separator, name = name_of(line)
    else:
        continue
    if b"\\noselect" in attributes.lower():
        continue
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    status, data = client.select(quoted, readonly=True)
    if status != "OK":
        raise SystemExit(f"cannot open {name}: {data}")
    messages = []
    if int(data[0]) > 0:
        _, items = client.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
        head = None
        for item in items:
            if isinstance(item, tuple):
                head, body = item
                tail = b""
            else:
                tail = item
            if head is not None and not isinstance(item, tuple):
                text = head + tail
                date = imaplib.Internaldate2tuple(text)
                flags = re.search(rb"FLAGS \(([^)]*)\)", text).group(1).decode().split()
                when = re.search(rb'INTERNALDATE "([^"]*)"', text).group(1).decode()
                messages.append(
                    {
                        "hash": hashlib.sha256(body).hexdigest(),
                        "size": len(body),
                        "flags": sorted(flag for flag in flags if flag != "\\Recent"),
                        "date": when,
                    }
                )
                head = None
    folders[name] = {"separator": separator, "messages": messages}
names = []
for line in subscribed:
    if isinstance(line, bytes):
        names.append(name_of(line)[2])
print(json.dumps({"folders": folders, "subscribed": sorted(names)}))
