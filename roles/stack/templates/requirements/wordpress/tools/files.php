<?php
/*
 * Brings WordPress's files into the volume, where another container may be serving the site: a file changes at once, or not at all.
 *
 * Its own files go upward only, and never below what the database needs. In wp-content is the owner's: what was brought once is brought
 * again only as long as it is there as it was brought. What he changed, updated or removed stays so.
 *
 *   php files.php <source> <site> <db_version of the database, 0 for none>
 */

declare(strict_types=1);

/** What was brought into wp-content, with digests of it: ours are those, whatever else is there is the owner's. */
const BROUGHT = '.brought';
/** Written last: without it, or with another one in it, the copy is made again. */
const RELEASE = '.release';

require __DIR__ . '/volume.php';

/** WordPress's version, and the number of the database that it makes; empty and 0 where there is none. */
function version(string $root): array
{
    $wp_version = '';
    $wp_db_version = 0;
    @include "$root/wp-includes/version.php";
    return [$wp_version, $wp_db_version];
}

/** What the package has in wp-content: each theme and plugin, and all else by itself. */
function items(string $content): array
{
    $items = [];
    foreach (array_diff(scandir($content), ['.', '..']) as $name) {
        if (in_array($name, ['plugins', 'themes'], true)) {
            foreach (array_diff(scandir("$content/$name"), ['.', '..']) as $item) {
                $items[] = "$name/$item";
            }
        } else {
            $items[] = $name;
        }
    }
    return $items;
}

function bring_content(string $source, string $site, bool $is_new): void
{
    $brought = json_decode((string) @file_get_contents("$site/" . BROUGHT), true);
    $known = is_array($brought);
    $brought = $known ? $brought : [];
    foreach (items("$source/wp-content") as $item) {
        $from = "$source/wp-content/$item";
        $to = "$site/wp-content/$item";
        $digest = digest($from);
        $here = file_exists($to) ? digest($to) : '';
        clear($to);
        $was_brought = isset($brought[$item]) || (!$known && !$is_new);
        $ours = $brought[$item] ?? [];
        if ($here === $digest) {
            $ours = [$digest];
        } elseif ($here === '' ? !$was_brought : in_array($here, $ours, true)) {
            // Before it is done: cut off, it is known as ours all the same.
            $brought[$item] = [$here, $digest];
            put(json_encode($brought, JSON_UNESCAPED_SLASHES), "$site/" . BROUGHT);
            bring($from, $to);
            $ours = [$digest];
        } else {
            say("wp-content/$item was " . ($here === '' ? 'removed' : 'changed') . ' on the site: it stays so.');
        }
        $brought[$item] = $ours;
    }
    put(json_encode($brought, JSON_UNESCAPED_SLASHES), "$site/" . BROUGHT);
}

/** What WordPress had in former versions, and has no more. */
function old_files(string $source): array
{
    global $_old_files;
    @include "$source/wp-admin/includes/update-core.php";
    return array_filter($_old_files ?? [], static fn (string $file): bool => strpos($file, 'wp-content/') !== 0 && !file_exists("$source/$file"));
}

function bring_core(string $source, string $site): void
{
    $paths = array_filter(files($source), static fn (string $path): bool => strpos($path, 'wp-content/') !== 0);
    // The version last: cut off, the copy is made again.
    usort($paths, static fn (string $a, string $b): int => ($a === 'wp-includes/version.php') <=> ($b === 'wp-includes/version.php'));
    foreach ($paths as $path) {
        copy_file("$source/$path", "$site/$path");
    }
    foreach (old_files($source) as $path) {
        remove("$site/$path");
    }
}

[, $source, $site, $database] = $argv;
$release = file_get_contents("$source.release");
$is_new = !file_exists("$site/" . RELEASE);
[$version, $number] = version($source);
[$version_there, $number_there] = $is_new ? ['', 0] : version($site);
if (max($number, $number_there) < (int) $database) {
    say("The database was written by a newer WordPress (its db_version is $database) than the image's $version, which reads up to $number: "
        . 'nothing was changed. Bring back the files of the newer one, or an image that has it (inception_wordpress_source, inception_base_release).');
    exit(1);
}
if (!$is_new && file_get_contents("$site/" . RELEASE) === $release && file_exists("$site/" . BROUGHT)) {
    exit(0);
}
if (version_compare($version_there, $version, '>')) {
    say("WordPress $version_there on the volume is newer than the image's $version: it stays.");
    exit(0);
}
try {
    if ($is_new || file_get_contents("$site/" . RELEASE) !== $release) {
        say("Copying WordPress $version into the volume.");
        bring_core($source, $site);
    }
    bring_content($source, $site, $is_new);
    exec('sync');
    put($release, "$site/" . RELEASE);
} catch (Exception $error) {
    say('WordPress was not brought into the volume: ' . $error->getMessage());
    exit(1);
}
