//go:build linux

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"microcosm/images/guest/driver"
	"microcosm/images/guest/oci"
)

const (
	containersDir = "/run/containers"
	firstPort     = 20000   // of functions that listen where they are told to
	tailBytes     = 2 << 10 // kept of what a container prints
	lastOutput    = 200 * time.Millisecond
)

// crun runs the OCI runtime. Its own state lies in memory; control groups are
// made by hand, since there is no systemd.
func crun(ctx context.Context, output *os.File, args ...string) error {
	cmd := exec.CommandContext(ctx, "/usr/bin/crun", append([]string{"--root=/run/crun", "--cgroup-manager=cgroupfs"}, args...)...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("crun %s: %w", args[0], err)
	}
	return nil
}

// launcher makes containers of what lies in the image.
type launcher struct {
	index    map[string][]string // of layers
	port     int
	folder   string              // of the image's functions
	guest    *network            // the guest's own
	networks map[string]*network // of functions that are not the product's, by name
}

func newLauncher() (*launcher, error) {
	l := &launcher{port: firstPort, folder: oci.FunctionsDir, networks: map[string]*network{}}
	text, err := os.ReadFile(filepath.Join(oci.LayersDir, oci.Index))
	if err != nil {
		return nil, fmt.Errorf("read the index of layers: %w", err)
	}
	if err := json.Unmarshal(text, &l.index); err != nil {
		return nil, fmt.Errorf("read the index of layers: %w", err)
	}
	l.guest, err = threadsNetwork()
	return l, err
}

// network returns the network of the sandboxes that are made for a function.
func (l *launcher) network(function string) (*network, error) {
	if n := l.networks[function]; n != nil {
		return n, nil
	}
	_, err := os.Stat(filepath.Join(l.folder, function, oci.Definition))
	if errors.Is(err, os.ErrNotExist) {
		return l.guest, nil
	}
	if err != nil {
		return nil, err
	}
	n, err := l.guest.another()
	if err != nil {
		return nil, fmt.Errorf("make a network for %s: %w", function, err)
	}
	l.networks[function] = n
	return n, nil
}

// describe returns how to start what s names and where its own root is.
func describe(s driver.Spec) (f oci.Function, own string, err error) {
	if s.Function == nil {
		f, err = describeDependency(s)
		return f, "", err
	}
	dir := filepath.Join(oci.FunctionsDir, s.Function.Name)
	text, err := os.ReadFile(filepath.Join(dir, oci.Description))
	if err != nil {
		return f, "", fmt.Errorf("%s is not in the image: stage it: %w", s.Function.Name, err)
	}
	if f, err = oci.ParseFunction(text); err != nil {
		return f, "", fmt.Errorf("%s: %w", s.Function.Name, err)
	}
	own = filepath.Join(dir, oci.Root)
	if _, err := os.Stat(own); errors.Is(err, os.ErrNotExist) {
		own = "" // layers only
	}
	return f, own, nil
}

// describeDependency returns how to start a dependency: as its function brings it
// along, else from the packages that the layers hold.
func describeDependency(s driver.Spec) (oci.Function, error) {
	file := filepath.Join(oci.FunctionsDir, s.Owner, oci.Dependencies, s.Database.Name+".json")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return oci.DescribeDatabase(s.Database)
	}
	if err != nil {
		return oci.Function{}, err
	}
	f, err := oci.ParseFunction(text)
	if err != nil {
		return f, fmt.Errorf("%s: %w", file, err)
	}
	return f, nil
}

// Create mounts the root and has crun create the container.
func (l *launcher) Create(ctx context.Context, s driver.Spec) (driver.Sandbox, error) {
	f, own, err := describe(s)
	if err != nil {
		return nil, err
	}
	lower, err := oci.Lower(l.index, own, f.Layers)
	if err != nil {
		return nil, fmt.Errorf("root of %s: %w", s.ID, err)
	}
	network, err := l.network(s.For)
	if err != nil {
		return nil, err
	}
	port := f.Port
	if f.ChoosesPort() {
		l.port++
		port = l.port
	}
	group := functionsGroup
	if s.Core == driver.ClientCore {
		group = dependenciesGroup
	}
	c := &container{
		id: s.ID, dir: filepath.Join(containersDir, s.ID), network: network, port: port, core: s.Core,
		ended: make(chan struct{}), drained: make(chan struct{}),
	}
	if err := c.create(ctx, lower, oci.Container{
		ID: s.ID, Function: f, Env: s.Env, Network: network.path(), Port: port, Core: s.Core,
		Rootfs: filepath.Join(c.dir, "root"), Cgroup: "/" + group + "/" + s.ID,
	}); err != nil {
		err = fmt.Errorf("create %s: %w: %s", s.ID, err, c.LastWords())
		removal, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, c.Remove(removal))
	}
	return c, nil
}

// container is a container of crun's.
type container struct {
	id, dir string
	network *network
	port    int
	core    int
	pid     int
	ended   chan struct{} // its process was reaped
	drained chan struct{} // its output is at its end

	mu     sync.Mutex
	output []byte
	state  string // how it ended
}

func (c *container) create(ctx context.Context, lower string, config oci.Container) error {
	if err := os.MkdirAll(config.Rootfs, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("overlay", config.Rootfs, "overlay", unix.MS_RDONLY, "lowerdir="+lower); err != nil {
		return fmt.Errorf("mount %s: %w", lower, err)
	}
	text, err := oci.Config(config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "config.json"), text, 0o600); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	go c.listen(read)
	pidFile := filepath.Join(c.dir, "pid")
	err = crun(ctx, write, "create", "--bundle="+c.dir, "--pid-file="+pidFile, c.id)
	if err := errors.Join(err, write.Close()); err != nil { // the container keeps its end
		return err
	}
	digits, err := os.ReadFile(pidFile)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(digits)))
	if err != nil {
		return fmt.Errorf("pid of %s: %w", c.id, err)
	}
	c.pid = pid
	// crun is gone, so the container is PID 1's child, which is this process.
	child, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	go c.wait(child)
	return nil
}

// listen keeps the end of what the container prints.
func (c *container) listen(output *os.File) {
	defer close(c.drained)
	defer output.Close()
	buffer := make([]byte, tailBytes)
	for {
		n, err := output.Read(buffer)
		c.mu.Lock()
		c.output = append(c.output, buffer[:n]...)
		if excess := len(c.output) - tailBytes; excess > 0 {
			c.output = append(c.output[:0], c.output[excess:]...)
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *container) wait(child *os.Process) {
	defer close(c.ended)
	state, err := child.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state = fmt.Sprint(state); err != nil {
		c.state = err.Error()
	}
}

// Start starts the container's program.
func (c *container) Start(ctx context.Context) error { return crun(ctx, nil, "start", c.id) }

// Addr is where the container listens.
func (c *container) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Connect makes a connection to where the container listens.
func (c *container) Connect(ctx context.Context) (net.Conn, error) {
	return c.network.connect(ctx, c.Addr())
}

// Confined returns in what the container is freer than it may be.
func (c *container) Confined() error { return confined("/proc", c.pid, c.core, c.network.name) }

// Ended is closed when the container's program has ended.
func (c *container) Ended() <-chan struct{} { return c.ended }

// LastWords returns the end of what the container printed and how it ended.
func (c *container) LastWords() string {
	select {
	case <-c.ended:
		select { // what it printed last may still be under way
		case <-c.drained:
		case <-time.After(lastOutput):
		}
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(c.output), "?") + "\n" + c.state)
}

// Remove ends the container and takes its root away.
func (c *container) Remove(ctx context.Context) error {
	err := crun(ctx, nil, "delete", "--force", c.id)
	root := filepath.Join(c.dir, "root")
	if unmount := unix.Unmount(root, unix.MNT_DETACH); unmount != nil && !errors.Is(unmount, unix.EINVAL) && !errors.Is(unmount, unix.ENOENT) {
		return errors.Join(err, fmt.Errorf("unmount %s: %w", root, unmount))
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
