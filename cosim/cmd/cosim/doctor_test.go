package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// installed makes folders of these functions, with a program that does nothing.
func installed(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, os.MkdirAll(filepath.Join("functions", name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join("functions", name, name), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	}
}

// examined returns what the doctor finds, by what it looks at.
func examined(t *testing.T, code int, words ...string) map[string][]finding {
	t.Helper()
	var list []finding
	fromJSON(t, code, &list, append([]string{"doctor"}, words...)...)
	by := map[string][]finding{}
	for _, f := range list {
		require.Contains(t, []string{"ok", "note", "missing"}, f.Status)
		require.NotEmpty(t, f.Detail, f.Check)
		by[f.Check] = append(by[f.Check], f)
	}
	return by
}

// TestTheDoctorNamesEveryToolThatIsMissing, each once and with what to do, and goes
// on after each. Neither gem5 nor what two of the functions start is there.
func TestTheDoctorNamesEveryToolThatIsMissing(t *testing.T) {
	workplace(t, nil)
	installed(t, "fibonacci-go", "aes-go", "auth-go", "fibonacci-python", "aes-python")
	for _, name := range []string{"aes-go", "auth-go"} {
		require.NoError(t, os.Remove(filepath.Join("functions", name, name)))
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("MICROCOSM_GEM5", "")
	found := examined(t, exitFailed)
	missing := map[string]bool{}
	for _, f := range found["interpreter"] {
		require.Equal(t, "missing", f.Status)
		require.Contains(t, f.Detail, "install", "what to do")
		for _, program := range []string{"aes-go", "auth-go", "python3"} {
			if strings.Contains(f.Detail, program) {
				require.False(t, missing[program], "%s is named once, however many functions need it", program)
				missing[program] = true
			}
		}
	}
	_, err := os.Stat("/usr/bin/python3") // functions start it by this path, whatever PATH says
	require.Equal(t, map[string]bool{"aes-go": true, "auth-go": true, "python3": err != nil}, map[string]bool{"aes-go": missing["aes-go"], "auth-go": missing["auth-go"], "python3": missing["python3"]})
	require.Equal(t, "note", found["functions"][0].Status)
	require.Contains(t, found["functions"][0].Detail, "5 of ")
	require.Contains(t, found["functions"][0].Remedy, "make build installs ")
	require.Contains(t, found["functions"][0].Remedy, "aes-nodejs")
	require.NotContains(t, found["functions"][0].Remedy, "aes-python")
	require.Equal(t, "note", found["gem5"][0].Status, "what only detailed simulation needs is no failure")
	require.NotEmpty(t, found["gem5"][0].Remedy)
	require.Equal(t, "ok", found["store"][0].Status)
	require.Equal(t, "ok", found["recorded samples"][0].Status)

	out, errs := cosim(t, exitFailed, "doctor")
	require.Contains(t, errs, "something is missing; see above")
	require.Equal(t, len(found["interpreter"]), strings.Count(out, "missing  interpreter"), out)
	require.Contains(t, out, "→ make build installs ")
}

// TestTheDoctorTellsAStoreItCannotOpen, and looks at the rest all the same.
func TestTheDoctorTellsAStoreItCannotOpen(t *testing.T) {
	workplace(t, map[string]string{"mine.db": "no database", "README": "no folder"})
	for _, path := range []string{"mine.db", "nowhere/samples.db", "README/samples.db"} {
		found := examined(t, exitFailed, "--store", path)
		require.Equal(t, "missing", found["store"][0].Status)
		require.Contains(t, found["store"][0].Detail, path)
		require.Contains(t, found["store"][0].Remedy, "--store")
		require.NotContains(t, found, "recorded samples")
		require.Contains(t, found, "cores")
		require.Contains(t, found, "gem5")
	}
	require.Equal(t, map[string]string{"README": "no folder"}, tree(t), "and makes nothing")
	require.Equal(t, "no database", string(must(os.ReadFile("mine.db"))))
}

// TestTheDoctorLooksWhereItIsTold: the flag before the environment.
func TestTheDoctorLooksWhereItIsTold(t *testing.T) {
	workplace(t, map[string]string{"file": "no folder"})
	installed(t, "fibonacci-go", "null")
	require.NoError(t, os.Rename("functions", "elsewhere"))
	found := examined(t, exitFailed)
	require.Equal(t, "missing", found["functions"][0].Status)
	require.Contains(t, found["functions"][0].Detail, os.Getenv(functionsVariable))
	found = examined(t, exitFailed, "--functions-dir", "file")
	require.Equal(t, "missing", found["functions"][0].Status, "a file is no folder")
	out, _ := cosim(t, exitOK, "doctor", "--functions-dir", "elsewhere")
	require.Regexp(t, `note +functions +2 of \d+ installed in `+filepath.Join(must(os.Getwd()), "elsewhere"), out)
	require.Regexp(t, `ok +back end host +\S+.*, platform host-`, out)
}

// TestGem5IsNotedForWhatItIs: absent, no program, and one that says nothing.
func TestGem5IsNotedForWhatItIs(t *testing.T) {
	workplace(t, nil)
	write(t, map[string]string{"text": "no program", "bin/gem5": "#!/bin/sh\nexit 7\n"})
	require.NoError(t, os.Chmod("bin/gem5", 0o755))
	for _, path := range []string{"/nowhere/gem5", must(filepath.Abs("text")), must(filepath.Abs("bin/gem5"))} {
		t.Setenv("MICROCOSM_GEM5", path)
		f := examineGem5(t.Context())
		require.Equal(t, "note", f.Status, path)
		require.Contains(t, f.Detail, filepath.Base(path), path)
		require.NotEmpty(t, f.Remedy)
	}
}
