<?php
// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * For test_fast_writes.py: a plugin that writes past WordPress's functions when it is told to, and shows at each page's end what it wrote.
 */

/** Its ways of writing a word. */
function verify_ways(): array
{
    global $wpdb;
    $table = $wpdb->prefix . 'verify';
    $raw = static fn (string $statement): callable => static function (string $word) use ($wpdb, $statement): void {
        $wpdb->query(str_replace(['{table}', '{word}'], [$wpdb->prefix . 'verify', $word], $statement));
    };
    return [
        'insert' => static fn (string $word) => $wpdb->insert($table, ['word' => $word]),
        'update' => static fn (string $word) => $wpdb->update($table, ['word' => $word], ['id' => 1]),
        'replace' => static fn (string $word) => $wpdb->replace($table, ['id' => 1, 'word' => $word]),
        'statement' => $raw("UPDATE {table} SET word = '{word}'"),
        'counter' => $raw("INSERT INTO {table} (id, word) VALUES (1, 'old') ON DUPLICATE KEY UPDATE word = '{word}'"),
        'comment' => $raw("/* of a plugin */ UPDATE {table} SET word = '{word}'"),
        'letters' => $raw("UPDATE {table} SET word = '{word}ä'"),
        'joined' => $raw("UPDATE {table} a JOIN {table} b ON a.id = b.id SET a.word = '{word}'"),
        'field' => $raw("UPDATE $wpdb->postmeta SET meta_value = '{word}' WHERE meta_key = 'verify_field'"),
        'option' => $raw("UPDATE $wpdb->options SET option_value = '{word}' WHERE option_name = 'verify_option'"),
        'title' => $raw("UPDATE $wpdb->posts SET post_excerpt = '{word}' WHERE ID = 1"),
        'connection' => static fn (string $word) => mysqli_query($wpdb->dbh, "UPDATE $table SET word = '$word'"),
        'prepared' => static function (string $word) use ($wpdb, $table): void {
            $statement = mysqli_prepare($wpdb->dbh, "UPDATE $table SET word = ?");
            mysqli_stmt_bind_param($statement, 's', $word);
            mysqli_stmt_execute($statement);
        },
        'shutdown' => static function (string $word) use ($wpdb, $table): void {
            add_action('shutdown', static fn () => $wpdb->query("UPDATE $table SET word = '$word'"), PHP_INT_MAX);
        },
        'transaction' => static function (string $word) use ($wpdb, $table): void {
            $wpdb->query('START TRANSACTION');
            $wpdb->query("UPDATE $table SET word = '$word'");
            $wpdb->query('COMMIT');
        },
    ];
}

foreach (['wp_ajax_verify_write', 'wp_ajax_nopriv_verify_write'] as $verify_action) {
    add_action($verify_action, static function (): void {
        verify_ways()[$_REQUEST['way']]($_REQUEST['word']);
        exit('written');
    });
}

add_action('wp_footer', static function (): void {
    global $wpdb;
    $words = $wpdb->get_col("SELECT word FROM {$wpdb->prefix}verify ORDER BY id");
    $words[] = get_post_meta(1, 'verify_field', true);
    $words[] = get_option('verify_option');
    $words[] = get_post(1)->post_excerpt;
    echo '<p>Words: ', esc_html(implode(' ', array_filter($words))), '</p>';
});

// A counter of views, of the kind that an option names.
add_action('template_redirect', static function (): void {
    global $wpdb;
    switch (get_option('verify_counter')) {
        case 'table':
            $wpdb->insert("{$wpdb->prefix}verify_views", ['address' => $_SERVER['REQUEST_URI']]);
            break;
        case 'field':
            update_post_meta(1, 'verify_views', 1 + (int) get_post_meta(1, 'verify_views', true));
            break;
        case 'option':
            update_option('verify_views', 1 + (int) get_option('verify_views'));
            break;
    }
});
