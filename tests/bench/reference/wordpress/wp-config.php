<?php
// SPDX-License-Identifier: GPL-3.0-or-later
define('DB_HOST', 'mariadb');
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', rtrim(file_get_contents('/etc/password')));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
$table_prefix = 'wp_';

foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $purpose) {
    foreach (['KEY', 'SALT'] as $kind) {
        define("{$purpose}_$kind", hash('sha256', $purpose . $kind . DB_PASSWORD));
    }
}

if (PHP_SAPI === 'cli') {
    $_SERVER['HTTPS'] = 'on';
    $_SERVER['HTTP_HOST'] = 'reference.42.fr';
}
define('WP_DEBUG', false);
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
