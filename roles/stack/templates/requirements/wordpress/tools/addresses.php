<?php
/*
 * One address of the site in place of another one: with http and https and neither, as it is, in JSON, in an address's argument, and in what PHP
 * has serialised. Another port of the name is something else's address, and stays; so does what only has the name in it, as a mail's
 * address does.
 */

declare(strict_types=1);

final class Inception_Addresses
{
    /** @var string The former name. */
    private $host;
    /** @var string[] For each way of writing it, a pattern of the former address and its beginning without a scheme. */
    private $patterns = [];
    /** @var string The new name with its port. */
    private $place;

    /** With none of its ports the former address is meant too, and with those of the two schemes, unless it is that very address alone. */
    public function __construct(string $former, string $new, bool $alone = false)
    {
        $this->host = (string) parse_url($former, PHP_URL_HOST);
        $host = preg_quote($this->host, '~');
        // A site in a folder is that folder's: what else has the name is somebody else's.
        $folder = rtrim((string) parse_url($former, PHP_URL_PATH), '/');
        $port = (int) parse_url($former, PHP_URL_PORT) ?: 443;
        $ports = implode('|', array_unique($alone ? [$port] : [$port, 443, 80]));
        $none = $alone && $port !== 443 ? '' : '?';
        $this->place = explode('//', $new, 2)[1];
        foreach (['/' => ':', '\\/' => ':', '%2F' => '%3A'] as $slash => $colon) {
            $slashes = preg_quote($slash . $slash, '~');
            $path = preg_quote(str_replace('/', $slash, $folder), '~');
            // A name goes on with a letter, a dot before one, or a port.
            $this->patterns[$slash] = "~(?:(?<![\\w.+-])https?$colon|(?<!$colon))$slashes$host(?:$colon(?:$ports)(?!\\d))$none$path(?![\\w@-]|\\.[\\w-]|$colon\\d)~i";
        }
    }

    public function in(string $value): string
    {
        // What a class has serialised by itself, WordPress does not know as such.
        return is_serialized($value) || preg_match('/^C:\d+:"/', $value) ? $this->in_serialized($value) : $this->in_text($value);
    }

    /**
     * Where addresses are, and not where one is shown: in tags, in what the editor notes of its blocks, in styles and scripts, but in no text;
     * a value that is an address, or JSON, is one as a whole.
     */
    public function in_page(string $value): string
    {
        if (stripos($value, $this->host) === false) {
            return $value;
        }
        if (preg_match('~^\s*(?:https?:)?//\S+\s*$~i', $value) || is_serialized($value) || (preg_match('/^\s*[[{]/', $value) && json_decode($value) !== null)) {
            return $this->in($value);
        }
        $parts = '~<(style|script)\b.*?</\1>|<!--\s*/?wp:.*?-->|<[a-z](?:[^>"\']++|"[^"]*+"|\'[^\']*+\')*+>~is';
        return preg_replace_callback($parts, fn (array $found): string => $this->in_text($found[0]), $value) ?? $value;
    }

    /** All that is in a list, with lists in it. */
    public function in_pages($value)
    {
        if (is_array($value)) {
            return array_map([$this, 'in_pages'], $value);
        }
        return is_string($value) ? $this->in_page($value) : $value;
    }

    private function in_text(string $text): string
    {
        foreach ($this->patterns as $slash => $pattern) {
            $colon = $slash === '%2F' ? '%3A' : ':';
            $place = str_replace(':', $colon, $this->place);
            $text = preg_replace_callback($pattern, static function (array $found) use ($slash, $colon, $place): string {
                return (stripos($found[0], 'http') === 0 ? "https$colon" : '') . $slash . $slash . $place;
            }, $text) ?? $text;
        }
        return $text;
    }

    /** Each string of it by itself, with its length; what cannot be read so stays as it is. */
    private function in_serialized(string $value): string
    {
        $new = '';
        $at = 0;
        while (preg_match('/(?<!\w)([sC]):(\d+):"/', $value, $found, PREG_OFFSET_CAPTURE, $at)) {
            $start = $found[0][1] + strlen($found[0][0]);
            $string = substr($value, $start, (int) $found[2][0]);
            if ($found[1][0] === 'C' || substr($value, $start + (int) $found[2][0], 2) !== '";') {
                return $value;
            }
            $string = $this->in($string);
            $new .= substr($value, $at, $found[0][1] - $at) . 's:' . strlen($string) . ':"' . $string . '";';
            $at = $start + (int) $found[2][0] + 2;
        }
        return $new . substr($value, $at);
    }
}

/** Returns how many values were changed, the site's own two left out. A post's guid stays: it is what readers of feeds know it by, and nobody's address. */
function move_addresses(string $former, string $new): int
{
    global $wpdb;
    $addresses = new Inception_Addresses($former, $new);
    $like = '%' . $wpdb->esc_like((string) parse_url($former, PHP_URL_HOST)) . '%';
    $changed = 0;
    if ($like === '%%') {
        return 0;
    }
    foreach ($wpdb->get_col($wpdb->prepare('SHOW TABLES LIKE %s', $wpdb->esc_like($wpdb->prefix) . '%')) as $table) {
        $columns = $wpdb->get_results("SHOW COLUMNS FROM `$table`");
        $keys = array_column(array_filter($columns, static fn ($column): bool => $column->Key === 'PRI'), 'Field');
        $texts = array_column(array_filter($columns, static fn ($column): bool => preg_match('/char|text/', $column->Type) === 1), 'Field');
        $texts = array_diff($texts, $keys, ['guid']);
        foreach ($keys === [] ? [] : $texts as $text) {
            $names = '`' . implode('`, `', array_merge($keys, [$text])) . '`';
            $others = $table === $wpdb->options ? "AND option_name NOT IN ('home', 'siteurl')" : '';
            foreach ($wpdb->get_results($wpdb->prepare("SELECT $names FROM `$table` WHERE `$text` LIKE %s $others", $like), ARRAY_A) as $row) {
                $value = $addresses->in($row[$text]);
                if ($value !== $row[$text]) {
                    $changed += (int) $wpdb->update($table, [$text => $value], array_diff_key($row, [$text => true]));
                }
            }
        }
    }
    return $changed;
}
