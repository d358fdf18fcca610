<?php
/**
 * Plugin Name: Inception
 * Description: What this machine asks of WordPress: trust in its own certificate authority, links that work through every port and calls
 * of itself too, mail through the relay that was named, and no help for who guesses passwords.
 */

// WordPress brings its own list of authorities; the one made at the container's start has this machine's too.
add_filter('http_request_args', static function (array $args): array {
    $args['sslcertificates'] = '/tmp/ca-bundle.crt';
    return $args;
});

// It calls itself at the address by which it is visited. Where that has a forwarded port, nobody listens there but on the visitor's side:
// whatever the port, it is NGINX that answers here.
add_action('http_api_curl', static function ($handle): void {
    $domain = getenv('DOMAIN');
    curl_setopt($handle, CURLOPT_CONNECT_TO, ["$domain::$domain:" . getenv('HTTPS_PORT')]);
});

/**
 * Who visits the site by another port than its own, which something in front of it forwards, sees every link with that port; what he writes is
 * kept with the site's own address, so that others are not led to his port. Text that shows an address stays as it is.
 */
final class Inception_Port
{
    public static function register(): void
    {
        $port = (int) getenv('HTTPS_PORT');
        $own = 'https://' . getenv('DOMAIN') . ($port === 443 ? '' : ":$port");
        if (WP_HOME === $own) {
            return;
        }
        require_once '/usr/local/lib/inception/addresses.php';
        $read = new Inception_Addresses($own, WP_HOME, true);
        $kept = new Inception_Addresses(WP_HOME, $own, true);

        add_action('template_redirect', static fn () => ob_start(static fn (string $page): string => $read->in_page($page)), PHP_INT_MIN);
        add_filter('rest_post_dispatch', static function ($answer) use ($read) {
            if ($answer instanceof WP_REST_Response) {
                $answer->set_data($read->in_pages($answer->get_data()));
            }
            return $answer;
        }, PHP_INT_MAX);
        foreach (['content_edit_pre', 'excerpt_edit_pre'] as $filter) {
            add_filter($filter, [$read, 'in_pages'], PHP_INT_MAX);
        }

        $in_slashed = static fn ($value) => is_string($value) ? wp_slash($kept->in_page(wp_unslash($value))) : $value;
        add_filter('wp_insert_post_data', static fn (array $post): array => array_map($in_slashed, $post), PHP_INT_MAX);
        add_filter('wp_insert_attachment_data', static fn (array $post): array => array_map($in_slashed, $post), PHP_INT_MAX);
        foreach (['pre_comment_content', 'pre_comment_author_url', 'pre_term_description', 'pre_user_url'] as $filter) {
            add_filter($filter, $in_slashed, PHP_INT_MAX);
        }
        add_filter('pre_update_option', static function ($value, $name) use ($kept) {
            return preg_match('/^(?:_site)?_transient_|^cron$/', $name) ? $value : $kept->in_pages($value);
        }, PHP_INT_MAX, 2);
        foreach (['post', 'comment', 'term', 'user'] as $kind) {
            foreach (['add', 'update'] as $does) {
                add_filter("{$does}_{$kind}_metadata", static function ($done, $id, $key, $value, $last) use ($kept, $kind, $does) {
                    $new = $kept->in_pages($value);
                    return $done !== null || $new === $value ? $done : ("{$does}_metadata")($kind, $id, $key, wp_slash($new), $last);
                }, PHP_INT_MAX, 5);
            }
        }
    }
}

Inception_Port::register();

// Browsers keep a style or a script for a year: its version is its file's date, so that a changed one has another address.
foreach (['style_loader_src', 'script_loader_src'] as $inception_filter) {
    add_filter($inception_filter, static function ($address) {
        $part = wp_parse_url((string) $address);
        $file = rtrim(ABSPATH, '/') . ($part['path'] ?? '');
        $is_ours = ($part['host'] ?? '') === getenv('DOMAIN') && preg_match('/\.(?:css|m?js)$/', $file) && is_file($file);
        return $is_ours ? add_query_arg('ver', dechex(filemtime($file)), $address) : $address;
    });
}
unset($inception_filter);
{% if __docker_is_node | default(false) %}

// Whose connection to the database was cut asks for another one, each time for seconds where its node is gone: once, and not five times, so that
// its visitor is told, and asks another node.
$GLOBALS['wpdb']->reconnect_retries = 1;
{% endif %}
{% if __inception_galera | default(false) %}

// The database's members give each other rows of InnoDB alone: they refuse every other engine, and a plugin that asks for one gets this.
add_filter('query', static function ($query) {
    $others = '(?:Aria|ARCHIVE|CSV|MEMORY|HEAP|MyISAM)\b';
    return preg_replace(
        ["/^(\s*CREATE\b.*\)[^()]*?\b(?:ENGINE|TYPE)\s*=?\s*)$others/is", "/^(\s*ALTER\s+TABLE\s+\S+\s+(?:ENGINE|TYPE)\s*=?\s*)$others/is"],
        '$1InnoDB',
        $query
    ) ?? $query;
});
{% endif %}

/** Whether somebody sends mail: the relay, or a plugin, by a server of its own or by another function. */
function inception_sends_mail(): bool
{
    $mailer = get_class($GLOBALS['phpmailer'] ?? new stdClass());
    $function = (new ReflectionFunction('wp_mail'))->getFileName();
    return getenv('MAIL_HOST')
        || has_action('phpmailer_init')
        || has_filter('pre_wp_mail')
        || !in_array($mailer, ['stdClass', 'PHPMailer\\PHPMailer\\PHPMailer', 'WP_PHPMailer'], true)
        || $function !== ABSPATH . WPINC . '/pluggable.php';
}

if (getenv('MAIL_HOST')) {
    // The relay lets its own addresses through, and not every one that somebody thinks up.
    add_filter('wp_mail_from', static fn (): string => getenv('MAIL_FROM'));
    add_filter('wp_mail_from_name', static fn (): string => wp_specialchars_decode(get_option('blogname'), ENT_QUOTES));
} else {
    // Without a relay PHP sends none (php.ini), and who waits for one is told so.
    add_filter('login_message', static function (string $message): string {
        $wants_mail = !inception_sends_mail() && in_array($_REQUEST['action'] ?? '', ['lostpassword', 'retrievepassword'], true);
        return $message . ($wants_mail ? '<p class="message">This site sends no mail: ask its administrator for a new password.</p>' : '');
    });
}

// A network of sites is none that this machine could serve: whoever looks for it learns why, before anything of it is made.
add_action('load-network.php', static function (): void {
    wp_die(
        'This site cannot become a network of sites: its address, its certificate, its caches and its users are those of one site. For another site, deploy another machine.',
        'No network of sites',
        ['response' => 403, 'back_link' => true]
    );
});

// Versions are nobody's business.
remove_action('wp_head', 'wp_generator');
add_filter('the_generator', '__return_empty_string');
{% if not stack_xmlrpc | bool %}

// NGINX answers no XML-RPC; nobody is invited to it.
add_filter('xmlrpc_enabled', '__return_false');
remove_action('wp_head', 'rsd_link');
remove_action('wp_head', 'wlwmanifest_link');
add_filter('wp_headers', static function (array $headers): array {
    unset($headers['X-Pingback']);
    return $headers;
});
add_filter('bloginfo_url', static fn ($address, $what) => $what === 'pingback_url' ? '' : $address, 10, 2);
{% else %}

// One request is one guess at most, and no visitor has this site call another one.
add_filter('xmlrpc_methods', static function (array $methods): array {
    unset($methods['pingback.ping'], $methods['pingback.extensions.getPingbacks']);
    return $methods;
});
add_filter('wp_xmlrpc_server_class', static function (): string {
    if (!class_exists('Inception_XMLRPC', false)) {
        class Inception_XMLRPC extends wp_xmlrpc_server
        {
            public function multiCall($calls)
            {
                return new IXR_Error(-32601, 'One call at a time.');
            }
        }
    }
    return 'Inception_XMLRPC';
});
{% endif %}

/**
 * wordpress.org knows when PHP's makers end a version, and not that Debian goes on with its own: five years for a release, with its long term
 * support. Until then "does not receive security updates" is untrue of it. That it is an old one is said all the same.
 */
add_filter('http_response', static function ($answer, $args, $address) {
    $until = ['bookworm' => '2028-06-30', 'trixie' => '2030-06-30'];
    $release = @parse_ini_file('/etc/os-release')['VERSION_CODENAME'] ?? '';
    if (strpos((string) $address, 'https://api.wordpress.org/core/serve-happy/') === 0 && gmdate('Y-m-d') <= ($until[$release] ?? '')) {
        $said = json_decode(wp_remote_retrieve_body($answer), true);
        if (is_array($said)) {
            $answer['body'] = wp_json_encode(['is_secure' => true] + $said);
        }
    }
    return $answer;
}, 10, 3);

/** The names that people sign in with are for those who are signed in. */
final class Inception_Names
{
    private const WRONG = ['invalid_username', 'invalid_email', 'incorrect_password', 'invalidcombo'];

    public static function register(): void
    {
        add_filter('authenticate', [self::class, 'refusal'], 1000, 3);
        add_filter('lostpassword_errors', [self::class, 'lost'], 10, 2);
        add_filter('request', [self::class, 'request']);
        add_filter('author_link', [self::class, 'link'], 10, 3);
        add_filter('rest_pre_dispatch', [self::class, 'rest'], 10, 3);
        add_filter('wp_sitemaps_add_provider', static fn ($provider, $name) => $name === 'users' ? false : $provider, 10, 2);
        add_filter('the_author', [self::class, 'shown']);
        add_filter('get_the_author_display_name', [self::class, 'shown']);
        add_filter('get_comment_author', [self::class, 'shown']);
        add_filter('comment_class', [self::class, 'classes']);
        add_filter('oembed_response_data', [self::class, 'embedded']);
        add_filter('rest_prepare_comment', [self::class, 'comment']);
    }

    /** A refusal does not tell whether it was the name or the password. */
    public static function refusal($user, $name = '', $password = '')
    {
        if (!is_wp_error($user) || !in_array($user->get_error_code(), self::WRONG, true)) {
            return $user;
        }
        if ($user->get_error_code() !== 'incorrect_password') {
            // A name that does not exist takes as long as one that does.
            wp_hash_password((string) $password);
        }
        return new WP_Error('incorrect_password', 'The name or the password is wrong.');
    }

    /** Nor does the form for a forgotten password: nobody is answered as somebody is. */
    public static function lost(WP_Error $errors, $user = false): WP_Error
    {
        if (is_user_logged_in()) {
            return $errors;
        }
        foreach (self::WRONG as $code) {
            $errors->remove($code);
        }
        if ($errors->has_errors()) {
            return $errors;
        }
        if (!inception_sends_mail()) {
            $errors->add('retrieve_password_email_failure', 'The email could not be sent.');
        } elseif (!$user && did_action('login_init')) {
            // Where wp-login.php leads to, when it has sent the mail.
            wp_safe_redirect(!empty($_REQUEST['redirect_to']) ? $_REQUEST['redirect_to'] : 'wp-login.php?checkemail=confirm');
            exit;
        } elseif (!$user) {
            $errors->add('invalidcombo', 'If there is such a user, ask the site\'s administrator for help.');
        }
        return $errors;
    }

    /** Whether this author's address is the name to sign in with, which the owner has not changed. */
    private static function is_telling(WP_User $user): bool
    {
        return !is_user_logged_in() && $user->user_nicename === sanitize_title($user->user_login);
    }

    /** ?author=1 leads to nobody, and neither does a page whose address is a name to sign in with. */
    public static function request(array $asked): array
    {
        if (is_user_logged_in()) {
            return $asked;
        }
        // WordPress answers with the front page where a list of addresses is none.
        if (($asked['sitemap'] ?? '') === 'users') {
            return ['error' => '404'];
        }
        $user = isset($asked['author_name']) ? get_user_by('slug', sanitize_title_for_query($asked['author_name'])) : null;
        if (!is_admin() && (isset($asked['author']) || (isset($asked['author_name']) && (!$user || self::is_telling($user))))) {
            return ['error' => '404'];
        }
        return $asked;
    }

    public static function link(string $address, $id, $name = ''): string
    {
        $user = get_userdata((int) $id);
        return $user && self::is_telling($user) ? home_url('/') : $address;
    }

    public static function rest($answer, $server, WP_REST_Request $request)
    {
        if (!is_user_logged_in() && preg_match('~^/wp/v2/users(?:/|$)~i', $request->get_route())) {
            return new WP_Error('rest_login_required', 'Sign in to see the users.', ['status' => 401]);
        }
        return $answer;
    }

    /** Who has chosen no name to be shown is shown as the site. */
    public static function shown($name)
    {
        $is_login = is_string($name) && $name !== '' && !is_admin() && !is_user_logged_in() && get_user_by('login', $name) !== false;
        return $is_login ? wp_specialchars_decode(get_option('blogname'), ENT_QUOTES) : $name;
    }

    public static function classes(array $classes): array
    {
        return is_user_logged_in() ? $classes : preg_grep('/^comment-author-/', $classes, PREG_GREP_INVERT);
    }

    public static function embedded(array $data): array
    {
        unset($data['author_url']);
        $data['author_name'] = self::shown($data['author_name'] ?? '');
        return $data;
    }

    public static function comment(WP_REST_Response $answer): WP_REST_Response
    {
        if (isset($answer->data['author_name'])) {
            $answer->data['author_name'] = self::shown($answer->data['author_name']);
        }
        return $answer;
    }
}

Inception_Names::register();
{% if __docker_is_node | default(false) %}

/**
 * Each node's PHP keeps the code that it has compiled, and seldom looks at its files (conf/php.ini): they are on storage of which each look costs
 * all nodes some work. So who changes code tells the others, by another file under one name, and they forget what they had compiled.
 */
final class Inception_Code_Of_Nodes
{
    private const CHANGED = WP_CONTENT_DIR . '/.code-changed';
    /** What this container knows of it. */
    private const KNOWN = '/tmp/code-changed';

    /** @var bool Whether this request has changed code. */
    private static $changed = false;

    public static function register(): void
    {
        if (PHP_SAPI === 'fpm-fcgi') {
            self::look();
        }
        // WordPress asks this of each file of code that it has written.
        add_filter('wp_opcache_invalidate_file', static function ($may) {
            self::$changed = true;
            return $may;
        });
        // What was written of it stays, even if the program ends amid it.
        register_shutdown_function([self::class, 'tell']);
    }

    private static function look(): void
    {
        $found = @stat(self::CHANGED);
        $now = $found ? "$found[ino] $found[mtime]" : 'never';
        $known = @file_get_contents(self::KNOWN);
        if ($known !== $now) {
            file_put_contents(self::KNOWN, $now);
            $known === false || opcache_reset();
        }
    }

    public static function tell(): void
    {
        if (self::$changed && touch($new = self::CHANGED . '.' . bin2hex(random_bytes(8)))) {
            rename($new, self::CHANGED);
        }
    }
}

Inception_Code_Of_Nodes::register();
{% endif %}
