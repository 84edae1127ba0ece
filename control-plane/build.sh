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

minor=${version#v*.}
stamp=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
done

echo "building Kubernetes $version from the Go module registry; the first time takes about six minutes" >&2
mkdir -p "$folder"
binary="$folder/control-plane"
trap 'rm -f "$binary.$$"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $stamp" -o "$binary.$$" .
for name in kube-apiserver kube-controller-manager; do
    ln -sf control-plane "$folder/$name"
done
for name in etcd kwok kwok-stages kubectl fake-kubelet; do
    ln -sf "${rest:+$rest/}control-plane" "$folder/$name"
done
mv "$binary.$$" "$binary"
