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

/** A place beside, which neither WordPress nor a visitor looks at. */
function beside(string $to, string $what): string
{
    return dirname($to) . '/.' . basename($to) . ".$what";
}

/** What is copied, or was there before, and was left by a start that was cut off. */
function clear(string $to): void
{
    remove(beside($to, 'new'));
    remove(beside($to, 'old'));
}

/** Two folders take each other's place in one step. PHP's own rename() cannot, and not every file system can. */
function exchange(string $one, string $other): bool
{
    $renameat2 = ['x86_64' => 316, 'aarch64' => 276][php_uname('m')] ?? 0;
    if ($renameat2 === 0 || !extension_loaded('FFI')) {
        return false;
    }
    try {
        [$here, $both] = [-100, 2];
        return FFI::cdef('long syscall(long number, ...);')->syscall($renameat2, $here, $one, $here, $other, $both) === 0;
    } catch (FFI\Exception $error) {
        return false;
    }
}

/** Whole, and beside it first. */
function stage(string $from, string $to): void
{
    clear($to);
    foreach (files($from) as $path) {
        copy_file(rtrim("$from/$path", '/'), rtrim(beside($to, 'new') . "/$path", '/'));
    }
}

/** What was staged takes its place: who looks meanwhile sees the one or the other. */
function take(string $to): void
{
    $new = beside($to, 'new');
    $is_there = file_exists($to) || is_link($to);
    if (!($is_there ? exchange($new, $to) || (rename($to, beside($to, 'old')) && rename($new, $to)) : rename($new, $to))) {
        throw new RuntimeException("$to cannot be written");
    }
    clear($to);
}

function bring(string $from, string $to): void
{
    stage($from, $to);
    take($to);
}
