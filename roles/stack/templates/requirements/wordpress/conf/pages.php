{% if stack_page_cache | bool %}
<?php
/**
 * Plugin Name: Inception page cache
 * Description: Tells nginx which pages it may keep, and for how long, and at each change of the site to forget them all.
 *
 * The link .pages/current leads to a folder, whose name nginx makes a part of what it looks for (its conf/inside.conf).
 * After a change the link leads to another folder: no page that was asked for before then is found again, not even
 * one that was being made meanwhile. The folders are empty.
 */

defined('ABSPATH') || exit;

final class Inception_Pages
{
    /** How long a page is good, if nothing changes: well below the 12 hours of a number used once that may stand in it. */
    private const PAGE_SECONDS = 3600;
    /** The same for what there may be any number of: searches, pages that are not there. Feeds are asked for by machines. */
    private const SHORT_SECONDS = 60;
    /** After this time no request still looks for a folder that was replaced, in seconds. */
    private const OLD_SECONDS = 60;
    /** There once this container has made nginx forget what was kept before its start. */
    private const STARTED = '/tmp/pages.started';

    /** What WordPress does after it has changed something that a visitor may see. */
    private const CHANGES = [
        'clean_attachment_cache', 'clean_object_term_cache', 'clean_taxonomy_cache', 'clean_term_cache', 'clean_user_cache',
        'created_term', 'edited_term', 'delete_term', 'set_object_terms', 'deleted_term_relationships',
        'edit_comment', 'deleted_comment', 'transition_comment_status',
        'profile_update', 'user_register', 'deleted_user', 'set_user_role',
        'switch_theme', 'customize_save_after', 'wp_update_nav_menu', 'permalink_structure_changed',
        'activated_plugin', 'deactivated_plugin', 'deleted_plugin', 'upgrader_process_complete', '_core_updated_successfully',
        'add_link', 'edit_link', 'deleted_link', 'import_end',
    ];
    /** What is written about work that is going on, and no visitor sees. */
    private const UNSEEN_OPTIONS = '/^(_transient_|_site_transient_|cron$|auto_updater\.lock$|core_updater\.lock$|recently_edited$|recently_activated$|can_compress_scripts$)/';
    private const UNSEEN_META = '/^(_edit_lock|_edit_last|_encloseme|_pingme|session_tokens|community-events-location|.*user-settings(-time)?|closedpostboxes_.*|metaboxhidden_.*|meta-box-order_.*|manage.*columnshidden|screen_layout_.*|.*_per_page)$/';

    /** @var bool Whether this request has changed something. */
    private static $changed = false;

    public static function register(): void
    {
        foreach (self::CHANGES as $change) {
            add_action($change, [self::class, 'forget'], PHP_INT_MAX, 0);
        }
        add_action('clean_post_cache', static function ($id, $post = null): void {
            // A copy of what was, and the empty sheet of a new post.
            if (!$post instanceof WP_Post || ($post->post_type !== 'revision' && $post->post_status !== 'auto-draft')) {
                self::forget();
            }
        }, PHP_INT_MAX, 2);
        add_action('wp_insert_comment', static function ($id, $comment): void {
            // What waits for an approval is not seen, and there may be much of it.
            if ((string) $comment->comment_approved === '1') {
                self::forget();
            }
        }, PHP_INT_MAX, 2);
        foreach (['added_option', 'updated_option', 'deleted_option'] as $change) {
            add_action($change, static function ($name): void {
                preg_match(self::UNSEEN_OPTIONS, $name) || self::forget();
            }, PHP_INT_MAX, 1);
        }
        foreach (['post', 'term', 'comment', 'user'] as $kind) {
            foreach (['added', 'updated', 'deleted'] as $change) {
                add_action("{$change}_{$kind}_meta", static function ($ids, $id, $key): void {
                    preg_match(self::UNSEEN_META, $key) || self::forget();
                }, PHP_INT_MAX, 3);
            }
        }
        add_action('shutdown', [self::class, 'end'], PHP_INT_MIN);
        add_action('template_redirect', [self::class, 'begin'], PHP_INT_MIN);

        // A container may come with other files, and by its first request it is there to make the pages anew.
        if (PHP_SAPI === 'fpm-fcgi' && !file_exists(self::STARTED)) {
            touch(self::STARTED);
            self::forget();
        }
    }

    /** At once, for who asks next, and again at the request's end: what it does until then may be half of a change. */
    public static function forget(): void
    {
        self::$changed = true;
        $folder = WP_CONTENT_DIR . '/.pages';
        $name = bin2hex(random_bytes(8));
        $made = @mkdir("$folder/$name", 0755, true)
            && @symlink($name, "$folder/$name/link")
            && @rename("$folder/$name/link", "$folder/current");
        if (!$made) {
            // Without the link, nginx keeps nothing and uses nothing that it kept.
            @unlink("$folder/current");
            error_log("The page cache is off: $folder cannot be written.");
        }
    }

    public static function end(): void
    {
        if (!self::$changed) {
            return;
        }
        self::forget();
        $folder = WP_CONTENT_DIR . '/.pages';
        $current = @readlink("$folder/current");
        foreach (glob("$folder/*", GLOB_ONLYDIR) ?: [] as $old) {
            if (!is_link($old) && basename($old) !== $current && @filemtime($old) < time() - self::OLD_SECONDS) {
                // Another request may be doing the same.
                @rmdir($old);
            }
        }
    }

    /** A page is judged when it is complete, so it is made in a buffer. */
    public static function begin(): void
    {
        if (is_user_logged_in()) {
            return;
        }
        ob_start([self::class, 'judge']);
        // WordPress 6.1 goes on with a theme's old styles for a minute, which a page that is kept would have for an hour.
        foreach (['global_styles_', 'global_styles_svg_filters_'] as $styles) {
            add_filter('pre_transient_' . $styles . get_stylesheet(), '__return_empty_string');
        }
    }

    public static function judge(string $page, int $phase): string
    {
        if (($phase & PHP_OUTPUT_HANDLER_FINAL) && !headers_sent()) {
            header('X-Accel-Expires: ' . self::seconds());
        }
        return $page;
    }

    /** How long nginx may keep the page that was made: 0, not at all. */
    private static function seconds(): int
    {
        $status = http_response_code();
        if (!in_array($status, [200, 301, 404], true)
            || !in_array($_SERVER['REQUEST_METHOD'], ['GET', 'HEAD'], true)
            || self::$changed
            || is_user_logged_in()
            || is_preview()
            || is_customize_preview()
            || (defined('DONOTCACHEPAGE') && DONOTCACHEPAGE)
            || array_intersect_key($_GET, ['unapproved' => 1, 'moderation-hash' => 1, '_wpnonce' => 1]) !== []
            || (is_singular() && get_queried_object() instanceof WP_Post && get_queried_object()->post_password !== '')
            // A page with a hole where the database did not answer.
            || !empty($GLOBALS['EZSQL_ERROR'])
            || self::is_somebodys($status)
        ) {
            return 0;
        }
        return $status !== 200 || is_search() || is_feed() ? self::SHORT_SECONDS : self::PAGE_SECONDS;
    }

    /** Whether a header says that the page is for this visitor only. For each page that is not there, WordPress itself forbids to keep it. */
    private static function is_somebodys(int $status): bool
    {
        foreach (headers_list() as $header) {
            if (preg_match('/^(?:Set-Cookie:|Vary:(?!\s*Accept-Encoding\s*$))/i', $header)
                || ($status !== 404 && preg_match('/^Cache-Control:.*(?:private|no-store|no-cache)/i', $header))
            ) {
                return true;
            }
        }
        return false;
    }
}

Inception_Pages::register();
{% endif %}
