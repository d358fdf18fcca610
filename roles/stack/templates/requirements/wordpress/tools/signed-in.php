<?php
/*
 * Answers NGINX (its conf/bodies.conf) whether who sends a large body is somebody who writes on this site: 204, or 403.
 * By the cookie of a sign-in, or by an application password.
 */

declare(strict_types=1);

define('WP_USE_THEMES', false);
require '/var/www/html/wp-load.php';

add_filter('application_password_is_api_request', '__return_true');
$user = wp_validate_auth_cookie('', 'logged_in') ?: wp_validate_application_password(false);
http_response_code($user && user_can($user, 'edit_posts') ? 204 : 403);
