#!/bin/sh
# Builds the control plane's one binary and its names: build.sh VERSION FOLDER
# The binary appears whole or not at all; a build that fails leaves the old one.
set -eu

version=$1
folder=$2
cd "$(dirname "$0")"

command -v go >/dev/null || {
    echo "make control-plane needs Go 1.26 or newer, and there is no \`go\` in PATH: get it from https://go.dev/dl/" >&2
    exit 1
}

rest=${version#v*.}
stamp=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${rest%%.*}"
done

echo "building Kubernetes $version from the Go module registry; the first time takes about six minutes" >&2
mkdir -p "$folder"
binary="$folder/control-plane"
trap 'rm -f "$binary.$$"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $stamp" -o "$binary.$$" .
for name in etcd kube-apiserver kube-controller-manager kwok kubectl fake-kubelet; do
    ln -sf control-plane "$folder/$name"
done
mv "$binary.$$" "$binary"
