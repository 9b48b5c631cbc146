package host_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// oddVariable names the folder of the odd functions' descriptions.
const oddVariable = "HOST_TEST_CATALOG"

// work is how long the odd functions sleep or spin.
const work = 20 * time.Millisecond

// How long a test waits on a busy machine for what must happen, and how often it looks.
const (
	patience = time.Minute
	tick     = 10 * time.Millisecond
)

// later is the number of the call at which a function goes wrong that was well
// when it was warmed up.
const later = 250

// oddFunctions are functions that go wrong, each in its own way. They serve the
// null call.
var oddFunctions = map[string]func(){
	"counts-a":        noting("a"),
	"counts-b":        noting("b"),
	"counts-c":        noting("c"),
	"never-listens":   func() { select {} },
	"ends-at-once":    func() { fmt.Fprintln(os.Stderr, "no such module"); os.Exit(3) },
	"answers-wrongly": answer(func(int64) ([]byte, error) { return []byte("\x0a\x01x"), nil }),
	"refuses":         answer(func(int64) ([]byte, error) { return nil, status.Error(codes.Internal, "not today") }),
	"hangs":           answer(func(int64) ([]byte, error) { select {} }),
	"sleeps":          answer(func(int64) ([]byte, error) { time.Sleep(work); return nil, nil }),
	"spins": answer(func(int64) ([]byte, error) {
		for begin := time.Now(); time.Since(begin) < work; {
		}
		return nil, nil
	}),
	"calls-spins": answer(func(int64) ([]byte, error) {
		ctx := context.Background()
		client, err := functions.Dial(ctx, os.Getenv("SPINS"))
		if err != nil {
			return nil, err
		}
		_, err = client.Invoke(ctx, functions.Call{Method: "/microcosm.Null/Call"})
		return nil, errors.Join(err, client.Close())
	}),
	"dies-at-the-fifth-call": answer(func(n int64) ([]byte, error) {
		if n == 5 {
			fmt.Fprintln(os.Stderr, "out of cheese")
			os.Exit(4)
		}
		return nil, nil
	}),
	"dies-later": answer(func(n int64) ([]byte, error) {
		if n == later {
			fmt.Fprintln(os.Stderr, "out of crackers")
			os.Exit(5)
		}
		return nil, nil
	}),
	"hangs-later": answer(func(n int64) ([]byte, error) {
		if n == later {
			select {}
		}
		return nil, nil
	}),
	"answers-wrongly-later": answer(func(n int64) ([]byte, error) {
		if n == later {
			return []byte("\x0a\x01x"), nil
		}
		return nil, nil
	}),
	"leaves-a-child": func() {
		cmd := exec.Command("/bin/sleep", "1013")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			os.Exit(1)
		}
		answer(func(int64) ([]byte, error) { return nil, nil })()
	},
}

// answer serves every method with handle, which is told the number of the call,
// from 1.
func answer(handle func(int64) ([]byte, error)) func() {
	return func() {
		address := flag.String("addr", "", "")
		port := flag.Int("port", 0, "")
		flag.Parse()
		listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", *address, *port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var calls atomic.Int64
		server := grpc.NewServer(grpc.ForceServerCodec(functions.RawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var request []byte
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			reply, err := handle(calls.Add(1))
			return errors.Join(err, stream.SendMsg(&reply))
		}))
		_ = server.Serve(listener) // until it is killed
	}
}

// oddCatalog holds the null call and the odd functions of the test's folder.
func oddCatalog() (*functions.Catalog, error) {
	own, err := functions.Load()
	if err != nil {
		return nil, err
	}
	odd, err := functions.Read(os.DirFS(os.Getenv(oddVariable)))
	if err != nil {
		return nil, err
	}
	return own.With(odd)
}

// oddFolders installs odd functions and returns the folder of their descriptions
// and that of what is installed.
func oddFolders(t *testing.T, names ...string) (descriptions, root string) {
	t.Helper()
	descriptions, root = t.TempDir(), oddRoot(t)
	for _, name := range names {
		yaml := fmt.Sprintf(`name: %s
summary: goes wrong
runtime: native
port: 50051
service: microcosm.Null
method: Call
memoryMiB: 32
command: ["{dir}/run"]
inputs: {default: {request: {}}}
reply: {checker: empty}
`, name)
		if callee, calls := strings.CutPrefix(name, "calls-"); calls {
			yaml += fmt.Sprintf("dependencies: [{name: callee, function: %s, port: 50051, env: %s}]\n", callee, strings.ToUpper(strings.ReplaceAll(callee, "-", "_")))
		}
		script := fmt.Sprintf("#!/bin/sh\nBRIDGETEST_ROLE=%s %s=%s exec %s \"$@\"\n", name, oddWhere, root, os.Args[0])
		for file, text := range map[string]string{filepath.Join(descriptions, name, "function.yaml"): yaml, filepath.Join(root, name, "run"): script} {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o700))
		}
	}
	return descriptions, root
}

// oddJob installs odd functions and returns a host for them and a job without
// cells.
func oddJob(t *testing.T, names ...string) (*gem5bridge.Simulator, gem5bridge.Job) {
	t.Helper()
	descriptions, root := oddFolders(t, names...)
	config := bridgetest.Plugin("host of odd functions")
	config.Env = append(config.Env, oddVariable+"="+descriptions)
	return bridgetest.Connect(t, config), gem5bridge.Job{Setup: gem5bridge.Setup{Functions: root}, Seed: 1, Deadline: 10 * time.Second}
}

func TestAFunctionGoesWrong(t *testing.T) {
	tests := []struct {
		function, condition string
		want                error
		says                string
		status              servicetime.Status // of the samples that are left; none if invalid
	}{
		{"never-listens", "warm", gem5bridge.ErrNotReady, "it does not serve within 300ms", servicetime.StatusInvalid},
		{"ends-at-once", "cold", gem5bridge.ErrNotReady, "exit status 3; its last words: no such module", servicetime.StatusInvalid},
		{"answers-wrongly", "cold", gem5bridge.ErrWrongReply, "want an empty message", servicetime.Rejected},
		{"answers-wrongly", "warm", gem5bridge.ErrWrongReply, "warm up", servicetime.StatusInvalid},
		{"refuses", "cold", gem5bridge.ErrWrongReply, "not today", servicetime.Rejected},
		{"hangs", "cold", gem5bridge.ErrDeadline, "no reply within 500ms", servicetime.Censored},
		{"dies-at-the-fifth-call", "warm", gem5bridge.ErrFunctionDied, "exit status 4; its last words: out of cheese", servicetime.StatusInvalid},
	}
	for _, test := range tests {
		t.Run(test.function+" "+test.condition, func(t *testing.T) {
			s, job := oddJob(t, test.function, "sleeps")
			job.Settings = map[string]string{"ready": "300ms"}
			if test.want != gem5bridge.ErrNotReady { //nolint:errorlint // the table's own value
				job.Settings = nil
			}
			job.Deadline = 500 * time.Millisecond
			job.Cells = append(bridgetest.Cells(t, test.function, 4, test.condition), bridgetest.Cells(t, "sleeps", 2, test.condition)...)
			if test.want == gem5bridge.ErrNotReady { //nolint:errorlint // the table's own value
				job.Cells = job.Cells[:1]
			}
			by, err := bridgetest.Sample(t, s, job)
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.says)
			var failure *gem5bridge.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.function, failure.Function)
			require.Equal(t, bridgetest.Condition(t, test.condition), failure.Condition)
			if test.status != servicetime.StatusInvalid {
				odd := slices.DeleteFunc(by[test.status], func(s servicetime.Sample) bool { return s.Key.Function != test.function })
				require.Len(t, odd, 3, "it is tried three times")
				for i, one := range odd {
					require.Equal(t, i, one.N)
					require.Contains(t, one.Reason, test.says)
				}
			}
			require.Len(t, by[servicetime.Valid], 2*(len(job.Cells)-1), "the other cell is measured all the same")
		})
	}
}

// TestBusyAndOffCore measures functions that take the same time: one off the
// core, one on it, and one that lets another spin, which shares its core.
func TestBusyAndOffCore(t *testing.T) {
	s, job := oddJob(t, "sleeps", "spins", "calls-spins")
	job.Cells = slices.Concat(bridgetest.Cells(t, "sleeps", 6, "warm"), bridgetest.Cells(t, "spins", 6, "warm"), bridgetest.Cells(t, "calls-spins", 6, "warm"))
	by, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	for _, one := range by[servicetime.Valid] {
		require.Greater(t, one.Service(), servicetime.TicksOf(work-5*time.Millisecond), one.Key.Function)
		busy := servicetime.TicksOf(work / 4)
		if one.Key.Function == "sleeps" {
			require.Less(t, one.Busy, busy)
			require.Greater(t, one.OffCore(), servicetime.TicksOf(work/2))
		} else {
			require.Greater(t, one.Busy, busy)
		}
	}
}

func TestAChildThatLeftTheSessionIsFoundByItsMark(t *testing.T) {
	s, job := oddJob(t, "leaves-a-child")
	job.Cells = bridgetest.Cells(t, "leaves-a-child", 2, "cold")
	_, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	out, err := exec.CommandContext(context.Background(), "pgrep", "-f", "^/bin/sleep 1013$").CombinedOutput()
	require.Error(t, err, "left behind: %s", out)
}

func TestMistakesOfAHostJob(t *testing.T) {
	s := bridgetest.Connect(t, bridgetest.Plugin("host"))
	job := gem5bridge.Job{
		Setup: gem5bridge.Setup{
			Functions: t.TempDir(), Platform: "skylake-x86", Overrides: map[string]string{"l2.size": "2MiB"},
			Settings: map[string]string{"ready": "soon", "gem5": "/opt/gem5"},
		},
		Mix:      gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"aes-rust", "auth-go"}},
		Deadline: time.Second,
	}
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "warm", "lukewarm:2", "stressor:4GiB")
	job.Cells[0].Input = "gigantic"
	_, err := bridgetest.Sample(t, s, job)
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
	for _, text := range []string{
		`platform "skylake-x86": this machine is "host-`, "l2.size", `ready "soon"`, `setting "gem5"`, `mix "catalog"`, "aes-rust",
		"make -C functions install", "cell 0 (fibonacci-go/gigantic warm)", "cell 2 (fibonacci-go/default stressor:4294967296): want at most",
	} {
		require.ErrorContains(t, err, text)
	}
	_, err = s.Describe(t.Context(), job.Setup)
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
}
