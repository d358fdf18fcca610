<?php
/*
 * WordPress's settings, without a secret in them: those are read from /run/secrets on each request.
 * tools/entrypoint.sh puts this file in place on every start; change it in the project, not on the volume.
 */

$inception_secret = static fn (string $name): string => rtrim(file_get_contents("/run/secrets/$name"), "\r\n");

{% if __inception_galera | default(false) %}
/** Which of the ways to the database is on this very node: it goes with its node, and a connection through another one would go with that. */
function inception_own_way(array $ways): string
{
    $known = '/tmp/own-way';
    $own = (string) @file_get_contents($known);
    if (in_array($own, $ways, true)) {
        return $own;
    }
    // Where it is away, it is looked for now and then, and not by each request.
    if ($own === '' && (int) @filemtime($known) > time() - 5) {
        return '';
    }
    file_put_contents($known, '');
    foreach ($ways as $way) {
        if ($asked = @fsockopen($way, 4404, $number, $text, 0.5)) {
            stream_set_timeout($asked, 1);
            fwrite($asked, "GET / HTTP/1.0\r\n\r\n");
            $said = (string) stream_get_contents($asked);
            fclose($asked);
            if (substr($said, -strlen("\r\n\r\n" . getenv('NODE'))) === "\r\n\r\n" . getenv('NODE')) {
                file_put_contents($known, $way);
                return $way;
            }
        }
    }
    return '';
}

{% endif %}
/** Where a service is. Docker's name server goes with its engine, and knows not even us then: where the health check found it last (tools/check.sh). */
function inception_address(string $service): string
{
{% if __inception_galera | default(false) %}
    // The way to the database is on each node: one that is gone is still among its addresses for some seconds. Whether it is there, its own port
    // says: behind the database's, a connection would be made for nothing.
    if ($service === 'mariadb' && ($ways = gethostbynamel($service))) {
        shuffle($ways);
        $own = inception_own_way($ways);
        foreach (array_unique(array_filter([$own, ...$ways])) as $way) {
            if ($tried = @fsockopen($way, 4404, $number, $text, 1)) {
                fclose($tried);
                return $way;
            }
        }
    }
{% endif %}
    $address = gethostbyname($service);
    if ($address !== $service || gethostbyname('wordpress') !== 'wordpress') {
        return $address;
    }
    return @file_get_contents("/tmp/known.$service") ?: $service;
}

define('DB_HOST', inception_address('mariadb') . ':' . getenv('MARIADB_PORT'));
define('DB_NAME', getenv('MARIADB_DATABASE'));
define('DB_USER', getenv('MARIADB_USER'));
define('DB_PASSWORD', $inception_secret('db_password'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
$table_prefix = 'wp_';

// One secret, and from it a different key for each purpose.
$inception_salt = $inception_secret('wp_salt');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $inception_purpose) {
    foreach (['KEY', 'SALT'] as $inception_kind) {
        define("{$inception_purpose}_$inception_kind", hash_hmac('sha256', "{$inception_purpose}_$inception_kind", $inception_salt));
    }
}
unset($inception_secret, $inception_salt, $inception_purpose, $inception_kind);

// The port that the visitor used: behind a forwarded port the site never jumps to another one.
$inception_port = (int) (parse_url('//' . ($_SERVER['HTTP_HOST'] ?? ''), PHP_URL_PORT) ?: 0);
if (!isset($_SERVER['HTTP_HOST'])) {
    $inception_port = (int) getenv('HTTPS_PORT');
    // From the command line too, links have TLS.
    $_SERVER['HTTPS'] = 'on';
}
$inception_address = 'https://' . getenv('DOMAIN') . (in_array($inception_port, [0, 443], true) ? '' : ":$inception_port");
define('WP_HOME', $inception_address);
define('WP_SITEURL', $inception_address);
unset($inception_port, $inception_address);

if (getenv('WORDPRESS_PROXY')) {
    // The world is behind a proxy, and the site itself is not.
    define('WP_PROXY_HOST', trim((string) parse_url(getenv('WORDPRESS_PROXY'), PHP_URL_HOST), '[]'));
    define('WP_PROXY_PORT', (int) parse_url(getenv('WORDPRESS_PROXY'), PHP_URL_PORT));
    define('WP_PROXY_BYPASS_HOSTS', getenv('WORDPRESS_NO_PROXY'));
}

// PHP runs as the owner of the files, so updates need no FTP account.
define('FS_METHOD', 'direct');
define('DISALLOW_FILE_EDIT', true);
define('WP_POST_REVISIONS', 20);
// What is due is done at the container's health check (tools/check.sh), and not while a visitor waits.
define('DISABLE_WP_CRON', true);
define('WP_DEBUG', false);
// One site: its address, its cache and its certificate are of one (conf/inception.php says so too).
define('WP_ALLOW_MULTISITE', false);

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
