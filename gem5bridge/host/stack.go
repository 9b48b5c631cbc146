package host

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"microcosm/functions"
	"microcosm/gem5bridge/process"
)

// version is raised when the way of measuring changes so that samples must not
// be pooled any more. It is part of the stack.
const version = "1"

// stackDigest covers what runs below and beside the functions: kernel, language
// runtimes and the client.
func (b *Backend) stackDigest() string {
	return digest(map[string]string{
		"kernel": b.machine.kernel,
		"go":     runtime.Version(),
		"python": b.interpreter(functions.Python, "-c", "import sys, grpc, google.protobuf as p; print(sys.version, grpc.__version__, p.__version__)"),
		"nodejs": b.interpreter(functions.NodeJS, "--version"),
		"grpc":   moduleVersion("google.golang.org/grpc"),
		"client": version,
	})
}

// interpreter returns what the program that runs the functions of a runtime
// says of its version when it is asked with args; empty if there is none.
func (b *Backend) interpreter(of functions.Runtime, args ...string) string {
	for _, name := range b.catalog.Names() {
		f, err := b.catalog.Lookup(name)
		if err != nil || f.Runtime != of || len(f.Argv) == 0 {
			continue
		}
		var out process.Tail
		p, err := process.Start(process.Spec{Args: slices.Concat(f.Argv[:1], args), Stdout: &out})
		if err != nil {
			return ""
		}
		const within = 20 * time.Second
		select {
		case <-p.Done():
		case <-time.After(within):
			p.Stop(0)
		}
		return strings.Join(out.Lines(), " ")
	}
	return ""
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return dep.Version
		}
	}
	return ""
}

// ownDigest returns the SHA-256 of this program's file, which is the simulator
// here.
func ownDigest() string {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = file.Close() }() // read only
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(h.Sum(nil))
}
