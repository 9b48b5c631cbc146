package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"microcosm/images/guest/job"
	"microcosm/images/trial"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"images": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			// The command of this test stands in the first directory of PATH: for a
			// script that wants no other program.
			only, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
			env.Setenv("ONLY_IMAGES", only)
			return os.WriteFile(filepath.Join(env.WorkDir, "console"), console(), 0o600)
		},
	})
}

// console is what a guest prints in which the empty call was tried and every reply was
// right.
func console() []byte {
	var text []byte
	add := func(r job.Record) {
		r.Job, r.Seq, r.Status = "trial", bytes.Count(text, []byte("\n")), job.OK
		if r.Kind == job.End {
			r.Records = r.Seq + 1
		}
		line, err := job.Line(r)
		if err != nil {
			panic(err) // the records are written out below
		}
		text = append(text, line...)
	}
	add(job.Record{Kind: job.Start})
	plan := trial.Plan([]string{"null"}, []string{"aes-go", "null"}, trial.Deadlines)
	for i, s := range plan.Steps {
		for n := range s.Count {
			add(job.Record{Kind: job.Call, Step: i, Function: s.Function, Mode: s.Mode, Phase: job.Measured, N: n, Nanos: 1})
		}
	}
	add(job.Record{Kind: job.End})
	return text
}
