#!/bin/sh
# What the server's start and its later changes of passwords write alike.

# The digest of a password on stdin, as an account of Redis keeps it.
digest() {
    tr -d '\n' | sha256sum | cut -d ' ' -f 1
}
