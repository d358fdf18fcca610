#!/bin/sh
# The site's own sign of life, in one line: what it is made of.
exec cat /srv/summary
