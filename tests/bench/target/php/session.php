<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A session of the site's administrator for the benchmark.
 *   session.php begin    prints its cookies
 *   session.php end      ends all that the benchmark has begun
 */

declare(strict_types=1);

const MARK = 'inception-bench';
const SECONDS = 7200;

require '/var/www/html/wp-load.php';

$user = get_users(['role' => 'administrator', 'number' => 1])[0];

if ($argv[1] === 'end') {
    $sessions = get_user_meta($user->ID, 'session_tokens', true) ?: [];
    update_user_meta($user->ID, 'session_tokens', array_filter($sessions, static fn (array $session): bool => !isset($session[MARK])));
    exit;
}

add_filter('attach_session_information', static fn (array $session): array => $session + [MARK => true]);
$expires = time() + SECONDS;
$token = WP_Session_Tokens::get_instance($user->ID)->create($expires);
printf(
    "%s=%s; %s=%s\n",
    SECURE_AUTH_COOKIE,
    wp_generate_auth_cookie($user->ID, $expires, 'secure_auth', $token),
    LOGGED_IN_COOKIE,
    wp_generate_auth_cookie($user->ID, $expires, 'logged_in', $token)
);
