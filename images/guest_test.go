package images_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images"
	"microcosm/images/cache"
	"microcosm/images/ext4"
	"microcosm/images/guest/job"
	"microcosm/images/isa"
	"microcosm/images/qemu"
	"microcosm/images/trial"
)

// guest returns what the tests of real guests build and boot with. They need a
// kernel, so they run through make only.
func guest(t *testing.T) images.Options {
	t.Helper()
	word := os.Getenv("IMAGES_TEST")
	if word == "" {
		t.Skip("boots a guest in QEMU: run make -C images test ISA=x86_64 or ISA=arm64")
	}
	i, err := isa.Parse(word)
	require.NoError(t, err)
	base, err := os.UserCacheDir()
	require.NoError(t, err)
	c, err := cache.Open(filepath.Join(base, "microcosm"))
	require.NoError(t, err)
	return images.Options{ISA: i, Cache: c, Out: t.TempDir(), Agent: "./testdata/init", Jobs: 2, Nice: 10}
}

// stage lays down two functions and a layer of their own.
func stage(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"functions/hello/function.json": `{}`,
		"functions/hello/root/main.py":  text,
		"functions/other/function.json": `{}`,
		"layers/jslib/lib/greet.js":     `module.exports = () => "greetings from a staged layer"`,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "layers", "jslib.on"), []byte("node\n"), 0o644))
	return dir
}

// command is the stand-in agent's: see testdata/init.
type command struct {
	Layers    []string       `json:"layers,omitempty"`
	Args      []string       `json:"args,omitempty"`
	Container map[string]any `json:"container,omitempty"`
}

// insideContainer prints what a function's container must be like.
const insideContainer = `
import os, socket
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
try:
    open('/file', 'w')
except OSError as e:
    root = 'read-only' if e.errno == 30 else str(e)
else:
    root = 'writable'
print('pid', os.getpid(), 'uid', os.getuid(), 'cores', os.sched_getaffinity(0), 'caps', status['CapEff'].strip(),
      'seccomp', status['Seccomp'].strip(), 'links', [name for _, name in socket.if_nameindex()], 'host', socket.gethostname(),
      'root', root)
`

// container is an OCI configuration with everything that functions get: own
// namespaces, core 1, limits, no capabilities, a system call filter, a
// read-only root.
func container(args ...string) map[string]any {
	type object = map[string]any
	namespaces := []object{}
	for _, kind := range []string{"pid", "mount", "ipc", "uts", "network", "cgroup"} {
		namespaces = append(namespaces, object{"type": kind})
	}
	mounts := []object{}
	for target, kind := range map[string]string{"/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/mqueue": "mqueue", "/sys": "sysfs", "/tmp": "tmpfs"} {
		mounts = append(mounts, object{"destination": target, "type": kind, "source": kind})
	}
	slices.SortFunc(mounts, func(a, b object) int { return strings.Compare(a["destination"].(string), b["destination"].(string)) })
	return object{
		"ociVersion": "1.0.2", "hostname": "box",
		"root":    object{"path": "rootfs", "readonly": true},
		"process": object{"args": args, "cwd": "/", "env": []string{"PATH=/usr/bin"}, "user": object{"uid": 0, "gid": 0}, "noNewPrivileges": true, "capabilities": object{}},
		"mounts":  mounts,
		"linux": object{
			"namespaces": namespaces, "cgroupsPath": "/functions/test",
			"resources": object{
				"cpu": object{"cpus": "1", "quota": 50000, "period": 100000}, "memory": object{"limit": 256 << 20}, "pids": object{"limit": 64},
				"devices": []object{{"allow": false, "access": "rwm"}},
			},
			"seccomp": object{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []object{{"names": []string{"kexec_load"}, "action": "SCMP_ACT_ERRNO"}}},
		},
	}
}

func build(t *testing.T, o images.Options) images.Manifest {
	t.Helper()
	m, err := images.Build(context.Background(), o)
	require.NoError(t, err)
	return m
}

func TestGuestKernelIsConfiguredAsAsked(t *testing.T) {
	o := guest(t)
	_, err := images.BuildKernel(context.Background(), o)
	require.NoError(t, err)
	require.NoError(t, images.CheckKernel(o.ISA, o.Out))
}

func TestGuestImageIsTheSameWhenBuiltTwice(t *testing.T) {
	o := guest(t)
	o.Staged = stage(t, "print(1)")
	first := build(t, o)
	again := o
	again.Out, again.Staged = t.TempDir(), stage(t, "print(1)")
	require.Equal(t, first, build(t, again), "same parts, same image")
	a, err := os.ReadFile(images.Disk(o.Out))
	require.NoError(t, err)
	b, err := os.ReadFile(images.Disk(again.Out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
	require.Less(t, first.Disk.Bytes, int64(600e6))
	require.NoError(t, ext4.Check(context.Background(), images.Disk(o.Out)))

	// An edit of a function shows in its part and in the disk, and nowhere else.
	start := time.Now()
	o.Staged = stage(t, "print(2)")
	edited := build(t, o)
	t.Logf("edit of a function to image: %.1f s", time.Since(start).Seconds())
	require.NotEqual(t, first.Disk, edited.Disk)
	require.NotEqual(t, first.Functions[0], edited.Functions[0])
	require.Equal(t, first.Functions[1], edited.Functions[1])
	require.Equal(t, first.Layers, edited.Layers)

	// One flipped byte is found, and repaired by the next build.
	_, err = images.Verify(o.Out)
	require.NoError(t, err)
	f, err := os.OpenFile(images.Disk(o.Out), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, edited.Disk.Bytes/2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = images.Verify(o.Out)
	require.ErrorContains(t, err, "build it again")
	require.Equal(t, edited, build(t, o))
	_, err = images.Verify(o.Out)
	require.NoError(t, err)
}

func TestGuestBootsAndRunsEveryLayer(t *testing.T) {
	o := guest(t)
	o.Staged = stage(t, "")
	m := build(t, o)
	on := func(name string) []string {
		for _, l := range m.Layers {
			if l.Name == name {
				return append([]string{name}, l.On...)
			}
		}
		t.Fatalf("no layer %s", name)
		return nil
	}
	job, err := json.Marshal([]command{
		{Layers: on("python"), Container: container("/usr/bin/python3", "-c", insideContainer)},
		{Layers: on("python"), Args: []string{"/usr/bin/python3", "-c", "import grpc, google.protobuf, ssl, json, asyncio, hashlib; print('grpc', grpc.__version__, grpc.__cached__)"}},
		{Layers: on("node"), Args: []string{"/usr/bin/node", "-e", "console.log('node', process.version, require('crypto').createHash('sha256').update('').digest('hex').slice(0, 8))"}},
		{Layers: on("jslib"), Args: []string{"/usr/bin/node", "-e", "console.log(require('/lib/greet.js')())"}},
		{Layers: on("redis"), Args: []string{"/usr/bin/redis-server", "--version"}},
		{Layers: on("memcached"), Args: []string{"/usr/bin/memcached", "--version"}},
	})
	require.NoError(t, err)
	result, err := images.Boot(context.Background(), o, images.BootOptions{Job: job, Ready: "stand-in: up", Deadline: 3 * time.Minute})
	require.NoError(t, err)
	t.Logf("up after %.1f s, %.1f s in all\n%s", result.Ready.Seconds(), result.Wall.Seconds(), result.Tail)
	require.NotContains(t, result.Tail, "stand-in: failed")
	for _, want := range []string{
		"pid 1 uid 0 cores {1} caps 0000000000000000 seccomp 2 links ['lo'] host box root read-only",
		"stand-in: grpc 1.", ".cpython-311.pyc", "stand-in: node v", "e3b0c442", "greetings from a staged layer",
		"Redis server v=", "memcached 1.", "stand-in: off",
	} {
		require.Contains(t, result.Tail, want)
	}
}

func TestGuestWithoutAnAgentPanicsAndSaysSo(t *testing.T) {
	o := guest(t)
	build(t, o)
	result, err := images.Boot(context.Background(), o, images.BootOptions{Append: []string{"init=/missing"}, Deadline: 2 * time.Minute, Ready: "stand-in: up"})
	var failed *images.GuestError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, qemu.Panicked, result.Verdict)
	require.Contains(t, err.Error(), "Kernel panic - not syncing: Requested init /missing failed")
}

// misbehaving stages functions that fail in every way there is, beside one that
// does not and the empty call.
func misbehaving(t *testing.T, i isa.ISA) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	program := filepath.Join(t.TempDir(), "misbehave")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./testdata/misbehave")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+i.GoArch())
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	binary, err := os.ReadFile(program)
	require.NoError(t, err)
	for _, name := range []string{"dies", "hangs", "honest", "null", "stillborn", "unready", "wrong"} {
		at := filepath.Join(dir, "functions", name)
		put := func(path, text string, perm os.FileMode) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(at, path)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(at, path), []byte(text), perm))
		}
		put("root/function/misbehave", string(binary), 0o755)
		put("function.json", fmt.Sprintf(`{"layers":["skeleton"],"args":["/function/misbehave",%q,"--addr","127.0.0.1","--port","{port}"],"port":50051}`, name), 0o644)
		if name == "null" { // the catalog has it
			continue
		}
		names = append(names, name)
		put("function.yaml", fmt.Sprintf(`name: %s
runtime: native
port: 50051
service: helloworld.Greeter
method: SayHello
memoryMiB: 64
command: ["{dir}/misbehave", %s]
inputs: {default: {request: {name: Ann}}}
reply: {fields: {message: {equals: Hello Ann}}}
`, name, name), 0o644)
	}
	return dir, names
}

func TestGuestsFunctionsThatMisbehaveAreReported(t *testing.T) {
	o := guest(t)
	var names []string
	o.Agent = "./guest/cmd/agent"
	o.Staged, names = misbehaving(t, o.ISA)
	build(t, o)
	report, err := trial.Run(context.Background(), trial.Options{
		Image: o, Functions: names, Deadline: 30 * time.Minute,
		Deadlines: job.Deadlines{Create: job.Duration(time.Minute), Ready: job.Duration(30 * time.Second), Call: job.Duration(15 * time.Second)},
	})
	var failed *trial.FailedError
	require.ErrorAs(t, err, &failed)
	t.Log(err)
	for _, want := range []string{
		"dies failed cold: dies (default, call 0): it died during the call", "dies: out of luck", "exit status 3",
		"hangs failed warm: hangs (default, call 0): no reply after 15s",
		"stillborn failed cold: init stillborn: ", "it ended before it was ready", "stillborn: no configuration",
		"unready failed cold: init unready: ", "init not done after 30s", "unready: still thinking",
		`wrong failed lukewarm: wrong (default, call 0): wrong: class default, seed 1, call 0`,
		"the end of the console:",
	} {
		require.ErrorContains(t, err, want)
	}
	for _, outcome := range report.Outcomes {
		require.Equal(t, outcome.Function == "honest", outcome.Passed(), "%s %s", outcome.Function, outcome.Mode)
	}
	require.Len(t, report.Outcomes, 3*len(names))
}

func TestGuestBootCost(t *testing.T) {
	o := guest(t)
	build(t, o)
	boot, err := images.ProfileBoot(context.Background(), o, 5*time.Minute)
	require.NoError(t, err)
	var table strings.Builder
	require.NoError(t, boot.Write(&table, 15))
	t.Logf("\n%s", table.String())
	limit := map[isa.ISA]uint64{isa.X86: 200e6, isa.Arm: 100e6}[o.ISA]
	require.Less(t, boot.ToAgent, limit, "instructions from the kernel's start to the agent's first line")
	var sum uint64
	for _, p := range boot.Phases {
		sum += p.Instructions
	}
	require.Equal(t, boot.ToAgent, sum)
}
