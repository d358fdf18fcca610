#!/bin/sh
# Builds the images that are missing, and those whose folder has changed since they were built; nothing else.
# An image bears the digest of its folder's files as a label (docker-compose.yml).
set -eu
cd "$(dirname "$0")/.."

# The digest of a folder: of each file's name and content.
content() {
    (cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1)
}

# Whether the image of the service $1 was built from what is in the folder $2 now.
is_built() {
    image=$(sed -n "s/^ *image: *\($1:[^ ]*\) *$/\1/p" docker-compose.yml)
    label=$(docker image inspect --format '{% raw %}{{index .Config.Labels "inception.content"}}{% endraw %}' "${image:-none}" 2>/dev/null) || return 1
    [ "$label" = "$(content "$2")" ]
}

services=""
for dockerfile in requirements/*/Dockerfile requirements/bonus/*/Dockerfile; do
    [ -e "$dockerfile" ] || continue
    folder=${dockerfile%/Dockerfile}
    service=${folder##*/}
    # One that compose does not know is not built.
    grep -q "^  $service:\$" docker-compose.yml || continue
    export "CONTENT_OF_$(echo "$service" | tr a-z- A-Z_)=$(content "$folder")"
    is_built "$service" "$folder" || services="$services $service"
done

if [ -n "$services" ]; then
    echo "To be built:$services"
    # shellcheck disable=SC2086  # a word for each service
    docker compose build $services
fi
