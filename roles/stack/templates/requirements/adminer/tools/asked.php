<?php
/*
 * Prints this container's own address in the network in which others ask it: asked.php <service>
 * In that network alone Docker's name server knows it by the name asked.<service> (docker-compose.yml).
 * php-fpm listens at one address: where several networks have somebody who asks, at all of its own.
 */

declare(strict_types=1);

{% if __docker_is_node | default(false) %}
// A swarm knows that name only when this container is well, and it is not before it listens.
if (getenv('ASKED_AT')) {
    echo getenv('ASKED_AT');
    exit;
}
{% endif %}
$own = [];
foreach (net_get_interfaces() as $interface) {
    $own = array_merge($own, array_column($interface['unicast'] ?? [], 'address'));
}
$name = "asked.$argv[1]";
$found = array_values(array_intersect(gethostbynamel($name) ?: [], $own));
if ($found === []) {
    fwrite(STDERR, "No network of this container has the name $name (aliases in docker-compose.yml): nobody could ask it.\n");
    exit(1);
}
echo count($found) === 1 ? $found[0] : '0.0.0.0';
