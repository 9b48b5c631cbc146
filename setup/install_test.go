package setup_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// installed runs setup/install on a machine that has just the given programs, and
// whose package manager says that the given packages are installed. It returns
// what was asked of apt-get, line by line.
func installed(t *testing.T, programs map[string]string, packages []string, arguments ...string) (asked []string, stderr string, code int) {
	t.Helper()
	folder := t.TempDir()
	log := filepath.Join(folder, "asked")
	for _, name := range []string{"bash", "sed", "dirname", "env", "cat"} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(folder, name)))
	}
	script := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/bash\n"+text+"\n"), 0o755))
	}
	script("dpkg-query", `case " `+strings.Join(packages, " ")+` " in *" ${@: -1} "*) printf installed ;; *) exit 1 ;; esac`)
	script("sudo", `exec "$@"`)
	for name, text := range programs {
		script(name, strings.ReplaceAll(text, "LOG", log))
	}
	c := exec.CommandContext(t.Context(), filepath.Join(folder, "bash"), append([]string{"./install"}, arguments...)...)
	c.Env = []string{"PATH=" + folder}
	var said strings.Builder
	c.Stderr = &said
	err := c.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	text, err := os.ReadFile(log)
	if err == nil {
		asked = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	return asked, said.String(), c.ProcessState.ExitCode()
}

// listed returns the packages of a part, and the commands that stand for them.
func listed(t *testing.T, path string) (packages []string, commands map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	commands = map[string]string{}
	for line := range strings.Lines(regexp.MustCompile(`#.*`).ReplaceAllString(string(text), "")) {
		if words := strings.Fields(line); len(words) > 0 {
			require.LessOrEqual(t, len(words), 2, "a package, and perhaps its command: %s", line)
			packages = append(packages, words[0])
			if len(words) == 2 {
				commands[words[0]] = words[1]
			}
		}
	}
	require.NotEmpty(t, packages)
	return packages, commands
}

const apt = `echo "$@" >>LOG`

func TestOnlyWhatIsMissingIsInstalled(t *testing.T) {
	t.Parallel()
	for part, list := range map[string]string{"test": "packages/test.txt", "images": "../images/packages.txt"} {
		packages, commands := listed(t, list)
		install := func(names []string) []string {
			return []string{"update -qq", "install -y -qq --no-install-recommends " + strings.Join(names, " ")}
		}
		asked, stderr, code := installed(t, map[string]string{"apt-get": apt}, nil, part)
		require.Zero(t, code, stderr)
		require.Equal(t, install(packages), asked, "all are missing")

		asked, stderr, code = installed(t, map[string]string{"apt-get": apt}, packages, part)
		require.Zero(t, code, stderr)
		require.Empty(t, asked, "nothing is missing: nothing is asked")

		last := len(packages) - 1
		asked, _, code = installed(t, map[string]string{"apt-get": apt}, packages[:last], part)
		require.Zero(t, code)
		require.Equal(t, install(packages[last:]), asked)

		for name, command := range commands {
			var others []string
			for _, p := range packages {
				if p != name {
					others = append(others, p)
				}
			}
			asked, stderr, code := installed(t, map[string]string{"apt-get": apt, command: ":"}, others, part)
			require.Zero(t, code, stderr)
			require.Empty(t, asked, "%s is there without %s", command, name)
		}
	}
}

func TestInstallSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	packages, _ := listed(t, "packages/test.txt")
	for _, arguments := range [][]string{nil, {""}, {"tests"}, {"--help"}} {
		asked, stderr, code := installed(t, map[string]string{"apt-get": apt}, nil, arguments...)
		require.Equal(t, 2, code)
		require.Equal(t, "usage: setup/install test|images\n", stderr)
		require.Empty(t, asked)
	}
	_, stderr, code := installed(t, nil, nil, "test")
	require.Equal(t, 1, code)
	require.Equal(t, "setup/install: this is not Debian; install the counterparts of: "+strings.Join(packages, " ")+"\n", stderr)

	asked, _, code := installed(t, map[string]string{"apt-get": apt + "; exit 100"}, nil, "test")
	require.Equal(t, 100, code, "what apt-get could not do is told by its exit code")
	require.Equal(t, []string{"update -qq"}, asked)
}
