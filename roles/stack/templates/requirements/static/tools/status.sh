#!/bin/sh
# How the site is, in one line: what it is made of.
exec cat /srv/summary
