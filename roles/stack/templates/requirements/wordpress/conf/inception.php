<?php
/**
 * Plugin Name: Inception
 * Description: What this machine asks of WordPress: trust in its own certificate authority.
 */

// WordPress brings its own list of authorities; the one made at the container's start has this machine's too.
add_filter('http_request_args', static function (array $args): array {
    $args['sslcertificates'] = '/tmp/ca-bundle.crt';
    return $args;
});
