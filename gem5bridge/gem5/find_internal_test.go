package gem5

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
)

// fake writes a program that does what the script says.
func fake(t *testing.T, name, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return path
}

// answers is a gem5 that answers text.
func answers(t *testing.T, text string) string {
	return fake(t, "gem5", fmt.Sprintf(`for a; do case "$a" in --outdir=*) out="${a#--outdir=}";; esac; done
cat > "$out/probe.json" <<'END'
%s
END`, text))
}

// TestWhichGem5IsMeant does not run in parallel: it changes the environment.
func TestWhichGem5IsMeant(t *testing.T) {
	first, second := fake(t, "gem5.opt", "exit 0"), fake(t, "gem5", "exit 0")
	t.Setenv(Variable, "")
	t.Setenv("PATH", filepath.Dir(first))
	path, err := locate("")
	require.NoError(t, err)
	require.Equal(t, first, path, "the only one on the PATH")
	t.Setenv("PATH", filepath.Dir(first)+":"+filepath.Dir(second))
	path, err = locate("")
	require.NoError(t, err)
	require.Equal(t, second, path, "gem5 goes before gem5.opt, wherever it is")
	t.Setenv(Variable, first)
	path, err = locate("")
	require.NoError(t, err)
	require.Equal(t, first, path, "the variable goes before the PATH")
	path, err = locate(second)
	require.NoError(t, err)
	require.Equal(t, second, path, "the setting goes before both")
	path, err = locate("gem5")
	require.NoError(t, err)
	require.Equal(t, second, path, "a name alone is looked for on the PATH")

	t.Chdir(filepath.Dir(first))
	path, err = locate("./gem5.opt")
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(path), "runs have other working directories")

	var missing *NotFoundError
	_, err = locate("/nowhere/gem5")
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, "the setting gem5 names /nowhere/gem5: ")
	t.Setenv(Variable, "nowhere")
	_, err = locate("")
	require.ErrorContains(t, err, Variable+" names nowhere: ")
	require.ErrorContains(t, err, Remedy)
	t.Setenv(Variable, "")
	t.Setenv("PATH", t.TempDir())
	_, err = locate("")
	require.EqualError(t, err, "no gem5: neither "+Variable+" is set, nor is any of gem5, gem5.fast, gem5.opt on the PATH; "+Remedy)
}

func TestWhatAProgramAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, want string // the error; none: it is a gem5
	}{
		{"right", answers(t, `{"version":"24.0.0.1","isas":["arm64","riscv","x86_64"],"ruby":true}`), ""},
		{"newer, with more to say", answers(t, `{"version":"[DEVELOP-FOR-25.1]","isas":["x86_64"],"ruby":false,"kvm":true}`), ""},
		{"half an answer", answers(t, `{"version":"24.0`), "what it is: invalid character"},
		{"another answer", answers(t, `["24.0"]`), "what it is: json: "},
		{"too old", answers(t, `{"version":"23.1.0.0","isas":["x86_64"]}`), "is version 23.1.0.0; 24.0 is the oldest that works"},
		{"a version without numbers", answers(t, `{"version":"HEAD","isas":["x86_64"]}`), `has version "HEAD", which is none that is known`},
		{"a version of one number", answers(t, `{"version":"25","isas":["x86_64"]}`), `has version "25"`},
		{"of other ISAs", answers(t, `{"version":"24.0","isas":["riscv","mips"]}`), "simulates neither x86_64 nor arm64"},
		{"that ends", fake(t, "gem5", "echo 'no module named m5' >&2; exit 7"), "is no gem5, or its standard library is broken: exit status 7; its last words: no module named m5"},
		{"that crashes", fake(t, "gem5", "kill -SEGV $$"), "its standard library is broken: signal: segmentation fault"},
		{"that cannot be run", func() string {
			path := fake(t, "gem5", "exit 0")
			require.NoError(t, os.WriteFile(path, []byte("\x7fELF of another machine"), 0o755))
			return path
		}(), "does not start: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := Find(t.Context(), c.path)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, c.path, p.Path)
				require.Regexp(t, "^(sha256:)?[0-9a-f]{64}$", p.Digest)
				require.Contains(t, p.ISAs, isa.X86)
				require.NotContains(t, p.ISAs, isa.Invalid)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, c.path)
		})
	}
}

// TestAskingEndsWithTheContext asks a program that never answers.
func TestAskingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
	path := fake(t, "gem5", "sleep 1000 & wait")
	_, err := Find(ctx, path)
	require.ErrorIs(t, err, reason)
	require.ErrorContains(t, err, "ask "+path+" what it is")
}

// TestTheDigestIsOfTheProgram tells two builds of one version apart.
func TestTheDigestIsOfTheProgram(t *testing.T) {
	t.Parallel()
	const right = `{"version":"24.0.0.1","isas":["x86_64"]}`
	one, err := Find(t.Context(), answers(t, right))
	require.NoError(t, err)
	same, err := Find(t.Context(), answers(t, right))
	require.NoError(t, err)
	require.Equal(t, one.Digest, same.Digest, "wherever it lies")
	other, err := Find(t.Context(), answers(t, right+"\n"))
	require.NoError(t, err)
	require.NotEqual(t, one.Digest, other.Digest)
	require.Equal(t, one.Version, other.Version)
}
