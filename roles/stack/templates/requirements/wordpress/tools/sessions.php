<?php
/*
 * Keeps PHP's sessions in the database: the file system is read-only, and a visitor's next request may be answered by another container.
 * PHP runs this file before each program (conf/php.ini), so plugins need no WordPress for it. No connection is made before a session begins.
 */

final class Inception_Sessions implements SessionHandlerInterface, SessionUpdateTimestampHandlerInterface
{
    private const TABLE = 'wp_inception_sessions';
    /** What one of them may have, in bytes, and how many there may be: whoever knocks often pushes out those that have nothing in them first. */
    private const LONGEST = 1048576;
    private const MOST = 20000;
    /** How long a request waits for another one of the same visitor, in seconds. */
    private const LOCK_SECONDS = 60;
    private const CONNECT_SECONDS = 5;
    private const NO_SUCH_TABLE = 1146;

    /** @var ?mysqli A connection of its own: a plugin's transaction, taken back, takes no session back. */
    private $database;

    #[\ReturnTypeWillChange]
    public function open($path, $name)
    {
        return true;
    }

    #[\ReturnTypeWillChange]
    public function close()
    {
        // With the connection goes the lock.
        $this->database && $this->database->close();
        $this->database = null;
        return true;
    }

    #[\ReturnTypeWillChange]
    public function read($id)
    {
        return $this->attempt(function () use ($id) {
            // As with files: who changes a session is alone with it.
            $lock = sha1(self::TABLE . getenv('MARIADB_DATABASE') . $id);
            if ($this->ask("SELECT GET_LOCK('$lock', " . self::LOCK_SECONDS . ')')->fetch_row()[0] !== '1') {
                throw new RuntimeException('another request of the same visitor does not end');
            }
            $row = $this->ask('SELECT data FROM ' . self::TABLE . ' WHERE id = ' . $this->quote($id) . ' AND expires > UNIX_TIMESTAMP()')->fetch_row();
            return $row[0] ?? '';
        });
    }

    #[\ReturnTypeWillChange]
    public function write($id, $data)
    {
        return $this->attempt(function () use ($id, $data) {
            if (strlen($data) > self::LONGEST) {
                throw new RuntimeException(strlen($data) . ' bytes are more than one may have, ' . self::LONGEST);
            }
            $this->ask('REPLACE INTO ' . self::TABLE . " (id, data, expires) VALUES ({$this->quote($id)}, {$this->quote($data)}, {$this->end()})");
            return true;
        });
    }

    #[\ReturnTypeWillChange]
    public function updateTimestamp($id, $data)
    {
        return $this->attempt(function () use ($id) {
            $this->ask('UPDATE ' . self::TABLE . " SET expires = {$this->end()} WHERE id = {$this->quote($id)}");
            return true;
        });
    }

    #[\ReturnTypeWillChange]
    public function validateId($id)
    {
        return $this->attempt(function () use ($id) {
            $found = $this->ask('SELECT 1 FROM ' . self::TABLE . ' WHERE id = ' . $this->quote($id) . ' AND expires > UNIX_TIMESTAMP()');
            return $found->num_rows > 0;
        });
    }

    #[\ReturnTypeWillChange]
    public function destroy($id)
    {
        return $this->attempt(function () use ($id) {
            $this->ask('DELETE FROM ' . self::TABLE . ' WHERE id = ' . $this->quote($id));
            return true;
        });
    }

    #[\ReturnTypeWillChange]
    public function gc($seconds)
    {
        return $this->attempt(function () {
            $this->ask('DELETE FROM ' . self::TABLE . ' WHERE expires <= UNIX_TIMESTAMP()');
            $gone = $this->database->affected_rows;
            $over = $this->ask('SELECT COUNT(*) FROM ' . self::TABLE)->fetch_row()[0] - self::MOST;
            if ($over > 0) {
                $this->ask('DELETE FROM ' . self::TABLE . " ORDER BY data <> '', expires LIMIT $over");
                $gone += $over;
            }
            return $gone;
        });
    }

    private function end(): string
    {
        return 'UNIX_TIMESTAMP() + ' . (int) ini_get('session.gc_maxlifetime');
    }

    private function quote(string $value): string
    {
        return "x'" . bin2hex($value) . "'";
    }

    /** False and a line in the log, whatever went wrong: the page goes on without its session. */
    private function attempt(callable $work)
    {
        // WordPress and its plugins choose how errors of the database are told.
        $driver = new mysqli_driver();
        $before = $driver->report_mode;
        $driver->report_mode = MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT;
        try {
            return $work();
        } catch (Exception $error) {
            error_log('A session failed: ' . $error->getMessage());
            return false;
        } finally {
            $driver->report_mode = $before;
        }
    }

    private function ask(string $statement)
    {
        $this->database = $this->database ?? $this->connect();
        try {
            return $this->database->query($statement);
        } catch (mysqli_sql_exception $error) {
            if ($error->getCode() !== self::NO_SUCH_TABLE) {
                throw $error;
            }
        }
        $this->database->query('CREATE TABLE IF NOT EXISTS ' . self::TABLE . ' (
            id VARBINARY(256) NOT NULL PRIMARY KEY,
            data MEDIUMBLOB NOT NULL,
            expires INT UNSIGNED NOT NULL,
            KEY expires (expires)
        ) ENGINE=InnoDB');
        return $this->database->query($statement);
    }

    private function connect(): mysqli
    {
        $database = mysqli_init();
        $database->options(MYSQLI_OPT_CONNECT_TIMEOUT, self::CONNECT_SECONDS);
        $password = rtrim(file_get_contents('/run/secrets/db_password'), "\r\n");
        $database->real_connect('mariadb', getenv('MARIADB_USER'), $password, getenv('MARIADB_DATABASE'), (int) getenv('MARIADB_PORT'));
        return $database;
    }
}

// PHP closes it after all that a program does in its end, as it does with files.
session_set_save_handler(new Inception_Sessions(), false);
