<?php
// SPDX-License-Identifier: GPL-3.0-or-later
// For test_fast_pages.py: a page that has read what it shows, and is not done before it is let go on.
add_action('wp_footer', static function (): void {
    echo esc_html(get_option('slow_page'));
    if (($_GET['slow_page'] ?? '') === '1') {
        touch('/tmp/slow_page');
        for ($i = 0; $i < 1200 && file_exists('/tmp/slow_page'); $i++) {
            usleep(50000);
            clearstatcache();
        }
    }
});
