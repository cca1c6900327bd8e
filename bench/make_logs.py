#!/usr/bin/env python3
"""Makes the logs for the benchmarks: a busy host's syslog with a given share of attack lines.

    make_logs.py --lines 1000000 --attack 0.05 --seed 1 >host.log

The same options give the same bytes. A log is a queue of conversations: each (a login, a mail, a guesser's connection)
is a short list of lines with pauses between them, all are merged by time, and a new one begins whenever one has
ended, so that some dozens are always open at once. Whether the next one is an attack is decided by how
many lines of each sort were written so far; the share is therefore met within a few lines.

Addresses: attackers come from 198.18.0.0/15 (RFC 2544, for benchmarks) and 2001:db8::/32, a few of them very often;
everybody else from 192.0.2.0/24.
"""
import argparse
import datetime
import heapq
import random
import sys

GUESSED = ("admin test guest oracle ubuntu postgres git user support backup nagios ftp www pi deploy mysql jenkins "
           "hadoop tomcat minecraft zabbix steam dev centos vagrant").split()
STAFF = "anna bo karl lena mira olle".split()
NAMES = "abcdefghijklmnopqrstuvwxyz0123456789_-."
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Host:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.attackers = [self.attacker() for _ in range(4000)]

    def attacker(self):
        r = self.random.randrange
        if r(100) < 6:
            return "2001:db8:%x:%x::%x" % (r(1, 65536), r(1, 65536), r(1, 65536))
        return "198.%d.%d.%d" % (r(18, 20), r(256), r(1, 255))

    def enemy(self):  # a tenth of the addresses makes most of the noise
        return self.attackers[int(len(self.attackers) * self.random.random() ** 3)]

    def friend(self):
        return "192.0.2.%d" % self.random.randrange(1, 120)

    def port(self):
        return self.random.randrange(1024, 65536)

    def text(self, letters, least, most):
        return "".join(self.random.choices(letters, k=self.random.randint(least, most)))

    def process(self, name):
        return "%s[%d]" % (name, self.random.randrange(300, 4194304))

    # --- attacks: lists of (program, message) ---

    def guess_unknown(self):
        sshd, who, where = self.process("sshd"), self.account(), self.enemy()
        port = self.port()
        lines = [(sshd, f"Invalid user {who} from {where} port {port}")]
        for _ in range(self.random.randint(1, 2)):
            lines += [(sshd, "pam_unix(sshd:auth): check pass; user unknown"),
                      (sshd, "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                             f"rhost={where} "),
                      (sshd, f"Failed password for invalid user {who} from {where} port {port} ssh2")]
        if self.random.random() < 0.6:
            lines.append((sshd, f"Received disconnect from {where} port {port}:11: Bye Bye [preauth]"))
            lines.append((sshd, f"Disconnected from invalid user {who} {where} port {port} [preauth]"))
        else:
            lines.append((sshd, f"Connection closed by invalid user {who} {where} port {port} [preauth]"))
        return lines

    def guess_root(self):
        sshd, where, port = self.process("sshd"), self.enemy(), self.port()
        failed = f"Failed password for root from {where} port {port} ssh2"
        lines = [(sshd, "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                        f"rhost={where}  user=root"), (sshd, failed)]
        if self.random.random() < 0.3:
            lines += [(sshd, f"message repeated 5 times: [ {failed}]"),
                      (sshd, f"error: maximum authentication attempts exceeded for root from {where} port {port} ssh2 "
                             "[preauth]"),
                      (sshd, f"Disconnecting authenticating user root {where} port {port}: Too many authentication "
                             "failures [preauth]"),
                      (sshd, "PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= "
                             f"rhost={where}  user=root")]
        else:
            lines.append((sshd, f"Connection closed by authenticating user root {where} port {port} [preauth]"))
        return lines

    def scan(self):
        sshd, where, port = self.process("sshd"), self.enemy(), self.port()
        return [(sshd, self.random.choice((
            f"Connection closed by {where} port {port} [preauth]",
            f"banner exchange: Connection from {where} port {port}: invalid format",
            f"Unable to negotiate with {where} port {port}: no matching key exchange method found. Their offer: "
            "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1 [preauth]")))]

    def guess_mail(self):
        smtpd, where = self.process("postfix/smtpd"), self.enemy()
        return [(smtpd, f"connect from unknown[{where}]"),
                (smtpd, f"warning: unknown[{where}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"),
                (smtpd, f"disconnect from unknown[{where}] ehlo=1 auth=0/1 quit=1 commands=2/3")]

    def guess_imap(self):
        return [("dovecot", f"imap-login: Disconnected (auth failed, {self.random.randint(1, 4)} attempts in 6 secs): "
                            f"user=<{self.account()}@example.com>, method=PLAIN, rip={self.enemy()}, lip=192.0.2.200, "
                            f"TLS, session=<{self.text(BASE64, 16, 16)}>")]

    def account(self):
        return self.random.choice(GUESSED) if self.random.random() < 0.6 else self.text(NAMES[:26], 1, 1) + self.text(
            NAMES, 2, 11)

    # --- what a host writes on a quiet day ---

    def login(self):
        sshd, who, where, port = self.process("sshd"), self.random.choice(STAFF), self.friend(), self.port()
        return [(sshd, f"Accepted publickey for {who} from {where} port {port} ssh2: ED25519 "
                       f"SHA256:{self.text(BASE64, 43, 43)}"),
                (sshd, f"pam_unix(sshd:session): session opened for user {who}(uid=1000) by (uid=0)"),
                ("systemd-logind[701]", f"New session {port} of user {who}."),
                (sshd, f"Received disconnect from {where} port {port}:11: disconnected by user"),
                (sshd, f"Disconnected from user {who} {where} port {port}"),
                (sshd, f"pam_unix(sshd:session): session closed for user {who}"),
                ("systemd-logind[701]", f"Session {port} logged out. Waiting for processes to exit.")]

    def cron(self):
        cron = self.process("CRON")
        return [(cron, "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
                (cron, "(root) CMD (test -x /usr/sbin/anacron || run-parts --report /etc/cron.hourly)"),
                (cron, "pam_unix(cron:session): session closed for user root")]

    def mail(self):
        smtpd, where, queue = self.process("postfix/smtpd"), self.friend(), self.text("0123456789ABCDEF", 10, 10)
        return [(smtpd, f"connect from mx{self.random.randrange(9)}.example.net[{where}]"),
                (smtpd, f"{queue}: client=mx.example.net[{where}]"),
                (self.process("postfix/cleanup"), f"{queue}: message-id=<{self.text(NAMES[:36], 20, 20)}@example.net>"),
                ("postfix/qmgr[733]", f"{queue}: from=<news@example.net>, size={self.port()}, nrcpt=1 (queue active)"),
                (smtpd, f"disconnect from mx.example.net[{where}] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 "
                        "commands=7"),
                ("postfix/qmgr[733]", f"{queue}: removed")]

    def imap(self):
        who, session = self.random.choice(STAFF), self.text(BASE64, 16, 16)
        return [("dovecot", f"imap-login: Login: user=<{who}@example.com>, method=PLAIN, rip={self.friend()}, "
                            f"lip=192.0.2.200, mpid={self.port()}, TLS, session=<{session}>"),
                ("dovecot", f"imap({who}@example.com)<{self.port()}><{session}>: Disconnected: Logged out in=231 "
                            "out=4711 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0")]

    def firewall(self):
        return [("kernel", f"[{self.random.random() * 1e6:.6f}] drop: IN=eth0 OUT= "
                           f"SRC=192.0.2.{self.random.randrange(256)} DST=192.0.2.200 LEN=40 TTL=244 "
                           f"ID={self.port()} PROTO=TCP SPT={self.port()} DPT=23 SYN")]

    def web(self):
        return [(self.process("nginx"), f"{self.friend()} - - \"GET /{self.text(NAMES[:26], 4, 12)} HTTP/1.1\" 200 "
                                        f"{self.port()} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"")]

    def conversation(self, attack):
        if attack:
            kinds = (self.guess_unknown,) * 5 + (self.guess_root,) * 4 + (self.scan, self.scan, self.guess_mail,
                                                                         self.guess_imap)
        else:
            kinds = (self.login,) * 3 + (self.cron,) * 4 + (self.mail,) * 4 + (self.imap,) * 4 + (
                self.firewall,) * 8 + (self.web,) * 8
        return self.random.choice(kinds)()


def write(options, out):
    host = Host(options.seed)
    start = datetime.datetime.fromisoformat(options.start)
    begun = {True: 0, False: 0}
    number = 0  # of the conversation; settles equal times
    waiting = []  # heap of (second, conversation's number, its next line, its lines)
    stamp, stamped = "", -1
    buffer = []

    def begin(now):
        nonlocal number
        attack = begun[True] < options.attack * (begun[True] + begun[False] + 1)
        lines = host.conversation(attack)
        begun[attack] += len(lines)
        number += 1
        heapq.heappush(waiting, (now + host.random.random() * 20, number, 0, lines))

    for _ in range(48):
        begin(0.0)
    for _ in range(options.lines):
        now, conversation, index, lines = heapq.heappop(waiting)
        if int(now) != stamped:
            stamped = int(now)
            moment = start + datetime.timedelta(seconds=stamped)
            stamp = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S} mail01 "
        program, message = lines[index]
        buffer.append(f"{stamp}{program}: {message}\n")
        if len(buffer) == 10000:
            out.write("".join(buffer))
            buffer.clear()
        if index + 1 < len(lines):
            heapq.heappush(waiting, (now + host.random.random() * 2, conversation, index + 1, lines))
        else:
            begin(now)
    out.write("".join(buffer))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--attack", type=float, default=0.05, help="share of the lines that belong to attacks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="2026-05-04T06:00:00", help="time of the first line")
    write(parser.parse_args(), sys.stdout)


if __name__ == "__main__":
    main()
