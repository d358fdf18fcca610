<?php
/**
 * Plugin Name: Inception object cache
 * Description: Keeps WordPress's object cache in Redis. While Redis is away, each request has a cache of its own, as in a WordPress without this file.
 */

defined('ABSPATH') || exit;

require_once ABSPATH . WPINC . '/class-wp-object-cache.php';

/**
 * WordPress's own cache, which lasts as long as the request, and Redis behind it.
 *
 * What changes while Redis is away cannot be taken out of it. So the absence is marked for all requests,
 * and the first one that finds Redis again empties it before it is used.
 *
 * What is a copy of the database's must not outlast a change of it, whoever reads and writes at the same time:
 * - All options lie in one entry, which each request that changes one would write with what it knows of the others. So no change of an option is
 *   written: the mark changes that each of their entries begins with, and the next request reads the database. An entry gets the mark of before it was
 *   read from there, so that one of before a change is none after it.
 * - Of posts, users and the like WordPress takes the entry away at a change, and whoever reads adds it. Who has read before the change would add it after:
 *   so for a moment nobody can.
 */
final class Inception_Object_Cache
{
    /** There while Redis is away, as old as the last try. */
    private const AWAY = '/tmp/object-cache.away';
    /** Until the next try, in seconds. */
    private const PAUSE = 5;
    /** How long a connection and an answer may take, in seconds. */
    private const CONNECT_SECONDS = 0.5;
    private const ANSWER_SECONDS = 1.0;
    /** Groups whose entries WordPress copies from the database; of options, and of all others. */
    private const OPTIONS = 'options';
    private const COPIES = '/^(?:posts|comment|terms|users|userlogins|userslugs|useremail|(?:post|comment|term|user)_meta|.+_relationships)$/';
    /** How long nobody adds what was taken away from those: longer than anybody needs from the database to here, in seconds. */
    private const GONE_SECONDS = 10;
    /** How often a counter is tried that others change at the same time. */
    private const TRIES = 100;

    /** @var int What plugins for developers show. */
    public $cache_hits = 0;
    public $cache_misses = 0;

    /** @var WP_Object_Cache The request's own copies. */
    private $own;
    /** @var int[] When those end that do, by their names in Redis. */
    private $ends = [];
    /** @var string[] The options' mark when each was looked for. */
    private $marks = [];
    /** @var ?Redis */
    private $redis;
    /** @var string What the names of this site begin with in Redis, where others may be. */
    private $prefix;
    /** @var int The site of a network; what is of all of them has the number 0. */
    private $blog = 0;
    /** @var bool[] Groups that all sites of a network share, and groups that stay in the request. */
    private $global = [];
    private $passing = [];

    public function __construct()
    {
        $this->own = new WP_Object_Cache();
        $this->prefix = getenv('DOMAIN') . ':';
        $this->switch_to_blog(get_current_blog_id());
        $this->connect();
    }

    public function get($key, $group, $force, &$found)
    {
        $found = false;
        return $this->get_multiple([$key], $group, $force, $found)[0];
    }

    /** The values in the order of the keys; $found is whether there was any. */
    public function get_multiple(array $keys, $group, $force, &$found = null): array
    {
        $group = $group ?: 'default';
        $values = $absent = [];
        foreach ($keys as $index => $key) {
            $values[$index] = $this->own($key, $group, $force && $this->is_shared($group), $here);
            if ($here) {
                $found = true;
                ++$this->cache_hits;
            } elseif ($this->is_valid($key)) {
                $absent[$index] = $this->name($key, $group);
            }
        }
        $answers = $absent === [] ? [] : $this->ask($group, function (Redis $redis) use ($absent, $group) {
            $names = array_values($absent);
            $answers = $group === self::OPTIONS ? $this->marked($redis, $names) : $redis->mget($names);
            return array_combine(array_keys($absent), $answers ?: self::refused($redis));
        }) ?? [];
        foreach ($answers as $index => $answer) {
            // Nothing is what was taken away a moment ago.
            if ($answer !== false && $answer !== '') {
                $found = true;
                ++$this->cache_hits;
                unset($absent[$index]);
                $values[$index] = unserialize($answer);
                $this->own->set($keys[$index], $values[$index], $group);
            }
        }
        $this->cache_misses += count($absent);
        return $values;
    }

    /** Whether each was set, by its key: all of them, or with 'nx' the new ones, or with 'xx' those that were there before. */
    public function set_multiple(array $data, $group, $expire, string $which = ''): array
    {
        $group = $group ?: 'default';
        $expire = max(0, (int) $expire);
        $done = array_fill_keys(array_keys($data), false);
        $wanted = array_filter($data, function ($key) use ($group, $which) {
            if ($which !== '' && $this->is_valid($key)) {
                $this->own($key, $group, false, $here);
                return $which === 'nx' ? !$here : $here || $this->is_shared($group);
            }
            return $this->is_valid($key);
        }, ARRAY_FILTER_USE_KEY);
        if ($wanted === []) {
            return $done;
        }
        if ($group === self::OPTIONS) {
            return $this->set_options($wanted, $expire) + $done;
        }
        $is_copy = $which === 'nx' && preg_match(self::COPIES, $group);
        $set = $this->ask($group, function (Redis $redis) use ($wanted, $group, $expire, $which) {
            $options = array_merge($which === '' ? [] : [$which], $expire > 0 ? ['ex' => $expire] : []);
            $alone = [];
            $redis->multi(Redis::PIPELINE);
            foreach ($wanted as $key => $value) {
                try {
                    $redis->set($this->name($key, $group), serialize($value), $options);
                } catch (Throwable $error) {
                    // Not everything can leave the request: a closure, for one.
                    $redis->unlink($this->name($key, $group));
                    $alone[$key] = true;
                }
            }
            $answers = $alone + array_map('boolval', array_combine(array_keys($wanted), $redis->exec() ?: self::refused($redis)));
            return $which === '' && in_array(false, $answers, true) ? self::refused($redis) : $answers;
        }) ?? array_fill_keys(array_keys($wanted), true);
        // Of the database's, this request has read it, whether all others may read it here or not.
        $set = $is_copy ? array_fill_keys(array_keys($set), true) : $set;
        foreach (array_filter($set) as $key => $true) {
            $this->own->set($key, $wanted[$key], $group);
            if ($expire > 0) {
                $this->ends[$this->name($key, $group)] = time() + $expire;
            } elseif ($this->ends !== []) {
                unset($this->ends[$this->name($key, $group)]);
            }
        }
        return $set + $done;
    }

    /** Whether each was there, by its key. */
    public function delete_multiple(array $keys, $group): array
    {
        $group = $group ?: 'default';
        $names = $gone = [];
        foreach ($keys as $key) {
            $gone[$key] = $this->own->delete($key, $group);
            $names[$key] = $this->name($key, $group);
        }
        $is_option = $group === self::OPTIONS;
        $is_copy = preg_match(self::COPIES, $group);
        return $names === [] ? [] : $this->ask($group, function (Redis $redis) use ($names, $is_option, $is_copy) {
            $is_option && $this->mark($redis);
            $redis->multi(Redis::PIPELINE);
            foreach ($names as $name) {
                $redis->strlen($name);
            }
            foreach ($names as $name) {
                $is_copy ? $redis->set($name, '', ['ex' => self::GONE_SECONDS]) : $redis->unlink($name);
            }
            $answers = $redis->exec() ?: self::refused($redis);
            return array_map('boolval', array_combine(array_keys($names), array_slice($answers, 0, count($names))));
        }) ?? $gone;
    }

    /** The new value of a counter, false where there is none. It ends when it would have ended. */
    public function count($key, int $offset, $group)
    {
        $group = $group ?: 'default';
        if (!$this->is_valid($key)) {
            return false;
        }
        $this->own($key, $group, false, $here);
        return $this->ask($group, function (Redis $redis) use ($key, $offset, $group) {
            $name = $this->name($key, $group);
            for ($try = 0; $try < self::TRIES; ++$try) {
                $redis->watch($name);
                $before = $redis->get($name);
                if ($before === false) {
                    $redis->unwatch();
                    $this->own->delete($key, $group);
                    return false;
                }
                $before = unserialize($before);
                $value = max(0, (is_numeric($before) ? $before : 0) + $offset);
                // Nothing is done where another one has changed it meanwhile.
                if ($redis->multi()->set($name, serialize($value), ['xx', 'keepttl'])->exec() === [true]) {
                    $this->own->set($key, $value, $group);
                    return $value;
                }
                usleep(random_int(0, 100 * $try));
            }
            self::refused($redis);
        }) ?? $this->own->incr($key, $offset, $group);
    }

    public function flush(): bool
    {
        $this->forget('');
        return $this->flush_runtime();
    }

    public function flush_group($group): bool
    {
        $this->forget(rawurlencode($group) . ':');
        return $this->own->flush_group($group);
    }

    public function flush_runtime(): bool
    {
        $this->ends = $this->marks = [];
        return $this->own->flush();
    }

    public function add_global_groups($groups): void
    {
        $this->global += array_fill_keys((array) $groups, true);
        $this->own->add_global_groups($groups);
    }

    public function add_non_persistent_groups($groups): void
    {
        $this->passing += array_fill_keys((array) $groups, true);
    }

    public function switch_to_blog($blog): void
    {
        $this->blog = is_multisite() ? (int) $blog : 0;
        $this->own->switch_to_blog($blog);
    }

    public function close(): bool
    {
        // Another request may have found Redis again, and read what this one has changed since.
        clearstatcache();
        if ($this->redis === null && !file_exists(self::AWAY)) {
            touch(self::AWAY, 1);
        }
        return true;
    }

    /** The request's own copy. */
    private function own($key, string $group, bool $drop, &$here)
    {
        $here = false;
        if ($drop || ($this->ends !== [] && $this->is_valid($key) && ($this->ends[$this->name($key, $group)] ?? PHP_INT_MAX) <= time())) {
            $this->own->delete($key, $group);
        }
        // WordPress complains about a key that is none.
        return $this->own->get($key, $group, false, $here);
    }

    private function is_valid($key): bool
    {
        return is_int($key) || (is_string($key) && trim($key) !== '');
    }

    private function is_shared(string $group): bool
    {
        return $this->redis !== null && !isset($this->passing[$group]);
    }

    /** The group has neither a colon nor a wildcard in it. */
    private function name($key, string $group): string
    {
        return $this->prefix . rawurlencode($group) . ':' . (isset($this->global[$group]) ? 0 : $this->blog) . ":$key";
    }

    /** The options' entries of the present mark. */
    private function marked(Redis $redis, array $names): array
    {
        $mark = $this->name('', self::OPTIONS);
        $answers = $redis->mget([$mark, ...$names]) ?: self::refused($redis);
        $now = array_shift($answers);
        if ($now === false) {
            // The first one's is everybody's.
            $redis->set($mark, bin2hex(random_bytes(8)), ['nx']);
            $now = $redis->get($mark) ?: self::refused($redis);
        }
        $this->marks = array_fill_keys($names, $now) + $this->marks;
        return array_map(static fn ($answer) => is_string($answer) && str_starts_with($answer, $now) ? substr($answer, strlen($now)) : false, $answers);
    }

    /** From now on, no entry of an option is one. */
    private function mark(Redis $redis): void
    {
        $redis->set($this->name('', self::OPTIONS), bin2hex(random_bytes(8))) || self::refused($redis);
    }

    /** What was only read from the database is kept for others; what this request changes, they read from there. */
    private function set_options(array $wanted, int $expire): array
    {
        $this->ask(self::OPTIONS, function (Redis $redis) use ($wanted, $expire) {
            $read = array_filter($wanted, fn ($value, $key): bool => $this->is_read($key, $value), ARRAY_FILTER_USE_BOTH);
            if (count($read) < count($wanted)) {
                $this->mark($redis);
            }
            foreach ($read as $key => $value) {
                $name = $this->name($key, self::OPTIONS);
                $redis->set($name, $this->marks[$name] . serialize($value), $expire > 0 ? ['ex' => $expire] : []) || self::refused($redis);
            }
            return true;
        });
        foreach ($wanted as $key => $value) {
            $this->own->set($key, $value, self::OPTIONS);
        }
        return array_fill_keys(array_keys($wanted), true);
    }

    /** Whether it was looked for here and was not there; or is the list of options that there are not, and became longer. */
    private function is_read($key, $value): bool
    {
        $own = $this->own->get($key, self::OPTIONS, false, $here);
        $is_longer = $key === 'notoptions' && is_array($own) && is_array($value) && array_diff_key($own, $value) === [];
        return isset($this->marks[$this->name($key, self::OPTIONS)]) && (!$here || $is_longer);
    }

    /** What Redis answers; null where it is not to be asked, or is away. */
    private function ask(string $group, callable $question)
    {
        if (!$this->is_shared($group)) {
            return null;
        }
        try {
            return $question($this->redis);
        } catch (RedisException $error) {
            $this->lose($error->getMessage());
            return null;
        }
    }

    /** Removes this site's names that begin so, and nobody else's. */
    private function forget(string $start): void
    {
        $this->ask('', function (Redis $redis) use ($start) {
            $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
            $cursor = null;
            while (($names = $redis->scan($cursor, "$this->prefix$start*", 1000)) !== false) {
                $redis->unlink($names);
            }
        });
    }

    private function connect(): void
    {
        $tried = @filemtime(self::AWAY);
        if (!extension_loaded('redis') || ($tried !== false && time() - $tried < self::PAUSE)) {
            $this->do_without();
            return;
        }
        try {
            // A connection that is open needs no address.
            try {
                $this->redis = self::connected('redis');
            } catch (RedisException) {
                $this->redis = self::connected(inception_address('redis'));
            }
        } catch (RedisException $error) {
            $this->lose($error->getMessage());
            return;
        }
        if ($tried !== false) {
            $this->forget('');
            clearstatcache();
            // One that is newer is of a request that was without Redis since: what it changed is not forgotten yet.
            if ($this->redis !== null && @filemtime(self::AWAY) === $tried && @unlink(self::AWAY) && $tried > 1) {
                error_log('The object cache: Redis is back.');
            }
        }
    }

    private static function connected(string $host): Redis
    {
        $redis = new Redis();
        // The error is in the exception, and in the log once.
        @$redis->pconnect($host, (int) getenv('REDIS_PORT'), self::CONNECT_SECONDS, null, 0, self::ANSWER_SECONDS);
        @$redis->auth(rtrim(file_get_contents('/run/secrets/redis_password'), "\r\n")) ?: self::refused($redis);
        return $redis;
    }

    private static function refused(Redis $redis)
    {
        throw new RedisException($redis->getLastError() ?: 'no answer');
    }

    private function lose(string $reason): void
    {
        // Of many at the same moment, the one that makes the mark says so; it may have gone again since it was there.
        for ($try = 0; $try < 3; ++$try) {
            if (@fopen(self::AWAY, 'x')) {
                error_log("The object cache: Redis is away, and the site goes on without ($reason).");
                break;
            }
            if (($mark = @fopen(self::AWAY, 'r+')) && @fwrite($mark, '.')) {
                break;
            }
        }
        $this->do_without();
    }

    private function do_without(): void
    {
        $this->redis = null;
        // What is to outlast the request is then in the database. A network of sites would load WordPress's functions beside those below.
        if (!is_multisite()) {
            wp_using_ext_object_cache(false);
        }
    }
}

function wp_cache_init()
{
    $GLOBALS['wp_object_cache'] = new Inception_Object_Cache();
}

/** The key of an array's entry; what cannot be one is no valid key of the cache either. */
function inception_cache_key($key)
{
    return is_int($key) || is_string($key) ? $key : '';
}

function wp_cache_add($key, $data, $group = '', $expire = 0)
{
    $key = inception_cache_key($key);
    return wp_cache_add_multiple([$key => $data], $group, $expire)[$key];
}

function wp_cache_add_multiple(array $data, $group = '', $expire = 0)
{
    return wp_suspend_cache_addition()
        ? array_fill_keys(array_keys($data), false)
        : $GLOBALS['wp_object_cache']->set_multiple($data, $group, $expire, 'nx');
}

function wp_cache_replace($key, $data, $group = '', $expire = 0)
{
    $key = inception_cache_key($key);
    return $GLOBALS['wp_object_cache']->set_multiple([$key => $data], $group, $expire, 'xx')[$key];
}

function wp_cache_set($key, $data, $group = '', $expire = 0)
{
    $key = inception_cache_key($key);
    return $GLOBALS['wp_object_cache']->set_multiple([$key => $data], $group, $expire)[$key];
}

function wp_cache_set_multiple(array $data, $group = '', $expire = 0)
{
    return $GLOBALS['wp_object_cache']->set_multiple($data, $group, $expire);
}

function wp_cache_get($key, $group = '', $force = false, &$found = null)
{
    return $GLOBALS['wp_object_cache']->get($key, $group, $force, $found);
}

function wp_cache_get_multiple($keys, $group = '', $force = false)
{
    return array_combine($keys, $GLOBALS['wp_object_cache']->get_multiple(array_values($keys), $group, $force));
}

function wp_cache_delete($key, $group = '')
{
    $key = inception_cache_key($key);
    return $GLOBALS['wp_object_cache']->delete_multiple([$key], $group)[$key];
}

function wp_cache_delete_multiple(array $keys, $group = '')
{
    return $GLOBALS['wp_object_cache']->delete_multiple($keys, $group);
}

function wp_cache_incr($key, $offset = 1, $group = '')
{
    return $GLOBALS['wp_object_cache']->count($key, (int) $offset, $group);
}

function wp_cache_decr($key, $offset = 1, $group = '')
{
    return $GLOBALS['wp_object_cache']->count($key, -(int) $offset, $group);
}

function wp_cache_flush()
{
    return $GLOBALS['wp_object_cache']->flush();
}

function wp_cache_flush_runtime()
{
    return $GLOBALS['wp_object_cache']->flush_runtime();
}

function wp_cache_flush_group($group)
{
    return $GLOBALS['wp_object_cache']->flush_group($group);
}

function wp_cache_supports($feature)
{
    return in_array($feature, ['add_multiple', 'set_multiple', 'get_multiple', 'delete_multiple', 'flush_runtime', 'flush_group'], true);
}

function wp_cache_close()
{
    return $GLOBALS['wp_object_cache']->close();
}

function wp_cache_add_global_groups($groups)
{
    $GLOBALS['wp_object_cache']->add_global_groups($groups);
}

function wp_cache_add_non_persistent_groups($groups)
{
    $GLOBALS['wp_object_cache']->add_non_persistent_groups($groups);
}

function wp_cache_switch_to_blog($blog_id)
{
    $GLOBALS['wp_object_cache']->switch_to_blog($blog_id);
}
