<?php
// SPDX-License-Identifier: GPL-3.0-or-later
// For test_sessions.py: a program that needs no WordPress, and is a plugin too, with a session.
if (!isset($_GET['verify_session'])) {
    return;
}
if (defined('ABSPATH')) {
    // Visitors' pages would be kept, were it not for the session.
    add_action('init', 'verify_session');
    add_action('wp_footer', static function (): void {
        echo '<p>Visits: ', (int) ($_SESSION['visits'] ?? -1), '</p>';
    });
} else {
    verify_session();
    echo 'Visits: ', $_SESSION['visits'] ?? -1;
}

function verify_session(): void
{
    session_cache_limiter('');
    session_start($_GET['verify_session'] === 'quiet' ? ['use_cookies' => 0] : []);
    switch ($_GET['verify_session']) {
        case 'slow':
            $visits = $_SESSION['visits'] ?? 0;
            usleep(100000);
            $_SESSION['visits'] = $visits + 1;
            break;
        case 'late':
            register_shutdown_function(static function (): void {
                $_SESSION['visits'] = 42;
            });
            break;
        case 'long':
            $_SESSION['long'] = str_repeat('x', 1100000);
            break;
        case 'over':
            session_destroy();
            break;
        case 'another':
            session_regenerate_id(true);
            // As a visit.
        default:
            $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
    }
}
