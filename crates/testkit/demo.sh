#!/usr/bin/env bash
# One elevation, from refusal to refusal, with real commands on a real API server.
# Exits 0 only if every step behaved. KEEP=1 leaves the cluster running.
set -uo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/target/debug:$PWD/target/control-plane/bin:$PATH"
play=$(mktemp -d "${TMPDIR:-/tmp}/brevet-demo.XXXXXX")
HOME="$play/home" # kubectl's caches and `use` write below it, never into yours
export PATH HOME
mkdir -p "$HOME"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'; else bold='' dim='' red='' green='' plain=''; fi

finish() {
    local code=$?
    if [ -n "${KEEP:-}" ] && [ $code -eq 0 ]; then
        cat <<END

The cluster is still running. To play with it:

  export PATH=$PWD/target/debug:$PWD/target/control-plane/bin:\$PATH
  export KUBECONFIG=$play/cluster/alice.kubeconfig     # or bob, carol, mallory, dave, admin
  kubectl brevet roles
  kubectl brevet request view-logs -n shop --pod web-1 --for 5m --reason "trying it" --wait=false

To end it: $PWD/target/debug/brevet-dev down --dir $play/cluster
END
        return
    fi
    brevet-dev down --dir "$play/cluster" >/dev/null 2>&1
    if [ $code -eq 0 ]; then rm -rf "$play"; else echo "${red}The demo failed.${plain} What was kept: $play" >&2; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
fail() { echo "${red}not as promised: $*${plain}" >&2; exit 1; }

# as USER COMMAND…: shows and runs it as that person; the output is in $out, the exit code in $code.
as() {
    local who=$1; shift
    printf '%s%s$%s' "$dim" "$who" "$plain"; printf ' %q' "$@" | sed 's/\\\([ ,()]\)/\1/g'; echo
    out=$(KUBECONFIG="$play/cluster/$who.kubeconfig" "$@" 2>&1 </dev/null); code=$?
    [ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/  /'
}
works() { [ "$code" -eq 0 ] || fail "this should have worked"; }
refused() { [ "$code" -ne 0 ] || fail "this should have been refused"; [[ "$out" == *"$1"* ]] || fail "the refusal should say: $1"; }

say "A Kubernetes API server, etcd, a controller manager, and Brevet, on this machine"
brevet-dev up --dir "$play/cluster" || fail "the cluster did not start"

say "Alice is a developer. She may not read logs"
as alice kubectl logs -n shop web-1 --tail 2
refused "forbidden"

say "She asks for one task, on one pod, for forty seconds, and says why"
as alice kubectl brevet request view-logs -n shop --pod web-1 --for 40s --reason "checkout errors after the rollout" --wait=false -o name
works
request=$(printf '%s\n' "$out" | sed -n 's|^accessrequest.brevet.dev/||p')
[ -n "$request" ] || fail "no request was named"

say "Nobody approves their own request, and Mallory approves nobody's"
as alice kubectl brevet approve "$request" --yes
[ "$code" -eq 1 ] || fail "alice approved her own request"
as mallory kubectl brevet approve "$request" --yes
[ "$code" -eq 1 ] || fail "mallory approved"

say "Bob may approve in the namespace shop. He sees the exact rules, and agrees to exactly these"
as bob kubectl brevet approve "$request" --yes --comment "go ahead"
works

say "Alice reads the logs, with her own kubectl and her own credential: the same server, another path"
as alice kubectl brevet wait "$request"
works
as alice kubectl brevet use "$request"
works
as alice kubectl brevet exec "$request" -- kubectl logs -n shop web-1 --tail 3
works
[ -n "$out" ] || fail "no log line was read"

say "She is refused everything else"
as alice kubectl brevet exec "$request" -- kubectl logs -n shop web-2 --tail 1
refused "web-2"
as alice kubectl brevet exec "$request" -- kubectl get secret -n shop db
refused "secrets"
as alice kubectl brevet exec "$request" -- kubectl delete pod -n shop web-1
refused "delete"

say "The grant is hers alone: to Mallory it does not exist"
as mallory kubectl --server "$(KUBECONFIG="$play/cluster/alice.kubeconfig" kubectl config view --raw -o 'jsonpath={.clusters[0].cluster.server}')/apis/sessions.brevet.dev/v1alpha1/grants/$request/proxy" logs -n shop web-1 --tail 1
[ "$code" -ne 0 ] || fail "mallory used alice's grant"

say "She needs a shell in the pod, too, for twenty seconds, and opens one"
as alice kubectl brevet request debug-pod -n shop --pod web-1 --for 20s --reason "look at its files" --wait=false -o name
works
shell=$(printf '%s\n' "$out" | sed -n 's|^accessrequest.brevet.dev/||p')
as bob kubectl brevet approve "$shell" --yes
works
as alice kubectl brevet wait "$shell"
works
printf '%salice$%s kubectl brevet exec %s -- kubectl exec -n shop web-1 -- sh -c "echo inside; sleep 600" &\n' "$dim" "$plain" "$shell"
KUBECONFIG="$play/cluster/alice.kubeconfig" kubectl brevet exec "$shell" -- \
    kubectl exec -n shop web-1 -- sh -c 'echo inside; sleep 600' >"$play/shell" 2>&1 </dev/null &
inside=$!

say "She follows the log meanwhile. Nobody ends these two streams; their deadlines do"
as alice kubectl brevet exec "$request" -- kubectl logs -n shop web-1 -f --tail 1
[ "$code" -ne 0 ] || fail "the stream ended as if nothing had happened"
[[ "$out" == *"grant \`$request\` ended at"* ]] || fail "she was not told why it ended"
wait "$inside"; code=$?
echo "The shell:"; sed 's/^/  /' "$play/shell"
[ "$code" -ne 0 ] || fail "the shell ended as if nothing had happened"
grep -q "^inside" "$play/shell" || fail "the shell had not begun"
grep -q "grant .$shell. ended at" "$play/shell" || fail "she was not told why the shell ended"

say "And she is refused again"
as alice kubectl brevet exec "$request" -- kubectl logs -n shop web-1 --tail 1
[ "$code" -ne 0 ] || fail "the grant outlived its deadline"
as alice kubectl logs -n shop web-1 --tail 1
refused "forbidden"

say "The end is written only once the API server has confirmed that nothing is left"
as alice kubectl brevet wait "$request" --for ended --timeout 30s
works
as alice kubectl brevet get "$request"
works
[[ "$out" == *Expired* ]] || fail "the request did not expire"
as admin kubectl get roles,rolebindings -A -l brevet.dev/identity -o name
[ -z "${out//No resources found/}" ] || fail "roles or bindings were left"
as admin kubectl get serviceaccounts,secrets -n brevet-elevations -l brevet.dev/identity -o name
[ -z "${out//No resources found/}" ] || fail "an identity was left"

printf '\n%sEvery step behaved.%s\n' "$green" "$plain"
