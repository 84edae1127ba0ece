#!/bin/sh
# Builds a binary of the control plane and its names: build.sh MODULE VERSION FOLDER [FOLDER_OF_THE_REST]
# The binary appears whole or not at all; a build that fails leaves the old one.
# With a folder of the rest, names that this module does not have lead there.
set -eu

version=$2
folder=$3
rest=${4:-}
cd "$(dirname "$0")/$1"

command -v go >/dev/null || {
    echo "make control-plane needs Go 1.26 or newer, and there is no \`go\` in PATH: get it from https://go.dev/dl/" >&2
    exit 1
}

# A checkout may touch files without changing them; only their content counts.
inputs=$({ echo "$version"; find . -maxdepth 1 -type f | LC_ALL=C sort | xargs cat ../build.sh; } 2>/dev/null | cksum)
binary="$folder/control-plane"
if [ -e "$binary" ] && [ "$inputs" = "$(cat "$folder/inputs" 2>/dev/null)" ]; then
    touch "$binary"
    exit 0
fi

minor=${version#v*.}
stamp=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
done

echo "building Kubernetes $version from the Go module registry; the first time takes about six minutes" >&2
mkdir -p "$folder"
trap 'rm -f "$binary.$$"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $stamp" -o "$binary.$$" .
for name in kube-apiserver kube-controller-manager; do
    ln -sf control-plane "$folder/$name"
done
for name in etcd kwok kwok-stages kubectl fake-kubelet; do
    ln -sf "${rest:+$rest/}control-plane" "$folder/$name"
done
mv "$binary.$$" "$binary"
echo "$inputs" >"$folder/inputs"
