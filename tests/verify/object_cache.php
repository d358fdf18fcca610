<?php
/*
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What WordPress may expect of its object cache, point by point: php object_cache.php <point>. Prints what is not so.
 * It runs in WordPress's container, in the groups "contract..." only, and leaves the site's own entries alone.
 */

declare(strict_types=1);

if (($argv[1] ?? '') !== 'global groups') {
    require '/var/www/html/wp-load.php';
} else {
    // This site is alone, so a network of sites is only made up: what the cache asks of WordPress.
    define('ABSPATH', '/var/www/html/');
    define('WPINC', 'wp-includes');
    function is_multisite(): bool
    {
        return true;
    }
    function get_current_blog_id(): int
    {
        return 1;
    }
    function wp_suspend_cache_addition(): bool
    {
        return false;
    }
    require ABSPATH . 'wp-content/object-cache.php';
}

function check(string $what, $expected, $found): void
{
    if ($expected !== $found) {
        echo "$what: expected ", var_export($expected, true), ', found ', var_export($found, true), "\n";
    }
}

/** As the next request finds the cache: with nothing of its own. */
function another_request(): void
{
    wp_cache_init();
    wp_cache_add_global_groups(['contract-global']);
    wp_cache_add_non_persistent_groups(['contract-passing']);
}

/** Beside WordPress, straight to Redis. */
function server(): Redis
{
    $redis = new Redis();
    $redis->connect('redis', (int) getenv('REDIS_PORT'), 2);
    $redis->auth(rtrim(file_get_contents('/run/secrets/redis_password')));
    return $redis;
}

/** Where an entry is in Redis, whatever its whole name. */
function stored(string $group, string $key): array
{
    $redis = server();
    $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $names = [];
    $cursor = null;
    while (($some = $redis->scan($cursor, "*$group*$key", 1000)) !== false) {
        $names = [...$names, ...$some];
    }
    return $names;
}

final class Thing
{
    public array $parts = ['a' => [1, 2.5, null, true]];
    protected string $name = "ünïcode \0 and 'quotes'";
}

$points = [
    'used' => static function (): void {
        check('an external cache is in use', true, wp_using_ext_object_cache());
        wp_cache_set('key', 'value', 'contract');
        check('an entry is in Redis', 1, count(stored('contract', 'key')));
        another_request();
        check('another request reads it', 'value', wp_cache_get('key', 'contract'));
    },
    'types' => static function (): void {
        $values = [
            'int' => 42, 'zero' => 0, 'negative' => -7, 'big' => PHP_INT_MAX, 'float' => 1.5, 'whole float' => 2.0, 'true' => true, 'false' => false,
            'null' => null, 'string' => 'text', 'empty' => '', 'digits' => '42', 'leading zero' => '007', 'binary' => "\0\xff\r\n", 'array' => [],
            'nested' => ['a' => ['b' => [1, '1', 1.0]], 5 => null], 'looks serialized' => 's:1:"x";', 'long' => str_repeat('x', 300000),
        ];
        foreach ($values as $name => $value) {
            check("set $name", true, wp_cache_set($name, $value, 'contract'));
            check("the same request reads $name", $value, wp_cache_get($name, 'contract'));
        }
        another_request();
        foreach ($values as $name => $value) {
            check("another request reads $name", $value, wp_cache_get($name, 'contract', false, $found));
            check("$name is found", true, $found);
        }
        another_request();
        check('all at once', $values, wp_cache_get_multiple(array_keys($values), 'contract'));
        wp_cache_set('object', new Thing(), 'contract');
        another_request();
        check('an object', var_export(new Thing(), true), var_export(wp_cache_get('object', 'contract'), true));
    },
    'found' => static function (): void {
        check('nothing there', false, wp_cache_get('nothing', 'contract', false, $found));
        check('is not found', false, $found);
        wp_cache_set('false', false, 'contract');
        another_request();
        wp_cache_get('false', 'contract', false, $found);
        check('false is found', true, $found);
        foreach (['', '  ', null, 1.5, true] as $key) {
            check('set with a key that is none', false, @wp_cache_set($key, 'x', 'contract'));
            check('add with a key that is none', false, @wp_cache_add($key, 'x', 'contract'));
            check('get with a key that is none', false, @wp_cache_get($key, 'contract'));
        }
        wp_cache_set(0, 'zero', 'contract');
        check('0 is a key', 'zero', wp_cache_get(0, 'contract'));
        check('and so is its text', 'zero', wp_cache_get('0', 'contract'));
    },
    'copies' => static function (): void {
        $thing = (object) ['value' => 1];
        wp_cache_set('thing', $thing, 'contract');
        $thing->value = 2;
        check('a later change of what was set', 1, wp_cache_get('thing', 'contract')->value);
        wp_cache_get('thing', 'contract')->value = 3;
        check('a change of what was read', 1, wp_cache_get('thing', 'contract')->value);
        another_request();
        wp_cache_get('thing', 'contract')->value = 4;
        check('a change of what was read from Redis', 1, wp_cache_get('thing', 'contract')->value);
        check('a closure can be set', true, wp_cache_set('closure', static fn (): int => 5, 'contract'));
        check('and read in the request', 5, (wp_cache_get('closure', 'contract'))());
        another_request();
        check('and in no other', false, wp_cache_get('closure', 'contract'));
    },
    'groups' => static function (): void {
        // Names that would be one, were they only joined.
        $places = [['a:b', 'contract'], ['a', 'contract:b'], ['b', 'contract:a'], ['*', 'contract'], ['a', 'contract*'], ['a', 'contract?'], ['a', 'contract']];
        foreach ($places as $number => [$key, $group]) {
            wp_cache_set($key, $number, $group);
        }
        another_request();
        foreach ($places as $number => [$key, $group]) {
            check("$group/$key", $number, wp_cache_get($key, $group));
        }
        wp_cache_set('contract', 1);
        another_request();
        check('no group is the group default', 1, wp_cache_get('contract', 'default'));
        wp_cache_delete('contract');
    },
    'global groups' => static function (): void {
        wp_cache_switch_to_blog(2);
        wp_cache_set('key', 'of 2', 'contract');
        wp_cache_set('key', 'of all', 'contract-global');
        another_request();
        wp_cache_switch_to_blog(3);
        check('another site has its own', false, wp_cache_get('key', 'contract'));
        check('but for the global groups', 'of all', wp_cache_get('key', 'contract-global'));
        wp_cache_set('key', 'of 3', 'contract');
        wp_cache_switch_to_blog(2);
        check('back at the first', 'of 2', wp_cache_get('key', 'contract'));
    },
    'non-persistent groups' => static function (): void {
        another_request();
        check('set', true, wp_cache_set('key', 1, 'contract-passing'));
        check('add', false, wp_cache_add('key', 2, 'contract-passing'));
        check('replace', true, wp_cache_replace('key', 3, 'contract-passing'));
        check('replace what is not there', false, wp_cache_replace('other', 3, 'contract-passing'));
        check('incr', 4, wp_cache_incr('key', 1, 'contract-passing'));
        check('get with force', 4, wp_cache_get('key', 'contract-passing', true));
        check('nothing in Redis', [], stored('contract-passing', 'key'));
        another_request();
        check('another request', false, wp_cache_get('key', 'contract-passing'));
    },
    'expiry' => static function (): void {
        another_request();
        wp_cache_set('short', 1, 'contract', 1);
        wp_cache_add('short too', 1, 'contract', 1);
        wp_cache_set_multiple(['short three' => 1], 'contract', 1);
        wp_cache_set('counted', 1, 'contract', 1);
        wp_cache_incr('counted', 1, 'contract');
        wp_cache_set('renewed', 1, 'contract', 1);
        wp_cache_set('renewed', 1, 'contract');
        wp_cache_set('short', 1, 'contract-passing', 1);
        wp_cache_set('renewed', 1, 'contract-passing', 1);
        wp_cache_set('renewed', 1, 'contract-passing');
        wp_cache_set('long', 1, 'contract', 3600);
        wp_cache_set('negative', 1, 'contract', -1);
        check('before', 1, wp_cache_get('short', 'contract'));
        usleep(2100000);
        check('in the request only', ['short' => false, 'renewed' => 1], wp_cache_get_multiple(['short', 'renewed'], 'contract-passing'));
        foreach (['in this request', 'in another one'] as $where) {
            foreach (['short' => false, 'short too' => false, 'short three' => false, 'counted' => false, 'renewed' => 1, 'long' => 1, 'negative' => 1] as $key => $value) {
                check("$key, $where", $value, wp_cache_get($key, 'contract', $key === 'counted'));
            }
            another_request();
        }
        check('it can be added again', true, wp_cache_add('short', 2, 'contract'));
    },
    'add and replace' => static function (): void {
        check('replace what is not there', false, wp_cache_replace('key', 1, 'contract'));
        check('and it is still not there', false, wp_cache_get('key', 'contract'));
        check('add', true, wp_cache_add('key', 1, 'contract'));
        check('add again', false, wp_cache_add('key', 2, 'contract'));
        another_request();
        check('add in another request', false, wp_cache_add('key', 3, 'contract'));
        check('the first one stays', 1, wp_cache_get('key', 'contract'));
        another_request();
        check('replace', true, wp_cache_replace('key', 4, 'contract'));
        another_request();
        check('it was replaced', 4, wp_cache_get('key', 'contract'));
        wp_suspend_cache_addition(true);
        check('add while additions are suspended', false, wp_cache_add('new', 1, 'contract'));
        check('add several', ['new' => false], wp_cache_add_multiple(['new' => 1], 'contract'));
        check('set is none', true, wp_cache_set('set', 1, 'contract'));
    },
    'delete' => static function (): void {
        check('nothing there', false, wp_cache_delete('key', 'contract'));
        wp_cache_set('key', 1, 'contract');
        another_request();
        check('what another request has set', true, wp_cache_delete('key', 'contract'));
        check('it is gone', false, wp_cache_get('key', 'contract'));
        another_request();
        check('for all', false, wp_cache_get('key', 'contract'));
    },
    'several at once' => static function (): void {
        check('set', ['a' => true, 5 => true, '' => false], wp_cache_set_multiple(['a' => 1, 5 => 2, '' => 3], 'contract'));
        another_request();
        check('add', ['b' => true, 'a' => false], wp_cache_add_multiple(['b' => 3, 'a' => 4], 'contract'));
        another_request();
        wp_cache_get('b', 'contract');
        $read = wp_cache_get_multiple(['a', 'nothing', 'b', 5], 'contract');
        check('get, in the order of the keys', ['a' => 1, 'nothing' => false, 'b' => 3, 5 => 2], $read);
        check('get nothing', [], wp_cache_get_multiple([], 'contract'));
        another_request();
        check('delete', ['a' => true, 'nothing' => false, 5 => true], wp_cache_delete_multiple(['a', 'nothing', 5], 'contract'));
        another_request();
        check('the rest', ['a' => false, 'b' => 3, 5 => false], wp_cache_get_multiple(['a', 'b', 5], 'contract'));
        foreach (['add_multiple', 'set_multiple', 'get_multiple', 'delete_multiple', 'flush_runtime', 'flush_group'] as $feature) {
            check("supports $feature", true, wp_cache_supports($feature));
        }
        check('supports anything', false, wp_cache_supports('anything'));
    },
    'counters' => static function (): void {
        check('nothing there', false, wp_cache_incr('count', 1, 'contract'));
        wp_cache_set('count', 5, 'contract');
        another_request();
        check('incr', 6, wp_cache_incr('count', 1, 'contract'));
        check('incr by more', 16, wp_cache_incr('count', 10, 'contract'));
        check('decr', 14, wp_cache_decr('count', 2, 'contract'));
        check('get', 14, wp_cache_get('count', 'contract'));
        another_request();
        check('get in another request', 14, wp_cache_get('count', 'contract'));
        check('never below nothing', 0, wp_cache_decr('count', 100, 'contract'));
        wp_cache_set('text', 'text', 'contract');
        check('of a text', 3, wp_cache_incr('text', 3, 'contract'));
        wp_cache_set('digits', '8', 'contract');
        check('of digits', 9, wp_cache_incr('digits', 1, 'contract'));
        wp_cache_set('fraction', 1.5, 'contract');
        check('of a fraction', 2.5, wp_cache_incr('fraction', 1, 'contract'));
    },
    'counters at the same time' => static function (): void {
        wp_cache_set('count', 0, 'contract');
        $code = 'require "/var/www/html/wp-load.php"; for ($i = 0; $i < 200; ++$i) { wp_cache_incr("count", 1, "contract"); }';
        $children = [];
        for ($number = 0; $number < 3; ++$number) {
            $children[] = proc_open(['php', '-r', $code], [], $pipes);
        }
        array_map('proc_close', $children);
        another_request();
        check('none is lost', 600, wp_cache_get('count', 'contract'));
    },
    'force' => static function (): void {
        wp_cache_set('key', 1, 'contract');
        $mine = $GLOBALS['wp_object_cache'];
        another_request();
        wp_cache_set('key', 2, 'contract');
        $GLOBALS['wp_object_cache'] = $mine;
        check('its own copy', 1, wp_cache_get('key', 'contract'));
        check('with force, what another request has set', 2, wp_cache_get('key', 'contract', true));
        check('several', ['key' => 2], wp_cache_get_multiple(['key'], 'contract', true));
    },
    'flush' => static function (): void {
        server()->set('another.site:contract:0:key', 'theirs');
        wp_cache_set('key', 1, 'contract');
        wp_cache_set('key', 1, 'contract-passing');
        check('flush', true, wp_cache_flush());
        check('the own copy is gone', false, wp_cache_get('key', 'contract'));
        another_request();
        check('for all', false, wp_cache_get('key', 'contract'));
        $theirs = server()->get('another.site:contract:0:key');
        server()->del('another.site:contract:0:key');
        check("another site's stays", 'theirs', $theirs);
    },
    'flush of a group' => static function (): void {
        foreach (['contract', 'contract2', 'contract*'] as $group) {
            wp_cache_set('key', 1, $group);
            wp_cache_set('x:contract:key', 1, $group);
        }
        check('flush', true, wp_cache_flush_group('contract'));
        foreach (['in this request', 'in another one'] as $where) {
            check("it is gone, $where", ['key' => false, 'x:contract:key' => false], wp_cache_get_multiple(['key', 'x:contract:key'], 'contract'));
            check("another one stays, $where", ['key' => 1, 'x:contract:key' => 1], wp_cache_get_multiple(['key', 'x:contract:key'], 'contract2'));
            another_request();
        }
        wp_cache_flush_group('contract*');
        another_request();
        check('a wildcard is a letter', 1, wp_cache_get('key', 'contract2'));
        check('of the group that has it', false, wp_cache_get('key', 'contract*'));
    },
    'flush of the request' => static function (): void {
        another_request();
        wp_cache_set('key', 1, 'contract');
        wp_cache_set('key', 1, 'contract-passing');
        check('flush', true, wp_cache_flush_runtime());
        check('Redis has it', 1, wp_cache_get('key', 'contract'));
        check('where it did not go, nobody has', false, wp_cache_get('key', 'contract-passing'));
    },
    'Redis away' => static function (): void {
        wp_cache_set('key', 'before', 'contract');
        $port = getenv('REDIS_PORT');
        putenv('REDIS_PORT=1');
        another_request();
        check('no external cache is in use', false, wp_using_ext_object_cache());
        check('nothing is known', false, wp_cache_get('key', 'contract'));
        check('add', true, wp_cache_add('key', 1, 'contract'));
        check('add again', false, wp_cache_add('key', 2, 'contract'));
        check('get', 1, wp_cache_get('key', 'contract', true));
        check('incr', 2, wp_cache_incr('key', 1, 'contract'));
        check('replace', true, wp_cache_replace('key', 'while it was away', 'contract'));
        check('several', ['key' => 'while it was away', 'other' => false], wp_cache_get_multiple(['key', 'other'], 'contract'));
        check('delete', true, wp_cache_delete('key', 'contract'));
        check('flush', true, wp_cache_flush());
        putenv("REDIS_PORT=$port");
        another_request();
        check('nobody asks again at once', [false, true], [wp_cache_get('key', 'contract'), file_exists('/tmp/object-cache.away')]);
        touch('/tmp/object-cache.away', time() - 60);
        clearstatcache();
        wp_using_ext_object_cache(true);
        another_request();
        check('what may be old is gone when it is back', false, wp_cache_get('key', 'contract'));
        wp_cache_set('key', 'after', 'contract');
        another_request();
        check('and it is in use again', 'after', wp_cache_get('key', 'contract'));
        check('as WordPress knows', true, wp_using_ext_object_cache());
    },
    'a copy older than a change' => static function (): void {
        foreach (['posts' => 'contract', 'user_meta' => 'contract', 'category_relationships' => 'contract', 'options' => 'contract'] as $group => $key) {
            // Somebody looks for it, and reads the database; before he adds what he read, another one has changed it.
            wp_cache_get($key, $group);
            $slow = $GLOBALS['wp_object_cache'];
            another_request();
            wp_cache_delete($key, $group);
            $GLOBALS['wp_object_cache'] = $slow;
            wp_cache_add($key, 'old', $group);
            check("who has read it has it, $group", 'old', wp_cache_get($key, $group));
            another_request();
            check("and nobody else, $group", false, wp_cache_get($key, $group));
        }
    },
    'options of two at once' => static function (): void {
        wp_cache_get('contract', 'options');
        wp_cache_add('contract', ['a' => 'old', 'b' => 'old'], 'options');
        another_request();
        check('what was read is kept', ['a' => 'old', 'b' => 'old'], wp_cache_get('contract', 'options'));
        $slow = $GLOBALS['wp_object_cache'];
        another_request();
        wp_cache_set('contract', ['a' => 'new'] + wp_cache_get('contract', 'options'), 'options');
        check('who wrote it has it', ['a' => 'new', 'b' => 'old'], wp_cache_get('contract', 'options'));
        $GLOBALS['wp_object_cache'] = $slow;
        wp_cache_set('contract', ['b' => 'new'] + wp_cache_get('contract', 'options'), 'options');
        another_request();
        check('the next one reads the database', false, wp_cache_get('contract', 'options'));
        wp_cache_delete('contract', 'options');
    },
    'options that there are not' => static function (): void {
        // WordPress's own list of them, which becomes longer whenever one was looked for in vain, and shorter by one that is made.
        $list = static fn () => wp_cache_get('notoptions', 'options');
        wp_cache_delete('notoptions', 'options');
        another_request();
        $list();
        wp_cache_set('notoptions', ['contract-a' => true], 'options');
        wp_cache_set('notoptions', ['contract-a' => true, 'contract-b' => true], 'options');
        another_request();
        check('it is kept', ['contract-a' => true, 'contract-b' => true], $list());
        $slow = $GLOBALS['wp_object_cache'];
        another_request();
        $list();
        wp_cache_set('notoptions', ['contract-b' => true], 'options');
        $GLOBALS['wp_object_cache'] = $slow;
        wp_cache_set('notoptions', $list() + ['contract-c' => true], 'options');
        another_request();
        check('what was made is not among them again', false, $list());
    },
    'a change after it was back' => static function (): void {
        $port = getenv('REDIS_PORT');
        putenv('REDIS_PORT=1');
        another_request();
        $slow = $GLOBALS['wp_object_cache'];
        putenv("REDIS_PORT=$port");
        touch('/tmp/object-cache.away', time() - 60);
        clearstatcache();
        another_request();
        wp_cache_set('key', 'old', 'contract');
        $GLOBALS['wp_object_cache'] = $slow;
        wp_cache_set('key', 'new', 'contract');
        wp_cache_close();
        clearstatcache();
        another_request();
        check('the next request does not read what was changed', false, wp_cache_get('key', 'contract'));
        wp_using_ext_object_cache(true);
    },
];

$point = $argv[1] ?? '';
if (!isset($points[$point])) {
    exit(implode("\n", array_keys($points)) . "\n");
}
another_request();
array_map('wp_cache_flush_group', ['contract', 'contract-global', 'contract2', 'contract*', 'contract?', 'contract:a', 'contract:b']);
another_request();
$points[$point]();
another_request();
array_map('wp_cache_flush_group', ['contract', 'contract-global', 'contract2', 'contract*', 'contract?', 'contract:a', 'contract:b']);
