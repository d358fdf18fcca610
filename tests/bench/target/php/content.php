<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The benchmark's content, the same on each site: twenty posts with five comments each, through WordPress's own functions.
 *   content.php make      says where one of the posts is, and the id of another one to comment on
 *   content.php remove    takes away all that the benchmark has written
 */

declare(strict_types=1);

const MARK = 'inception-bench';
const POSTS = 20;
const COMMENTS = 5;
const WORDS = ['stack', 'container', 'volume', 'network', 'image', 'secret', 'service', 'machine', 'page', 'cache', 'reader', 'editor'];

require '/var/www/html/wp-load.php';

/** Words in an order that depends on nothing but the number. */
function sentences(int $number, int $count): string
{
    $text = [];
    for ($i = 0; $i < $count; $i++) {
        $words = [];
        for ($j = 0; $j < 12; $j++) {
            $words[] = WORDS[($number * 7 + $i * 5 + $j * ($number % 5 + 1)) % count(WORDS)];
        }
        $text[] = ucfirst(implode(' ', $words)) . '.';
    }
    return implode(' ', $text);
}

function paragraphs(int $number, int $count): string
{
    $text = '';
    for ($i = 0; $i < $count; $i++) {
        $text .= '<!-- wp:paragraph --><p>' . sentences($number + $i, 6) . "</p><!-- /wp:paragraph -->\n";
    }
    return $text;
}

function remove(): void
{
    $posts = get_posts(['numberposts' => -1, 'post_status' => 'any', 'meta_key' => MARK, 'meta_value' => '1']);
    foreach ($posts as $post) {
        wp_delete_post($post->ID, true);
    }
}

/** @return int[] */
function make(): array
{
    $ids = [];
    $author = get_users(['role' => 'administrator', 'number' => 1])[0];
    for ($number = 1; $number <= POSTS; $number++) {
        $id = wp_insert_post([
            'post_title' => "Post $number of the benchmark",
            'post_name' => MARK . "-$number",
            'post_content' => paragraphs($number, 8),
            'post_status' => 'publish',
            'post_author' => $author->ID,
            'meta_input' => [MARK => '1'],
        ], true);
        if (is_wp_error($id)) {
            fwrite(STDERR, $id->get_error_message() . "\n");
            exit(1);
        }
        $ids[] = $id;
        for ($comment = 1; $comment <= COMMENTS; $comment++) {
            wp_insert_comment([
                'comment_post_ID' => $id,
                'comment_author' => "Reader $comment",
                'comment_author_email' => "reader$comment@example.org",
                'comment_content' => sentences($number + $comment, 2),
                'comment_approved' => 1,
            ]);
        }
    }
    return $ids;
}

remove();
if ($argv[1] === 'make') {
    $ids = make();
    $post = get_post(end($ids));
    echo json_encode(['path' => parse_url(get_permalink($post), PHP_URL_PATH), 'title' => $post->post_title, 'comment_on' => $ids[0]]), "\n";
}
