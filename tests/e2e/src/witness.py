"""Reads mailboxes with Python's own IMAP client over TLS and prints, per user, what they hold.

stdin: {"port", "name", "authority", "users": [[user, password], …]}. A message is told by the SHA-256
of its bytes and its flags; folders are left out, since each server writes their names its own way.
"""

import hashlib
import imaplib
import json
import re
import socket
import ssl
import sys

imaplib._MAXLINE = 100_000_000
asked = json.load(sys.stdin)
trust = ssl.create_default_context(cafile=asked["authority"])


class Client(imaplib.IMAP4_SSL):
    """Connects to a forwarded port and checks the certificate for the server's own name."""

    def _create_socket(self, timeout):
        plain = socket.create_connection(("127.0.0.1", asked["port"]), 30)
        return trust.wrap_socket(plain, server_hostname=asked["name"])


def folders(client):
    _, lines = client.list()
    for line in lines:
        if isinstance(line, tuple):
            yield line[1]
        elif line:
            attributes, name = re.match(rb'\(([^)]*)\) (?:".+?"|NIL) (.*)$', line).groups()
            if b"\\noselect" not in attributes.lower():
                yield re.sub(rb"\\(.)", rb"\1", name[1:-1]) if name.startswith(b'"') else name


def messages(client, folder):
    quoted = b'"' + folder.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    status, data = client.select(quoted.decode(), readonly=True)
    if status != "OK":
        raise SystemExit(f"cannot open {folder!r}: {data}")
    if int(data[0]) == 0:
        return
    _, items = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
    head = body = None
    for item in items:
        if isinstance(item, tuple):
            head, body = item
            continue
        flags = re.search(rb"FLAGS \(([^)]*)\)", head + item).group(1).decode().split()
        flags = sorted(flag for flag in flags if flag != "\\Recent")
        yield hashlib.sha256(body).hexdigest() + " " + " ".join(flags)


held = {}
for user, password in asked["users"]:
    client = Client("127.0.0.1", asked["port"])
    client.login(user, password)
    held[user] = sorted(m for folder in folders(client) for m in messages(client, folder))
    client.logout()
json.dump(held, sys.stdout)
