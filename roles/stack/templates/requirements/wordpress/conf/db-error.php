<?php
/*
 * Inception: what WordPress shows when its database gives it no connection. It passes by, so visitors and machines are told to come again.
 */

if (PHP_SAPI === 'cli') {
    fwrite(STDERR, "The database gives no connection.\n");
    exit(1);
}
http_response_code(503);
header('Retry-After: 10');
header('Cache-Control: no-store');
header('Content-Type: text/html; charset=utf-8');
echo "<!DOCTYPE html><html lang=en><title>Busy</title><h1>The site is busy</h1><p>It will be there again in a moment: try again in ten seconds.</p></html>\n";
