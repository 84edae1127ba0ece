package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// How long a stream may be silent, and how long a client has to open its
// streams; both are the kubelet's own values.
const (
	streamIdleTimeout     = 4 * time.Hour
	streamCreationTimeout = remotecommand.DefaultStreamCreationTimeout
)

// kubelet answers what kube-apiserver asks of a node: exec, attach, logs and
// port-forward, on the kubelet's own streaming code. Containers are folders;
// commands run on this host, as this user, with a clean environment.
//
// kube-apiserver has checked that pod and container exist; a kubelet that is
// not told of pods answers for any of them.
type kubelet struct {
	containers *containers
	forwards   map[int32]string // pod port to an address on this host
}

// runFakeKubelet is `fake-kubelet`.
func runFakeKubelet() int {
	flags := pflag.NewFlagSet("fake-kubelet", pflag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:10250", "address to serve on; loopback, because commands run on this host")
	dir := flags.String("dir", "", "folder of the containers")
	cert := flags.String("tls-cert-file", "", "serving certificate")
	key := flags.String("tls-private-key-file", "", "its key")
	clientCA := flags.String("client-ca-file", "", "who may call: kube-apiserver's kubelet client is signed by this")
	logEvery := flags.Duration("log-every", 500*time.Millisecond, "a container writes one line of log this often")
	forwards := flags.StringSlice("forward", nil, "PORT=ADDRESS: where a port of every pod leads, e.g. 5432=127.0.0.1:40123")
	kubeconfig := flags.String("kubeconfig", "", "give pods that name no node one, with this credential")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return complain(err)
	}
	mapped, err := parseForwards(*forwards)
	if err != nil {
		return complain(err)
	}
	trust, err := clientTrust(*clientCA)
	if err != nil {
		return complain(err)
	}
	if *kubeconfig != "" {
		if err := schedule(context.Background(), *kubeconfig); err != nil {
			return complain(err)
		}
	}
	k := &kubelet{containers: newContainers(*dir, *logEvery), forwards: mapped}
	server := &http.Server{Addr: *listen, Handler: k.routes(), TLSConfig: trust, ReadHeaderTimeout: time.Minute}
	return complain(server.ListenAndServeTLS(*cert, *key))
}

func complain(err error) int {
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(os.Stderr, "fake-kubelet: %v\n", err)
	return 2
}

func parseForwards(pairs []string) (map[int32]string, error) {
	forwards := map[int32]string{}
	for _, pair := range pairs {
		port, address, found := strings.Cut(pair, "=")
		number, err := strconv.ParseUint(port, 10, 16)
		if !found || err != nil {
			return nil, fmt.Errorf("--forward `%s` is not PORT=ADDRESS", pair)
		}
		forwards[int32(number)] = address
	}
	return forwards, nil
}

func clientTrust(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--client-ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--client-ca-file `%s` holds no certificate", file)
	}
	return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

func (k *kubelet) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.exec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", k.attach)
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	return mux
}

func (k *kubelet) exec(w http.ResponseWriter, r *http.Request) {
	c, options, ok := k.streams(w, r)
	if !ok {
		return
	}
	remotecommand.ServeExec(w, r, executor{c}, "", "", "", r.URL.Query()["command"], options,
		streamIdleTimeout, streamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (k *kubelet) attach(w http.ResponseWriter, r *http.Request) {
	c, options, ok := k.streams(w, r)
	if !ok {
		return
	}
	remotecommand.ServeAttach(w, r, executor{c}, "", "", "", options,
		streamIdleTimeout, streamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

// streams finds the container of a call and the streams it asks for, or answers why not.
func (k *kubelet) streams(w http.ResponseWriter, r *http.Request) (*container, *remotecommand.Options, bool) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, nil, false
	}
	c, ok := k.container(w, r)
	return c, options, ok
}

func (k *kubelet) container(w http.ResponseWriter, r *http.Request) (*container, bool) {
	c, err := k.containers.open(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return c, err == nil
}

func (k *kubelet) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod := r.PathValue("namespace") + "/" + r.PathValue("pod")
	portforward.ServePortForward(w, r, forwarder{k.forwards}, pod, "", options,
		streamIdleTimeout, streamCreationTimeout, portforward.SupportedProtocols)
}
