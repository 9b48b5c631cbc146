// Package oci says how a function that lies in the image becomes a container:
// which layers make its root, what crun's config.json holds.
//
// It starts nothing. A container has its own pid, mount, ipc and uts namespaces,
// is confined to one core, has no capability and a read-only root. Its network is
// the loopback device only, the guest's or one that some containers share: a
// bridge would add its own work to every call that is measured.
package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"microcosm/functions"
	"microcosm/images/guest/strict"
)

// Places in the image.
const (
	FunctionsDir = "/functions" // FunctionsDir/NAME/Description, FunctionsDir/NAME/Root
	LayersDir    = "/layers"
	Index        = "index.json" // in LayersDir: per layer those below it, the nearest first
	Description  = "function.json"
	Definition   = "function.yaml" // beside it, of a function that is not the product's
	Root         = "root"
	// Dependencies is in a function's directory: NAME.json, another Description,
	// for each dependency that comes in an image of its own.
	Dependencies = "dependencies"
	// Imported begins the name of a layer of an imported image: no function stands on
	// it but those of images that have it.
	Imported = "oci-"
	// Files is where a catalog function's files lie in its container.
	Files = "/function"
)

// portMark in an argument or variable of a Function stands for the port.
const portMark = "{port}"

// Function is what function.json says: how to start a function that lies
// beside it.
type Function struct {
	// Layers are the layers below the function's own root, the nearest first.
	// What they stand on is added.
	Layers []string `json:"layers,omitempty"`
	Args   []string `json:"args"`
	Env    []string `json:"env,omitempty"`
	Dir    string   `json:"dir,omitempty"` // working directory; empty: /
	// Port is where it listens, unless an argument or a variable holds {port}:
	// then it listens on whatever port stands there.
	Port      int `json:"port"`
	MemoryMiB int `json:"memoryMiB,omitempty"` // 0: no limit
	UID       int `json:"uid,omitempty"`
	GID       int `json:"gid,omitempty"`
	// Writable are directories that are empty and can be written, in memory: the
	// volumes of an imported image.
	Writable []string `json:"writable,omitempty"`
}

// ParseFunction reads a function.json. The error joins every mistake.
func ParseFunction(text []byte) (Function, error) {
	var f Function
	if err := strict.Unmarshal(text, &f); err != nil {
		return Function{}, fmt.Errorf("read %s: %w", Description, err)
	}
	if err := f.check(); err != nil {
		return Function{}, fmt.Errorf("read %s: %w", Description, err)
	}
	return f, nil
}

// layerName is what a layer may be called: no option of mount may follow.
var layerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

func (f *Function) check() error {
	var mistakes []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	for i, l := range f.Layers {
		want(layerName.MatchString(l), "layers[%d]: %q is no name of a layer", i, l)
	}
	want(len(f.Args) > 0 && f.Args[0] != "", "args: want a program")
	for i, e := range f.Env {
		want(strings.Index(e, "=") > 0, "env[%d]: want NAME=value, got %q", i, e)
	}
	for _, text := range slices.Concat(f.Args, f.Env, []string{f.Dir}) {
		want(!strings.Contains(text, "\x00"), "%q holds a zero byte", text)
	}
	want(f.Dir == "" || path.IsAbs(f.Dir), "dir: %q is not absolute", f.Dir)
	want(f.Port >= 1 && f.Port <= 65535, "port: want 1 to 65535, got %d", f.Port)
	want(f.MemoryMiB >= 0 && f.MemoryMiB <= 1<<20, "memoryMiB: want 0 to %d, got %d", 1<<20, f.MemoryMiB)
	for i, dir := range f.Writable {
		want(path.IsAbs(dir) && path.Clean(dir) == dir && dir != "/", "writable[%d]: %q is no absolute path of a directory", i, dir)
	}
	want(f.UID >= 0 && f.GID >= 0, "uid, gid: none may be negative")
	return errors.Join(mistakes...)
}

// ChoosesPort reports whether the function listens where it is told to.
func (f *Function) ChoosesPort() bool {
	return slices.ContainsFunc(slices.Concat(f.Args, f.Env), func(text string) bool { return strings.Contains(text, portMark) })
}

// runtimeLayers are the layers that a runtime's functions stand on.
var runtimeLayers = map[functions.Runtime][]string{
	functions.Go: {"skeleton"}, functions.Python: {"python"}, functions.NodeJS: {"node"}, functions.Native: {"skeleton"},
}

// Describe returns the function.json of a catalog function whose files lie in
// Root + Files. Layers named in more come on top of its runtime's.
func Describe(f *functions.Function, more ...string) (Function, error) {
	below, ok := runtimeLayers[f.Runtime]
	if !ok {
		return Function{}, fmt.Errorf("describe %s: no layer holds the runtime %s", f.Name, f.Runtime)
	}
	d := Function{
		Layers: append(slices.Clone(more), below...),
		Args:   append(f.Entrypoint(Files), "--addr", "127.0.0.1", "--port", portMark),
		Env:    []string{"GRPC_PORT=" + portMark},
		Port:   f.Port, MemoryMiB: f.MemoryMiB,
	}
	return d, d.check()
}

const nobody = 65534

// databaseLayers are the layers of the packages that databases come in.
var databaseLayers = map[string]string{"redis-server": "redis", "memcached": "memcached"}

// DescribeDatabase returns how to start a dependency that is a database.
func DescribeDatabase(d *functions.Dependency) (Function, error) {
	// Without capabilities memcached cannot become another user, so it starts as one.
	f := Function{Args: d.Command("127.0.0.1", d.Port), Port: d.Port, UID: nobody, GID: nobody}
	for _, p := range d.Packages.Debian {
		if layer := databaseLayers[p]; layer != "" {
			f.Layers = append(f.Layers, layer)
		}
	}
	if len(f.Layers) == 0 {
		return Function{}, fmt.Errorf("describe %s: no layer holds %s", d.Name, strings.Join(d.Packages.Debian, ", "))
	}
	// The number is replaced, so that two functions can have one each.
	for i, arg := range f.Args {
		if arg == strconv.Itoa(d.Port) {
			f.Args[i] = portMark
		}
	}
	return f, f.check()
}

// Lower returns overlayfs's lowerdir for a function: own, its own root, on top
// (empty: none), then its layers with what they stand on, each once and above all
// that it stands on. The error names layers that are not in the image.
func Lower(index map[string][]string, own string, layers []string) (string, error) {
	var dirs []string // from the bottom
	var missing []error
	for _, layer := range slices.Backward(layers) {
		below, ok := index[layer]
		if !ok {
			missing = append(missing, fmt.Errorf("layer %s is not in the image: stage it", layer))
		}
		for _, l := range slices.Backward(append([]string{layer}, below...)) {
			if dir := path.Join(LayersDir, l); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Reverse(missing) // as they were named
	if own != "" {
		dirs = append(dirs, own)
	}
	slices.Reverse(dirs)
	if len(dirs) == 0 {
		missing = append(missing, errors.New("neither a root nor a layer is given"))
	}
	if len(dirs) == 1 {
		dirs = append(dirs, "/mnt") // overlayfs wants two; this one is empty
	}
	if slices.ContainsFunc(dirs, func(d string) bool { return strings.ContainsAny(d, ":,\\") }) {
		missing = append(missing, errors.New("a layer's path holds one of : , \\"))
	}
	return strings.Join(dirs, ":"), errors.Join(missing...)
}

// Container is one container to be made of a function.
type Container struct {
	ID       string // its host name and control group
	Function Function
	Env      []string // added to the function's: where its dependencies are
	Port     int      // in place of {port}
	Core     int      // the only one that it may use
	Network  string   // file of its network namespace; empty: the guest's
	Rootfs   string   // where its root is mounted
	Cgroup   string   // path from the control groups' root
}

// Config returns the container's config.json.
func Config(c Container) ([]byte, error) {
	put := strings.NewReplacer(portMark, strconv.Itoa(c.Port))
	var args, env []string
	for _, arg := range c.Function.Args {
		args = append(args, put.Replace(arg))
	}
	if !slices.ContainsFunc(c.Function.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	for _, e := range slices.Concat(c.Function.Env, c.Env) {
		env = append(env, put.Replace(e))
	}
	dir := c.Function.Dir
	if dir == "" {
		dir = "/"
	}
	s := spec{
		Version:  "1.0.2",
		Hostname: c.ID,
		Process: process{
			User: user{c.Function.UID, c.Function.GID}, Args: args, Env: env, Dir: dir, NoNewPrivileges: true,
			Capabilities: capabilities{[]string{}, []string{}, []string{}, []string{}, []string{}},
		},
		Root:   root{c.Rootfs, true},
		Mounts: mounts(c.Function),
		Linux: linux{
			Namespaces:  []namespace{{Type: "pid"}, {Type: "mount"}, {Type: "ipc"}, {Type: "uts"}},
			CgroupsPath: c.Cgroup,
			Resources:   resources{CPU: cpu{strconv.Itoa(c.Core), "0"}},
			MaskedPaths: []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{
				"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
			},
		},
	}
	if c.Network != "" {
		s.Linux.Namespaces = append(s.Linux.Namespaces, namespace{"network", c.Network})
	}
	if c.Function.MemoryMiB > 0 {
		s.Linux.Resources.Memory = &memory{int64(c.Function.MemoryMiB) << 20}
	}
	return json.Marshal(s)
}
