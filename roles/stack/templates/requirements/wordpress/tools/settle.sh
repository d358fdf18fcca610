#!/bin/sh
# Own code that came is turned on, and what left goes. Whatever that does, and if it never ends: the site goes on.
timeout 60 php /usr/local/lib/inception/code.php settle ||
    echo "The site's own code was not turned on or taken away as it is said; the next start tries again."
