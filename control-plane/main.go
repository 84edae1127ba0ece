// Command control-plane is a whole Kubernetes control plane in one binary.
//
// It runs the applet named by argv[0] (so a symlink called `kubectl` is
// kubectl) or, under any other name, by its first argument. Every applet but
// `fake-kubelet` and `kwok-stages` is the upstream program, unchanged.
//
// Left out on purpose: kube-scheduler, for which fake-kubelet gives out nodes in
// turns, and everything that needs a container engine.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	_ "time/tzdata" // CronJobs with a time zone

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric `kubernetes_build_info`
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// applets by name; each finds its own name in os.Args[0] and returns its exit code.
var applets = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllers.NewControllerManagerCommand()) },
	"kubectl":                 runKubectl,
	"kwok":                    runKwok,
	"kwok-stages":             printStages,
	"fake-kubelet":            runFakeKubelet,
}

func main() {
	applet, found := applets[filepath.Base(os.Args[0])]
	if !found && len(os.Args) > 1 {
		applet, found = applets[os.Args[1]]
		os.Args = os.Args[1:]
	}
	if !found {
		names := make([]string, 0, len(applets))
		for name := range applets {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: control-plane APPLET [ARGUMENT]...\napplets: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(applet())
}

func runKubectl() int {
	forgetGlobalFlags()
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints the way kubectl does, and exits
	}
	return 0
}

// forgetGlobalFlags drops what the other programs of this binary registered
// with the process-wide flag set on import; their `--version` clashes with
// kwok's and kubectl's.
func forgetGlobalFlags() {
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
}
