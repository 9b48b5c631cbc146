package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"microcosm/cosim/scenario"
	"microcosm/results"
	"microcosm/results/recorded"
)

// Exit codes of cosim.
const (
	exitOK          = 0
	exitFailed      = 1 // what was asked did not work
	exitUsage       = 2 // what was asked makes no sense: bad flags, bad scenario
	exitInterrupted = 130
)

// usageError marks a mistake of the caller's, as opposed to a failure.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// app is what every verb shares.
type app struct {
	in       io.Reader
	out      io.Writer // results
	err      io.Writer // everything else
	log      *slog.Logger
	terminal bool // err is a terminal: bars instead of log lines
	store    string
	verbose  bool
	json     bool
}

// run executes the command line and returns the exit code.
func run(args []string, in io.Reader, out, err io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: in, out: out, err: err, terminal: isTerminal(err)}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(err)
	return a.exit(ctx, root.ExecuteContext(ctx))
}

func (a *app) exit(ctx context.Context, err error) int {
	var misuse usageError
	mistakes := mistakesIn(err)
	switch {
	case err == nil:
		return exitOK
	case mistakes != nil:
		if a.json {
			_ = printJSON(a.out, mistakes) // the exit code says it all the same
		}
		fmt.Fprintln(a.err, err)
		return exitUsage
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "cosim: interrupted:", err)
		return exitInterrupted
	case errors.As(err, &misuse):
		fmt.Fprintln(a.err, "cosim:", err)
		return exitUsage
	default:
		fmt.Fprintln(a.err, "cosim:", err)
		return exitFailed
	}
}

// mistakesIn returns the mistakes of all scenarios that an error tells of, such as
// the two of a comparison; nil if there are none.
func mistakesIn(err error) *scenario.Mistakes {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all *scenario.Mistakes
		for _, one := range several.Unwrap() {
			if of := mistakesIn(one); all == nil {
				all = of
			} else if of != nil {
				all = &scenario.Mistakes{List: slices.Concat(all.List, of.List)}
			}
		}
		return all
	}
	if mistakes, ok := err.(*scenario.Mistakes); ok { //nolint:errorlint // what it wraps comes next
		return mistakes
	}
	if err = errors.Unwrap(err); err != nil {
		return mistakesIn(err)
	}
	return nil
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "cosim",
		Short: "Simulate a serverless cluster whose service times gem5 has measured",
		Long: `cosim couples a queuing model of a serverless cluster with detailed
measurements of functions: the state of the cluster picks the
microarchitectural condition (cold, warm, lukewarm) of every invocation.

Results go to standard output, everything else to standard error.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			level := slog.LevelInfo
			if a.verbose {
				level = slog.LevelDebug
			}
			a.log = slog.New(tint.NewTextHandler(a.err, &tint.Options{Level: level, TimeFormat: "15:04:05", NoColor: !a.terminal}))
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.store, "store", "", "the store of measured samples (default: "+storeVariable+", else samples.db in the user's data folder)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	flags.BoolVar(&a.json, "json", false, "print results as JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(a.runCommand(), a.sampleCommand(), a.jobsCommand(), a.killCommand(), a.autoscaleCommand(), a.reportCommand(), a.storeCommand(), a.imagesCommand(), a.doctorCommand(), a.versionCommand(), a.bridgeCommand())
	root.AddCommand(a.compareCommand(), a.realityCommand())
	root.SetOut(a.out) // which the scripts of completion are bound to
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			needVerb(c)
		}
	}
	needVerb(root)
	asUsage(root)
	return root
}

// needVerb makes a command show its help where no verb follows, and a word that
// is no verb a mistake.
func needVerb(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("unknown command %q for %s: did you mean %s?", args[0], c.CommandPath(), strings.Join(near, " or "))
		}
		return fmt.Errorf("unknown command %q for %s", args[0], c.CommandPath())
	}
}

// asUsage makes a wrong number of arguments a mistake of the caller's.
func asUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		asUsage(sub)
	}
}

// storeVariable names the store where no flag and no scenario does.
const storeVariable = "MICROCOSM_STORE"

// storePath returns the flag's, the scenario's, the environment's or the user's
// own store, in this order.
func (a *app) storePath(fromScenario string) (path string, makeParent bool, err error) {
	switch env := os.Getenv(storeVariable); {
	case a.store != "":
		return a.store, false, nil
	case fromScenario != "":
		return fromScenario, false, nil
	case env != "":
		return env, false, nil
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", false, fmt.Errorf("no folder for the store: %w; name one with --store", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "microcosm", "samples.db"), true, nil
}

// openStore opens the store and makes sure that the recorded samples are in it.
func (a *app) openStore(ctx context.Context, fromScenario string) (*results.Store, error) {
	path, makeParent, err := a.storePath(fromScenario)
	if err != nil {
		return nil, err
	}
	store, err := results.Open(ctx, path, results.Options{MakeParent: makeParent})
	if err != nil {
		return nil, err
	}
	if _, err := recorded.Ensure(ctx, store); err != nil {
		return nil, errors.Join(fmt.Errorf("import the recorded samples: %w", err), store.Close())
	}
	return store, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
