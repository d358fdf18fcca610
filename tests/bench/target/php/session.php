<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A session of the site's administrator for the benchmark.
 *   session.php begin    prints its cookies
 *   session.php end      ends all that the benchmark has begun
 *
 * Once a week the dashboard asks wordpress.org what it thinks of this PHP. Where there is no way out it asks at each visit and waits for
 * the name server, which would be measured instead of the stack: such a machine gets an answer for the time of the benchmark.
 */

declare(strict_types=1);

const MARK = 'inception-bench';
const SECONDS = 7200;

require '/var/www/html/wp-load.php';

$question = 'php_check_' . md5(PHP_VERSION);
$answer = ['recommended_version' => '7.4', 'minimum_version' => '5.6', 'is_supported' => true, 'is_secure' => true, 'is_acceptable' => true, MARK => true];

$user = get_users(['role' => 'administrator', 'number' => 1])[0];

if ($argv[1] === 'end') {
    $sessions = get_user_meta($user->ID, 'session_tokens', true) ?: [];
    update_user_meta($user->ID, 'session_tokens', array_filter($sessions, static fn (array $session): bool => !isset($session[MARK])));
    if (isset((get_site_transient($question) ?: [])[MARK])) {
        delete_site_transient($question);
    }
    exit;
}

if (get_site_transient($question) === false) {
    set_site_transient($question, $answer, SECONDS);
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
