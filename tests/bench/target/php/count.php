<?php
/**
 * Plugin Name: Inception's benchmark
 * Description: Notes each request that reaches PHP. It is there for some seconds.
 */

// SPDX-License-Identifier: GPL-3.0-or-later
if (PHP_SAPI !== 'cli') {
    file_put_contents('/tmp/inception-bench.requests', $_SERVER['REQUEST_URI'] . "\n", FILE_APPEND | LOCK_EX);
}
