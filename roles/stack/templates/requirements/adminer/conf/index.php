<?php
/*
 * Adminer for the one database of this stack. Its sign-in asks for a password only; whatever a request names, no other server is reached.
 */

function adminer_object()
{
    // Since version 5 Adminer has a namespace.
    if (!class_exists('Adminer', false)) {
        class_alias('Adminer\Adminer', 'Adminer');
    }

    return new class extends Adminer {
        public function credentials(): array
        {
            [, $user, $password] = parent::credentials();
            return ['mariadb:' . getenv('MARIADB_PORT'), $user, $password];
        }

        public function loginFormField($name, $heading, $field): string
        {
            $hidden = static fn (string $value): string => "<input type='hidden' name='auth[$name]' value='$value'>\n";
            $filled = static fn (string $setting): string => "$heading<input name='auth[$name]' id='$name' value='"
                . htmlspecialchars(getenv($setting), ENT_QUOTES) . "' autocapitalize='off'>\n";
            $fields = [
                'driver' => $hidden('server'),
                'server' => $hidden('mariadb'),
                'username' => $filled('MARIADB_USER'),
                'db' => $filled('MARIADB_DATABASE'),
            ];
            return $fields[$name] ?? parent::loginFormField($name, $heading, $field);
        }
    };
}

// Adminer would have the browser ask its maker for a newer version: this one's comes with its image.
$_COOKIE['adminer_version'] = '0';

require '/usr/local/lib/inception/adminer.php';
