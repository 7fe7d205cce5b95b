"""A mail server on this machine, of the standard library alone: keeps what it is sent."""

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Thread


@dataclass
class MailServer:
    """A server that runs, and the mails it got."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def connection(self) -> str:
        """The server as Airflow's connection, for ``AIRFLOW_CONN_SMTP_DEFAULT``."""
        extra = {
            "disable_ssl": True, "disable_tls": True, "timeout": 10, "retry_limit": 0,
            "from_email": "signalbox@example.org",
        }  # fmt: skip
        place = {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port}
        return json.dumps({**place, "extra": extra})


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run a server on a free port."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper().strip()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    content = b"".join(line.removeprefix(b".") for line in lines)
                    mail = message_from_bytes(content, policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    running.mails.append(mail)
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        running = MailServer(server.server_address[1])
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
