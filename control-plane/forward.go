package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// Ports that every pod answers on without being mapped anywhere.
const (
	portEcho = 7    // sends back what it is sent
	portHTTP = 8080 // says which pod it is
)

// forwarder leads ports of a pod to addresses on this host.
type forwarder struct{ forwards map[int32]string }

var _ portforward.PortForwarder = forwarder{}

// PortForward joins one connection of a client to a port of the pod `NAMESPACE/NAME`.
func (f forwarder) PortForward(ctx context.Context, pod, _ string, port int32, stream io.ReadWriteCloser) error {
	if address, found := f.forwards[port]; found {
		dialer := net.Dialer{Timeout: 5 * time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return join(ctx, stream, conn)
	}
	switch port {
	case portEcho:
		_, err := io.Copy(stream, stream)
		return err
	case portHTTP:
		near, far := net.Pipe()
		go serveOne(far, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s says hello to %s %s\n", pod, r.Method, r.URL.Path)
		}))
		return join(ctx, stream, near)
	}
	return fmt.Errorf("failed to connect to localhost:%d inside pod %s: connection refused", port, pod)
}

// join copies both ways until the pod's side has said all it has to say.
func join(ctx context.Context, stream io.ReadWriteCloser, conn net.Conn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			return
		}
		_ = conn.Close()
	}()
	_, err := io.Copy(stream, conn)
	if errors.Is(err, io.ErrClosedPipe) {
		return nil // closed above: the client has nothing more to say
	}
	return err
}

// serveOne serves HTTP on one connection.
func serveOne(conn net.Conn, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	_ = server.Serve(&oneConn{conn: conn})
}

// oneConn is a listener with a single connection to give.
type oneConn struct {
	conn net.Conn
}

func (o *oneConn) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	return nil, io.EOF // Serve returns; the connection it was given lives on
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
