<?php
/*
 * The site's own themes and plugins (inception_wordpress_code): as they are in the image, so they are on the volume, and what is in it no more goes.
 * What came by the dashboard stays the owner's.
 *
 *   php code.php check    before anything is replaced: names, syntax, and the front page with them on the site's own database, which is only read
 *   php code.php bring    at a start: what is new or another one comes into the volume
 *   php code.php settle   after it: what is said to be active is turned on, once, and what is no longer in the image goes
 */

declare(strict_types=1);

require __DIR__ . '/volume.php';

const SITE = '/var/www/html';
const CONTENT = SITE . '/wp-content';
const PACKAGE = '/usr/src/wordpress/wp-content';
const CODE = '/usr/src/inception/code';
/** On the volume: what was brought, each with its digest. */
const BROUGHT = SITE . '/.code';
/** In the database: what was turned on because it was said, and the theme of before. */
const OPTION = 'inception_code';
const TRIAL = '/tmp/code';
const TRIAL_SECONDS = 60;
const LEAVING_SECONDS = 5;
const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

/** The list of the image, by the folder in wp-content. */
function said(): array
{
    $told = json_decode((string) @file_get_contents(CODE . '/code.json'), true);
    return is_array($told) ? array_column($told, null, 'path') : [];
}

function brought(): array
{
    $told = json_decode((string) @file_get_contents(BROUGHT), true);
    return is_array($told) ? $told : [];
}

function note(array $brought): void
{
    ksort($brought);
    $brought === brought() || put(json_encode($brought, JSON_UNESCAPED_SLASHES), BROUGHT);
}

/** What has the name of one of ours, and is somebody else's. */
function refusals(): array
{
    $brought = brought();
    $found = [];
    foreach (said() as $path => $item) {
        $there = CONTENT . "/$path";
        if (file_exists(PACKAGE . "/$path")) {
            $found[] = "inception_wordpress_code: {$item['name']}: WordPress itself brings wp-content/$path; give yours another name.";
        } elseif ((file_exists($there) || is_link($there)) && !isset($brought[$path]) && !$item['replace'] && digest($there) !== digest(CODE . "/$path")) {
            $found[] = "inception_wordpress_code: {$item['name']}: wp-content/$path is on the site already, and came by the dashboard or an import. "
                . "Where yours shall take its place, say so of it (replace: true); else give yours another name.";
        }
        $parent = $item['kind'] === 'theme' ? parent_of(CODE . "/$path") : '';
        if ($parent !== '' && !isset(said()["themes/$parent"]) && !is_dir(PACKAGE . "/themes/$parent") && !is_dir(CONTENT . "/themes/$parent")) {
            $found[] = "inception_wordpress_code: {$item['name']} is a child of the theme '$parent', which is not here: install it in the dashboard first, or name it too.";
        }
    }
    return $found;
}

/** The theme that a child theme is one of. */
function parent_of(string $theme): string
{
    $head = str_replace("\r", "\n", (string) file_get_contents("$theme/style.css", false, null, 0, 8192));
    return preg_match('/^[ \t\/*#@]*Template:(.*)$/mi', $head, $found) ? trim($found[1], " \t*/") : '';
}

/** Files that PHP cannot read. What comes from others may be for other versions of PHP, and is loaded only there. */
function unreadable(): array
{
    $found = [];
    foreach (said() as $path => $item) {
        foreach (files(CODE . "/$path") as $file) {
            if (substr($file, -4) !== '.php' || preg_match('~(?:^|/)(?:vendor|node_modules|tests?)/~', $file)) {
                continue;
            }
            try {
                token_get_all((string) file_get_contents(CODE . "/$path/$file"), TOKEN_PARSE);
            } catch (ParseError $error) {
                $found[] = "inception_wordpress_code: {$item['name']}: $file, line {$error->getLine()}: {$error->getMessage()} (PHP " . PHP_VERSION . ').';
            }
        }
    }
    return $found;
}

/** Whether there is a site that a page could be made of. */
function is_installed(): bool
{
    if (!is_file(SITE . '/wp-load.php') || !is_file(SITE . '/wp-config.php')) {
        return false;
    }
    mysqli_report(MYSQLI_REPORT_OFF);
    $database = @new mysqli('mariadb', getenv('MARIADB_USER'), rtrim((string) @file_get_contents('/run/secrets/db_password')), getenv('MARIADB_DATABASE'), (int) getenv('MARIADB_PORT'));
    if ($database->connect_errno) {
        return false;
    }
    $there = $database->query("SHOW TABLES LIKE 'wp\\_options'");
    return $there && $there->num_rows > 0 && $database->query("SHOW TABLES LIKE 'installing'")->num_rows === 0;
}

/** What becomes of the front page: what was said, or null for too late. */
function tried(string $what): ?string
{
    exec('timeout ' . TRIAL_SECONDS . ' php ' . escapeshellarg(__FILE__) . " $what 2>&1", $lines, $code);
    // 143: busybox's word for it.
    return in_array($code, [124, 143], true) ? null : implode("\n", $lines);
}

/** What fails in them when the front page is made: not what fails elsewhere, which is not theirs. */
function failing(): array
{
    if (said() === [] || !is_installed()) {
        return [];
    }
    $text = tried('page');
    if ($text === null) {
        return ['inception_wordpress_code: the front page with the site\'s own code was not made within ' . TRIAL_SECONDS . ' s.'];
    }
    $at = strpos($text, 'FATAL ');
    $ours = '~' . preg_quote(TRIAL . '/wp-content/', '~') . '(?:' . implode('|', array_map('preg_quote', array_keys(said()))) . ')/|' . preg_quote(CODE, '~') . '/~';
    if ($at !== false && preg_match($ours, substr($text, $at))) {
        $why = str_replace([TRIAL . '/wp-content/', CODE . '/'], '', strtok(substr($text, $at + 6), "\n"));
        return ["inception_wordpress_code: the front page cannot be made with it: $why"];
    }
    if ($at === false && strpos($text, 'REACHED') === false && strpos((string) tried('page-without'), 'REACHED') !== false) {
        return ['inception_wordpress_code: WordPress ends with it before it makes a page: something in it calls exit, or wp_die.'];
    }
    return [];
}

/** The site's wp-content with ours in it, or without, by links. */
function view(array $said): void
{
    remove(TRIAL);
    mkdir(TRIAL . '/wp-content', 0700, true);
    $own = ['object-cache.php', 'advanced-cache.php', 'db.php', 'mu-plugins', 'plugins', 'themes'];
    foreach (array_diff(scandir(CONTENT), ['.', '..'], $own) as $name) {
        symlink(CONTENT . "/$name", TRIAL . "/wp-content/$name");
    }
    foreach (['mu-plugins', 'plugins', 'themes'] as $kind) {
        mkdir(TRIAL . "/wp-content/$kind");
        foreach (is_dir(CONTENT . "/$kind") ? array_diff(scandir(CONTENT . "/$kind"), ['.', '..']) : [] as $name) {
            if (!isset(brought()["$kind/$name"]) && !isset($said["$kind/$name"]) && !preg_match('/^inception\b/', $name)) {
                symlink(CONTENT . "/$kind/$name", TRIAL . "/wp-content/$kind/$name");
            }
        }
    }
    foreach (array_keys($said) as $path) {
        symlink(CODE . "/$path", TRIAL . "/wp-content/$path");
    }
    symlink('/usr/src/inception/inception.php', TRIAL . '/wp-content/mu-plugins/inception.php');
    if ($said !== []) {
        symlink('/usr/src/inception/code.php', TRIAL . '/wp-content/mu-plugins/inception-code.php');
    }
    // What would be written is refused by the database.
    file_put_contents(TRIAL . '/wp-content/db.php', '<?php $wpdb = new wpdb(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST); '
        . '$wpdb->suppress_errors(); $wpdb->query("SET SESSION TRANSACTION READ ONLY");');
}

/** Where a theme that is current goes: what was before, or what WordPress would take. */
function other_theme(array $leaving): array
{
    $before = get_option(OPTION)['before'] ?? [];
    $all = array_diff(array_keys(wp_get_themes()), $leaving);
    foreach ([$before['stylesheet'] ?? '', WP_DEFAULT_THEME, ...$all] as $theme) {
        if ($theme !== '' && in_array($theme, $all, true) && !in_array(wp_get_theme($theme)->get_template(), $leaving, true)) {
            return [wp_get_theme($theme)->get_template(), $theme];
        }
    }
    return [];
}

/** What is to be turned on, and was not yet because it was said. */
function wanted(): array
{
    return array_diff_key(array_filter(said(), static fn (array $item): bool => $item['active']), array_flip(get_option(OPTION)['active'] ?? []));
}

/** The front page, as a visitor would get it, of what view() shows. */
function page(bool $with): void
{
    view($with ? said() : []);
    register_shutdown_function(static function (): void {
        while (ob_get_level() > 0) {
            ob_end_clean();
        }
        $error = error_get_last();
        if ($error !== null && $error['type'] & FATAL) {
            // A fatal error of PHP's command line ends it with another status; what counts is what is said.
            fwrite(STDERR, "FATAL {$error['message']} ({$error['file']}, line {$error['line']})\n");
        }
    });
    ini_set('display_errors', '0');
    $domain = getenv('DOMAIN');
    $port = getenv('HTTPS_PORT');
    $_SERVER = [
        'HTTP_HOST' => $domain . ($port === '443' ? '' : ":$port"), 'SERVER_NAME' => $domain, 'SERVER_PORT' => $port, 'HTTPS' => 'on', 'REQUEST_URI' => '/',
        'REQUEST_METHOD' => 'GET', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REMOTE_ADDR' => '127.0.0.1', 'SCRIPT_NAME' => '/index.php', 'PHP_SELF' => '/index.php',
    ] + $_SERVER;
    define('WP_CONTENT_DIR', TRIAL . '/wp-content');
    define('WP_DISABLE_FATAL_ERROR_HANDLER', true);
    define('WP_HTTP_BLOCK_EXTERNAL', true);
    // What is to be turned on is on here. Whoever answers a page by himself does it from here on.
    $GLOBALS['wp_filter'] = [
        'template_redirect' => [PHP_INT_MIN => [['accepted_args' => 0, 'function' => static fn () => fwrite(STDERR, "REACHED\n")]]],
        'option_active_plugins' => [10 => [['accepted_args' => 1, 'function' => static function ($plugins) use ($with) {
            $mains = array_column(array_filter($with ? wanted() : [], static fn (array $item): bool => $item['kind'] === 'plugin'), 'main');
            return array_values(array_unique(array_merge((array) $plugins, $mains)));
        }]]],
    ];
    foreach (['template', 'stylesheet'] as $which) {
        $GLOBALS['wp_filter']["option_$which"] = [10 => [['accepted_args' => 1, 'function' => static function ($theme) use ($which, $with) {
            foreach ($with ? wanted() : [] as $path => $item) {
                if ($item['kind'] === 'theme') {
                    return $which === 'template' ? (parent_of(CODE . "/$path") ?: $item['name']) : $item['name'];
                }
            }
            return $theme;
        }]]];
    }
    define('WP_USE_THEMES', true);
    ob_start();
    require SITE . '/wp-blog-header.php';
}

function check(): void
{
    $wrong = refusals() ?: unreadable() ?: failing();
    foreach ($wrong as $line) {
        say($line);
    }
    remove(TRIAL);
    $wrong === [] || exit(1);
}

function bring_all(): void
{
    $said = said();
    $brought = brought();
    if ($wrong = refusals()) {
        foreach ($wrong as $line) {
            say($line);
        }
        exit(1);
    }
    $new = [];
    foreach ($said as $path => $item) {
        $to = CONTENT . "/$path";
        $digest = digest(CODE . "/$path");
        $here = file_exists($to) || is_link($to) ? digest($to) : '';
        clear($to);
        if ($here !== $digest) {
            if (($brought[$path] ?? $here) !== $here) {
                say("wp-content/$path was " . ($here === '' ? 'removed' : 'changed') . ' on the site: it is brought again as it is in inception_wordpress_code.');
            }
            // Before it is done: cut off, it is known as ours all the same.
            $brought += [$path => $here];
            $new[$path] = $digest;
        } else {
            $brought[$path] = $digest;
        }
    }
    note($brought);
    // All of it beside first: a theme and the plugin that it calls change within a moment.
    try {
        foreach (array_keys($new) as $path) {
            @mkdir(dirname(CONTENT . "/$path"), 0755, true);
            stage(CODE . "/$path", CONTENT . "/$path");
        }
    } catch (RuntimeException $error) {
        array_map(static fn (string $path) => clear(CONTENT . "/$path"), array_keys($new));
        say('The site\'s own code was not brought into the volume: ' . $error->getMessage());
        exit(1);
    }
    foreach (array_keys($new) as $path) {
        take(CONTENT . "/$path");
    }
{% if __docker_is_node | default(false) %}
    if ($new !== []) {
        // What other nodes have compiled of it is of before (conf/inception.php).
        put(bin2hex(random_bytes(8)), CONTENT . '/.code-changed');
    }
{% endif %}
    foreach (array_keys($new) as $path) {
        say("Brought wp-content/$path" . ($said[$path]['commit'] === '' ? '.' : " at {$said[$path]['commit']}."));
    }
    note(array_merge($brought, $new));
}

function turn_on(array $item): bool
{
    if ($item['kind'] === 'theme') {
        $theme = wp_get_theme($item['name']);
        if ($theme->errors()) {
            say("The theme {$item['name']} cannot be active: " . $theme->errors()->get_error_message());
            return false;
        }
        switch_theme($item['name']);
    } elseif (is_wp_error($error = activate_plugin($item['main']))) {
        say("The plugin {$item['name']} cannot be active: " . $error->get_error_message());
        return false;
    }
    say("{$item['kind']} {$item['name']} is active now.");
    return true;
}

/** In WordPress, whose plugins may end it by themselves. */
function settle(): void
{
    $said = said();
    $leaving = array_diff_key(brought(), $said);
    if ($said === [] && $leaving === []) {
        return;
    }
    $done = false;
    register_shutdown_function(static function () use (&$done): void {
        $done || exit(1);
    });
    require SITE . '/wp-load.php';
    require_once ABSPATH . 'wp-admin/includes/plugin.php';
    $known = get_option(OPTION) ?: [];
    $active = array_values(array_filter($known['active'] ?? [], static fn (string $path): bool => $said[$path]['active'] ?? false));
    $before = $known['before'] ?? [];
    if (!isset(brought()['themes/' . get_stylesheet()])) {
        $before = ['stylesheet' => get_stylesheet()];
    }
    foreach (array_keys($leaving) as $path) {
        if (strpos($path, 'plugins/') === 0) {
            $mains = preg_grep('~^' . preg_quote(substr($path, 8)) . '/~', get_option('active_plugins') ?: []);
            $mains && deactivate_plugins($mains, true);
        }
    }
    $themes = array_map('basename', preg_grep('~^themes/~', array_keys($leaving)));
    if (array_intersect([get_stylesheet(), get_template()], $themes) && $other = other_theme($themes)) {
        switch_theme($other[1]);
        say("The theme that was active is gone: {$other[1]} is now.");
    }
    $wanted = wanted();
    // Each is noted by itself: one that ends PHP is not in the way of the others.
    foreach ($wanted as $path => $item) {
        turn_on($item) && $active[] = $path;
        update_option(OPTION, ['active' => $active, 'before' => $before], false);
    }
    update_option(OPTION, ['active' => $active, 'before' => $before], false);
    // Whose page is being made has begun with them.
    $leaving === [] || sleep(LEAVING_SECONDS);
    $brought = brought();
    foreach (array_keys($leaving) as $path) {
        remove(CONTENT . "/$path");
        unset($brought[$path]);
        note($brought);
        say("wp-content/$path is no longer in inception_wordpress_code, and was removed.");
    }
    $wanted + $leaving === [] || wp_cache_flush();
    $done = true;
}

$does = [
    'check' => 'check',
    'page' => static fn () => page(true),
    'page-without' => static fn () => page(false),
    'bring' => 'bring_all',
    'settle' => 'settle',
];
$does[$argv[1]]();
