#!/bin/sh
# The command of the shop that systemd serves: as its user, in its folder, and so with its settings (.env there).
# docs/operate.md installs it as /usr/local/bin/fluent-cart. Names of files are relative to /var/lib/fluent-cart.
set -eu
umask 077
home=/var/lib/fluent-cart
program=/opt/fluent-cart/bin/fluent-cart
if [ "$(id -un)" = fluent-cart ]; then
    cd "$home"
    exec "$program" "$@"
fi
if [ "$(id -u)" != 0 ]; then
    echo "fluent-cart: Only root and the user fluent-cart may do this: sudo fluent-cart $*" >&2
    exit 1
fi
cd "$home"
exec runuser -u fluent-cart -- env HOME="$home" "$program" "$@"
