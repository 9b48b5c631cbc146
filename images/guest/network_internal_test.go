//go:build linux

package guest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"microcosm/images/guest/oci"
)

// guestsOwn is the network of this process, as the agent has it; the test is skipped
// where no other can be made.
func guestsOwn(t *testing.T) *network {
	t.Helper()
	n, err := threadsNetwork()
	require.NoError(t, err)
	other, err := n.another()
	if errors.Is(err, unix.EPERM) {
		t.Skip("skipped: makes networks, which root may do only")
	}
	require.NoError(t, err)
	require.NoError(t, other.file.Close())
	t.Cleanup(func() { require.NoError(t, n.file.Close()) })
	return n
}

// another is a network in which a server says word to everybody at 127.0.0.1:port.
func another(t *testing.T, home *network, word, addr string) *network {
	t.Helper()
	n, err := home.another()
	require.NoError(t, err)
	var l net.Listener
	require.NoError(t, n.visit(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	}))
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(word)) // the reader tells
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		served.Wait()
		require.NoError(t, n.file.Close())
	})
	return n
}

// said is what the server says, or what is wrong.
func said(n *network, addr string) string {
	conn, err := n.connect(context.Background(), addr)
	if err != nil {
		return err.Error()
	}
	word, err := io.ReadAll(conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return err.Error()
	}
	return string(word)
}

// TestTwoNetworksHaveTheSamePort, a privileged one, and whoever asks is answered by
// whom it asked, however often and from however many goroutines.
func TestTwoNetworksHaveTheSamePort(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.1:80"
	home := guestsOwn(t)
	one, two := another(t, home, "one", addr), another(t, home, "two", addr)
	require.NotEqual(t, one.name, two.name)
	words := make(chan [2]string)
	for range 8 {
		go func() {
			for range 20 {
				words <- [2]string{said(one, addr), said(two, addr)}
			}
		}()
	}
	for range 8 * 20 {
		require.Equal(t, [2]string{"one", "two"}, <-words)
	}
	// Every thread is home again.
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	require.NoError(t, err)
	for _, task := range tasks {
		if its, err := os.Readlink(task); err == nil { // a thread may have ended
			require.Equal(t, home.name, its)
		}
	}
	_, err = home.connect(t.Context(), addr)
	require.ErrorIs(t, err, unix.ECONNREFUSED, "nobody listens in the guest's own")
}

func TestANetworkHasALoopbackDeviceOnly(t *testing.T) {
	t.Parallel()
	home := guestsOwn(t)
	n, err := home.another()
	require.NoError(t, err)
	defer func() { require.NoError(t, n.file.Close()) }()
	require.NoError(t, n.visit(func() error {
		links, err := net.Interfaces()
		require.Len(t, links, 1)
		require.NotZero(t, links[0].Flags&net.FlagLoopback)
		require.NotZero(t, links[0].Flags&net.FlagUp)
		return err
	}))
	require.Empty(t, home.path())
	its, err := os.Readlink(n.path())
	require.NoError(t, err)
	require.Equal(t, n.name, its)
}

// TestAFailureInANetworkIsTold, and leaves the thread at home.
func TestAFailureInANetworkIsTold(t *testing.T) {
	t.Parallel()
	home := guestsOwn(t)
	n, err := home.another()
	require.NoError(t, err)
	wrong := errors.New("wrong")
	require.ErrorIs(t, n.visit(func() error { return wrong }), wrong)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(wrong)
	_, err = n.connect(ended, "127.0.0.1:1")
	require.Error(t, err)
	require.NoError(t, n.file.Close())
	_, err = n.connect(t.Context(), "127.0.0.1:1")
	require.ErrorContains(t, err, "enter the network "+n.name)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	its, err := os.Readlink(networkFile)
	require.NoError(t, err)
	require.Equal(t, home.name, its)
}

// TestWhoHasANetworkOfItsOwn: a function that is not the product's, one for it and all
// that is made for it.
func TestWhoHasANetworkOfItsOwn(t *testing.T) {
	t.Parallel()
	l := &launcher{folder: t.TempDir(), guest: guestsOwn(t), networks: map[string]*network{}}
	for name, brings := range map[string]bool{"fibonacci-go": false, "one": true, "two": true} {
		require.NoError(t, os.Mkdir(filepath.Join(l.folder, name), 0o755))
		if brings {
			require.NoError(t, os.WriteFile(filepath.Join(l.folder, name, oci.Definition), nil, 0o644))
		}
	}
	of := func(name string) *network {
		n, err := l.network(name)
		require.NoError(t, err)
		return n
	}
	require.Same(t, l.guest, of("fibonacci-go"))
	require.Same(t, l.guest, of("not-in-the-image"))
	require.NotEqual(t, l.guest.name, of("one").name)
	require.NotEqual(t, of("one").name, of("two").name)
	require.Same(t, of("one"), of("one"))
	for _, n := range l.networks {
		require.NoError(t, n.file.Close())
	}
}
