"""Speaks SMTP without any of a mail program's good manners: headers go as they are, byte by byte.

Reads one JSON document on stdin, writes one JSON list on stdout: for each message the code and text
of the last reply, and at which command it came.
"""
import json, smtplib, ssl, sys

asked = json.load(sys.stdin)
context = ssl.create_default_context(cafile=asked["authority"])
if asked.get("client"):
    context.load_cert_chain(asked["client"])


class Relayed(smtplib.SMTP):
    """A client behind a proxy that says where it comes from (PROXY protocol, version 2)."""

    def _get_socket(self, host, port, timeout):
        opened = super()._get_socket(host, port, timeout)
        if asked.get("proxied"):
            opened.sendall(bytes.fromhex(asked["proxied"]))
        return opened


def session():
    # The certificate is checked against the name, not the forwarded address.
    client = Relayed(timeout=60)
    client._host = asked["name"]
    if asked["how"] == "tls":
        plain = client._get_socket("127.0.0.1", asked["port"], 60)
        client.sock = context.wrap_socket(plain, server_hostname=asked["name"])
        client.file = None
        client.getreply()
    else:
        client.connect("127.0.0.1", asked["port"])
        client._host = asked["name"]
    client.ehlo("client.example")
    if asked["how"] == "starttls":
        client.starttls(context=context)
        client.ehlo("client.example")
    if asked.get("user"):
        client.login(asked["user"], asked["password"])
    return client


def sent(message, client):
    try:
        code, said = client.docmd(f"MAIL FROM:<{message['from']}>")
        if code >= 300:
            return "MAIL", code, said
        taken = 0
        for recipient in message["to"]:
            code, said = client.docmd(f"RCPT TO:<{recipient}>")
            taken += code < 300
        if not taken or (code >= 300 and not message.get("whatever")):
            return "RCPT", code, said
        code, said = client.docmd("DATA")
        if code >= 400:
            return "DATA", code, said
        client.send(message["text"].encode("latin-1") + b"\r\n.\r\n")
        code, said = client.getreply()
        return "MESSAGE", code, said
    finally:
        # A message that was refused before its end is forgotten.
        client.docmd("RSET")


# Sessions that stop short of a message, and stay.
held = []  # closed by the end of this program
for _ in range(asked.get("held", 0)):
    idle = session()
    idle.docmd(f"MAIL FROM:<{asked['messages'][0]['from']}>")
    idle.docmd(f"RCPT TO:<{asked['messages'][0]['to'][0]}>")
    held.append(idle)

client = session()
told = [sent(message, client) for message in asked["messages"]]
print(json.dumps([{"at": at, "code": code, "said": said.decode("utf-8", "replace")} for at, code, said in told]))
