{% if inception_wordpress_code | length > 0 %}
<?php
/**
 * Plugin Name: Inception's own code
 * Description: Themes and plugins that are deployed with this site (inception_wordpress_code): the dashboard shows them, and neither updates nor
 * removes nor overwrites them.
 */

defined('ABSPATH') || exit;

final class Inception_Code
{
    private const THEMES = [{{ inception_wordpress_code | selectattr('kind', 'eq', 'theme') | map(attribute='name') | map('to_json') | join(', ') }}];
    private const PLUGINS = [{{ inception_wordpress_code | selectattr('kind', 'eq', 'plugin') | map(attribute='name') | map('to_json') | join(', ') }}];

    public static function register(): void
    {
        // Somebody else's of the same name in WordPress's directory is no newer release of ours.
        add_filter('site_transient_update_themes', static fn ($told) => self::without($told, self::THEMES), PHP_INT_MAX);
        add_filter('site_transient_update_plugins', static fn ($told) => self::without($told, self::PLUGINS), PHP_INT_MAX);
        add_filter('upgrader_source_selection', [self::class, 'uploaded'], PHP_INT_MAX, 3);
        add_action('delete_theme', static fn ($theme) => self::refuse(in_array($theme, self::THEMES, true), $theme));
        add_action('delete_plugin', static fn ($file) => self::refuse(self::is_plugin($file), dirname($file)));
        add_filter('plugin_row_meta', static fn ($told, $file) => self::is_plugin($file) ? [...$told, 'Deployed with this site'] : $told, 10, 2);
        add_filter('plugin_auto_update_setting_html', static fn ($told, $file) => self::is_plugin($file) ? '' : $told, 10, 2);
    }

    private static function is_plugin(string $file): bool
    {
        return in_array(strtok($file, '/'), self::PLUGINS, true);
    }

    private static function without($told, array $names)
    {
        foreach (['response', 'no_update'] as $kind) {
            if (is_object($told) && is_array($told->$kind ?? null)) {
                $told->$kind = array_filter($told->$kind, static fn ($file): bool => !in_array(strtok((string) $file, '/'), $names, true), ARRAY_FILTER_USE_KEY);
            }
        }
        return $told;
    }

    /** What is uploaded or updated under one of these names. */
    public static function uploaded($source, $remote, $upgrader)
    {
        $names = $upgrader instanceof Theme_Upgrader ? self::THEMES : ($upgrader instanceof Plugin_Upgrader ? self::PLUGINS : []);
        if (is_wp_error($source) || !in_array(basename((string) $source), $names, true)) {
            return $source;
        }
        return new WP_Error('inception_code', self::words(basename($source)));
    }

    private static function refuse(bool $is_ours, string $name): void
    {
        if ($is_ours) {
            wp_die(esc_html(self::words($name)), '', ['response' => 403, 'back_link' => true]);
        }
    }

    private static function words(string $name): string
    {
        return "$name is deployed with this site, as it is in its own repository: another commit of it comes by the next deployment, and it goes when it is taken out of inception_wordpress_code.";
    }
}

Inception_Code::register();
{% for item in inception_wordpress_code if item.kind == 'mu-plugin' %}

if (is_file(__DIR__ . '/{{ item.name }}/{{ item.name }}.php')) {
    require_once __DIR__ . '/{{ item.name }}/{{ item.name }}.php';
}
{% endfor %}
{% endif %}
