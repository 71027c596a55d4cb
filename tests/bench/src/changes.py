"""What a user does to a mailbox between two passes: some mail comes, some flags change."""

import imaplib
import sys

host, port, user, password, folder, count = sys.argv[1:7]
client = imaplib.IMAP4(host, int(port))
client.login(user, password)
for number in range(int(count)):
    text = f"Subject: entre deux passages {number}\r\nFrom: a@b.fr\r\n\r\nBonjour\r\n"
    status, data = client.append(folder, None, None, text.encode())
    if status != "OK":
        raise SystemExit(f"cannot append: {data}")
client.select(folder)
status, data = client.uid("STORE", f"1:{count}", "+FLAGS.SILENT", "(\\Flagged)")
if status != "OK":
    raise SystemExit(f"cannot change flags: {data}")
client.logout()
