# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy for HTTP, and for whatever is asked for by CONNECT. It says each host that it was asked for."""

import asyncio
import contextlib
from urllib.parse import urlsplit


async def pour(source, target):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


async def serve(reader, writer):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        print(method, parts.hostname, flush=True)
        far = await asyncio.open_connection(parts.hostname, parts.port or 80)
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            # One request a connection: whoever asks for more asks again.
            kept = [one for one in lines if not one.lower().startswith(("proxy-", "connection:"))]
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            far[1].write(
                "\r\n".join([f"{method} {path or '/'} {version}", "Connection: close", *kept]).encode("latin-1")
            )
        await asyncio.gather(pour(reader, far[1]), pour(far[0], writer))
        far[1].close()
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        print("failed", repr(error), flush=True)
        with contextlib.suppress(OSError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n")
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 3164)
    async with server:
        await server.serve_forever()


asyncio.run(main())
