<?php
/**
 * Plugin Name: Inception
 * Description: What this machine asks of WordPress: trust in its own certificate authority, links that work through every port and calls
 * of itself too, and mail through the relay that was named.
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

// The editor stores whole addresses. What was written through one port is read through another: a link to the site keeps to the visitor's.
foreach (['the_content', 'the_excerpt', 'comment_text', 'widget_block_content'] as $inception_filter) {
    add_filter($inception_filter, static function (string $text): string {
        $site = '~https?://' . preg_quote(getenv('DOMAIN'), '~') . '(?::[0-9]+)?(?![\w.:-])~';
        return preg_replace($site, WP_HOME, $text) ?? $text;
    }, 99);
}
unset($inception_filter);

// Browsers keep a style or a script for a year: its version is its file's date, so that a changed one has another address.
foreach (['style_loader_src', 'script_loader_src'] as $inception_filter) {
    add_filter($inception_filter, static function ($address) {
        $part = wp_parse_url((string) $address);
        $file = rtrim(ABSPATH, '/') . ($part['path'] ?? '');
        $is_ours = ($part['host'] ?? '') === getenv('DOMAIN') && preg_match('/\.(?:css|js)$/', $file) && is_file($file);
        return $is_ours ? add_query_arg('ver', dechex(filemtime($file)), $address) : $address;
    });
}
unset($inception_filter);

if (getenv('MAIL_HOST')) {
    // The relay lets its own addresses through, and not every one that somebody thinks up.
    add_filter('wp_mail_from', static fn (): string => getenv('MAIL_FROM'));
    add_filter('wp_mail_from_name', static fn (): string => wp_specialchars_decode(get_option('blogname'), ENT_QUOTES));
} else {
    // Without a relay no mail is even tried, and who waits for one is told so.
    add_filter('pre_wp_mail', '__return_false');
    add_filter('login_message', static function (string $message): string {
        $wants_mail = in_array($_REQUEST['action'] ?? '', ['lostpassword', 'retrievepassword'], true);
        return $message . ($wants_mail ? '<p class="message">This site sends no mail: ask its administrator for a new password.</p>' : '');
    });
}

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
