<?php
// SPDX-License-Identifier: GPL-3.0-or-later
// The same settings of the site as ours, so that both do the same work.
define('WP_INSTALLING', true);
require '/var/www/html/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

function wp_new_blog_notification(): void
{
}

wp_install('Inception', 'reference', 'reference@reference.42.fr', true, '', wp_generate_password(32));
update_option('permalink_structure', '/%postname%/');
update_option('comment_registration', 1);
update_option('comment_previously_approved', 0);
update_option('home', 'https://reference.42.fr');
update_option('siteurl', 'https://reference.42.fr');
