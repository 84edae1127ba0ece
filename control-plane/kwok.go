package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	nodes "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeats "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pods "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// The stage that upstream lacks: an ephemeral container starts running, which
// is what `kubectl debug` waits for.
//
//go:embed stage-debug.yaml
var debugStage string

// runKwok is upstream's main, which is in a package that cannot be imported.
func runKwok() int {
	forgetGlobalFlags()
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, logger := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("Init config flags", "err", err)
		return 1
	}
	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("Execute exit", "err", err)
		return 1
	}
	return 0
}

// printStages prints how kwok is to play nodes and pods, for the end of its
// configuration file: kwok itself has no stages unless it is given some.
func printStages() int {
	stages := []string{
		nodes.DefaultNodeInit, heartbeats.DefaultNodeHeartbeatWithLease,
		pods.DefaultPodReady, pods.DefaultPodComplete, pods.DefaultPodDelete, debugStage,
	}
	for _, stage := range stages {
		fmt.Fprintf(os.Stdout, "---\n%s\n", strings.TrimSpace(stage))
	}
	return 0
}
