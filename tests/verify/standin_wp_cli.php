#!/usr/bin/env php
<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stand-in for wp-cli, which no machine for tests can fetch: it tells its words and where it is, and writes past WordPress's functions.
 */

require '/var/www/html/wp-load.php';

if ($argv[1] === 'option') {
    $wpdb->query($wpdb->prepare("UPDATE $wpdb->options SET option_value = CONCAT(option_value, %s) WHERE option_name = %s", $argv[3], $argv[2]));
    exit(3);
}
echo json_encode(['words' => array_slice($argv, 1), 'stdin' => stream_get_contents(STDIN), 'uid' => fileowner('/proc/self'), 'home' => getenv('HOME')]);
