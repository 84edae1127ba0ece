package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	crilogs "k8s.io/cri-client/pkg/logs"
)

// logs answers `kubectl logs` with the kubelet's own reader.
func (k *kubelet) logs(w http.ResponseWriter, r *http.Request) {
	options, err := logOptions(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Query().Get("previous") == "true" {
		message := fmt.Sprintf("previous terminated container %q in pod %q not found", r.PathValue("container"), r.PathValue("pod"))
		http.Error(w, message, http.StatusBadRequest)
		return
	}
	c, ok := k.container(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	out := flushed{w, http.NewResponseController(w)}
	_ = out.Flush() // a follower sees the answer begin even when there are no lines yet
	var stdout, stderr io.Writer = out, out
	switch r.URL.Query().Get("stream") {
	case "Stdout":
		stderr = io.Discard
	case "Stderr":
		stdout = io.Discard
	}
	// The status is already sent: an error can only end the answer.
	_ = crilogs.ReadLogs(r.Context(), c.log, c.name, options, alwaysRunning{}, stdout, stderr)
}

// logOptions reads the query that kube-apiserver makes of PodLogOptions.
func logOptions(query url.Values, now time.Time) (*crilogs.LogOptions, error) {
	options := &crilogs.LogOptions{
		Follow:    query.Get("follow") == "true",
		Timestamp: query.Get("timestamps") == "true",
	}
	var seconds *int64
	numbers := []struct {
		name string
		to   **int64
	}{{"tailLines", &options.TailLines}, {"limitBytes", &options.LimitBytes}, {"sinceSeconds", &seconds}}
	for _, number := range numbers {
		text := query.Get(number.name)
		if text == "" {
			continue
		}
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil || value < 0 {
			return nil, fmt.Errorf("`%s=%s` is not a number", number.name, text)
		}
		*number.to = &value
	}
	if seconds != nil {
		options.Since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, fmt.Errorf("`sinceTime=%s` is not a time", text)
		}
		options.Since = since
	}
	return options, nil
}

// flushed sends every line as it comes.
type flushed struct {
	w io.Writer
	*http.ResponseController
}

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.Flush()
	}
	return n, err
}

// alwaysRunning is all that following a log wants of a container runtime.
type alwaysRunning struct{ internalapi.RuntimeService }

func (alwaysRunning) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	return &runtimeapi.ContainerStatusResponse{
		Status: &runtimeapi.ContainerStatus{State: runtimeapi.ContainerState_CONTAINER_RUNNING},
	}, nil
}
