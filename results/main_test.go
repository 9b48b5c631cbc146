package results_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/results"
)

// helperVariable turns the test binary into one of the processes that share a
// store: its value is the name of a helper, its arguments follow the program's.
const helperVariable = "RESULTS_TEST_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// helper returns a command that runs a helper in a process of its own.
func helper(ctx context.Context, t testing.TB, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(ctx, program, arguments...)
	c.Env = append(os.Environ(), helperVariable+"="+name)
	return c
}

// start runs a helper in the background; wait asserts that it ended well.
func start(t testing.TB, name string, arguments ...string) (wait func()) {
	t.Helper()
	var stderr bytes.Buffer
	c := helper(t.Context(), t, name, arguments...)
	c.Stderr = &stderr
	require.NoError(t, c.Start())
	return func() {
		t.Helper()
		require.NoError(t, c.Wait(), &stderr)
	}
}

var helpers = map[string]func([]string) error{
	"write":   helpWrite,
	"forever": helpForever,
	"open":    helpOpen,
	"replace": helpReplace,
	"limited": helpLimited,
	"small":   helpSmall,
	"nobody":  helpNobody,
}

// helpWrite stores samples FROM to TO of the test's key in the store PATH, each
// in a transaction of its own.
func helpWrite(arguments []string) error {
	from, _ := strconv.Atoi(arguments[1])
	to, _ := strconv.Atoi(arguments[2])
	ctx := context.Background()
	s, err := results.Open(ctx, arguments[0], results.Options{})
	if err != nil {
		return err
	}
	for n := from; n < to; n++ {
		if err := s.Put(ctx, sample(key(nil), n)); err != nil {
			return err
		}
	}
	return s.Close()
}

// helpForever stores samples in the store PATH until it is killed, batch after
// batch, and prints a line for each that is stored.
func helpForever(arguments []string) error {
	ctx := context.Background()
	s, err := results.Open(ctx, arguments[0], results.Options{})
	if err != nil {
		return err
	}
	for n := 0; ; n += batch {
		if err := s.Put(ctx, manyFrom(key(nil), n, batch)...); err != nil {
			return err
		}
		fmt.Println(n + batch)
	}
}

// batch is large enough that a kill is likely to hit an open transaction.
const batch = 500

// helpOpen opens the store PATH, creating or migrating it, and closes it.
func helpOpen(arguments []string) error {
	s, err := results.Open(context.Background(), arguments[0], results.Options{})
	if err != nil {
		return err
	}
	return s.Close()
}
