# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Its lines are PHP's.
# ruff: noqa: E501
"""What makes a foreign WordPress's database one of this stack: programs in PHP, since PHP is where its database is known.

Private to this collection; part of the machine's own program. They run in a container of WordPress's image beside the
site, and tell what they found in a line of JSON, or what is wrong in one that begins with REFUSED.
"""

from __future__ import annotations

# Without WordPress, which does not know this database yet: adopt.php PREFIX
ADOPT = r"""<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$secret = rtrim(file_get_contents('/run/secrets/db_password'), "\r\n");
$database = new mysqli('mariadb', getenv('MARIADB_USER'), $secret, getenv('MARIADB_DATABASE'), (int) getenv('MARIADB_PORT'));
$database->set_charset('utf8mb4');
// As old sites are: dates of zero, and values that a strict server refuses.
$database->query("SET SESSION sql_mode = ''");
$prefix = $argv[1];
$warnings = [];

function refuse(string $why): void
{
    echo "REFUSED $why\n";
    exit(1);
}

function column(string $statement): array
{
    global $database;
    return array_column($database->query($statement)->fetch_all(), 0);
}

function text(string $value): string
{
    global $database;
    return "'" . $database->real_escape_string($value) . "'";
}

function name(string $value): string
{
    return '`' . str_replace('`', '``', $value) . '`';
}

// ---- The prefix ----

if ($prefix !== 'wp_') {
    $tables = column('SHOW FULL TABLES WHERE Table_type <> \'VIEW\'');
    $mine = array_filter($tables, static fn (string $table): bool => strpos($table, $prefix) === 0);
    foreach ($mine as $table) {
        $new = 'wp_' . substr($table, strlen($prefix));
        // Of another WordPress in the same dump, which was not chosen.
        if (!in_array($new, $mine, true)) {
            $database->query('DROP TABLE IF EXISTS ' . name($new));
        }
        $database->query('RENAME TABLE ' . name($table) . ' TO ' . name($new));
    }
    // Rights and settings of people have it in their names.
    $like = text(addcslashes($prefix, '_%\\') . '%');
    $length = strlen($prefix) + 1;
    $database->query("UPDATE IGNORE wp_usermeta SET meta_key = CONCAT('wp_', SUBSTRING(meta_key, $length)) WHERE meta_key LIKE BINARY $like");
    $database->query('UPDATE wp_options SET option_name = \'wp_user_roles\' WHERE option_name = ' . text("{$prefix}user_roles"));
}
// What is defined by names of tables that are gone would end every later dump, and every write to its table.
foreach ($database->query('SHOW TRIGGERS')->fetch_all(MYSQLI_ASSOC) as $trigger) {
    if ($prefix !== 'wp_' && strpos($trigger['Statement'], $prefix) !== false) {
        $database->query('DROP TRIGGER ' . name($trigger['Trigger']));
        $warnings[] = "the trigger {$trigger['Trigger']}, which names tables of the former prefix, was not brought";
    }
}
foreach (column("SHOW FULL TABLES WHERE Table_type = 'VIEW'") as $view) {
    try {
        $database->query('SELECT 1 FROM ' . name($view) . ' LIMIT 0');
    } catch (mysqli_sql_exception $error) {
        $database->query('DROP VIEW ' . name($view));
        $warnings[] = "the view $view, which is of tables that are not there, was not brought";
    }
}
if (count(column("SELECT option_value FROM wp_options WHERE option_name = 'wp_user_roles'")) === 0) {
    refuse('nobody has any rights in this database: its options have no ' . $prefix . 'user_roles');
}

// ---- Its version ----

require '/var/www/html/wp-includes/version.php';
$number = (int) (column("SELECT option_value FROM wp_options WHERE option_name = 'db_version'")[0] ?? 0);
if ($number === 0) {
    refuse('its database says no version (db_version)');
}
if ($number > $wp_db_version) {
    refuse("it was written by a newer WordPress (its db_version is $number) than the one here, $wp_version, which reads up to $wp_db_version; "
        . 'bring WordPress here up to that version first (its dashboard, or inception_wordpress_source: archive)');
}

// ---- Engines and character sets ----

/** The bytes of a column that are not of ASCII: how many are UTF-8, and those that are not. */
function bytes_of(string $table, string $field): array
{
    global $database;
    $utf8 = 0;
    $others = [];
    $select = 'SELECT DISTINCT CAST(' . name($field) . ' AS BINARY) FROM ' . name($table) . ' WHERE HEX(CAST(' . name($field) . " AS BINARY)) REGEXP '^(..)*[89A-F]'";
    $result = $database->query($select, MYSQLI_USE_RESULT);
    while ($row = $result->fetch_row()) {
        if (mb_check_encoding((string) $row[0], 'UTF-8')) {
            $utf8++;
        } else {
            $others[] = (string) $row[0];
        }
    }
    $result->free();
    return [$utf8, $others];
}

function definition(array $column, string $type, string $set): string
{
    $made = name($column['COLUMN_NAME']) . " $type$set" . ($column['IS_NULLABLE'] === 'YES' ? ' NULL' : ' NOT NULL');
    return $made . ($column['COLUMN_DEFAULT'] === null || $column['COLUMN_DEFAULT'] === 'NULL' ? '' : " DEFAULT {$column['COLUMN_DEFAULT']}");
}

const BINARY_TYPES = ['char' => 'binary', 'varchar' => 'varbinary', 'tinytext' => 'tinyblob', 'text' => 'blob', 'mediumtext' => 'mediumblob', 'longtext' => 'longblob'];

/** What an old WordPress has put into latin1 is UTF-8, byte for byte: it is told to be what it is. */
function relabel(string $table, array $column): bool
{
    global $database;
    [$utf8, $others] = bytes_of($table, $column['COLUMN_NAME']);
    if ($utf8 === 0 || !isset(BINARY_TYPES[$column['DATA_TYPE']])) {
        return false;
    }
    $size = preg_match('/\(\d+\)/', $column['COLUMN_TYPE'], $found) && in_array($column['DATA_TYPE'], ['char', 'varchar'], true) ? $found[0] : '';
    // In another set a byte may be a letter of two: as a binary it stays.
    $binary = BINARY_TYPES[$column['DATA_TYPE']];
    $database->query('ALTER TABLE ' . name($table) . ' MODIFY ' . definition(['COLUMN_DEFAULT' => null] + $column, "$binary$size", ''));
    foreach ($others as $other) {
        $field = name($column['COLUMN_NAME']);
        $new = text(mb_convert_encoding($other, 'UTF-8', 'Windows-1252'));
        $database->query('UPDATE ' . name($table) . " SET $field = $new WHERE $field = 0x" . bin2hex($other));
    }
    $set = ' CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci';
    $database->query('ALTER TABLE ' . name($table) . ' MODIFY ' . definition($column, $column['COLUMN_TYPE'], $set));
    return true;
}

$schema = text(getenv('MARIADB_DATABASE'));
$relabelled = 0;
$converted = 0;
foreach ($database->query("SELECT TABLE_NAME, ENGINE, ROW_FORMAT, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = $schema AND TABLE_TYPE = 'BASE TABLE'")->fetch_all() as [$table, $engine, $format, $collation]) {
    if ($engine !== 'InnoDB' || in_array($format, ['Compact', 'Redundant'], true)) {
        // It survives a failure, and backups have it as it is at one moment; and its keys have room for letters of four bytes.
        $database->query('ALTER TABLE ' . name($table) . ' ENGINE=InnoDB ROW_FORMAT=DYNAMIC');
    }
    $columns = $database->query('SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME FROM information_schema.COLUMNS '
        . "WHERE TABLE_SCHEMA = $schema AND TABLE_NAME = " . text($table) . ' AND CHARACTER_SET_NAME IS NOT NULL')->fetch_all(MYSQLI_ASSOC);
    $others = array_filter($columns, static fn (array $column): bool => !in_array($column['CHARACTER_SET_NAME'], ['utf8mb4', 'ascii'], true));
    foreach ($others as $column) {
        $relabelled += (int) ($column['CHARACTER_SET_NAME'] === 'latin1' && relabel($table, $column));
    }
    if ($others !== []) {
        // Letters keep their order, which unique keys rely on.
        $new = strpos((string) $collation, 'utf8mb3_') === 0 ? 'utf8mb4_' . substr($collation, 8) : 'utf8mb4_unicode_ci';
        $database->query('ALTER TABLE ' . name($table) . " CONVERT TO CHARACTER SET utf8mb4 COLLATE $new");
        $converted++;
    }
}

// ---- What its pages are made with ----

function option(string $name): string
{
    return (string) (column("SELECT option_value FROM wp_options WHERE option_name = '$name'")[0] ?? '');
}

$content = '/var/www/html/wp-content';
$missing = array_filter(array_unique([option('template'), option('stylesheet')]), static fn (string $theme): bool => !is_file("$content/themes/$theme/style.css"));
if ($missing !== []) {
    $here = array_map('basename', array_map('dirname', glob("$content/themes/*/style.css") ?: []));
    if ($here === []) {
        refuse('there is no theme at all');
    }
    $defaults = preg_grep('/^twenty/', $here) ?: $here;
    $theme = end($defaults);
    $database->query('UPDATE wp_options SET option_value = ' . text($theme) . " WHERE option_name IN ('template', 'stylesheet')");
    $warnings[] = 'its theme ' . implode(' and ', $missing) . " was not brought: $theme takes its place. Bring all of wp-content as FILES, or its folder themes";
}
$plugins = @unserialize(option('active_plugins'), ['allowed_classes' => false]);
$missing = array_filter(is_array($plugins) ? $plugins : [], static fn ($plugin): bool => !is_file("$content/plugins/$plugin"));
if ($missing !== []) {
    $warnings[] = 'these plugins were on there and were not brought, so they are off: ' . implode(', ', array_map(static fn ($plugin): string => explode('/', (string) $plugin)[0], $missing));
}
$taken = column('SELECT user_login FROM wp_users WHERE user_login IN (' . text(getenv('ADMIN_USER')) . ', ' . text(getenv('USER_NAME')) . ')');
if ($taken !== []) {
    $warnings[] = 'with the password that they had there, and not with that of make credentials, sign in: ' . implode(', ', $taken);
}
echo "\nFOUND ", json_encode([
    'home' => option('home'), 'siteurl' => option('siteurl'), 'title' => option('blogname'), 'db_version' => $number, 'version' => $wp_version,
    'posts' => (int) column("SELECT COUNT(*) FROM wp_posts WHERE post_status = 'publish'")[0],
    'users' => (int) column('SELECT COUNT(*) FROM wp_users')[0],
    'relabelled' => $relabelled, 'converted' => $converted, 'warnings' => $warnings,
], JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_UNICODE), "\n";
"""
# After the entrypoint, which has brought the database up to WordPress and moved the address that it had: other addresses
# of the same site, and its first page, as a visitor has it. settle.php NEW FORMER...
SETTLE = r"""<?php
$new = $argv[1];
$_SERVER['HTTP_HOST'] = preg_replace('~^https://~', '', $new);
$_SERVER['HTTPS'] = 'on';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
// No mail goes out from beside, and nothing that is due is done there.
define('DISABLE_WP_CRON', true);
define('WP_USE_THEMES', true);
$is_done = false;
register_shutdown_function(static function () use (&$is_done): void {
    $page = '';
    while (ob_get_level() > 0) {
        $page = ob_get_clean() . $page;
    }
    if (!$is_done) {
        echo "\nREFUSED its first page is not made: ", trim(substr(preg_replace('/\s+/', ' ', strip_tags($page)), 0, 300)), "\n";
        exit(1);
    }
});
ob_start();
require '/var/www/html/wp-load.php';
require_once '/usr/local/lib/inception/addresses.php';
$changed = 0;
foreach (array_slice($argv, 2) as $former) {
    $changed += move_addresses($former, $new);
}
wp_cache_flush();
flush_rewrite_rules(false);
wp();
require ABSPATH . WPINC . '/template-loader.php';
$page = '';
while (ob_get_level() > 0) {
    $page = ob_get_clean() . $page;
}
$is_done = true;
echo "\nFOUND ", json_encode(['status' => http_response_code(), 'changed' => $changed, 'page' => base64_encode($page)]), "\n";
exit(0);
"""
