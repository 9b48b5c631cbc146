package mapping_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen"
	"microcosm/loadgen/mapping"
)

func file(t require.TestingT, dir, text string) string {
	path := filepath.Join(dir, "file.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func gz(t require.TestingT, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

const mapperOutput = `{
    "c13a": {
        "proxy-function": "cartservice"
    },
    "a2fa": {"proxy-function": "fibonacci-go-10-10", "more": [1]}
}
`

func TestReadTable(t *testing.T) {
	t.Parallel()
	want := mapping.Table{"c13a": "cartservice", "a2fa": "fibonacci-go-10-10"}
	for name, text := range map[string]string{"plain": mapperOutput, "compressed": gz(t, mapperOutput), "byte order mark": "\ufeff" + mapperOutput} {
		got, err := mapping.ReadTable(file(t, t.TempDir(), text))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	got, err := mapping.ReadTable(file(t, t.TempDir(), "{}"))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestTableMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":              {"", []string{"file.json:1: ends too early; write or copy it again"}},
		"cut short":          {mapperOutput[:40], []string{"file.json:2: ends too early"}},
		"truncated gzip":     {gz(t, mapperOutput)[:50], []string{"ends too early; write or copy it again"}},
		"an array":           {"[]", []string{"file.json:1: want a JSON object"}},
		"not JSON":           {"{\n\"a\": x}", []string{"file.json:2: invalid character 'x'"}},
		"no proxy":           {"{\n\"a\": {},\n\"b\": {\"proxy-function\": \"\"}\n}", []string{`file.json:2: key "a" has no proxy-function; name the measured function`, `file.json:3: key "b" has no`}},
		"a number for proxy": {"{\n\"a\": {\"proxy-function\": 7},\n\"b\": 7}", []string{"file.json:2: a value of kind number stands where a string belongs", "file.json:3: a value of kind number stands where an object belongs"}},
		"key twice":          {"{\"a\": {\"proxy-function\": \"x\"},\n\"a\": {\"proxy-function\": \"x\"}}", []string{`file.json:2: key "a" stands twice`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, err := mapping.ReadTable(file(t, t.TempDir(), c.text))
			require.Nil(t, table)
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
			}
			var mistake *loadgen.FileError
			require.ErrorAs(t, err, &mistake)
		})
	}
	_, err := mapping.ReadTable(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorContains(t, err, "none.json: no such file")

	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, ",\n\"%d\": {}", i)
	}
	_, err = mapping.ReadTable(file(t, t.TempDir(), "{"+many.String()[1:]+"}"))
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 51)
	require.Contains(t, lines[50], "reading stopped after 50 mistakes")
}

func TestReadProfiles(t *testing.T) {
	t.Parallel()
	text := `{
 "b-1": {"name": "b-1", "cpu": {"50-percentile": 3}, "memory": {"0-percentile": 1, "50-percentile": 23.5}, "duration": {"50-percentile": 0.7075}},
 "a": {"memory": {"50-percentile": 1}, "duration": {"50-percentile": 20}}
}`
	got, err := mapping.ReadProfiles(file(t, t.TempDir(), text))
	require.NoError(t, err)
	require.Equal(t, []mapping.Profile{
		{Name: "b-1", MedianDuration: 707500 * time.Nanosecond, MedianMemory: 23.5},
		{Name: "a", MedianDuration: 20 * time.Millisecond, MedianMemory: 1},
	}, got, "in the file's order")

	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":           {"{}", []string{"file.json: holds no profile"}},
		"medians absent": {"{\n\"a\": {},\n\"b\": {\"duration\": {\"50-percentile\": 1}}}", []string{`file.json:2: profile "a": the 50-percentile of duration is 0; want milliseconds above 0`, `file.json:3: profile "b": the 50-percentile of memory is 0`}},
		"negative":       {`{"a": {"duration": {"50-percentile": -1}}}`, []string{"duration is -1"}},
		"twice":          {`{"a": {"duration": {"50-percentile": 1}, "memory": {"50-percentile": 1}}, "a": {"duration": {"50-percentile": 1}, "memory": {"50-percentile": 1}}}`, []string{`profile "a" stands twice`}},
	} {
		_, err := mapping.ReadProfiles(file(t, t.TempDir(), c.text))
		for _, text := range c.want {
			require.ErrorContains(t, err, text, name)
		}
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add(mapperOutput)
	f.Add(gz(f, mapperOutput))
	f.Add(`{"a": {}, "a": 7, "b": {"proxy-function": null}}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		table, err := mapping.ReadTable(file(t, dir, text))
		if err != nil {
			require.Nil(t, table)
			require.ErrorAs(t, err, new(*loadgen.FileError))
			return
		}
		for key, proxy := range table {
			require.NotEmpty(t, proxy)
			m := table.Join([]loadgen.Function{{Name: key, Hash: key, ExpectedInvocations: 1}}, []string{proxy})
			require.Equal(t, key != "", m.UnmappedShare() == 0)
		}
	})
}

func FuzzReadProfiles(f *testing.F) {
	f.Add(`{"a": {"duration": {"50-percentile": 1}, "memory": {"50-percentile": 1e300}}}`)
	f.Add(`{"a": {"duration": {"50-percentile": 1e-6}, "memory": {"50-percentile": 1}}, "b": []}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		profiles, err := mapping.ReadProfiles(file(t, dir, text))
		if err != nil {
			require.ErrorAs(t, err, new(*loadgen.FileError))
			return
		}
		for _, p := range profiles {
			same := loadgen.Function{MedianDuration: p.MedianDuration, MedianMemoryMiB: p.MedianMemory}
			m := mapping.Nearest([]loadgen.Function{same}, profiles, []string{p.Name}, 0)
			require.InDelta(t, 0, m.Matches[0].Error, 0, "a profile is nearest to itself")
		}
	})
}
