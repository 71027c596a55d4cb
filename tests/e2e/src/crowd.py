"""Opens COUNT connections to 127.0.0.1:PORT, encrypts each and keeps them all open.

Arguments: PORT COUNT NAME CAFILE, and `tls` or `starttls`. Writes how many of them still answer
NOOP at the end.
"""

import socket
import ssl
import sys

port, count, name, authority, how = sys.argv[1:6]
context = ssl.create_default_context(cafile=authority)
if len(sys.argv) > 6:
    context.load_cert_chain(sys.argv[6])


def answer(stream, code):
    while True:
        line = stream.readline()
        if line[3:4] != b"-":
            return line.startswith(code)


def say(connection, stream, text, code):
    connection.sendall(text + b"\r\n")
    return answer(stream, code)


crowd = []
for place in range(int(count)):
    connection = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
    if how == "starttls":
        stream = connection.makefile("rb")
        if not answer(stream, b"220"):
            sys.exit(f"connection {place + 1} was not greeted")
        if not (say(connection, stream, b"EHLO crowd.example", b"250") and say(connection, stream, b"STARTTLS", b"220")):
            sys.exit(f"connection {place + 1} was not let encrypt")
    connection = context.wrap_socket(connection, server_hostname=name)
    stream = connection.makefile("rb")
    if how == "tls" and not answer(stream, b"220"):
        sys.exit(f"connection {place + 1} was not greeted")
    crowd.append((connection, stream))

print(sum(say(connection, stream, b"NOOP", b"250") for connection, stream in crowd))
