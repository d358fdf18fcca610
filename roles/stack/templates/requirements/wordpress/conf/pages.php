{% if stack_page_cache | bool %}
<?php
/**
 * Plugin Name: Inception page cache
 * Description: Tells nginx which pages it may keep, and for how long, and at each change of the site to forget them all.
 *
 * The link .pages/current leads to a folder, whose name nginx makes a part of what it looks for (its conf/inside.conf).
 * After a change the link leads to another folder: no page that was asked for before then is found again, not even
 * one that was being made meanwhile. The folders are empty.
 *
 * What is a change, WordPress says where its own functions make it, and the statement itself where a plugin writes past them.
 */

defined('ABSPATH') || exit;

final class Inception_Pages
{
    /** How long a page is good, if nothing changes: well below the 12 hours of a number used once that may stand in it. */
    private const PAGE_SECONDS = 3600;
    /** The same for what there may be any number of: searches, pages that are not there. Feeds are asked for by machines. */
    private const SHORT_SECONDS = 60;
    /** After this time no request still looks for a folder that was replaced, in seconds. */
{% if __docker_is_node | default(false) %}
    /** Not longer: while they are there they are healed, one by one, when a node comes back. */
    private const OLD_SECONDS = 10;
    /** Changes of one request within so many seconds are one: each is a folder on all nodes. */
    private const ONE_SECONDS = 1.0;
{% else %}
    private const OLD_SECONDS = 60;
{% endif %}
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

    /** Tables of others in which nothing is that a visitor sees. */
    private const UNSEEN_TABLES = '/(?:^|_)(?:(?:inception|pantheon|woocommerce)_sessions|actionscheduler_(?:actions|claims|groups|logs))$/';
    /** The same in statements that somebody else than WordPress writes for its tables of options and of what is said of things. */
    private const UNSEEN_TEXT = '/[\\\\\'"]_(?:site\\\\*_)?transient|[\'"](?:cron|session_tokens|_edit_lock|_edit_last)[\'"]|[._]lock[\'"]/i';
    /** Statements that change nothing: all others do, whatever they are. */
    private const READS = '/^(?:SELECT|SHOW|SET|DESC|DESCRIBE|EXPLAIN|ANALYZE|CHECK|CHECKSUM|OPTIMIZE|USE|START|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|LOCK'
        . '|UNLOCK|PREPARE|DEALLOCATE|WITH|VALUES|DO|FLUSH|KILL|DROP\s+TEMPORARY|CREATE\s+TEMPORARY|CREATE\b(?!.*\bSELECT\b))\b/is';
    /** Those that the server counts, and WordPress tells how many rows they changed. */
    private const COUNTED = '/^(?:INSERT|REPLACE|UPDATE|DELETE|TRUNCATE|LOAD)\b/i';
    private const COUNTERS = ['insert', 'insert_select', 'replace', 'replace_select', 'update', 'update_multi', 'delete', 'delete_multi', 'truncate', 'load'];

    /**
     * What comes with visits, such as a counter of views, cannot be told from a visitor's vote but by how often it comes. So each kind of
     * write (a table, an option, a field) makes pages new so many times in a row, and then once in so many seconds; what comes more often
     * makes them new together, so many seconds later at most. Whoever edits the site is never made to wait.
     */
    private const IN_A_ROW = 20;
    private const ONCE_IN_SECONDS = 60;
    private const LATE_SECONDS = 60;
    /** Kinds are counted in so many files. */
    private const KINDS = 64;

    /** What the object cache keeps of each table, for who changes it past WordPress. */
    private const CACHED = [
        'options' => ['options'], 'posts' => ['posts', 'post-queries'], 'comments' => ['comment', 'comment-queries'], 'users' => ['users', 'user-queries'],
        'terms' => ['terms', 'term-queries'], 'term_taxonomy' => ['terms', 'term-queries'],
        'postmeta' => ['post_meta'], 'commentmeta' => ['comment_meta'], 'termmeta' => ['term_meta'], 'usermeta' => ['user_meta'],
    ];

    /** @var bool Whether this request has changed something. */
    private static $changed = false;
{% if __docker_is_node | default(false) %}
    /** @var float When it made pages new, in seconds. */
    private static $forgot = 0.0;
{% endif %}
    /** @var ?array The last write past WordPress's functions: its text, its kind, and what the object cache keeps of it. */
    private static $written;
    /** @var bool[] Whether this request's kinds of writes made pages new. */
    private static $kinds = [];
    /** @var int How many counted statements went through WordPress. */
    private static $statements = 0;
    /** @var bool Whether a statement is looked at, which may make some itself. */
    private static $looks = false;

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
                preg_match(self::UNSEEN_OPTIONS, $name) || self::note("option $name");
            }, PHP_INT_MAX, 1);
        }
        foreach (['post', 'term', 'comment', 'user'] as $kind) {
            foreach (['added', 'updated', 'deleted'] as $change) {
                add_action("{$change}_{$kind}_meta", static function ($ids, $id, $key) use ($kind): void {
                    preg_match(self::UNSEEN_META, $key) || self::note("$kind $key");
                }, PHP_INT_MAX, 3);
            }
        }
        add_filter('query', [self::class, 'look'], PHP_INT_MAX);
        add_action('shutdown', [self::class, 'end'], PHP_INT_MIN);
        add_action('template_redirect', [self::class, 'begin'], PHP_INT_MIN);

        // A container may come with other files, and by its first request it is there to make the pages anew.
        if (PHP_SAPI === 'fpm-fcgi' && !file_exists(self::STARTED)) {
            touch(self::STARTED);
            self::forget();
        } elseif (PHP_SAPI !== 'cli' && (int) @filemtime(self::folder('.late')) < time() - self::LATE_SECONDS) {
            self::make_up();
        }
    }

    private static function folder(string $name): string
    {
        return WP_CONTENT_DIR . "/.pages/$name";
    }

    /** Each statement that goes through WordPress, before it is made. Whether it changed something is known when the next one comes. */
    public static function look($statement)
    {
        if (self::$looks || !is_string($statement)) {
            return $statement;
        }
        self::$looks = true;
        self::settle();
        $text = preg_replace('~^(?:\s+|\(|/\*(?!!).*?\*/|(?:--\s|#)[^\n]*\n)+~s', '', $statement) ?? $statement;
        if (!preg_match(self::READS, $text)) {
            self::$statements += preg_match(self::COUNTED, $text);
            self::$written = self::written($text, $statement);
        }
        self::$looks = false;
        return $statement;
    }

    /** Null for what nobody sees, and for what WordPress's own functions write: they say themselves what it is. */
    private static function written(string $text, string $statement): ?array
    {
        global $wpdb;
        $names = '/^(?:[a-z_\s]*?\b)(?:INTO|FROM|TABLE|UPDATE|INSERT|REPLACE|TRUNCATE|DELETE\b.*?\bFROM)\s+(?:(?:LOW_PRIORITY|DELAYED|IGNORE|INTO|TABLE|IF\s+EXISTS)\s+)*`?(?:[\w$-]+`?\.`?)?([\w$-]+)/is';
        $table = preg_match($names, substr($text, 0, 500), $found) ? $found[1] : '';
        if (preg_match(self::UNSEEN_TABLES, $table)) {
            return null;
        }
        $core = array_search($table, $wpdb->tables(), true);
        if ($core !== false && (self::is_wordpress() || (preg_match('/options|meta$/', $core) && preg_match(self::UNSEEN_TEXT, $text)))) {
            return null;
        }
        return [$statement, "table $table", self::CACHED[$core === false ? '' : $core] ?? []];
    }

    /** Whether the statement that is being looked at was written by a file of WordPress itself. */
    private static function is_wordpress(): bool
    {
        $file = '';
        foreach (debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS, 24) as $frame) {
            if (is_a($frame['class'] ?? '', 'wpdb', true)) {
                $file = $frame['file'] ?? '';
            } elseif ($file !== '') {
                break;
            }
        }
        return preg_match('~^' . preg_quote(ABSPATH, '~') . 'wp-(?:includes|admin)/~', $file) === 1;
    }

    /** The last write is done, or the request is. */
    private static function settle(bool $is_over = false): void
    {
        global $wpdb;
        if (self::$written === null) {
            return;
        }
        [$statement, $kind, $cached] = self::$written;
        $is_done = $wpdb->last_query === $statement;
        if (!$is_done && !$is_over) {
            // WordPress asks something before it makes the statement.
            return;
        }
        self::$written = null;
        if (!$is_done || $wpdb->rows_affected > 0 || !preg_match('/^\s*(?:insert|delete|update|replace)\s/i', $statement)) {
            self::note($kind, $cached);
        }
    }

    /** A change of that kind: now, or soon. */
    private static function note(string $kind, array $cached = []): void
    {
        self::$kinds[$kind] = (self::$kinds[$kind] ?? false) || self::is_edited() || self::has_leave($kind);
        if (self::$kinds[$kind]) {
            self::flush_groups($cached);
            self::forget();
            return;
        }
        $late = self::folder('.late');
        $new = array_diff($cached, explode("\n", (string) @file_get_contents($late)));
        if ($new !== [] || !file_exists($late)) {
            @mkdir(dirname($late), 0755, true);
            @file_put_contents($late, implode("\n", $new) . "\n", FILE_APPEND);
        }
    }

    /** Whether somebody is at work on the site, from the command line too, and not only looks. */
    private static function is_edited(): bool
    {
        if (wp_doing_cron()) {
            return false;
        }
        if (PHP_SAPI === 'cli') {
            return true;
        }
        $only_looks = in_array($_SERVER['REQUEST_METHOD'] ?? '', ['GET', 'HEAD'], true) && !isset($_GET['_wpnonce']);
        return !$only_looks && ($_REQUEST['action'] ?? '') !== 'heartbeat' && function_exists('wp_get_current_user') && current_user_can('edit_posts');
    }

    /** The file's date is when all that the kind has used up will be there again. */
    private static function has_leave(string $kind): bool
    {
        $file = self::folder('.kinds/' . crc32($kind) % self::KINDS);
        $until = max(time(), (int) @filemtime($file));
        if ($until - time() > (self::IN_A_ROW - 1) * self::ONCE_IN_SECONDS) {
            return false;
        }
        @mkdir(dirname($file), 0755, true);
        return @touch($file, $until + self::ONCE_IN_SECONDS);
    }

    /** Pages are made new for what came too often. */
    private static function make_up(): void
    {
        $late = self::folder('.late');
        $cached = @file($late, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES);
        // Of several requests the one that takes the mark away does it.
        if ($cached !== false && @unlink($late)) {
            self::flush_groups($cached);
            self::forget();
            self::$changed = false;
        }
    }

    /** Else pages would be made anew of what the object cache still has. */
    private static function flush_groups(array $groups): void
    {
        if ($groups !== [] && wp_using_ext_object_cache() && function_exists('wp_cache_supports') && wp_cache_supports('flush_group')) {
            array_map('wp_cache_flush_group', array_unique($groups));
        }
    }

    /** How many statements of this request changed something on the server, however they got there: a plugin may use WordPress's connection itself. */
    private static function statements(): int
    {
        global $wpdb;
        $names = implode("', 'Com_", self::COUNTERS);
        return array_sum(array_column($wpdb->get_results("SHOW SESSION STATUS WHERE Variable_name IN ('Com_$names')", ARRAY_N) ?: [], 1));
    }

    /** At once, for who asks next, and again at the request's end: what it does until then may be half of a change. */
    public static function forget(): void
    {
{% if __docker_is_node | default(false) %}
        if (self::$forgot > microtime(true) - self::ONE_SECONDS) {
            return;
        }
        self::$forgot = microtime(true);
{% endif %}
        self::$changed = true;
        $folder = WP_CONTENT_DIR . '/.pages';
        $name = bin2hex(random_bytes(8));
        $take = fn() => @rename("$folder/$name/link", "$folder/current");
        $made = @mkdir("$folder/$name", 0755, true)
            && @symlink($name, "$folder/$name/link")
            // Whoever copies the site may make a folder of the link, which no link takes the place of.
            && ($take() || @rename("$folder/current", "$folder/" . bin2hex(random_bytes(8))) && $take());
        if (!$made) {
            // Without the link, nginx keeps nothing and uses nothing that it kept.
            @unlink("$folder/current");
            error_log("The page cache is off: $folder cannot be written.");
        }
    }

    public static function end(): void
    {
        // After all that plugins do when a request ends.
        register_shutdown_function([self::class, 'finish']);
        self::settle(true);
        self::$changed && self::forget();
    }

    public static function finish(): void
    {
        self::settle(true);
        if (!self::$changed && self::statements() > self::$statements) {
            self::note('unknown');
        }
        if (!self::$changed) {
            return;
        }
{% if __docker_is_node | default(false) %}
        // The last one of a request is left out never.
        self::$forgot = 0.0;
{% endif %}
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
{% if __docker_is_node | default(false) %}
        // Where nodes' clocks are apart, one may have taken away the folder of another one's change.
        $current = WP_CONTENT_DIR . '/.pages/current';
        is_link($current) && !is_dir($current) && self::forget();
{% endif %}
        ob_start([self::class, 'judge']);
        // WordPress 6.1 goes on with a theme's old styles for a minute, which a page that is kept would have for an hour.
        foreach (['global_styles_', 'global_styles_svg_filters_'] as $styles) {
            add_filter('pre_transient_' . $styles . get_stylesheet(), '__return_empty_string');
        }
    }

    public static function judge(string $page, int $phase): string
    {
        self::settle(true);
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
            || (string) session_id() !== ''
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
        // What anybody can think up is not kept among the site's own pages (NGINX's conf/pages.conf): without end, it would push them out.
        if (($_SERVER['HTTP_X_PAGE_ZONE'] ?? '') === 'pages' && ($status !== 200 || !self::is_its_address())) {
            return 0;
        }
        return $status !== 200 || is_search() || is_feed() ? self::SHORT_SECONDS : self::PAGE_SECONDS;
    }

    /** Whether the page was asked for by the address that WordPress gives it: it also answers to /category/made-up/news/ and /hello-world/00/. */
    private static function is_its_address(): bool
    {
        $asked = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
        $of = get_queried_object();
        if (is_feed()) {
            $asked = preg_replace('~(?:comments/)?feed/(?:(?:rss2?|atom|rdf)/)?$~', '', $asked);
        }
        $link = match (true) {
            is_search() || (string) get_query_var('cpage') !== '' => '',
            is_singular() => wp_get_canonical_url($of),
            is_category() || is_tag() || is_tax() => get_term_link($of),
            is_author() => get_author_posts_url($of->ID),
            is_day() => get_day_link(get_query_var('year'), get_query_var('monthnum'), get_query_var('day')),
            is_month() => get_month_link(get_query_var('year'), get_query_var('monthnum')),
            is_year() => get_year_link(get_query_var('year')),
            is_post_type_archive() => get_post_type_archive_link((string) current((array) get_query_var('post_type'))),
            is_home() && get_option('page_for_posts') && !is_front_page() => get_permalink((int) get_option('page_for_posts')),
            is_home() || (is_feed() && $of === null) => home_url('/'),
            default => '',
        };
        if (is_string($link) && $link !== '' && (int) get_query_var('paged') > 1) {
            $page = $GLOBALS['wp_rewrite']->pagination_base . '/' . (int) get_query_var('paged');
            $link = user_trailingslashit(trailingslashit($link) . $page, 'paged');
        }
        return is_string($link) && $link !== '' && (parse_url($link, PHP_URL_PATH) ?? '/') === $asked;
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
