#!/usr/local/bin/php
<?php
/*
 * Gives the site's users the passwords that stdin tells of, and proves it by signing in. A line is
 *   accept wp_admin_password <value>      or      refuse wp_admin_password <value>
 * A user has one password: the value that is accepted last. Where a value is refused, it is only taken away:
 * a password that somebody has chosen on the site since then stays.
 * No value is in a message. Says whose password was changed, and nothing when nobody's was.
 */

declare(strict_types=1);

const USERS = ['wp_admin_password' => 'ADMIN_USER', 'wp_user_password' => 'USER_NAME'];

// WordPress dies with a status of success, for example without its database.
$done = false;
register_shutdown_function(static function () use (&$done): void {
    if (!$done) {
        exit(1);
    }
});

require '/var/www/html/wp-load.php';

function fail(string $message): void
{
    fwrite(STDERR, "$message\n");
    exit(1);
}

/** Signs in as a visitor would, through whatever guards the site's sign-in. */
function signs_in(WP_User $user, string $value): bool
{
    return wp_authenticate($user->user_login, $value) instanceof WP_User;
}

function has_password(WP_User $user, string $value): bool
{
    return wp_check_password($value, get_userdata($user->ID)->user_pass, $user->ID);
}

function change(WP_User $user, string $value): void
{
    global $wpdb;
    $before = $user->user_pass;
    wp_set_password($value, $user->ID);
    if (!signs_in($user, $value)) {
        $wpdb->update($wpdb->users, ['user_pass' => $before], ['ID' => $user->ID]);
        clean_user_cache($user->ID);
        fail("$user->user_login could not sign in with a new password: the old one stays.");
    }
    echo "The password of $user->user_login was changed.\n";
}

$told = [];
while (($line = fgets(STDIN)) !== false) {
    [$word, $secret, $value] = explode(' ', rtrim($line, "\n"), 3);
    $told[$secret][$word][] = $value;
}
foreach (array_intersect_key($told, USERS) as $secret => $values) {
    $user = get_user_by('login', getenv(USERS[$secret]));
    if ($user === false) {
        // The next start makes the user again, with the value that the file has then.
        continue;
    }
    $accepted = end($values['accept']);
    $refused = array_filter($values['refuse'] ?? [], static fn (string $value): bool => has_password($user, $value));
    if (!has_password($user, $accepted) && ($refused !== [] || !isset($values['refuse']))) {
        change($user, $accepted);
    }
    foreach ($values['refuse'] ?? [] as $value) {
        if (signs_in($user, $value)) {
            fail("$user->user_login can still sign in with an old password.");
        }
    }
}
$done = true;
