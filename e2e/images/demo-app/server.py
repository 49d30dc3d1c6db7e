"""A web shop's smallest part: answers every request, ends promptly when asked.

Only the sockets of python3-minimal are used, so that the image holds its old packages for the scanner alone.
"""

import os
import signal
import socket
import sys
import threading

BODY = f"hello from {os.environ.get('HOSTNAME', 'demo-app')}\n".encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


def answer(connection):
    with connection:
        connection.settimeout(5)
        try:
            connection.recv(8192)
            connection.sendall(ANSWER)
        except OSError:
            pass  # whoever asked has gone


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(("", 8080), backlog=128)
    print(f"serving on :8080 as user {os.getuid()}", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
