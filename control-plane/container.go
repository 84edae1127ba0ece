package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// How long a dead command's grandchildren may hold its output open.
const outputGrace = time.Second

// How many lines a container has already written when it is first looked at.
const linesBefore = 10

// containers are made when they are first asked for.
type containers struct {
	dir      string
	logEvery time.Duration
	mu       sync.Mutex
	known    map[string]*container
}

func newContainers(dir string, logEvery time.Duration) *containers {
	return &containers{dir: dir, logEvery: logEvery, known: map[string]*container{}}
}

// container is a folder to run commands in and a program that only writes log lines.
type container struct {
	namespace, pod, name string
	dir, log             string

	mu        sync.Mutex
	listeners map[chan string]struct{}
}

func (cs *containers) open(namespace, pod, name string) (*container, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	path := filepath.Join(namespace, pod, name)
	if c, found := cs.known[path]; found {
		return c, nil
	}
	if !filepath.IsLocal(path) || strings.Count(path, string(filepath.Separator)) != 2 {
		return nil, fmt.Errorf("`%s` is not NAMESPACE/POD/CONTAINER", path)
	}
	c := &container{
		namespace: namespace, pod: pod, name: name,
		dir: filepath.Join(cs.dir, path, "root"), log: filepath.Join(cs.dir, path, "0.log"),
		listeners: map[chan string]struct{}{},
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for n := range linesBefore {
		c.write(file, n, now.Add(-time.Duration(linesBefore-n)*cs.logEvery))
	}
	go c.run(file, cs.logEvery)
	cs.known[path] = c
	return c, nil
}

// run is the container's program.
func (c *container) run(file *os.File, every time.Duration) {
	n := linesBefore
	for now := range time.Tick(every) {
		line := c.write(file, n, now)
		c.mu.Lock()
		for listener := range c.listeners {
			select {
			case listener <- line:
			default: // a client that does not read misses lines, as with a full pipe
			}
		}
		c.mu.Unlock()
		n++
	}
}

// write adds one line to the log in the CRI's format and returns it without.
func (c *container) write(file *os.File, n int, at time.Time) string {
	line := fmt.Sprintf("%s %s: served request %d", c.pod, c.name, n)
	if n%10 == 9 {
		fmt.Fprintf(file, "%s stderr F %s slowly\n", at.UTC().Format(time.RFC3339Nano), line)
		return line
	}
	fmt.Fprintf(file, "%s stdout F %s\n", at.UTC().Format(time.RFC3339Nano), line)
	return line
}

func (c *container) environment(tty bool) []string {
	environment := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + c.dir, "HOSTNAME=" + c.pod, "POD_NAME=" + c.pod, "POD_NAMESPACE=" + c.namespace,
	}
	if tty {
		environment = append(environment, "TERM=xterm")
	}
	return environment
}

// executor runs commands in one container and joins clients to its program.
type executor struct{ *container }

var _ remotecommand.Executor = executor{}
var _ remotecommand.Attacher = executor{}

// AttachContainer gives out the lines the program writes, and everything that
// is sent back as an echo, until the client leaves.
func (e executor) AttachContainer(ctx context.Context, _, _, _ string, in io.Reader, out, _ io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	lines := make(chan string, 64)
	e.mu.Lock()
	e.listeners[lines] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.listeners, lines)
		e.mu.Unlock()
	}()
	go func() {
		for range resize { // nobody looks at the size, but the sender must not block
		}
	}()
	var writing sync.Mutex
	gone := make(chan error, 1)
	if in != nil && out != nil {
		go func() {
			_, err := io.Copy(lockedWriter{&writing, out}, in)
			if err != nil {
				gone <- err
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-gone:
			return nil
		case line := <-lines:
			if out == nil {
				continue
			}
			if _, err := io.WriteString(lockedWriter{&writing, out}, line+"\r\n"); err != nil {
				return nil
			}
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// ExecInContainer runs one command to its end. Its error carries the exit code.
func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, argv []string, in io.Reader, out, err io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if len(argv) == 0 {
		return errors.New("no command given")
	}
	runtime.LockOSThread() // the child dies with this thread, see dieWithParent
	defer runtime.UnlockOSThread()
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir, command.Env, command.WaitDelay = e.dir, e.environment(tty), outputGrace
	command.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(command.SysProcAttr)
	if tty {
		return exitError(runOnTerminal(command, in, out, resize))
	}
	return exitError(runOnPipes(command, in, out, err))
}

func runOnPipes(command *exec.Cmd, in io.Reader, out, err io.WriteCloser) error {
	if out != nil {
		command.Stdout = out
	}
	if err != nil {
		command.Stderr = err
	}
	if in != nil {
		// Not command.Stdin: Wait would wait for a client that keeps its end open.
		pipe, err := command.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(pipe, in)
			_ = pipe.Close()
		}()
	}
	if err := command.Start(); err != nil {
		return err
	}
	return command.Wait()
}

func runOnTerminal(command *exec.Cmd, in io.Reader, out io.WriteCloser, resize <-chan remotecommand.TerminalSize) error {
	terminal, err := pty.Start(command)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range resize {
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}()
	if in != nil {
		go func() { _, _ = io.Copy(terminal, in) }()
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		if out != nil {
			_, _ = io.Copy(out, terminal) // ends in EIO when the last holder of the terminal exits
		}
	}()
	err = command.Wait()
	select {
	case <-shown:
	case <-time.After(outputGrace):
	}
	return err
}

// exitError gives the exit code in the form that the streaming code reads;
// death by a signal counts as a shell counts it.
func exitError(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	code := exit.ExitCode()
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return utilexec.CodeExitError{Err: err, Code: code}
}
