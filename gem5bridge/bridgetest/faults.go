package bridgetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

// Faults are plugins that go wrong, by what they do. Each is played by a test
// binary (Main, Plugin).
var Faults = map[string]func(){
	"talks garbage":                     func() { fmt.Println("usage: frobnicate FILE"); hang() },
	"says nothing":                      hang,
	"exits at once":                     func() { fmt.Fprintln(os.Stderr, "libfoo.so: not found"); os.Exit(3) },
	"shakes hands and never listens":    func() { greet(1); hang() },
	"speaks version 0":                  func() { greet(0); hang() },
	"speaks version 9":                  func() { greet(9); hang() },
	"panics after 3 samples":            serve(func() error { panic("out of cheese") }),
	"exits well after 3 samples":        serve(func() error { os.Exit(0); return nil }),
	"stops after 3 samples":             serve(func() error { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP); hang(); return nil }),
	"says it is done after 3 samples":   serve(func() error { return nil }),
	"has no kind of error":              serve(func() error { return errors.New("disk is full") }),
	"has every kind of error":           serve(everyKind),
	"waits for ever after 3 samples":    serve(func() error { hang(); return nil }),
	"sends half a sample":               func() { gem5bridge.Serve(fault{broken: true, then: everyKind}) },
	"leaves processes and waits":        serve(func() error { litter(); hang(); return nil }),
	"leaves processes and panics":       serve(func() error { litter(); panic("out of cheese") }),
	"leaves processes before handshake": func() { litter(); hang() },
}

func hang() { select {} }

// greet speaks go-plugin's handshake for a socket on which nobody answers.
func greet(version int) {
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "deaf")
	if _, err := net.Listen("unix", path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("1|%d|unix|%s|grpc|\n", version, path)
}

// litter starts processes that inherit the output: one in a group of its own,
// one in a session of its own.
func litter() {
	for _, attributes := range []*syscall.SysProcAttr{{Setpgid: true}, {Setsid: true}} {
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.SysProcAttr = attributes
		cmd.Stdout, cmd.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// everyKind fails in all ways at once.
func everyKind() error {
	condition := servicetime.LukewarmAfter(4)
	var all []error
	for _, kind := range []error{
		gem5bridge.ErrInvalidJob, gem5bridge.ErrUnsupported, gem5bridge.ErrNotReady, gem5bridge.ErrWrongReply,
		gem5bridge.ErrFunctionDied, gem5bridge.ErrDeadline, gem5bridge.ErrCancelled,
	} {
		all = append(all, &gem5bridge.Failure{Kind: kind, Function: "alpha", Input: "default", Condition: condition, Text: "because of " + kind.Error()})
	}
	return errors.Join(all[0], fmt.Errorf("wrapped: %w", all[1]), errors.Join(all[2:]...))
}

// fault is Clockwork that emits three samples and then does something else.
type fault struct {
	Clockwork
	broken bool // every sample lacks a part of its key
	then   func() error
}

func serve(then func() error) func() { return func() { gem5bridge.Serve(fault{then: then}) } }

// Sample implements gem5bridge.Backend.
func (f fault) Sample(_ context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	for n := range 3 {
		sample := clockworkSample(job, job.Cells[0], n)
		if f.broken {
			sample.Key.Stack = ""
		}
		if err := emit(gem5bridge.Event{Sample: &sample}); err != nil {
			return err
		}
	}
	return f.then()
}
