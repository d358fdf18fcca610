<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What an editor does: the newest post of the benchmark gets another paragraph. Whatever caches pages has to forget the front page.
 */

declare(strict_types=1);

require '/var/www/html/wp-load.php';

[$post] = get_posts(['numberposts' => 1, 'meta_key' => 'inception-bench', 'meta_value' => '1']);
$id = wp_update_post(['ID' => $post->ID, 'post_content' => $post->post_content . '<p>' . time() . '</p>'], true);
exit(is_wp_error($id) ? 1 : 0);
