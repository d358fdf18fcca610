<?php
/*
 * Installs the site on the first start, and on every start brings its address in line with .env and makes its two users if they are missing.
 * It uses WordPress's own functions, so it is the same whichever way WordPress came here.
 */

declare(strict_types=1);

const SITE = '/var/www/html';
const DATABASE_SECONDS = 5;
/** What is told to whoever may ask again: there is no database yet. */
const NOT_YET = 75;
/** The db_version of WordPress 3.0. */
const OLDEST_DATABASE = 15260;

function secret(string $name): string
{
    return rtrim(file_get_contents("/run/secrets/$name"), "\r\n");
}

function say(string $what): void
{
    fwrite(STDERR, "$what\n");
}

/** Compose waits for a healthy database, but after a reboot Docker starts the containers by itself, in any order. */
function wait_for_database(): mysqli
{
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $deadline = time() + DATABASE_SECONDS;
    do {
        try {
            return new mysqli('mariadb', getenv('MARIADB_USER'), secret('db_password'), getenv('MARIADB_DATABASE'), (int) getenv('MARIADB_PORT'));
        } catch (mysqli_sql_exception $error) {
            sleep(1);
        }
    } while (time() < $deadline);
    say('No connection to the database: ' . $error->getMessage());
    exit(NOT_YET);
}

/**
 * The table `installing` exists while the first installation runs: found at a start, that one was interrupted and is repeated from nothing.
 * Says whether there is no site yet.
 */
function begin_installation(mysqli $database): bool
{
    if ($database->query("SHOW TABLES LIKE 'installing'")->num_rows > 0) {
        say('The first installation was interrupted: starting it again.');
        foreach ($database->query('SHOW TABLES')->fetch_all() as [$table]) {
            // The marker goes last, for the same reason that it came first.
            if ($table !== 'installing') {
                $database->query("DROP TABLE `$table`");
            }
        }
        return true;
    }
    if ($database->query('SHOW TABLES')->num_rows > 0) {
        return false;
    }
    $database->query('CREATE TABLE installing (started TIMESTAMP DEFAULT CURRENT_TIMESTAMP)');
    return true;
}

/** The number that WordPress gives to what it wrote there; 0 where it wrote nothing, or not all. */
function database_version(mysqli $database): int
{
    if ($database->query("SHOW TABLES LIKE 'installing'")->num_rows > 0 || $database->query("SHOW TABLES LIKE 'wp\\_options'")->num_rows === 0) {
        return 0;
    }
    return (int) ($database->query("SELECT option_value FROM wp_options WHERE option_name = 'db_version'")->fetch_row()[0] ?? 0);
}

/**
 * What the dashboard would ask its administrator for after newer files came. A number from before WordPress 3.0 is none of ours:
 * WordPress would take passwords for those of that time, and make them useless.
 */
function upgrade_database(): void
{
    global $wp_db_version;
    $number = (int) get_option('db_version');
    if ($number >= OLDEST_DATABASE && $number < $wp_db_version) {
        say("Bringing the database up to WordPress's files (db_version $number to $wp_db_version).");
        wp_upgrade();
    }
}

function end_installation(mysqli $database): void
{
    $database->query('DROP TABLE IF EXISTS installing');
}

function ensure_user(string $name, string $email, string $role, string $secret): void
{
    if (username_exists($name)) {
        return;
    }
    $id = wp_insert_user(['user_login' => $name, 'user_email' => $email, 'user_pass' => secret($secret), 'role' => $role]);
    if (is_wp_error($id)) {
        // The site goes on without: it is for its administrator to repair.
        say("The user $name could not be made: " . $id->get_error_message());
        return;
    }
    say("The user $name was made ($role).");
}

/** A name is changed where it is the last start's and nobody else has the new one; the account stays what it is. */
function rename_user(string $from, string $to): void
{
    global $wpdb;
    $user = get_user_by('login', $from);
    if ($user === false || username_exists($to)) {
        return;
    }
    $wpdb->update($wpdb->users, ['user_login' => $to, 'user_nicename' => sanitize_title($to)], ['ID' => $user->ID]);
    clean_user_cache($user);
    say("The user $from is called $to now.");
}

function change_email(string $name, string $email): void
{
    $user = get_user_by('login', $name);
    if ($user === false || $user->user_email === $email) {
        return;
    }
    $result = wp_update_user(['ID' => $user->ID, 'user_email' => $email]);
    say(is_wp_error($result) ? "The address of $name was not changed: " . $result->get_error_message() : "The address of $name was changed.");
}

/**
 * A setting that is another one than at the last start is applied to the site; of one that is the same, what somebody
 * has chosen in the dashboard since then stays.
 */
function apply_changed_settings(): void
{
    $said = [];
    foreach (['SITE_TITLE', 'ADMIN_USER', 'ADMIN_EMAIL', 'USER_NAME', 'USER_EMAIL', 'TZ'] as $name) {
        $said[$name] = (string) getenv($name);
    }
    $known = get_option('inception_settings');
    if ($known === $said) {
        return;
    }
    if (is_array($known)) {
        // Nobody waits for mails about it.
        add_filter('send_email_change_email', '__return_false');
        add_filter('send_site_admin_email_change_email', '__return_false');
        $changed = array_diff_assoc($said, $known);
        foreach (['ADMIN_USER', 'USER_NAME'] as $name) {
            isset($changed[$name]) && rename_user($known[$name] ?? '', $said[$name]);
        }
        if (isset($changed['SITE_TITLE'])) {
            update_option('blogname', $said['SITE_TITLE']);
        }
        if (isset($changed['TZ'])) {
            update_option('timezone_string', $said['TZ'] ?: 'UTC');
        }
        if (isset($changed['ADMIN_EMAIL'])) {
            update_option('admin_email', $said['ADMIN_EMAIL']);
            change_email($said['ADMIN_USER'], $said['ADMIN_EMAIL']);
        }
        isset($changed['USER_EMAIL']) && change_email($said['USER_NAME'], $said['USER_EMAIL']);
        $changed && say('Settings that changed were applied to the site: ' . implode(', ', array_keys($changed)) . '.');
    }
    update_option('inception_settings', $said, false);
    // While it installs, WordPress writes options past its cache: what that has is of before.
    wp_cache_flush();
}

function ensure_address(string $address): void
{
    global $wpdb;
    // Straight from the table: WP_HOME and WP_SITEURL hide what is stored.
    $known = $wpdb->get_var("SELECT option_value FROM $wpdb->options WHERE option_name = 'home'");
    if ($known === $address) {
        return;
    }
    // Cut off, it is done again: the address itself comes last.
    $changed = $known ? move_addresses($known, $address) : 0;
    $wpdb->query($wpdb->prepare("UPDATE $wpdb->options SET option_value = %s WHERE option_name IN ('home', 'siteurl')", $address));
    wp_cache_flush();
    say("The site's address is now $address (it was $known); $changed values that had the former one were changed.");
}

/** WordPress would mail the administrator about the new site; nobody waits for that mail. */
function wp_new_blog_notification(): void
{
}

$database = wait_for_database();
// The entrypoint asks for no more, before it touches the site's files.
if (($argv[1] ?? '') === 'database') {
    echo database_version($database);
    exit(0);
}
$new = begin_installation($database);

define('WP_INSTALLING', true);
require SITE . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require __DIR__ . '/addresses.php';

// What a cache knows of an earlier site is not true of this one.
if ($new) {
    wp_cache_flush();
}
if (!is_blog_installed()) {
    say('Installing the site.');
    wp_install(getenv('SITE_TITLE'), getenv('ADMIN_USER'), getenv('ADMIN_EMAIL'), true, '', secret('wp_admin_password'));
    update_option('permalink_structure', '/%postname%/');
    // Comments are for the site's users, who need nobody's leave; strangers cannot write any.
    update_option('comment_registration', 1);
    update_option('comment_previously_approved', 0);
    update_option('timezone_string', getenv('TZ') ?: 'UTC');
}
upgrade_database();
apply_changed_settings();
ensure_user(getenv('ADMIN_USER'), getenv('ADMIN_EMAIL'), 'administrator', 'wp_admin_password');
ensure_user(getenv('USER_NAME'), getenv('USER_EMAIL'), 'author', 'wp_user_password');
$port = getenv('HTTPS_PORT');
ensure_address('https://' . getenv('DOMAIN') . ($port === '443' ? '' : ":$port"));
end_installation($database);
