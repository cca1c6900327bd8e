"""Reads mails with Python's email package and says as JSON, a line each, what a receiver sees.

Standard input: for each mail its length in bytes on a line, then the mail. Each line of output holds the headers as
they are decoded, names and values in their order; the addresses of From and To as Python takes them apart; and the
parts' types and texts. `lines` is the longest line but for the Message-ID, `ascii` whether there was anything else.
"""

import email
import email.header
import email.policy
import email.utils
import json
import sys


def decoded(value):
    """An unstructured value, by the plain functions for RFC 2047."""
    value = value.replace("\r\n", "")
    return str(email.header.make_header(email.header.decode_header(value)))


def addresses(value):
    """Taken apart while names are still encoded: the newer parser puts spaces between the words of a long name."""
    return [[decoded(name), address] for name, address in email.utils.getaddresses([value.replace("\r\n", "")])]


def main():
    stream = sys.stdin.buffer
    while size := stream.readline():
        raw = stream.read(int(size))
        plain = email.message_from_bytes(raw)
        modern = email.message_from_bytes(raw, policy=email.policy.SMTP)
        said = {
            "headers": [[name, decoded(value)] for name, value in plain.items()],
            "subject": str(modern["subject"]),
            "from": addresses(plain["from"]),
            "to": addresses(plain["to"]),
            "date": modern["date"].datetime.timestamp() if modern["date"] else None,
            "defects": [str(d) for part in modern.walk() for d in part.defects]
            + [str(d) for value in modern.values() for d in value.defects],
            "type": modern.get_content_type(),
            "parts": [
                [part.get_content_type(), part.get_payload(decode=True).decode("utf-8")]
                for part in modern.walk()
                if not part.is_multipart()
            ],
            "ascii": raw.isascii(),
            "bare": raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
            "lines": max(len(line) for line in raw.split(b"\r\n") if not line.startswith(b"Message-ID: ")),
        }
        print(json.dumps(said))


main()
