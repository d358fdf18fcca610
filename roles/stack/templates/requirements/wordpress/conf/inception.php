<?php
/**
 * Plugin Name: Inception
 * Description: What this machine asks of WordPress: trust in its own certificate authority, and links that work through every port.
 */

// WordPress brings its own list of authorities; the one made at the container's start has this machine's too.
add_filter('http_request_args', static function (array $args): array {
    $args['sslcertificates'] = '/tmp/ca-bundle.crt';
    return $args;
});

// The editor stores whole addresses. What was written through one port is read through another: a link to the site keeps to the visitor's.
foreach (['the_content', 'the_excerpt', 'comment_text', 'widget_block_content'] as $inception_filter) {
    add_filter($inception_filter, static function (string $text): string {
        $site = '~https?://' . preg_quote(getenv('DOMAIN'), '~') . '(?::[0-9]+)?(?![\w.:-])~';
        return preg_replace($site, WP_HOME, $text) ?? $text;
    }, 99);
}
unset($inception_filter);
