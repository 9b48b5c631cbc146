package functions_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
)

// install builds all functions where the product looks for them, which takes no
// time if nothing changed.
func install(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../bin/functions")
	require.NoError(t, err)
	cmd := exec.Command("make", "-s", "install", "DESTDIR="+root)
	cmd.Stderr = os.Stderr // what could not be installed and why
	require.NoError(t, cmd.Run())
	return root
}

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		// Below the ports that the kernel gives to connections, and to listeners that do
		// not ask for one: between this look and its use nobody gets it.
		port := 10_000 + (61*os.Getpid()+int(ports.Add(1)))%20_000
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return 0
}

// ports counts those that this process has tried.
var ports atomic.Int64

// patience is how long these tests wait for a process of their own; it may be slow
// where others run beside it.
const patience = 2 * time.Minute

// missing says which of a function's needs this machine lacks, "" if none.
func missing(t *testing.T, catalog *functions.Catalog, f *functions.Function, root string) string {
	t.Helper()
	if _, err := f.Digest(root); errors.Is(err, functions.ErrNotInstalled) {
		return fmt.Sprintf("%s, which make install could not install", f.Name)
	}
	argv, _, err := f.Command(root, 1)
	require.NoError(t, err)
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Sprintf("%s: install %s", argv[0], strings.Join(f.Packages.Debian, " "))
	}
	if f.Runtime == functions.Python {
		for _, p := range f.Packages.Debian {
			if err := exec.Command("dpkg", "-s", p).Run(); err != nil {
				return fmt.Sprintf("package %s: install it", p)
			}
		}
	}
	for _, d := range f.Dependencies {
		if d.Function != "" {
			g, err := catalog.Lookup(d.Function)
			require.NoError(t, err)
			if lack := missing(t, catalog, g, root); lack != "" {
				return lack
			}
		} else if _, err := exec.LookPath(d.Argv[0]); err != nil {
			return fmt.Sprintf("%s: install %s", d.Argv[0], strings.Join(d.Packages.Debian, " "))
		}
	}
	return ""
}

// run starts a process until the test ends, then asks it to end.
func run(t *testing.T, name string, argv, env []string) *os.Process {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, log.String())
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error says that it has ended
		select {
		case err := <-ended:
			require.NoError(t, err, "%s ends with status 0 on SIGTERM: %s", name, log.String())
		case <-time.After(patience):
			require.NoError(t, cmd.Process.Kill())
			t.Errorf("%s does not end on SIGTERM", name)
		}
	})
	return cmd.Process
}

// running is a function with its dependencies.
type running struct {
	client    *functions.Client
	process   *os.Process
	databases map[string]string // the addresses by name
}

// start runs a function and what it depends on, on free ports, until the test ends.
func start(t *testing.T, catalog *functions.Catalog, f *functions.Function, root string) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := running{databases: map[string]string{}}
	var addresses []string
	for _, d := range f.Dependencies {
		port := freePort(t)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		addresses = append(addresses, d.Env+"="+addr)
		if d.Function != "" {
			g, err := catalog.Lookup(d.Function)
			require.NoError(t, err)
			argv, env, err := g.Command(root, port)
			require.NoError(t, err)
			run(t, d.Name, argv, env)
		} else {
			run(t, d.Name, d.Command("127.0.0.1", port), nil)
		}
		r.databases[d.Name] = addr
		awaitListener(ctx, t, addr)
	}
	port := freePort(t)
	argv, env, err := f.Command(root, port)
	require.NoError(t, err)
	r.process = run(t, f.Name, argv, append(env, addresses...))
	r.client, err = functions.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.client.Close()) })
	require.NoError(t, r.client.WaitReady(ctx), "%s", f.Name)
	return r
}

func awaitListener(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			require.NoError(t, conn.Close())
			return
		}
		require.NoError(t, ctx.Err(), "nothing listens on %s", addr)
		time.Sleep(time.Millisecond) // a real process on a real clock
	}
}

// Every function, as a real process, answers every input class rightly, one call after
// the other and several at once, and the checks notice a reply that is not right. What
// is no request of its own does it no harm.
func TestEveryFunctionAnswersEveryClass(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	root := install(t)
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			if lack := missing(t, catalog, f, root); lack != "" {
				t.Skipf("skipped: this machine lacks %s", lack)
			}
			r := start(t, catalog, f, root)
			for _, class := range f.Classes() {
				for n := range 3 {
					drive(t, r.client, f, class, n)
				}
			}
			together(t, r.client, f)
			abuse(t, r.client, f)
		})
	}
}

// chance names the classes whose replies contain random numbers, times or sizes.
var chance = map[string]bool{
	"paymentservice default": true, "paymentservice vswarm": true, "shippingservice ship": true,
	"sleeping default": true, "sleeping vswarm": true, "sleeping small": true,
	"spinning default": true, "spinning vswarm": true, "spinning small": true,
	"compression default": true, "compression vswarm": true, "compression small": true,
	"image-rotate default": true, "image-rotate vswarm": true, "image-rotate small": true, "image-rotate medium": true,
}

func drive(t *testing.T, client *functions.Client, f *functions.Function, class string, n int) {
	t.Helper()
	call, err := f.Call(class, 7, n)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reply, err := client.Invoke(ctx, call)
	require.NoError(t, err, "class %s, call %d", class, n)
	require.NoError(t, call.Check(reply))
	for i := range reply {
		if n > 0 {
			break
		}
		if i > 64 && i < len(reply)-64 { // the middle of a long reply is like its ends
			continue
		}
		mutated := append([]byte(nil), reply...)
		mutated[i] ^= 1
		if chance[f.Name+" "+class] { // another digit may be as right
			mutated[i] ^= 0x81
		}
		err := call.Check(mutated)
		require.Error(t, err, "class %s: byte %d of the reply is flipped", class, i)
		require.True(t, errors.Is(err, functions.ErrWrongReply))
	}
	if len(reply) > 0 {
		require.Error(t, call.Check(nil), "an empty reply")
		require.Error(t, call.Check(reply[:len(reply)-1]), "a truncated reply")
	}
	require.Error(t, call.Check(append(append([]byte(nil), reply...), 0xf8, 0x7f, 0x01)), "a reply with an unknown field")
}

func TestHowAFunctionIsStarted(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	goFunction, python := lookup(t, "aes-go"), lookup(t, "aes-python")
	_, _, err := python.Command(root, 7001)
	require.ErrorIs(t, err, functions.ErrNotInstalled)
	require.ErrorContains(t, err, "make -C functions install DESTDIR="+root)
	for _, f := range []*functions.Function{goFunction, python} {
		require.NoError(t, os.Mkdir(filepath.Join(root, f.Name), 0o755))
		for _, port := range []int{0, -1, 65536} {
			_, _, err := f.Command(root, port)
			require.ErrorContains(t, err, "want 1 to 65535")
		}
	}
	argv, env, err := goFunction.Command(root, 7001)
	require.NoError(t, err)
	require.Equal(t, []string{root + "/aes-go/aes-go", "--addr", "127.0.0.1", "--port", "7001"}, argv)
	require.Equal(t, []string{"GRPC_PORT=7001"}, env)
	argv, env, err = python.Command(root, 7002)
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/bin/python3", root + "/aes-python/server.py", "--addr", "127.0.0.1", "--port", "7002"}, argv)
	require.Equal(t, []string{"GRPC_PORT=7002", "PYTHONDONTWRITEBYTECODE=1"}, env)
	require.Equal(t, []string{"/usr/bin/python3", "/app/server.py"}, python.Entrypoint("/app"))
}

func TestDigestTellsInstallationsApart(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	f, err := catalog.Lookup("auth-python")
	require.NoError(t, err)
	root := t.TempDir()
	_, err = f.Digest(root)
	require.ErrorIs(t, err, functions.ErrNotInstalled)

	dir := filepath.Join(root, f.Name)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "__pycache__"), 0o755))
	file := filepath.Join(dir, "server.py")
	require.NoError(t, os.WriteFile(file, []byte("pass\n"), 0o644))
	digest := func() string {
		d, err := f.Digest(root)
		require.NoError(t, err)
		return d
	}
	first := digest()
	require.Len(t, first, 64)
	require.Equal(t, first, digest(), "nothing changed")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "__pycache__", "server.pyc"), []byte("x"), 0o644))
	require.Equal(t, first, digest(), "Python cached something")
	require.NoError(t, os.WriteFile(file, []byte("pasS\n"), 0o644))
	require.NotEqual(t, first, digest(), "one byte changed")
	require.NoError(t, os.WriteFile(file, []byte("pass\n"), 0o644))
	require.Equal(t, first, digest(), "changed back")
	require.NoError(t, os.Chmod(file, 0o755))
	require.NotEqual(t, first, digest(), "a mode changed")
	require.NoError(t, os.Chmod(file, 0o644))
	require.NoError(t, os.Rename(file, filepath.Join(dir, "other.py")))
	require.NotEqual(t, first, digest(), "a name changed")
}
