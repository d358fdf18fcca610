<?php
/*
 * Files in the site's volume, from which another container may be serving: each thing is the one or the other, and never a half.
 */

declare(strict_types=1);

function say(string $what): void
{
    fwrite(STDERR, "$what\n");
}

function put(string $content, string $file): void
{
    if (file_put_contents("$file.new", $content) !== strlen($content) || !rename("$file.new", $file)) {
        throw new RuntimeException("$file cannot be written");
    }
}

/** The files below a folder, by their paths in it; a file itself has the path ''. */
function files(string $root): array
{
    if (!is_dir($root) || is_link($root)) {
        return [''];
    }
    $found = [];
    foreach (array_diff(scandir($root), ['.', '..']) as $name) {
        foreach (files("$root/$name") as $path) {
            $found[] = rtrim("$name/$path", '/');
        }
    }
    return $found;
}

function digest(string $root): string
{
    $hash = hash_init('sha256');
    foreach (files($root) as $path) {
        $file = rtrim("$root/$path", '/');
        hash_update($hash, "$path\n" . (is_link($file) ? 'link ' . readlink($file) : hash_file('sha256', $file)) . "\n");
    }
    return hash_final($hash);
}

function remove(string $root): void
{
    if (is_dir($root) && !is_link($root)) {
        foreach (array_diff(scandir($root), ['.', '..']) as $name) {
            remove("$root/$name");
        }
        rmdir($root);
    } elseif (is_link($root) || file_exists($root)) {
        unlink($root);
    }
}

function copy_file(string $from, string $to): void
{
    @mkdir(dirname($to), 0755, true);
    if (!copy($from, "$to.new") || !rename("$to.new", $to)) {
        throw new RuntimeException("$to cannot be written");
    }
}

/** Whole and beside it first: who looks meanwhile sees the one or the other. */
function bring(string $from, string $to): void
{
    $new = dirname($to) . '/.' . basename($to) . '.new';
    $old = dirname($to) . '/.' . basename($to) . '.old';
    remove($new);
    remove($old);
    foreach (files($from) as $path) {
        copy_file(rtrim("$from/$path", '/'), rtrim("$new/$path", '/'));
    }
    if (file_exists($to)) {
        rename($to, $old);
    }
    rename($new, $to);
    remove($old);
}
