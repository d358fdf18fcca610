#!/bin/sh
# What GoAccess tells each visitor of its page at once: the report as JSON, in the first message of a websocket.
curl --silent --no-buffer --max-time 2 --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
    --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==' http://127.0.0.1:7890/ | tr -d '\000'
