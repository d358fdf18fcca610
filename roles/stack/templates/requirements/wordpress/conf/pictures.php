{% set memory = (service.limits.memory | human_to_bytes / 1048576) | int %}
<?php
/**
 * Plugin Name: Inception pictures
 * Description: Pictures are worked on one after the other, and none that is too large for the container's memory.
 *
 * A picture in work takes four bytes a pixel that PHP's own limit does not count. Of the container's {{ memory }} MB, half is for pictures.
 */

defined('ABSPATH') || exit;

final class Inception_Pictures
{
    /** So many pixels may be in work at once. */
    public const PIXELS = {{ memory * 1048576 // 2 // 4 }};
    /** How long one waits for another one, in seconds: less than NGINX does. */
    private const WAIT_SECONDS = 90;
    private const LOCK = '/tmp/pictures.lock';

    /** @var ?resource The lock, while this request works on pictures. */
    private static $lock;
    /** @var int How many of its pictures are in work. */
    private static $held = 0;

    public static function register(): void
    {
        add_filter('wp_image_editors', [self::class, 'editors']);
        foreach (['upload', 'sideload'] as $way) {
            add_filter("wp_handle_{$way}_prefilter", [self::class, 'check']);
        }
    }

    /** GD's, which counts. WordPress has its class by now. */
    public static function editors(array $editors): array
    {
        class_exists('Inception_Picture', false) || inception_picture();
        return array_map(static fn (string $editor): string => $editor === 'WP_Image_Editor_GD' ? 'Inception_Picture' : $editor, $editors);
    }

    /** What is too large is refused before WordPress keeps it, and its owner is told. */
    public static function check($file)
    {
        $size = empty($file['tmp_name']) ? false : @getimagesize($file['tmp_name']);
        if (empty($file['error']) && $size && $size[0] * $size[1] > self::PIXELS) {
            $file['error'] = self::too_large($size[0] * $size[1]);
        }
        return $file;
    }

    public static function too_large(int $pixels): string
    {
        $megapixels = static fn (int $pixels): string => number_format_i18n(floor($pixels / 1e6));
        return "This picture has {$megapixels($pixels)} megapixels, and this site can work on pictures of up to {$megapixels(self::PIXELS)}. Make it smaller, and try again.";
    }

    public static function hold(): bool
    {
        self::$lock = self::$lock ?? fopen(self::LOCK, 'c');
        $until = time() + self::WAIT_SECONDS;
        while (self::$held === 0 && !flock(self::$lock, LOCK_EX | LOCK_NB)) {
            if (time() > $until) {
                return false;
            }
            usleep(100000);
        }
        ++self::$held;
        return true;
    }

    public static function release(): void
    {
        if (--self::$held === 0) {
            flock(self::$lock, LOCK_UN);
        }
    }
}

/** When WordPress has the class that it extends. */
function inception_picture(): void
{
    class Inception_Picture extends WP_Image_Editor_GD
    {
        private $holds = false;

        public function load()
        {
            if ($this->image) {
                return true;
            }
            $size = is_file($this->file) ? wp_getimagesize($this->file) : false;
            if ($size && $size[0] * $size[1] > Inception_Pictures::PIXELS) {
                return new WP_Error('image_too_large', Inception_Pictures::too_large($size[0] * $size[1]));
            }
            if (!$this->holds && !($this->holds = Inception_Pictures::hold())) {
                return new WP_Error('image_busy', 'Other pictures are being worked on. Try again in a minute.');
            }
            return parent::load();
        }

        /** Each of these makes a whole copy. */
        public function rotate($angle)
        {
            return $this->twice() ?? parent::rotate($angle);
        }

        public function flip($horizontally, $vertically)
        {
            return $this->twice() ?? parent::flip($horizontally, $vertically);
        }

        private function twice(): ?WP_Error
        {
            $pixels = 2 * ($this->size['width'] ?? 0) * ($this->size['height'] ?? 0);
            return $pixels > Inception_Pictures::PIXELS ? new WP_Error('image_too_large', 'This picture is too large to be turned here. Make it smaller first.') : null;
        }

        public function __destruct()
        {
            parent::__destruct();
            $this->image = null;
            $this->holds && Inception_Pictures::release();
        }
    }
}

Inception_Pictures::register();
