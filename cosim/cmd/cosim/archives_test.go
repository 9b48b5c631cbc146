package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// program is an ELF file of that machine that does nothing.
func program(machine elf.Machine) string {
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Phentsize: 56, Shentsize: 64}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		panic(err) // a constant of a test
	}
	return b.String()
}

// packedHere is a workplace with archives of two functions whose programs do
// nothing.
func packedHere(t *testing.T) {
	t.Helper()
	workplace(t, nil)
	for _, name := range []string{"fibonacci-go", "aes-go"} {
		installed(t, name)
		require.NoError(t, os.WriteFile(filepath.Join("functions", name, name), []byte(program(elf.EM_X86_64)), 0o755))
		out, errs := cosim(t, exitOK, "images", "pack", name, "--functions", "functions")
		require.Regexp(t, `^`+name+`\.tar\tmicrocosm/`+name+`:latest\tx86_64\tsha256:[0-9a-f]{64}\n$`, out)
		require.Empty(t, errs)
	}
}

// TestPackingReplacesItsOwnArchivesOnly.
func TestPackingReplacesItsOwnArchivesOnly(t *testing.T) {
	packedHere(t)
	whole := tree(t)
	cosim(t, exitOK, "images", "pack", "fibonacci-go", "--functions", "functions")
	require.Equal(t, whole, tree(t), "the same to the byte")
	write(t, map[string]string{"note": "mine"})
	whole = tree(t)
	for _, path := range []string{"note", "aes-go.tar", "functions/fibonacci-go/fibonacci-go", "functions"} {
		out, errs := cosim(t, exitFailed, "images", "pack", "fibonacci-go", "--functions", "functions", "--out", path)
		require.Empty(t, out)
		require.Contains(t, errs, path+" exists and is no archive of microcosm/fibonacci-go:latest; it is left alone: name another file with --out")
		require.Equal(t, whole, tree(t))
	}
	_, errs := cosim(t, exitFailed, "images", "pack", "auth-go", "--functions", "functions", "--out", "note")
	require.Contains(t, errs, "note exists")
	require.Contains(t, errs, "auth-go: function not installed in functions: make -C functions install GOARCH=amd64 DESTDIR=functions")
}

// TestAnArchiveBecomesAFunction, under the name that is given or that of the function
// it is like; a list of them has what was asked for.
func TestAnArchiveBecomesAFunction(t *testing.T) {
	packedHere(t)
	out, _ := cosim(t, exitOK, "images", "import", "fibonacci-go.tar")
	require.True(t, strings.HasPrefix(out, "fibonacci-go-imported\tx86_64\tsha256:"), out)
	out, _ = cosim(t, exitOK, "images", "import", "aes-go.tar", "--name", "second", "--like", "auth-go", "--port", "7000", "--command", "/function/aes-go,--fast")
	require.True(t, strings.HasPrefix(out, "second\tx86_64\tsha256:"), out)
	out, _ = cosim(t, exitOK, "images", "list", "--json")
	var raw []map[string]any
	requireJSON(t, out, &raw)
	require.Len(t, raw, 2)
	names := map[string]map[string]any{}
	for _, f := range raw {
		names[f["name"].(string)] = f
	}
	require.EqualValues(t, 7000, names["second"]["port"])
	out, _ = cosim(t, exitOK, "images", "list")
	require.Regexp(t, `(?m)^second +x86_64 +7000 +\d+\.\d +\d+ +sha256:[0-9a-f]{12} +.*microcosm/aes-go:latest`, out)

	before := tree(t)
	_, errs := cosim(t, exitFailed, "images", "import", "aes-go.tar", "--name", "second")
	require.Contains(t, errs, "exists already")
	require.Contains(t, errs, "--replace")
	require.Equal(t, before, tree(t))
	cosim(t, exitOK, "images", "import", "aes-go.tar", "--name", "second", "--replace")
	require.NotEqual(t, before, tree(t))
}

const composed = `services:
  fib:
    image: vhiveease/fibonacci-go:latest
    depends_on: [database]
  database:
    image: mongo:4.2
    expose: [27017]
  relay:
    image: example/relay
    expose: [7000]
    depends_on: [fib]
`

// TestMistakesOfAnImport: nothing is staged.
func TestMistakesOfAnImport(t *testing.T) {
	packedHere(t)
	write(t, map[string]string{
		"compose.yaml": composed, "bad.yaml": "services:\n  fib:\n    image: a/b\n    volumes: [x]\n    secrets: [y]\n",
		"strangers.yaml": "services:\n  relay:\n    image: example/relay\n", "cut.tar": tree(t)["aes-go.tar"][:3000],
	})
	before := tree(t)
	for line, c := range map[string]struct {
		code int
		says []string
	}{
		"fibonacci-go.tar aes-go.tar":                      {2, []string{"import one archive at a time, or name a compose file"}},
		"cut.tar absent.tar":                               {1, []string{"open archive cut.tar", "open archive absent.tar"}},
		"fibonacci-go.tar --isa arm64":                     {1, []string{"no image for arm64"}},
		"fibonacci-go.tar --like aes-goo":                  {1, []string{"aes-go"}},
		"fibonacci-go.tar --image other":                   {2, []string{"--image other: the archive holds no image of that name"}},
		"fibonacci-go.tar --port -1":                       {1, []string{"port -1: want 1 to 65535"}},
		"fibonacci-go.tar --name aes-go":                   {1, []string{"the catalog has a function of that name: choose another with --name"}},
		"fibonacci-go.tar --like aes-go --like auth-go":    {2, []string{"say --like or --function, once"}},
		"fibonacci-go.tar --like aes-go --function x.yaml": {2, []string{"say --like or --function, once"}},
		"fibonacci-go.tar --function absent.yaml":          {1, []string{"absent.yaml"}},
		"fibonacci-go.tar --command /bin/nothing":          {1, []string{"it starts /bin/nothing, which is not in the image"}},
		"fibonacci-go.tar --archive fib=aes-go.tar":        {2, []string{"import one archive at a time"}},
		"compose.yaml":                                     {1, []string{"compose.yaml:2: no archive holds vhiveease/fibonacci-go:latest", "compose.yaml:5: no archive holds mongo:4.2", "--archive database=FILE"}},
		"compose.yaml --port 1 --name x":                   {2, []string{"are for a single archive"}},
		"compose.yaml --archive fib":                       {2, []string{"--archive fib: want SERVICE=ARCHIVE with a service of compose.yaml"}},
		"compose.yaml --archive nobody=aes-go.tar":         {2, []string{"--archive nobody=aes-go.tar"}},
		"compose.yaml --archive fib=absent.tar":            {1, []string{"absent.tar"}},
		"compose.yaml --like fib":                          {2, []string{"--like fib: want SERVICE=FUNCTION"}},
		"compose.yaml --like relay=aes-goo":                {2, []string{"did you mean aes-go"}},
		"compose.yaml strangers.yaml":                      {2, []string{"compose.yaml and strangers.yaml are both compose files"}},
		"strangers.yaml":                                   {2, []string{"no service is named as a function of the catalog: say --like SERVICE=FUNCTION"}},
		"bad.yaml":                                         {2, []string{`bad.yaml:4:`, `"volumes"`, `bad.yaml:5:`, `"secrets"`}},
		"strangers.yaml --like relay=aes-go":               {1, []string{"strangers.yaml:2: no archive holds example/relay"}},
		"compose.yaml --archive fib=fibonacci-go.tar --archive database=aes-go.tar --isa vax": {2, []string{"vax"}},
	} {
		out, errs := cosim(t, c.code, append([]string{"images", "import"}, strings.Fields(line)...)...)
		for _, says := range c.says {
			require.Contains(t, errs, says, line)
		}
		require.Empty(t, out, line)
		require.Equal(t, before, tree(t), line)
	}
}

// TestAComposeFileBecomesFunctionsWithWhatTheyNeed: what a function depends on is
// started with it and found under its name.
func TestAComposeFileBecomesFunctionsWithWhatTheyNeed(t *testing.T) {
	packedHere(t)
	write(t, map[string]string{"compose.yaml": composed})
	out, _ := cosim(t, exitOK, "images", "import", "compose.yaml", "--archive", "fib=fibonacci-go.tar", "--archive", "database=aes-go.tar", "--like", "relay=auth-go", "--archive", "relay=aes-go.tar")
	require.Equal(t, []string{"fib-imported", "relay-imported"}, firstFields(out))
	table, _ := cosim(t, exitOK, "images", "list")
	require.Regexp(t, `(?m)^fib-imported .* database `, table)
	require.Regexp(t, `(?m)^relay-imported .* (fib,database|database,fib) `, table, "and what those need in turn")
	files := tree(t)
	require.Contains(t, files["staged/x86_64/functions/fib-imported/root/etc/hosts"], "database")
}

func firstFields(text string) (words []string) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		words = append(words, strings.Fields(line)[0])
	}
	return words
}
