#!/bin/sh
# The server's own sign of life, in one line.
exec cat /tmp/alive
