#!/usr/bin/python3
"""Whether the server greets, and has a certificate to speak TLS with."""

import ftplib
import os

with ftplib.FTP_TLS(timeout=5) as client:
    client.connect("127.0.0.1", int(os.environ["FTP_PORT"]))
    client.auth()
